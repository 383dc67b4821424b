/**
 * Server-sent events, incrementally, from bytes (WHATWG HTML, "event stream interpretation").
 *
 * Lines end with LF, CR LF or CR; comments and the fields `id` and `retry` are skipped, comments counted,
 * because upstreams send them as a sign of life. A message is kept within a size limit. Lines are found with
 * native search and decoded once; nothing loops over bytes, because every streamed token passes here.
 */
import { WireError } from '../errors.ts'

export interface SseMessage {
  /** The `event:` field; null when there was none. */
  readonly event: string | null
  /** All `data:` lines joined with newlines. */
  readonly data: string
}

const lineFeed = 10
const carriageReturn = 13
const space = 32
const colon = 58
const defaultMaxMessageBytes = 32 * 1024 * 1024

export class SseReader {
  readonly #maxMessageBytes: number
  #comments = 0
  #atStart = true
  /** The last line ended with CR: a LF that comes next belongs to it. */
  #skipLineFeed = false
  /** Pieces of a line whose end has not arrived. */
  #unfinished: Buffer[] = []
  #unfinishedBytes = 0
  #event: string | null = null
  #data: string | null = null
  /** Bytes of the message so far, complete lines only. */
  #messageBytes = 0

  constructor(options: { readonly maxMessageBytes?: number } = {}) {
    this.#maxMessageBytes = options.maxMessageBytes ?? defaultMaxMessageBytes
  }

  /** How many comment lines have been skipped. */
  get comments(): number {
    return this.#comments
  }

  /**
   * The messages completed by these bytes. The bytes are not copied: they must not be overwritten later.
   * @throws {WireError} `WIRE_BAD_STREAM` when one message outgrows the limit.
   */
  push(bytes: Uint8Array): SseMessage[] {
    const messages: SseMessage[] = []
    const chunk = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const length = chunk.length
    let start = 0
    if (this.#skipLineFeed && length > 0) {
      if (chunk[0] === lineFeed) start = 1
      this.#skipLineFeed = false
    }
    // -1 means "none to the end of the chunk": most streams have no CR at all, and then it is sought only once.
    let nextReturn = chunk.indexOf(carriageReturn, start)
    while (start < length) {
      let end = chunk.indexOf(lineFeed, start)
      let next = end + 1
      if (nextReturn !== -1) {
        if (nextReturn < start) nextReturn = chunk.indexOf(carriageReturn, start)
        if (nextReturn !== -1 && (end === -1 || nextReturn < end)) {
          end = nextReturn
          next = end + 1
          if (next === length) this.#skipLineFeed = true
          else if (chunk[next] === lineFeed) next++
        }
      }
      if (end === -1) {
        this.#hold(start === 0 ? chunk : chunk.subarray(start))
        break
      }
      if (this.#unfinishedBytes > 0) {
        this.#hold(chunk.subarray(start, end))
        const line = this.#takeUnfinished()
        this.#line(line, 0, line.length, messages)
      } else this.#line(chunk, start, end, messages)
      start = next
    }
    return messages
  }

  /**
   * The stream is over. A last message whose blank line is missing is delivered when its data line is
   * complete; an unfinished line only when it can be nothing but whole: `[DONE]` or a JSON object.
   */
  end(): SseMessage[] {
    const messages: SseMessage[] = []
    if (this.#unfinishedBytes > 0) {
      const line = this.#takeUnfinished()
      const text = line.toString('utf8')
      if (/^\uFEFF?data:/.test(text) && isWholeData(text.slice(text.indexOf(':') + 1).trim()))
        this.#line(line, 0, line.length, messages)
      else this.#reset()
    }
    this.#dispatch(messages)
    return messages
  }

  #line(buffer: Buffer, from: number, end: number, messages: SseMessage[]): void {
    let start = from
    if (this.#atStart) {
      this.#atStart = false
      if (buffer[start] === 0xef && buffer[start + 1] === 0xbb && buffer[start + 2] === 0xbf) start += 3
    }
    if (start >= end) {
      this.#dispatch(messages)
      return
    }
    const first = buffer[start]
    if (first === colon) {
      this.#comments++
      return
    }
    // "data" and "event" are the only fields that matter; both tests fail on the first byte for the others.
    if (first === 0x64 && isField(buffer, start, end, 'data')) {
      this.#messageBytes += end - start
      if (this.#messageBytes > this.#maxMessageBytes) this.#refuse()
      const value = fieldValue(buffer, start + 4, end)
      this.#data = this.#data === null ? value : `${this.#data}\n${value}`
    } else if (first === 0x65 && isField(buffer, start, end, 'event')) {
      const value = fieldValue(buffer, start + 5, end)
      this.#event = value === '' ? null : value
    }
  }

  #dispatch(messages: SseMessage[]): void {
    if (this.#data !== null) messages.push({ event: this.#event, data: this.#data })
    this.#reset()
  }

  #reset(): void {
    this.#event = null
    this.#data = null
    this.#messageBytes = 0
  }

  #hold(piece: Buffer): void {
    if (piece.length === 0) return
    this.#unfinished.push(piece)
    this.#unfinishedBytes += piece.length
    if (this.#messageBytes + this.#unfinishedBytes > this.#maxMessageBytes) this.#refuse()
  }

  #takeUnfinished(): Buffer {
    const line =
      this.#unfinished.length === 1 && this.#unfinished[0] !== undefined
        ? this.#unfinished[0]
        : Buffer.concat(this.#unfinished, this.#unfinishedBytes)
    this.#unfinished = []
    this.#unfinishedBytes = 0
    return line
  }

  #refuse(): never {
    this.#unfinished = []
    this.#unfinishedBytes = 0
    this.#reset()
    throw new WireError('WIRE_BAD_STREAM', `One stream event is larger than ${this.#maxMessageBytes} bytes.`)
  }
}

/** Is the line's field name `name`? A line without colon is a field with an empty value. */
function isField(buffer: Buffer, start: number, end: number, name: 'data' | 'event'): boolean {
  const after = start + name.length
  if (after > end || (after < end && buffer[after] !== colon)) return false
  for (let at = 0; at < name.length; at++) if (buffer[start + at] !== name.charCodeAt(at)) return false
  return true
}

/** The value after the colon at `at`, without one leading space. */
function fieldValue(buffer: Buffer, at: number, end: number): string {
  const start = buffer[at + 1] === space ? at + 2 : at + 1
  return start >= end ? '' : buffer.toString('utf8', start, end)
}

function isWholeData(data: string): boolean {
  if (data === '[DONE]') return true
  if (!data.endsWith('}')) return false
  try {
    JSON.parse(data)
    return true
  } catch {
    return false
  }
}
