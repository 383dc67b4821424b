/**
 * What recording costs the caller: one gateway process, one scripted upstream, the same streamed requests with a key
 * that is recorded and one that is not, in blocks ABBA so that drift of the machine falls on both. Then the disk of the
 * recorder is made unwritable and requests must go on.
 *
 *   node --conditions=source bench/recording/run.ts [--exchanges 2000] [--level full] [--json]
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, createServer, request as send } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const flag = (name: string, otherwise: string): string => {
  const at = process.argv.indexOf(`--${name}`)
  return at === -1 ? otherwise : (process.argv[at + 1] ?? otherwise)
}
const exchanges = Number(flag('exchanges', '2000'))
const level = flag('level', 'full')
const blockSize = Math.max(25, Math.min(250, Math.floor(exchanges / 8)))
const command = fileURLToPath(new URL('../../packages/cli/bin/portolan.js', import.meta.url))

/** 40 deltas of an answer, always the same bytes. */
const answer = [
  ...Array.from({ length: 40 }, (_unused, i) => ({
    id: 'chatcmpl-bench',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'bench',
    choices: [{ index: 0, delta: { content: `word ${i} of the answer ` }, finish_reason: null }],
  })),
  {
    id: 'chatcmpl-bench',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'bench',
    choices: [{ index: 0, delta: {}, finish_reason: 'stop' }],
    usage: { prompt_tokens: 1500, completion_tokens: 200, total_tokens: 1700 },
  },
].map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`)

const upstream = createServer((incoming, response) => {
  incoming.resume()
  incoming.on('end', () => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const chunk of answer) response.write(chunk)
    response.end('data: [DONE]\n\n')
  })
})
await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
const directory = mkdtempSync(join(tmpdir(), 'portolan-bench-'))
const config = join(directory, 'portolan.yaml')
writeFileSync(
  config,
  `listen: 127.0.0.1:0\ndata: ${join(directory, 'data')}\nupstreams:\n  bench: { kind: openai-compatible, baseUrl: "http://127.0.0.1:${(upstream.address() as AddressInfo).port}/v1", prices: free }\nmodels:\n  bench: { route: [bench] }\n`,
)

async function portolan(...args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, ['--conditions=source', command, ...args, '--config', config], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let out = ''
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve))
  if (code !== 0) throw new Error(`portolan ${args.join(' ')} ended with ${code}`)
  return out
}

const secretOf = async (name: string): Promise<string> =>
  (JSON.parse(await portolan('keys', 'create', name, '--json')) as { secret: string }).secret
const recorded = await secretOf('recorded')
const plain = await secretOf('plain')
await portolan('record', 'start', '--key', 'recorded', '--level', level, '--json')
const gateway = spawn(process.execPath, ['--conditions=source', command, 'up', '--json', '--config', config], {
  stdio: ['ignore', 'pipe', 'inherit'],
})
const url = await new Promise<string>((resolve, reject) => {
  gateway.once('exit', () => reject(new Error('the gateway did not start')))
  gateway.stdout.on('data', (chunk: Buffer) => {
    const listening = /"url":"([^"]+)"/.exec(chunk.toString())?.[1]
    if (listening) resolve(listening)
  })
})
const agent = new Agent({ keepAlive: true, maxSockets: 4 })

interface Reading {
  readonly ms: number
  readonly hash: string
  readonly status: number
}

function ask(key: string, number: number): Promise<Reading> {
  const body = JSON.stringify({
    model: 'bench',
    stream: true,
    stream_options: { include_usage: true },
    messages: [
      { role: 'system', content: 'You are the harbour master. '.repeat(200) },
      { role: 'user', content: `Question ${number}, write to person${number}@example.com` },
    ],
  })
  return new Promise((resolve, reject) => {
    const started = performance.now()
    const outgoing = send(`${url}/v1/chat/completions`, {
      method: 'POST',
      agent,
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
      },
    })
    outgoing.once('error', reject)
    outgoing.once('response', (response) => {
      const hash = createHash('sha256')
      response.on('data', (chunk: Buffer) => hash.update(chunk))
      response.once('end', () =>
        resolve({ ms: performance.now() - started, hash: hash.digest('hex'), status: response.statusCode ?? 0 }),
      )
    })
    outgoing.end(body)
  })
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const status = async (): Promise<{ counts: { exchanges: number; dropped: number } }> =>
  (JSON.parse(await portolan('record', 'status', '--json')) as { counts: { exchanges: number; dropped: number } }[])[0]!
const quantile = (values: readonly number[], q: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))]!

for (let i = 0; i < 200; i++) await ask(plain, i)
await pause(1500)
const times = { on: [] as number[], off: [] as number[] }
const hashes = new Set<string>()
let failed = 0
for (let done = 0, block = 0; done < exchanges; done += blockSize, block++) {
  // ABBA
  const on = block % 4 === 0 || block % 4 === 3
  for (let i = 0; i < Math.min(blockSize, exchanges - done); i++) {
    const reading = await ask(on ? recorded : plain, done + i)
    times[on ? 'on' : 'off'].push(reading.ms)
    hashes.add(reading.hash)
    if (reading.status !== 200) failed++
  }
  // What the recorder still has to do belongs to its own block.
  await pause(300)
}
// The recorder takes what time is left over: wait until it has caught up.
let { counts } = await status()
for (let i = 0; i < 60 && counts.exchanges + counts.dropped < times.on.length; i++) {
  await pause(500)
  counts = (await status()).counts
}

// The disk: the folder of segments becomes a file, so that nothing more can be written.
const segments = join(directory, 'data', 'recordings', 'segments')
rmSync(segments, { recursive: true, force: true })
writeFileSync(segments, '')
await portolan('record', 'stop', '--json')
await portolan('record', 'start', '--key', 'recorded', '--level', level, '--json')
await pause(1500)
let withoutDisk = 0
for (let i = 0; i < 100; i++) if ((await ask(recorded, i)).status === 200) withoutDisk++
await pause(1500)
const lost = (await status()).counts.dropped
const memory = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${gateway.pid}/status`, 'utf8'))?.[1] ?? '0'

const result = {
  exchanges,
  level,
  offMedianMs: quantile(times.off, 0.5),
  onMedianMs: quantile(times.on, 0.5),
  medianRatio: quantile(times.on, 0.5) / quantile(times.off, 0.5),
  offP95Ms: quantile(times.off, 0.95),
  onP95Ms: quantile(times.on, 0.95),
  answersAreIdentical: hashes.size === 1,
  failed,
  recorded: counts.exchanges,
  dropped: counts.dropped,
  withoutDiskServed: withoutDisk,
  withoutDiskDropped: lost,
  peakMemoryMb: Math.round(Number(memory) / 1024),
}
console.log(process.argv.includes('--json') ? JSON.stringify(result) : result)
agent.destroy()
gateway.kill('SIGTERM')
await new Promise((resolve) => gateway.once('exit', resolve))
upstream.close()
rmSync(directory, { recursive: true, force: true })
