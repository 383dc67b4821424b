/** A supplier on loopback that streams scripted pieces at planned moments; what it says is no model's. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Piece {
  /** Since the request arrived. */
  readonly atMs: number
  /** The `delta` of a chunk, as Chat Completions spells it. */
  readonly delta: Readonly<Record<string, unknown>>
}

export interface StreamingArm {
  /** `127.0.0.1:port` */
  readonly address: string
  readonly url: string
  asked(): number
  close(): Promise<void>
}

export async function startArm(script: (body: unknown) => readonly Piece[]): Promise<StreamingArm> {
  let asked = 0
  const server = createServer((incoming, outgoing) => {
    const arrivedAt = performance.now()
    let text = ''
    incoming.on('data', (chunk: Buffer) => (text += String(chunk)))
    incoming.on('end', () => {
      asked++
      outgoing.writeHead(200, { 'content-type': 'text/event-stream' })
      const pieces = script(JSON.parse(text))
      const calls = pieces.some(({ delta }) => delta['tool_calls'] !== undefined)
      const send = (place: number): void => {
        const piece = pieces[place]
        if (!piece) {
          const usage = { prompt_tokens: 100, completion_tokens: 10, total_tokens: 110 }
          const finish = [{ index: 0, delta: {}, finish_reason: calls ? 'tool_calls' : 'stop' }]
          outgoing.end(`${chunk(finish)}${chunk([], { usage })}data: [DONE]\n\n`)
          return
        }
        const waitMs = piece.atMs - (performance.now() - arrivedAt)
        if (waitMs > 0) setTimeout(() => send(place), waitMs)
        else {
          outgoing.write(chunk([{ index: 0, delta: piece.delta, finish_reason: null }]))
          send(place + 1)
        }
      }
      send(0)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    address,
    url: `http://${address}`,
    asked: () => asked,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function chunk(choices: readonly object[], more: object = {}): string {
  const object = { id: 'a', object: 'chat.completion.chunk', created: 1, model: 'm', choices, ...more }
  return `data: ${JSON.stringify(object)}\n\n`
}
