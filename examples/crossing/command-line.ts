/**
 * The `portolan` command as its users have it: processes in a folder with a configuration, and one gateway that can be
 * started and stopped. Every command can tell the memory it took at its height.
 */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'

const bin = resolve(import.meta.dirname, '../../packages/cli/bin/portolan.js')
const probe = new URL('./peak-probe.ts', import.meta.url).href
const guard = new URL('../../packages/crossing/src/replay/network-guard.test-support.ts', import.meta.url).href

export interface Doors {
  readonly url: string
  readonly key: string
}

export interface Peak {
  readonly residentBytes: number
  readonly heapBytes: number
}

interface NetworkUse {
  readonly reached: ReadonlySet<string>
  /** Each as often as it was tried. */
  readonly refused: readonly string[]
}

interface Ended {
  readonly code: number | null
  readonly output: string
  readonly error: string
}

export class CommandLine {
  readonly folder = mkdtempSync(join(tmpdir(), 'portolan-crossing-'))
  #gateway: ChildProcess | null = null

  constructor(configuration: string) {
    writeFileSync(this.path('portolan.yaml'), configuration)
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  async up(): Promise<Doors> {
    const gateway = this.#spawn(['up', '--json'])
    this.#gateway = gateway
    gateway.stderr!.pipe(process.stderr)
    for await (const line of createInterface({ input: gateway.stdout! })) return JSON.parse(line) as Doors
    throw new Error('The gateway ended before it listened.')
  }

  down(): Promise<void> {
    const child = this.#gateway
    this.#gateway = null
    if (child === null || child.exitCode !== null) return Promise.resolve()
    return new Promise((resolve) => {
      child.once('exit', () => resolve())
      child.kill('SIGTERM')
    })
  }

  /** Standard output of a command that has to succeed. */
  async run(...args: string[]): Promise<string> {
    const { code, output, error } = await this.attempt(...args)
    if (code !== 0) throw new Error(`portolan ${args.join(' ')} ended with ${code}: ${error}${output}`)
    return output
  }

  attempt(...args: string[]): Promise<Ended> {
    return this.#ended(this.#spawn(args))
  }

  /** The same, unable to reach any address but these (`host:port`), its threads included. */
  async guarded(addresses: readonly string[], ...args: string[]): Promise<Ended & NetworkUse> {
    const log = this.path('network.log')
    writeFileSync(log, '')
    const ended = await this.#ended(
      this.#spawn(args, ['--import', guard], {
        NETWORK_GUARD_ALLOW: addresses.join(','),
        NETWORK_GUARD_LOG: log,
      }),
    )
    const tried = readFileSync(log, 'utf8').trim().split('\n')
    const those = (how: string): string[] =>
      tried.flatMap((line) => (line.startsWith(how) ? [line.slice(how.length)] : []))
    return { ...ended, reached: new Set(those('reached ')), refused: those('refused ') }
  }

  #ended(child: ChildProcess): Promise<Ended> {
    let output = ''
    let error = ''
    child.stdout!.on('data', (chunk) => (output += String(chunk)))
    child.stderr!.on('data', (chunk) => (error += String(chunk)))
    return new Promise((resolve) =>
      child.on('close', (code) => resolve({ code, output: output.trim(), error: error.trim() })),
    )
  }

  /** Of the command that ended last. */
  peak(): Peak {
    assert.ok(existsSync(this.path('peak.json')), 'a command has ended by itself')
    return JSON.parse(readFileSync(this.path('peak.json'), 'utf8')) as Peak
  }

  async close(keep: boolean): Promise<void> {
    await this.down()
    if (!keep) rmSync(this.folder, { recursive: true })
  }

  #spawn(args: readonly string[], more: readonly string[] = [], env: NodeJS.ProcessEnv = {}): ChildProcess {
    return spawn(process.execPath, ['--conditions=source', '--import', probe, ...more, bin, ...args], {
      cwd: this.folder,
      env: { ...process.env, ...env, SUPPLIER_KEY: 'sk-example', PEAK_FILE: this.path('peak.json') },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  }
}
