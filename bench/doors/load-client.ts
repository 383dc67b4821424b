/**
 * A lean load client on bare sockets: a fixed number of requests over a fixed number of keep-alive connections,
 * one request at a time on each.
 *
 * Node's own HTTP client costs more CPU than the things measured here, and on two cores that would be the
 * measurement. So requests are bytes made beforehand with a number stamped in, and of an answer only the head
 * and the tail are looked at. Every answer must have status 200 and end as its kind ends, else it counts as failed.
 */
import { connect, type Socket } from 'node:net'

export interface Shot {
  readonly port: number
  /** A whole HTTP request; `stampAt` says where eight digits go, so that no two bodies are alike. */
  readonly request: Buffer
  readonly stampAt: number
  readonly requests: number
  readonly concurrency: number
  /** What the last 200 bytes of a whole answer hold. */
  readonly ending: string
  /** Longest time for the whole shot. */
  readonly timeoutMs: number
}

export interface ShotReport {
  readonly complete: number
  readonly failed: number
  /** What was wrong with the first failed answer. */
  readonly firstFailure: string | null
  readonly wallMs: number
  /** Until the first byte of each answer's body. */
  readonly firstByteMs: readonly number[]
  readonly latencyMs: readonly number[]
}

const tailBytes = 200
let stamp = 10_000_000

export function fire(shot: Shot): Promise<ShotReport> {
  return new Promise((resolve) => {
    const firstByteMs: number[] = []
    const latencyMs: number[] = []
    let left = shot.requests
    let complete = 0
    let failed = 0
    let firstFailure: string | null = null
    let open = 0
    const begunAt = performance.now()
    const connections = new Set<Connection>()
    const timer = setTimeout(() => {
      failed += left
      left = 0
      for (const connection of connections) connection.giveUp('TIMEOUT')
    }, shot.timeoutMs)
    const next = (): Buffer | null => {
      if (left === 0) return null
      left--
      const bytes = Buffer.from(shot.request)
      bytes.write(String(stamp++), shot.stampAt, 'latin1')
      return bytes
    }
    const over = (connection: Connection): void => {
      if (!connections.delete(connection) || --open > 0) return
      clearTimeout(timer)
      resolve({ complete, failed, firstFailure, wallMs: performance.now() - begunAt, firstByteMs, latencyMs })
    }
    const outcome = (failure: string | null, firstMs: number, wholeMs: number): void => {
      if (failure === null) {
        complete++
        firstByteMs.push(firstMs)
        latencyMs.push(wholeMs)
      } else {
        failed++
        firstFailure ??= failure
      }
    }
    for (let index = 0; index < Math.min(shot.concurrency, shot.requests); index++) {
      open++
      connections.add(new Connection(shot, next, outcome, over))
    }
  })
}

class Connection {
  readonly #shot: Shot
  readonly #next: () => Buffer | null
  readonly #outcome: (failure: string | null, firstMs: number, wholeMs: number) => void
  readonly #over: (connection: Connection) => void
  #socket: Socket
  #busy = false
  #ended = false
  #sentAt = 0
  #firstMs = 0
  #head = ''
  /** Bytes of body still to come; -1: in chunks; null: the head is still coming. */
  #bodyLeft: number | null = null
  #closeAfter = false
  #tail: Buffer = Buffer.alloc(0)

  constructor(
    shot: Shot,
    next: () => Buffer | null,
    outcome: (failure: string | null, firstMs: number, wholeMs: number) => void,
    over: (connection: Connection) => void,
  ) {
    this.#shot = shot
    this.#next = next
    this.#outcome = outcome
    this.#over = over
    this.#socket = this.#open()
    this.#send()
  }

  giveUp(reason: string): void {
    if (this.#busy) this.#outcome(reason, 0, 0)
    this.#busy = false
    this.#end()
  }

  #open(): Socket {
    const socket = connect({ port: this.#shot.port, host: '127.0.0.1', noDelay: true })
    socket.on('data', (bytes) => this.#read(bytes))
    socket.on('error', () => {})
    socket.on('close', () => {
      if (socket !== this.#socket || this.#ended) return
      if (this.#busy) this.#outcome(`connection closed after ${JSON.stringify(this.#head.slice(0, 120))}`, 0, 0)
      this.#again()
    })
    return socket
  }

  #send(): void {
    const bytes = this.#next()
    if (bytes === null) {
      this.#end()
      return
    }
    this.#busy = true
    this.#head = ''
    this.#bodyLeft = null
    this.#tail = Buffer.alloc(0)
    this.#firstMs = 0
    this.#sentAt = performance.now()
    this.#socket.write(bytes)
  }

  #read(bytes: Buffer): void {
    if (!this.#busy) return
    let body = bytes
    if (this.#bodyLeft === null) {
      this.#head += bytes.toString('latin1')
      const end = this.#head.indexOf('\r\n\r\n')
      if (end === -1) return
      const bodyBytes = this.#head.length - end - 4
      const head = this.#head.slice(0, end)
      body = bytes.subarray(bytes.length - bodyBytes)
      const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
      this.#bodyLeft = length === undefined ? -1 : Number(length)
      this.#closeAfter = /\r\nconnection: *close/i.test(head)
      this.#head = head
    }
    if (body.length === 0) return
    if (this.#firstMs === 0) this.#firstMs = performance.now() - this.#sentAt
    this.#tail =
      body.length >= tailBytes ? body.subarray(-tailBytes) : Buffer.concat([this.#tail, body]).subarray(-tailBytes)
    if (this.#bodyLeft === -1) {
      if (this.#tail.toString('latin1').endsWith('0\r\n\r\n')) this.#whole()
      return
    }
    this.#bodyLeft -= body.length
    if (this.#bodyLeft === 0) this.#whole()
  }

  #whole(): void {
    const wholeMs = performance.now() - this.#sentAt
    const tail = this.#tail.toString('latin1')
    const ok = this.#head.startsWith('HTTP/1.1 200') && tail.includes(this.#shot.ending)
    this.#busy = false
    this.#outcome(ok ? null : `${this.#head.slice(0, 40)} ... ${tail}`, this.#firstMs, wholeMs)
    this.#again()
  }

  /** The next request, on a new socket where this one is finished. */
  #again(): void {
    this.#busy = false
    if (this.#closeAfter || this.#socket.destroyed) {
      const old = this.#socket
      this.#closeAfter = false
      this.#socket = this.#open()
      old.destroy()
    }
    this.#send()
  }

  #end(): void {
    this.#ended = true
    this.#socket.destroy()
    this.#over(this)
  }
}
