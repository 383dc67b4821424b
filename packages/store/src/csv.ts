/** Comma-separated values by RFC 4180: written for archives and exports, read from those and from vendors' bills. */

export function csvLine(values: readonly (string | number | bigint | null)[]): string {
  return `${values.map(csvField).join(',')}\n`
}

function csvField(value: string | number | bigint | null): string {
  if (value === null) return ''
  const text = String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** Records as they stand; a last line without its end counts, empty lines do not. Never throws. */
export function* readCsv(text: string): Generator<readonly string[]> {
  let record: string[] = []
  let at = text.startsWith('\ufeff') ? 1 : 0
  while (at < text.length) {
    let value = ''
    if (text[at] === '"') {
      for (at += 1; at < text.length;) {
        const quote = text.indexOf('"', at)
        const end = quote === -1 ? text.length : quote
        value += text.slice(at, end)
        at = end + 1
        if (text[at] !== '"') break
        value += '"'
        at += 1
      }
    }
    const end = nextBreak(text, at)
    value += text.slice(at, end)
    record.push(value)
    at = end
    if (text[at] === ',') {
      at += 1
      if (at < text.length) continue
      record.push('')
    }
    if (text[at] === '\r') at += 1
    if (text[at] === '\n') at += 1
    if (record.length > 1 || record[0] !== '') yield record
    record = []
  }
}

function nextBreak(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    const character = text[at]
    if (character === ',' || character === '\n' || character === '\r') return at
  }
  return text.length
}
