/**
 * Redaction of JSON that must stay as it was written: strings and numbers are looked at one by one, and only those
 * that change are written anew. Number spellings, key order and white space survive; text that is cut off or is no
 * JSON at all is treated the same, literal by literal.
 */
export interface JsonTextVisitor {
  /** The new text of a string, or the same. `key`: the member it is the value of. */
  readonly string: (value: string, key: string | null) => string
}

const literal = /"(?:[^"\\]|\\[\s\S])*"?|-?\d[\d.eE+-]*/g

export function rewriteJsonText(text: string, visitor: JsonTextVisitor): string {
  let out = ''
  let last = 0
  let key: string | null = null
  for (const match of text.matchAll(literal)) {
    const raw = match[0]
    const end = match.index + raw.length
    if (raw[0] !== '"') {
      // A card or telephone number may stand as a number: its pseudonym is a string.
      const changed = visitor.string(raw, key)
      if (changed !== raw) {
        out += text.slice(last, match.index) + JSON.stringify(changed)
        last = end
      }
      continue
    }
    const value = decoded(raw)
    const changed = visitor.string(value, key)
    if (changed !== value) {
      out += text.slice(last, match.index) + JSON.stringify(changed)
      last = end
    }
    key = /^\s*:/.test(text.slice(end, end + 16)) ? value : null
  }
  return last === 0 ? text : out + text.slice(last)
}

/** What the literal says; as it stands where it is cut off or not JSON. */
function decoded(raw: string): string {
  try {
    return JSON.parse(raw) as string
  } catch {
    return raw.slice(1).replace(/"$/, '')
  }
}
