/**
 * Tells whole answers from cut ones without parsing JSON: an event stream is whole when it ended with its
 * protocol's terminal event ([DONE], message_stop, response.completed / .incomplete / .failed).
 * Only the tail of the stream is kept, whatever its length.
 */

export type StreamKind = 'events' | 'whole'

const TAIL_BYTES = 256
const LINE_FEED = 10

const terminals = [
  /(^|\n)data: ?\[DONE\]/,
  /(^|\n)event: ?message_stop\r?\n/,
  /"type": ?"message_stop"/,
  /(^|\n)event: ?response\.(completed|incomplete|failed)\r?\n/,
]

export interface StreamEndReader {
  /** Takes bytes, answers how many events ended in them. */
  push: (chunk: Uint8Array) => number
  isComplete: () => boolean
}

export function readStreamEnd(kind: StreamKind): StreamEndReader {
  if (kind === 'whole') return { push: () => 0, isComplete: () => true }
  let tail = Buffer.alloc(0)
  let atLineStart = true
  let sawTerminalEvent = false
  return {
    push: (chunk) => {
      let events = 0
      for (const byte of chunk) {
        if (byte === LINE_FEED) {
          if (atLineStart) events += 1
          atLineStart = true
        } else if (byte !== 13) atLineStart = false
      }
      const joined = Buffer.concat([tail, chunk])
      // The terminal event of Responses repeats the whole output, so its name may be far from the end: look at all.
      const text = joined.toString('latin1')
      if (!sawTerminalEvent) sawTerminalEvent = terminals.some((terminal) => terminal.test(text))
      tail = Buffer.from(joined.subarray(Math.max(0, joined.length - TAIL_BYTES)))
      return events
    },
    isComplete: () => sawTerminalEvent,
  }
}
