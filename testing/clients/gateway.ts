/**
 * Starts the product as its users do, `portolan up`, in a process of its own with a configuration made for the
 * test, and reads the address and the first key from its first line.
 */

import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export interface UpstreamEntry {
  kind: string
  /** Absent: nobody is called, so no key is given. */
  baseUrl?: string
  protocols?: string[]
  [setting: string]: unknown
}

export interface GatewaySetup {
  upstreams: Record<string, UpstreamEntry>
  models: Record<string, { route: string[]; model?: string }>
}

export interface RunningGateway {
  url: string
  key: string
  pid: number
  /** What the process wrote to its error stream. */
  complaints: () => string
  /** The newest rows of its ledger, as `portolan usage` tells them, the newest first. */
  rows: () => Promise<LedgerRow[]>
  close: () => Promise<void>
}

export interface LedgerRow {
  door: string
  status: string
  upstream: string
  startedAtMs: number
  endMs: number
  usage: { inputTokens: number; hitTokens: number; outputTokens: number }
}

const root = fileURLToPath(new URL('../..', import.meta.url))
const START_LIMIT_MS = 20_000
const STOP_LIMIT_MS = 5_000

export async function startGateway(setup: GatewaySetup): Promise<RunningGateway> {
  const directory = await mkdtemp(join(tmpdir(), 'portolan-clients-'))
  const configPath = join(directory, 'portolan.yaml')
  const upstreams = Object.fromEntries(
    Object.entries(setup.upstreams).map(([name, entry]) => [
      name,
      entry.baseUrl === undefined ? entry : { ...entry, apiKey: '${STAND_IN_KEY}' },
    ]),
  )
  // JSON is YAML.
  await writeFile(configPath, JSON.stringify({ upstreams, models: setup.models }, null, 2))
  const bin = join(root, 'packages/cli/bin/portolan.js')
  const data = join(directory, 'data')
  const child = spawn(
    process.execPath,
    ['--conditions=source', bin, 'up', '--config', configPath, '--port', '0', '--data', data, '--json'],
    {
      cwd: directory,
      env: { PATH: process.env.PATH, HOME: directory, STAND_IN_KEY: 'stand-in-key' },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let complaints = ''
  child.stderr.on('data', (chunk: Buffer) => (complaints += chunk.toString()))
  const close = async (): Promise<void> => {
    await stop(child)
    await rm(directory, { recursive: true, force: true, maxRetries: 3 })
  }
  try {
    const { url, key } = await firstLine(child, () => complaints)
    const rows = async (): Promise<LedgerRow[]> => {
      const words = ['--conditions=source', bin, 'usage', '--last', '1000', '--json', '--data', data]
      const { stdout } = await promisify(execFile)(process.execPath, words, { cwd: directory })
      return JSON.parse(stdout) as LedgerRow[]
    }
    return { url, key, pid: child.pid ?? 0, complaints: () => complaints, rows, close }
  } catch (error) {
    await close()
    throw error
  }
}

function firstLine(child: ChildProcess, complaints: () => string): Promise<{ url: string; key: string }> {
  return new Promise((resolve, reject) => {
    let text = ''
    const timer = setTimeout(
      () => reject(new Error(`the gateway said nothing for ${START_LIMIT_MS} ms: ${complaints()}`)),
      START_LIMIT_MS,
    )
    child.once('error', reject)
    child.once('exit', (code) =>
      reject(new Error(`the gateway ended with ${code} before it listened: ${complaints()}`)),
    )
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      const end = text.indexOf('\n')
      if (end === -1) return
      clearTimeout(timer)
      const line: unknown = JSON.parse(text.slice(0, end))
      if (typeof line === 'object' && line !== null && 'url' in line && 'key' in line && typeof line.url === 'string') {
        resolve({ url: line.url, key: String(line.key) })
      } else reject(new Error(`unexpected first line: ${text.slice(0, end)}`))
    })
  })
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS)
    child.once('exit', () => {
      clearTimeout(timer)
      resolve()
    })
    child.kill('SIGTERM')
  })
}
