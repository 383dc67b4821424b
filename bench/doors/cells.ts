/**
 * What is measured: each cell is one kind of request through every target that can serve it.
 *
 * Cross-protocol cells send Messages to a Chat upstream. Targets that do not translate get the Chat request
 * there, so that the upstream does the same work behind all of them.
 */
import type { BenchProtocol } from './answers.ts'

export interface Cell {
  readonly name: string
  readonly title: string
  readonly door: BenchProtocol
  readonly far: BenchProtocol
  /** `first`: the first text at once, the rest later; only for the time to the first byte. */
  readonly stream: 'no' | 'burst' | 'paced' | 'first'
  /** Of one shot. */
  readonly requests: number
  readonly concurrency: number
}

export const cells: readonly Cell[] = [
  {
    name: 'json',
    title: 'JSON, Chat to Chat',
    door: 'chat',
    far: 'chat',
    stream: 'no',
    requests: 4000,
    concurrency: 16,
  },
  {
    name: 'json-cross',
    title: 'JSON, Messages to Chat',
    door: 'messages',
    far: 'chat',
    stream: 'no',
    requests: 3000,
    concurrency: 16,
  },
  {
    name: 'json-back',
    title: 'JSON, Chat to Messages',
    door: 'chat',
    far: 'messages',
    stream: 'no',
    requests: 3000,
    concurrency: 16,
  },
  {
    name: 'sse',
    title: 'stream at full speed, Chat to Chat',
    door: 'chat',
    far: 'chat',
    stream: 'burst',
    requests: 400,
    concurrency: 16,
  },
  {
    name: 'sse-cross',
    title: 'stream at full speed, Messages to Chat',
    door: 'messages',
    far: 'chat',
    stream: 'burst',
    requests: 400,
    concurrency: 16,
  },
  {
    name: 'paced',
    title: 'stream of an event each 5 ms, Chat to Chat',
    door: 'chat',
    far: 'chat',
    stream: 'paced',
    requests: 64,
    concurrency: 32,
  },
  {
    name: 'paced-cross',
    title: 'stream of an event each 5 ms, Messages to Chat',
    door: 'messages',
    far: 'chat',
    stream: 'paced',
    requests: 64,
    concurrency: 32,
  },
  {
    name: 'first',
    title: 'first text of a stream, Chat to Chat',
    door: 'chat',
    far: 'chat',
    stream: 'first',
    requests: 400,
    concurrency: 1,
  },
  {
    name: 'first-cross',
    title: 'first text of a stream, Messages to Chat',
    door: 'messages',
    far: 'chat',
    stream: 'first',
    requests: 400,
    concurrency: 1,
  },
]

export interface BenchRequest {
  readonly bytes: Buffer
  readonly stampAt: number
  readonly ending: string
}

const stampMark = '00000000'
/** What the bench upstream goes by. */
const words = { no: '', burst: '', paced: ' PACED', first: ' FIRST' }

/** About 4 KB of instructions and one user turn. */
function bodyOf(protocol: BenchProtocol, far: BenchProtocol, stream: Cell['stream']): string {
  const rules = Array.from(
    { length: 40 },
    (_, index) =>
      `Rule ${index + 1}: keep the "log" of this passage exact, name every bearing and never guess a depth.`,
  ).join('\n')
  const turn = `Passage ${stampMark}${words[stream]}: which light do I see first?`
  const model = far === 'chat' ? 'deepseek-v4-flash' : 'deepseek-v4-pro'
  const streamed = stream === 'no' ? {} : { stream: true }
  return JSON.stringify(
    protocol === 'chat'
      ? {
          model,
          messages: [
            { role: 'system', content: rules },
            { role: 'user', content: turn },
          ],
          max_tokens: 512,
          ...streamed,
          ...(stream === 'no' ? {} : { stream_options: { include_usage: true } }),
        }
      : { model, max_tokens: 512, system: rules, messages: [{ role: 'user', content: turn }], ...streamed },
  )
}

/** @param protocol what the target is asked in: the cell's door, or the far side for targets that do not translate. */
export function requestOf(
  cell: Cell,
  protocol: BenchProtocol,
  headers: Readonly<Record<string, string>>,
): BenchRequest {
  const body = bodyOf(protocol, cell.far, cell.stream)
  const path = protocol === 'chat' ? '/v1/chat/completions' : '/v1/messages'
  const lines = Object.entries({
    host: '127.0.0.1',
    'content-type': 'application/json',
    accept: cell.stream === 'no' ? 'application/json' : 'text/event-stream',
    ...(protocol === 'messages' ? { 'anthropic-version': '2023-06-01' } : {}),
    ...headers,
    'content-length': String(Buffer.byteLength(body)),
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  const bytes = Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`)
  const ending = cell.stream === 'no' ? '}' : protocol === 'chat' ? '[DONE]' : 'message_stop'
  return { bytes, stampAt: bytes.lastIndexOf(stampMark), ending }
}
