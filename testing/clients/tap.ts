/**
 * A recording pass-through in front of the door: clients talk to it, and every answer that a client got can be
 * judged afterwards, byte for byte as it was sent. Streams flow; nothing is held back or changed, unless the caller
 * asks for requests to be rewritten: those are sent on when they have come wholly.
 */

import { createServer, request as send, type IncomingHttpHeaders } from 'node:http'

export interface Exchange {
  method: string
  path: string
  requestHeaders: IncomingHttpHeaders
  /** As the client sent it, also when it was rewritten. */
  requestBody: Buffer
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
  /** False when the answer was cut. */
  whole: boolean
}

export interface Tap {
  url: string
  /** Exchanges since the last call, finished or not. */
  take: () => Exchange[]
  close: () => Promise<void>
}

export async function startTap(targetOrigin: string, rewrite?: (body: Buffer) => Buffer): Promise<Tap> {
  const target = new URL(targetOrigin)
  let exchanges: Exchange[] = []
  const server = createServer((incoming, outgoing) => {
    const exchange: Exchange = {
      method: incoming.method ?? '',
      path: incoming.url ?? '',
      requestHeaders: incoming.headers,
      requestBody: Buffer.alloc(0),
      status: 0,
      headers: {},
      body: Buffer.alloc(0),
      whole: false,
    }
    exchanges.push(exchange)
    const { host: _host, ...headers } = incoming.headers
    if (rewrite) delete headers['content-length']
    const onward = send(
      { host: target.hostname, port: target.port, path: incoming.url, method: incoming.method, headers },
      (answer) => {
        exchange.status = answer.statusCode ?? 0
        exchange.headers = answer.headers
        outgoing.writeHead(exchange.status, answer.rawHeaders)
        outgoing.flushHeaders()
        answer.on('data', (chunk: Buffer) => {
          exchange.body = Buffer.concat([exchange.body, chunk])
          outgoing.write(chunk)
        })
        answer.on('end', () => {
          exchange.whole = answer.complete
          outgoing.end()
        })
        answer.on('close', () => {
          if (!answer.complete) outgoing.destroy()
        })
        answer.on('error', () => outgoing.destroy())
      },
    )
    onward.on('error', () => outgoing.destroy())
    outgoing.on('close', () => onward.destroy())
    incoming.on('data', (chunk: Buffer) => {
      exchange.requestBody = Buffer.concat([exchange.requestBody, chunk])
      if (!rewrite) onward.write(chunk)
    })
    incoming.on('end', () => (rewrite ? onward.end(rewrite(exchange.requestBody)) : onward.end()))
    incoming.on('error', () => onward.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    url: `http://127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}`,
    take: () => {
      const taken = exchanges
      exchanges = []
      return taken
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
