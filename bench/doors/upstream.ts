/**
 * The bench upstream, a process of its own: `node upstream.ts` prints its port as one JSON line.
 *
 * Answers Chat and Messages by path. A prompt that says `PACED` gets one event every 5 ms, like a model at 200
 * tokens a second; one that says `FIRST` gets its first two events (the opening and the first text) at once and the
 * rest 5 ms later; every other stream is written as fast as the socket takes it. Streams are paced in five phases
 * of a millisecond each, so that events of different streams do not all arrive at once.
 */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { jsonAnswer, streamAnswer, type BenchProtocol } from './answers.ts'

const json = { chat: jsonAnswer('chat'), messages: jsonAnswer('messages') }
const streams = { chat: streamAnswer('chat'), messages: streamAnswer('messages') }
const phases = 5

interface Paced {
  readonly response: ServerResponse
  readonly events: readonly Buffer[]
  next: number
}

const paced: Set<Paced>[] = Array.from({ length: phases }, () => new Set())
let tick = 0
let started = 0
setInterval(() => {
  const due = paced[tick++ % phases]!
  for (const stream of due) {
    const event = stream.events[stream.next++]
    if (event === undefined || stream.response.destroyed) due.delete(stream)
    else if (stream.next === stream.events.length) stream.response.end(event)
    else stream.response.write(event)
  }
}, 1)

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  const protocol: BenchProtocol = request.url?.includes('/messages') ? 'messages' : 'chat'
  const pieces: Buffer[] = []
  request.on('data', (piece: Buffer) => pieces.push(piece))
  request.on('end', () => answer(protocol, pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces), response))
})

function answer(protocol: BenchProtocol, body: Buffer, response: ServerResponse): void {
  if (!body.includes('"stream":true')) {
    const bytes = json[protocol]
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes.length })
    response.end(bytes)
    return
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const events = streams[protocol]
  if (body.includes('PACED')) {
    paced[started++ % phases]!.add({ response, events, next: 0 })
    return
  }
  if (body.includes('FIRST')) {
    // What opens a Messages stream is two events; the text is the third.
    const opening = protocol === 'chat' ? 2 : 3
    for (const event of events.slice(0, opening)) response.write(event)
    setTimeout(() => finish(response, events.slice(opening)), 5)
  } else finish(response, events)
}

function finish(response: ServerResponse, events: readonly Buffer[]): void {
  for (const event of events) response.write(event)
  response.end()
}

// A run that was cut off must not leave a process behind that wakes up every millisecond.
const parent = process.ppid
setInterval(() => {
  if (process.ppid !== parent) process.exit()
}, 1000)

server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: (server.address() as AddressInfo).port })))
