/**
 * Finds the string literals of a Python source file, without running it.
 *
 * Published checkpoints carry their prompt texts as constants of a Python file. All we need are the literals;
 * which one is which is decided by hash, so names, structure and code around them do not matter. Reads plain
 * and triple-quoted literals with prefixes and escapes, and joins literals that stand side by side.
 * Left out: `\N{name}` escapes (kept as written) and the inside of f-strings (taken literally).
 */

/** Each literal, and each run of adjacent literals joined. Never throws; an unfinished literal ends the search. */
export function pythonStrings(source: string): string[] {
  const found: string[] = []
  let run: string[] = []
  const endRun = (): void => {
    if (run.length > 1) found.push(run.join(''))
    run = []
  }
  let at = 0
  while (at < source.length) {
    const blank = /(?:[\s\\]|#[^\n]*)+/y
    blank.lastIndex = at
    const skipped = blank.exec(source)
    if (skipped !== null) {
      at += skipped[0].length
      continue
    }
    const opening = /([rRbBuUfF]{0,2})("""|'''|"|')/y
    opening.lastIndex = at
    const match = opening.exec(source)
    if (match !== null) {
      const literal = readLiteral(source, at + match[0].length, match[2]!, /r/i.test(match[1]!))
      if (literal === null) break
      found.push(literal.text)
      run.push(literal.text)
      at = literal.end
      continue
    }
    endRun()
    const word = /[\p{L}\p{N}_]+|[\s\S]/uy
    word.lastIndex = at
    at += word.exec(source)![0].length
  }
  endRun()
  return found
}

function readLiteral(source: string, from: number, quote: string, raw: boolean): { text: string; end: number } | null {
  let text = ''
  let at = from
  while (at < source.length) {
    if (source.startsWith(quote, at)) return { text, end: at + quote.length }
    const character = source[at]!
    if (character === '\n' && quote.length === 1) return null
    if (character !== '\\') {
      text += character
      at++
    } else if (raw) {
      text += source.slice(at, at + 2)
      at += 2
    } else {
      const escape = readEscape(source, at)
      text += escape.text
      at += escape.length
    }
  }
  return null
}

const simpleEscapes: Readonly<Record<string, string>> = {
  '\n': '',
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
}

function readEscape(source: string, at: number): { text: string; length: number } {
  const letter = source[at + 1] ?? ''
  if (Object.hasOwn(simpleEscapes, letter)) return { text: simpleEscapes[letter]!, length: 2 }
  const hex = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U(00[01][0-9a-fA-F]{5})|([0-7]{1,3}))/y
  hex.lastIndex = at
  const match = hex.exec(source)
  if (match === null) return { text: `\\${letter}`, length: 1 + letter.length }
  const code =
    match[4] === undefined ? Number.parseInt(match[1] ?? match[2] ?? match[3]!, 16) : Number.parseInt(match[4], 8)
  return { text: code > 0x10ffff ? '\ufffd' : String.fromCodePoint(code), length: match[0].length }
}
