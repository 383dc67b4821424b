/**
 * The things measured, each a process of its own between the load client and one bench upstream.
 *
 * Our gateway is started as a user starts it: the command line, a configuration file, the ledger in a directory,
 * a key that is checked, prices from the bundled book.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { BenchProtocol } from './answers.ts'
import type { Cell } from './cells.ts'

export interface Target {
  readonly name: string
  readonly port: number
  /** Whose CPU and memory are read; null: not a process between client and upstream. */
  readonly pid: number | null
  readonly headers: Readonly<Record<string, string>>
  /** Slow targets get a smaller share of each shot. */
  readonly share: number
  serves(cell: Cell): boolean
  /** The protocol it is asked in. */
  asks(cell: Cell): BenchProtocol
  stop(): Promise<void>
}

const here = import.meta.dirname

/** Starts a program and reads the first line of JSON that it prints. */
export async function startProgram(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<{ child: ChildProcess; said: Record<string, unknown> }> {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })
  const said = await new Promise<Record<string, unknown>>((resolve, reject) => {
    lines.once('line', (line) => resolve(JSON.parse(line) as Record<string, unknown>))
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`${args.join(' ')} ended with code ${code} before it listened.`)))
  })
  lines.on('line', () => {})
  return { child, said }
}

/** SIGTERM, and the end of the process. */
export function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), 5000)
    child.once('exit', () => {
      clearTimeout(timer)
      resolve()
    })
    child.kill('SIGTERM')
  })
}

export async function startUpstream(): Promise<{ readonly port: number; readonly stop: () => Promise<void> }> {
  const { child, said } = await startProgram(process.execPath, [join(here, 'upstream.ts')])
  return { port: Number(said['port']), stop: () => stopChild(child) }
}

export function direct(upstreamPort: number): Target {
  return {
    name: 'direct',
    port: upstreamPort,
    pid: null,
    headers: {},
    share: 1,
    serves: () => true,
    asks: (cell) => cell.far,
    stop: () => Promise.resolve(),
  }
}

export async function startFloor(upstreamPort: number): Promise<Target> {
  const { child, said } = await startProgram(process.execPath, [join(here, 'floor-pipe.ts'), String(upstreamPort)])
  return {
    ...direct(upstreamPort),
    name: 'floor-pipe',
    port: Number(said['port']),
    pid: child.pid!,
    stop: () => stopChild(child),
  }
}

/** nginx as one process, answering as fast as it can; null when it is not installed. */
export async function startNginx(upstreamPort: number, directory: string): Promise<Target | null> {
  if (spawnSync('nginx', ['-v']).error) return null
  const port = await freePort()
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${join(directory, name)};`)
    .join(' ')
  const configPath = join(directory, 'nginx.conf')
  writeFileSync(
    configPath,
    `daemon off; master_process off; pid ${join(directory, 'nginx.pid')}; error_log stderr error;
events { worker_connections 2048; }
http {
  access_log off; ${temporary} client_body_buffer_size 1m; keepalive_requests 100000000;
  upstream bench { server 127.0.0.1:${upstreamPort}; keepalive 256; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://bench; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }
  }
}
`,
  )
  const child = spawn('nginx', ['-c', configPath, '-e', 'stderr'], { stdio: ['ignore', 'ignore', 'inherit'] })
  await untilListening(port, child)
  return { ...direct(upstreamPort), name: 'nginx', port, pid: child.pid!, stop: () => stopChild(child) }
}

export interface OurGateway extends Target {
  /** From starting the process to the whole first answer. */
  readonly startMs: number
}

/** @param profileDirectory where node writes a CPU profile at the end; null: none. */
export async function startPortolan(
  upstreamPort: number,
  directory: string,
  profileDirectory: string | null,
): Promise<OurGateway> {
  const configPath = join(directory, 'portolan.yaml')
  mkdirSync(directory, { recursive: true })
  writeFileSync(
    configPath,
    `listen: 127.0.0.1:0
data: ./data
upstreams:
  chat: { kind: openai-compatible, baseUrl: "http://127.0.0.1:${upstreamPort}/v1", apiKey: "\${BENCH_KEY}", protocols: [chat], prices: deepseek, concurrency: 512 }
  messages: { kind: anthropic-compatible, baseUrl: "http://127.0.0.1:${upstreamPort}", apiKey: "\${BENCH_KEY}", prices: deepseek, concurrency: 512 }
models:
  deepseek-v4-flash: { route: [chat] }
  deepseek-v4-pro: { route: [messages] }
`,
  )
  const profile = profileDirectory === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDirectory}`]
  const bin = resolve(here, '../../packages/cli/bin/portolan.js')
  const startedAt = performance.now()
  const { child, said } = await startProgram(
    process.execPath,
    [...profile, '--max-semi-space-size=16', '--conditions=source', bin, 'up', '--config', configPath, '--json'],
    { env: { ...process.env, BENCH_KEY: 'bench-upstream-key' } },
  )
  const url = new URL(String(said['url']))
  const headers = { authorization: `Bearer ${String(said['key'])}` }
  const answer = await fetch(new URL('/v1/chat/completions', url), {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: '{"model":"deepseek-v4-flash","messages":[{"role":"user","content":"first light?"}]}',
  })
  const text = await answer.text()
  const startMs = performance.now() - startedAt
  if (answer.status !== 200) throw new Error(`Our gateway's first answer was ${answer.status}: ${text}`)
  return {
    name: 'portolan',
    port: Number(url.port),
    pid: child.pid!,
    headers,
    share: 1,
    startMs,
    serves: () => true,
    asks: (cell) => cell.door,
    stop: () => stopChild(child),
  }
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Waits until something listens; at most 30 s. */
export async function untilListening(port: number, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended with code ${child.exitCode}.`)
    const listening = await new Promise<boolean>((resolve) => {
      const socket = connect({ port, host: '127.0.0.1' })
      socket.once('connect', () => {
        socket.destroy()
        resolve(true)
      })
      socket.once('error', () => resolve(false))
    })
    if (listening) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`${child.spawnfile} did not listen on port ${port} within 30 s.`)
}
