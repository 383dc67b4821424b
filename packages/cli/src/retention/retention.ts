/**
 * Old rows leave by themselves: once a day, and at a start that finds the day's run overdue.
 *
 * The day of the last run is kept in the database, so that restarts neither repeat nor put it off; a run that failed is
 * tried again after an hour. The work is in a thread with its own connection (`retention-thread.ts`), because a file of
 * a hundred thousand rows takes seconds. Ending that thread, or the process, at any moment is safe: see the archive.
 */
import type { Logger } from 'pino'
import type { SqliteStore } from '@portolan/store'

export const dayMs = 86_400_000
const retryMs = 3_600_000
const lookMs = 600_000
const settingName = 'retention'

type Settings = Pick<SqliteStore['settings'], 'get' | 'set'>

export interface RetentionPolicy {
  /** Null: rows stay. */
  readonly days: number | null
  readonly directory: string
}

export interface RetentionRun {
  readonly startedAtMs: number
  readonly endedAtMs: number
  readonly files: number
  readonly rows: number
  /** What stopped it, in words; the rows that were not moved are still in the ledger. */
  readonly problem: string | null
}

/** What the database remembers, for the next start and for whoever asks. */
export interface RetentionState extends RetentionPolicy {
  readonly last: RetentionRun | null
}

export interface ArchiveJob {
  readonly directory: string
  readonly beforeMs: number
}

export interface ArchiveWork {
  readonly done: Promise<{ readonly files: number; readonly rows: number }>
  /** Ends it where it is. */
  stop(): Promise<void>
}

export interface RetentionOptions {
  readonly settings: Settings
  readonly policy: RetentionPolicy
  readonly archive: (job: ArchiveJob) => ArchiveWork
  readonly now: () => number
  readonly log: Pick<Logger, 'info' | 'error'>
}

/** Null: no gateway has run with this database yet. */
export function retentionState(settings: Pick<Settings, 'get'>): RetentionState | null {
  const text = settings.get(settingName)
  return text === null ? null : (JSON.parse(text) as RetentionState)
}

export class Retention {
  readonly #options: RetentionOptions
  #policy: RetentionPolicy
  #work: ArchiveWork | null = null
  #running: Promise<void> | null = null
  #timer: NodeJS.Timeout | null = null
  #stopped = false

  constructor(options: RetentionOptions) {
    this.#options = options
    this.#policy = options.policy
  }

  start(): void {
    this.change(this.#policy)
    this.#timer = setInterval(() => void this.look(), lookMs).unref()
  }

  /** Another configuration; what is overdue by it begins now. */
  change(policy: RetentionPolicy): void {
    this.#policy = policy
    this.#remember(this.#last())
    void this.look()
  }

  /** Begins a run if one is due, and resolves when it has ended. */
  look(): Promise<void> {
    const { days, directory } = this.#policy
    if (this.#running !== null) return this.#running
    if (this.#stopped || days === null || !this.#isDue()) return Promise.resolve()
    this.#running = this.#run(days, directory).finally(() => {
      this.#running = null
    })
    return this.#running
  }

  async stop(): Promise<void> {
    this.#stopped = true
    if (this.#timer !== null) clearInterval(this.#timer)
    await this.#work?.stop()
    await this.#running
  }

  #isDue(): boolean {
    const last = this.#last()
    if (last === null) return true
    // A last run in the future is a clock that was wrong once; it must not put off every run until then.
    const ago = Math.abs(this.#options.now() - last.startedAtMs)
    return ago >= (last.problem === null ? dayMs : retryMs)
  }

  async #run(days: number, directory: string): Promise<void> {
    const { now, archive, log } = this.#options
    const startedAtMs = now()
    const ended = (files: number, rows: number, problem: string | null): void =>
      this.#remember({ startedAtMs, endedAtMs: now(), files, rows, problem })
    try {
      this.#work = archive({ directory, beforeMs: startedAtMs - days * dayMs })
      const { files, rows } = await this.#work.done
      // A run that a shutdown ended has not been: the next start goes on with it.
      if (this.#stopped) return
      ended(files, rows, null)
      if (rows > 0) log.info({ files, rows, directory, olderThanDays: days }, 'old rows archived')
    } catch (error) {
      if (this.#stopped) return
      const { message } = error as Error
      ended(0, 0, message)
      log.error({ reason: message, directory }, 'old rows not archived; they stay, and the next try is in an hour')
    } finally {
      this.#work = null
    }
  }

  #last(): RetentionRun | null {
    return retentionState(this.#options.settings)?.last ?? null
  }

  #remember(last: RetentionRun | null): void {
    this.#options.settings.set(settingName, JSON.stringify({ ...this.#policy, last }))
  }
}
