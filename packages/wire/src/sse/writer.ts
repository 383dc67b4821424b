/** Server-sent events as text: one message or one comment at a time, always closed by a blank line. */

/**
 * @param event  The `event:` field; null for none (Chat has none, Messages and Responses need one).
 * @throws {RangeError} when the event name could break out of its line; names are ours, so this is a bug.
 */
export function writeSse(event: string | null, data: string): string {
  if (event !== null && /[\r\n]/.test(event)) throw new RangeError('An event name cannot contain a line break.')
  const head = event === null ? '' : `event: ${event}\n`
  // JSON never holds a raw line break, so this is the usual way.
  if (!/[\r\n]/.test(data)) return `${head}data: ${data}\n\n`
  const lines = data.split(/\r\n|\r|\n/)
  return `${head}${lines.map((line) => `data: ${line}\n`).join('')}\n`
}

/** A line that every reader skips: a sign of life. */
export function writeComment(text: string): string {
  return `: ${text.replace(/[\r\n]+/g, ' ')}\n\n`
}
