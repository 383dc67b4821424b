/**
 * The caller's side of one exchange: headers once, bytes in order, and the news that the caller left.
 *
 * Owns back-pressure (a full socket pauses the upstream) and gives up on callers that stop reading, so that a
 * stalled reader cannot hold an upstream stream for ever.
 */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export type ClientHeaders = Record<string, string | string[]>

/**
 * Answers that wait behind another one on the same connection (pipelining). Node gives them no socket yet, so
 * nothing tells them that the connection is gone; one listener per connection does.
 */
const waiting = new WeakMap<Socket, Set<() => void>>()

export class ClientSide {
  readonly #response: ServerResponse
  readonly #stallMs: number
  #gone = false
  #onGone: (() => void) | null = null
  #stallTimer: NodeJS.Timeout | null = null
  #drainWaiter: (() => void) | null = null
  /** Bytes of answer body handed to the socket. */
  bytesOut = 0
  /** True once something beyond keep-alives was sent: from here no other upstream may answer. */
  contentSent = false

  /** @param stallMs how long a caller may refuse to read before it counts as gone. */
  constructor(response: ServerResponse, stallMs: number) {
    this.#response = response
    this.#stallMs = stallMs
    const { socket } = response.req
    const unwatch = response.socket === null ? watchWaiting(socket, () => this.#leave()) : null
    response.on('close', () => {
      unwatch?.()
      this.#clearStall()
      if (!response.writableFinished) this.#leave()
    })
    // A reset socket surfaces here as well; `close` follows and does the work.
    response.on('error', () => {})
    response.on('drain', () => {
      this.#clearStall()
      const waiter = this.#drainWaiter
      this.#drainWaiter = null
      waiter?.()
    })
    if (response.destroyed || socket.destroyed) this.#leave()
  }

  get gone(): boolean {
    return this.#gone
  }

  /** Headers are on their way: the status can no longer change. */
  get committed(): boolean {
    return this.#response.headersSent
  }

  /** One listener at a time: the part of the exchange that is running. Called at once if the caller is gone. */
  onGone(listener: (() => void) | null): void {
    this.#onGone = listener
    if (this.#gone) listener?.()
  }

  commit(status: number, headers: ClientHeaders): void {
    if (this.#gone || this.committed) return
    this.#response.writeHead(status, headers)
  }

  /** Returns false when the socket is full; `whenDrained` then says when to go on. */
  write(bytes: Buffer | string, content = true): boolean {
    if (this.#gone || bytes.length === 0) return true
    if (content) this.contentSent = true
    this.bytesOut += typeof bytes === 'string' ? Buffer.byteLength(bytes) : bytes.length
    const more = this.#response.write(bytes)
    if (!more) this.#stallTimer ??= setTimeout(() => this.#response.destroy(), this.#stallMs)
    return more
  }

  whenDrained(waiter: () => void): void {
    this.#drainWaiter = waiter
  }

  /** Ends the answer. The row must be settled before: this is the acknowledgement. */
  end(bytes?: Buffer | string | null): void {
    if (this.#gone) return
    if (bytes && bytes.length > 0) {
      this.bytesOut += typeof bytes === 'string' ? Buffer.byteLength(bytes) : bytes.length
      this.#response.end(bytes)
    } else this.#response.end()
    this.#clearStall()
    // What is still unsent must be read in time as well. The socket's own timer counts every byte that moves, so
    // a slow reader of a large answer keeps its connection and one that stopped does not.
    if (this.#response.writableLength > 0) this.#response.setTimeout(this.#stallMs, () => this.#response.destroy())
  }

  /** A whole answer in one piece, if headers have not gone yet. */
  send(status: number, headers: ClientHeaders, body: Buffer | string): void {
    if (this.#gone || this.committed) return
    headers['content-length'] = String(typeof body === 'string' ? Buffer.byteLength(body) : body.length)
    this.#response.writeHead(status, headers)
    this.end(body)
  }

  /** Breaks the connection: the only honest end when a started answer cannot be finished in its protocol. */
  destroy(): void {
    this.#response.destroy()
  }

  #leave(): void {
    if (this.#gone) return
    this.#gone = true
    const listener = this.#onGone
    this.#onGone = null
    listener?.()
  }

  #clearStall(): void {
    if (this.#stallTimer) clearTimeout(this.#stallTimer)
    this.#stallTimer = null
  }
}

function watchWaiting(socket: Socket, left: () => void): () => void {
  let listeners = waiting.get(socket)
  if (!listeners) {
    const all = new Set<() => void>()
    socket.once('close', () => all.forEach((listener) => listener()))
    waiting.set(socket, all)
    listeners = all
  }
  listeners.add(left)
  return () => listeners.delete(left)
}
