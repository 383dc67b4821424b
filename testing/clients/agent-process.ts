/**
 * Runs a coding agent as its users do, as a child process in a throw-away home and work folder, with nothing of
 * the real environment but PATH. It leads a process group of its own, and that group is ended at the time limit.
 */

import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface AgentRun {
  /** Name in node_modules/.bin */
  bin: string
  arguments: string[]
  environment: Record<string, string>
  /** Files put into the home folder first, by relative path. */
  homeFiles?: Record<string, string>
  limitMs?: number
}

export interface AgentResult {
  code: number | null
  out: string
  err: string
  timedOut: boolean
  wallMs: number
}

const binaries = fileURLToPath(new URL('node_modules/.bin', import.meta.url))

export async function runAgent(run: AgentRun): Promise<AgentResult> {
  const home = await mkdtemp(join(tmpdir(), 'portolan-agent-'))
  const workFolder = join(home, 'work')
  await mkdir(workFolder)
  for (const [path, text] of Object.entries(run.homeFiles ?? {})) {
    await mkdir(dirname(join(home, path)), { recursive: true })
    await writeFile(join(home, path), text)
  }
  const begunMs = performance.now()
  const child = spawn(join(binaries, run.bin), run.arguments, {
    cwd: workFolder,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      HOME: home,
      XDG_CONFIG_HOME: join(home, '.config'),
      XDG_DATA_HOME: join(home, '.local/share'),
      XDG_STATE_HOME: join(home, '.local/state'),
      XDG_CACHE_HOME: join(home, '.cache'),
      TMPDIR: home,
      TERM: 'dumb',
      ...run.environment,
    },
  })
  let out = ''
  let err = ''
  let timedOut = false
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  const endGroup = (): void => {
    if (child.pid === undefined) return
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch {
      // The group is gone already.
    }
  }
  const timer = setTimeout(() => {
    timedOut = true
    endGroup()
  }, run.limitMs ?? 60_000)
  const code = await new Promise<number | null>((resolve) => {
    child.once('error', (error) => {
      err += `\n${error.message}`
      resolve(null)
    })
    child.once('close', resolve)
  })
  clearTimeout(timer)
  // Whatever helpers the agent left behind belong to its group and to this run.
  endGroup()
  await rm(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
  return { code, out, err, timedOut, wallMs: performance.now() - begunMs }
}

/** Why a client cannot run on this machine, or undefined when it can. */
export async function whyAbsent(bin: string): Promise<string | undefined> {
  const result = await runAgent({ bin, arguments: ['--version'], environment: {}, limitMs: 20_000 })
  if (result.code === 0) return undefined
  return `${bin} is absent: its binary does not start here (${(result.err || `code ${result.code}`).trim().slice(0, 200)})`
}

export function tellRun(result: AgentResult): string {
  return `code ${result.code}${result.timedOut ? ' (time limit)' : ''} after ${Math.round(result.wallMs)} ms\nout: ${result.out.slice(-1500)}\nerr: ${result.err.slice(-1500)}`
}
