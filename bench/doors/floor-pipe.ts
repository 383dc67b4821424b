/**
 * The floor: the least that a proxy on bare node:http does. Reads nothing, meters nothing, checks no key.
 * `node floor-pipe.ts UPSTREAM_PORT` prints its port as one JSON line.
 */
import { Agent, createServer, request as send } from 'node:http'
import type { AddressInfo } from 'node:net'

const upstreamPort = Number(process.argv[2])
const agent = new Agent({ keepAlive: true, maxSockets: 1024 })
const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  const outgoing = send(
    {
      host: '127.0.0.1',
      port: upstreamPort,
      agent,
      method: request.method,
      path: request.url,
      headers: request.headers,
    },
    (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    },
  )
  outgoing.on('error', () => response.destroy())
  response.on('close', () => outgoing.destroy())
  request.pipe(outgoing)
})

const parent = process.ppid
setInterval(() => {
  if (process.ppid !== parent) process.exit()
}, 1000)

server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: (server.address() as AddressInfo).port })))
