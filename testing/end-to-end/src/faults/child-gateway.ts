/** `portolan up` as a process of its own, as an operator starts it: a YAML file, a data directory, a port of its choice. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'

const bin = fileURLToPath(new URL('../../../../packages/cli/bin/portolan.js', import.meta.url))
const probe = new URL('./memory-probe.ts', import.meta.url).href

export interface ChildGateway {
  readonly url: string
  readonly pid: number
  /** The first key, which only the first start on a data directory prints. */
  readonly key: string | null
  /** After a full collection. */
  memory(): Promise<NodeJS.MemoryUsage>
  /** The end of what was written to stderr: warnings, stacks. */
  complaints(): string
  /** How it ended, exit code or signal; null while it runs. */
  ending(): number | string | null
  /** Sends a signal and waits for the end; the exit code, or the signal's name. */
  stop(signal: NodeJS.Signals): Promise<number | string>
}

/** A configuration file and a data directory, for any number of starts. */
export class ChildHome {
  readonly directory = mkdtempSync(join(tmpdir(), 'portolan-faults-'))
  readonly #running = new Set<ChildProcess>()

  constructor(config: object) {
    // JSON is YAML.
    writeFileSync(join(this.directory, 'portolan.yaml'), JSON.stringify(config))
  }

  async start(): Promise<ChildGateway> {
    const config = join(this.directory, 'portolan.yaml')
    const child = spawn(
      process.execPath,
      [
        '--conditions=source',
        '--expose-gc',
        '--import',
        probe,
        bin,
        'up',
        '--json',
        '--port',
        '0',
        '--config',
        config,
        '--data',
        join(this.directory, 'data'),
      ],
      {
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
        // Most of a start is compiling; what one start compiled is kept for the next.
        env: {
          ...process.env,
          NODE_OPTIONS: '',
          NODE_V8_COVERAGE: '',
          NODE_COMPILE_CACHE: join(tmpdir(), 'portolan-faults-compiled'),
        },
      },
    )
    this.#running.add(child)
    let complaints = ''
    child.stderr!.on('data', (chunk: Buffer) => (complaints = (complaints + chunk.toString()).slice(-20_000)))
    let ending: number | string | null = null
    const ended = new Promise<number | string>((resolve) =>
      child.once('exit', (code, signal) => {
        this.#running.delete(child)
        ending = signal ?? code ?? 0
        resolve(ending)
      }),
    )
    const greeting = await new Promise<{ url: string; key: string | null }>((resolve, reject) => {
      let text = ''
      child.stdout!.on('data', (chunk: Buffer) => {
        text += chunk.toString()
        const end = text.lastIndexOf('}')
        if (end === -1) return
        try {
          resolve(JSON.parse(text.slice(0, end + 1)) as { url: string; key: string | null })
        } catch {
          // Not the whole line yet.
        }
      })
      void ended.then((how) => reject(new Error(`the gateway did not start (${how}):\n${complaints}`)))
    })
    return {
      url: greeting.url,
      key: greeting.key,
      pid: child.pid!,
      complaints: () => complaints,
      ending: () => ending,
      memory: () =>
        new Promise((resolve, reject) => {
          child.once('message', (message) => resolve(message as NodeJS.MemoryUsage))
          child.send('memory', (error) => error && reject(error))
          void ended.then((how) => reject(new Error(`the gateway has ended (${how}):\n${complaints}`)))
        }),
      stop: (signal) => {
        child.kill(signal)
        return ended
      },
    }
  }

  get dataDirectory(): string {
    return join(this.directory, 'data')
  }

  /** The ledger as any other program would read it, while nobody has it open. */
  ledger(): {
    readonly ids: readonly string[]
    readonly statuses: Readonly<Record<string, number>>
    /** Upstream calls that the rows own up to. */
    readonly attempts: number
    readonly sound: boolean
  } {
    const database = new DatabaseSync(join(this.directory, 'data', 'portolan.db'))
    try {
      const rows = database.prepare('SELECT request_id AS id, status, attempts FROM requests').all() as {
        id: string
        status: string
        attempts: number
      }[]
      const statuses: Record<string, number> = {}
      for (const { status } of rows) statuses[status] = (statuses[status] ?? 0) + 1
      const [check] = database.prepare('PRAGMA quick_check').all() as { quick_check: string }[]
      const attempts = rows.reduce((sum, row) => sum + row.attempts, 0)
      return { ids: rows.map(({ id }) => id), statuses, attempts, sound: check!.quick_check === 'ok' }
    } finally {
      database.close()
    }
  }

  /** Ends what still runs, and removes everything. */
  close(): void {
    for (const child of this.#running) child.kill('SIGKILL')
    rmSync(this.directory, { recursive: true, force: true })
  }
}
