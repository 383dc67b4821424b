/** Raw HTTP towards a door, with the clock and the hang-up under the test's control. */
import { Agent, request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'

export interface Told {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

export interface Listening {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Resolves with all text so far, once it holds `part`; rejects when the answer ends without it. */
  waitFor(part: string): Promise<string>
  /** The whole answer. */
  readonly told: Promise<Told>
  hangUp(): void
}

export class Client {
  readonly #origin: string
  readonly #key: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 })

  /** @param headers  sent with every request, e.g. those by which a foreign gateway routes. */
  constructor(origin: string, key: string, headers: Readonly<Record<string, string>> = {}) {
    this.#headers = headers
    this.#origin = origin.replace(/\/$/, '')
    this.#key = key
  }

  async post(path: string, body: string, headers: Readonly<Record<string, string>>): Promise<Told> {
    return (await this.listen(path, body, headers)).told
  }

  listen(path: string, body: string, headers: Readonly<Record<string, string>>): Promise<Listening> {
    return new Promise((resolve, reject) => {
      const sent = request(
        this.#origin + path,
        {
          method: 'POST',
          agent: this.#agent,
          timeout: 20_000,
          headers: {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
            authorization: `Bearer ${this.#key}`,
            ...this.#headers,
            ...headers,
          },
        },
        (response) => resolve(listening(response)),
      )
      sent.on('timeout', () => sent.destroy(new Error('no answer within 20 s')))
      sent.on('error', reject)
      sent.end(body)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}

function listening(response: IncomingMessage): Listening {
  let text = ''
  const waiters = new Set<() => void>()
  const status = response.statusCode ?? 0
  const told = new Promise<Told>((resolve, reject) => {
    response.setEncoding('utf8')
    response.on('data', (piece: string) => {
      text += piece
      for (const waiter of waiters) waiter()
    })
    response.on('end', () => resolve({ status, headers: response.headers, text }))
    response.on('error', reject)
    response.on('close', () => {
      for (const waiter of waiters) waiter()
      reject(new Error(`the connection was dropped after ${JSON.stringify(text.slice(-200))}`))
    })
  })
  // A hang-up on purpose is no failure; whoever awaits it still sees the rejection.
  told.catch(() => {})
  return {
    status,
    headers: response.headers,
    told,
    hangUp: () => response.destroy(),
    waitFor: (part) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (text.includes(part)) resolve(text)
          else if (response.closed || response.readableEnded || response.destroyed)
            reject(new Error(`the answer ended without ${JSON.stringify(part)}`))
          else return
          waiters.delete(look)
        }
        waiters.add(look)
        look()
      }),
  }
}
