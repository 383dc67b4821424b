/**
 * Server-sent events read strictly: what a careful client accepts, and nothing a lenient one would forgive.
 *
 * Every frame ends with a blank line, also the last one (a client that waits for it hangs otherwise); lines are
 * `event:`, `data:` or comments. CRLF is legal and kept legal, because same-protocol bytes are forwarded.
 */
import assert from 'node:assert/strict'

export interface Frame {
  readonly event: string | null
  readonly data: string
}

export interface SseText {
  /** Frames with data, in order. */
  readonly frames: readonly Frame[]
  readonly comments: number
}

export function readSse(text: string): SseText {
  const plain = text.replace(/\r\n?/g, '\n')
  assert.ok(plain === '' || plain.endsWith('\n\n'), `the stream does not end with a blank line: ${tail(plain)}`)
  const frames: Frame[] = []
  let comments = 0
  for (const block of plain.split('\n\n')) {
    let event: string | null = null
    const data: string[] = []
    for (const line of block.split('\n')) {
      if (line === '') continue
      if (line.startsWith(':')) comments++
      else if (line.startsWith('data:')) data.push(line.slice(line[5] === ' ' ? 6 : 5))
      else if (line.startsWith('event:')) {
        assert.equal(event, null, 'two event names in one frame: a frame delimiter was lost')
        event = line.slice(line[6] === ' ' ? 7 : 6)
      } else assert.ok(/^(id|retry):/.test(line), `not a line of an event stream: ${tail(line)}`)
    }
    if (data.length > 0) frames.push({ event, data: data.join('\n') })
    else assert.equal(event, null, `the frame of event ${event} has no data`)
  }
  return { frames, comments }
}

function tail(text: string): string {
  return JSON.stringify(text.slice(-120))
}
