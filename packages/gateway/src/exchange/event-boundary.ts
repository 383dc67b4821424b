/**
 * Cuts a byte stream of server-sent events at event ends, without changing a byte.
 *
 * A same-protocol stream is forwarded as it came, but only whole events: when the upstream dies inside one,
 * the fragment must not glue itself to the error event that we append. Events end at a blank line.
 */
export class EventBoundary {
  /** Pieces of an event that has not ended; joined once, when it does, so tiny packets stay linear. */
  #held: Buffer[] = []
  #heldBytes = 0
  /** The last bytes held, because a blank line may straddle chunks. */
  #seam: Buffer = Buffer.alloc(0)

  /** Bytes held back: the beginning of an event that has not ended. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Everything up to the last event end seen so far; null when no event has ended yet. */
  push(chunk: Buffer): Buffer | null {
    const end = endsEvent(chunk) ? chunk.length : this.#lastEnd(chunk)
    if (end <= 0) {
      this.#hold(chunk)
      return null
    }
    const head = end === chunk.length ? chunk : chunk.subarray(0, end)
    const whole = this.#held.length > 0 ? Buffer.concat([...this.#held, head]) : head
    this.#held = []
    this.#heldBytes = 0
    this.#seam = Buffer.alloc(0)
    if (end < chunk.length) this.#hold(chunk.subarray(end))
    return whole
  }

  /** The fragment after the last event end, once; null when there is none. */
  rest(): Buffer | null {
    if (this.#held.length === 0) return null
    const tail = Buffer.concat(this.#held)
    this.#held = []
    this.#heldBytes = 0
    this.#seam = Buffer.alloc(0)
    return tail
  }

  #lastEnd(chunk: Buffer): number {
    const window = this.#seam.length > 0 ? Buffer.concat([this.#seam, chunk]) : chunk
    return lastEventEnd(window) - this.#seam.length
  }

  #hold(piece: Buffer): void {
    if (piece.length === 0) return
    this.#held.push(piece)
    this.#heldBytes += piece.length
    const joined = piece.length >= 3 ? piece : Buffer.concat([this.#seam, piece])
    this.#seam = joined.subarray(Math.max(0, joined.length - 3))
  }
}

/** What nearly every piece of a stream looks like: whole events, ended by LF. */
function endsEvent(chunk: Buffer): boolean {
  return chunk.length >= 2 && chunk[chunk.length - 1] === 0x0a && chunk[chunk.length - 2] === 0x0a
}

function lastEventEnd(bytes: Buffer): number {
  const lf = bytes.lastIndexOf('\n\n')
  const crlf = bytes.lastIndexOf('\r\n\r\n')
  const cr = bytes.lastIndexOf('\r\r')
  return Math.max(lf === -1 ? 0 : lf + 2, crlf === -1 ? 0 : crlf + 4, cr === -1 ? 0 : cr + 2)
}

/**
 * Splits whole events (as returned by `EventBoundary.push`) into one buffer per event, its blank line included.
 * Only needed where an event must be left out; LF and CRLF line ends.
 */
export function splitEvents(bytes: Buffer): Buffer[] {
  const events: Buffer[] = []
  let start = 0
  while (start < bytes.length) {
    const lf = bytes.indexOf('\n\n', start)
    const crlf = bytes.indexOf('\r\n\r\n', start)
    const end = crlf !== -1 && (lf === -1 || crlf < lf) ? crlf + 4 : lf !== -1 ? lf + 2 : bytes.length
    events.push(bytes.subarray(start, end))
    start = end
  }
  return events
}
