/**
 * The recorder as a gateway's process sees it: asked whether a key is recorded, handed what was settled.
 *
 * Both are synchronous and never throw; nothing of a request waits for them. Which keys are recorded is looked up in
 * the recordings' own database once a second, so that `record start` in another process takes effect in a running
 * gateway. The thread exists only while something is recorded. What it cannot take (queue full, thread dead, disk
 * full) is dropped and counted; the request was served before anybody asked.
 */
import { Worker } from 'node:worker_threads'
import { RecordingLibrary } from './library.ts'
import type { CapturedExchange, DropReason } from './captured.ts'
import type { FromRecorder, RecorderThreadOptions, ToRecorder } from './thread-messages.ts'
import { Vault } from './vault.ts'

export interface LiveRecorderOptions extends RecorderThreadOptions {
  readonly now: () => number
  /** Told once for each kind of trouble, and again after it was over. */
  readonly onTrouble: (message: string, facts: Readonly<Record<string, unknown>>) => void
  /** Default 1000. */
  readonly pollMs?: number
  /** Exchanges on their way to the thread; default 4000. */
  readonly mostInFlight?: number
}

/** Bodies on their way to the thread; beyond it new exchanges are dropped. */
const mostBytesInFlight = 64 << 20
const mostInFlight = 4000
/** One transaction: other processes that write wait no longer than this takes. */
const largestBatch = 100
/** Exchanges go to the thread together: waking it for each costs more than the exchange. */
const gatherMs = 50
const restartMs = 5000
const sweepMs = 3_600_000

export class LiveRecorder {
  readonly #options: LiveRecorderOptions
  readonly #vault: Vault
  readonly #timer: NodeJS.Timeout
  #library: RecordingLibrary | null = null
  #worker: Worker | null = null
  /** By key id; '' for all keys. */
  #rules: ReadonlyMap<string, string> = new Map()
  #waiting: { readonly exchange: CapturedExchange; readonly bytes: number }[] = []
  #scheduled = false
  readonly #sizes: { readonly recordingIds: readonly string[]; readonly bytes: number }[] = []
  #bytesInFlight = 0
  #exchangesInFlight = 0
  readonly #notes = new Map<
    string,
    { recordingId: string; name: Extract<ToRecorder, { type: 'note' }>['name']; times: number }
  >()
  #mayStartAt = 0
  #sweptAt = 0
  readonly #troubles = new Set<string>()
  #idle: (() => void)[] = []
  #closing = false

  constructor(options: LiveRecorderOptions) {
    this.#options = options
    this.#vault = new Vault(options.recordingKey)
    this.#look()
    this.#timer = setInterval(() => this.#look(), options.pollMs ?? 1000)
    this.#timer.unref()
  }

  /** Id of the recording that takes this key's traffic now; null: none does. */
  wants(keyId: string): string | null {
    if (this.#rules.size === 0) return null
    return this.#rules.get(keyId) ?? this.#rules.get('') ?? null
  }

  offer(exchange: CapturedExchange): void {
    const bytes = (exchange.body?.length ?? 0) + (exchange.answer?.kind === 'body' ? exchange.answer.text.length : 2048)
    if (
      this.#exchangesInFlight >= (this.#options.mostInFlight ?? mostInFlight) ||
      this.#bytesInFlight + bytes > mostBytesInFlight ||
      this.#worker === null
    ) {
      this.#drop(exchange.recordingId, this.#worker === null ? 'recorder-failed' : 'queue-full', 1)
      return
    }
    this.#bytesInFlight += bytes
    this.#exchangesInFlight++
    this.#waiting.push({ exchange, bytes })
    if (this.#scheduled) return
    this.#scheduled = true
    setTimeout(() => this.#send(), gatherMs)
  }

  /** A caller asked that this request not be recorded. */
  declined(recordingId: string): void {
    this.#note(recordingId, 'declined', 1)
  }

  /** Resolves when everything offered so far is on disk or counted as lost. */
  async settled(): Promise<void> {
    if (this.#exchangesInFlight === 0) return
    await new Promise<void>((resolve) => this.#idle.push(resolve))
  }

  async close(): Promise<void> {
    this.#closing = true
    clearInterval(this.#timer)
    this.#send()
    await this.settled()
    await this.#stopWorker()
    this.#library?.close()
    this.#library = null
  }

  // ------------------------------------------------------------------------------ what is recorded

  #look(): void {
    const { directory, now } = this.#options
    try {
      if (this.#library === null) {
        if (!RecordingLibrary.exists(directory)) return
        this.#library = new RecordingLibrary({ directory, vault: this.#vault })
      }
      const running = this.#library.active()
      this.#rules = new Map(
        running.flatMap(({ id, keyIds }) =>
          keyIds.length === 0 ? [['', id] as const] : keyIds.map((key) => [key, id] as const),
        ),
      )
      if (running.length > 0) this.#start()
      else if (this.#worker !== null && this.#exchangesInFlight === 0) {
        void this.#stopWorker()
        this.#library.forgetHeadsOfStopped()
      }
      if (now() - this.#sweptAt > sweepMs) {
        this.#sweptAt = now()
        this.#library.sweep(now())
      }
      this.#flushNotes()
    } catch (error) {
      this.#trouble('the folder of recordings cannot be used; nothing is recorded', {
        reason: (error as Error).message,
      })
    }
  }

  // -------------------------------------------------------------------------------------- the thread

  #start(): void {
    if (this.#worker !== null || performance.now() < this.#mayStartAt) return
    const { directory, recordingKey, sealKey, rules, maxBytes } = this.#options
    const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const worker = new Worker(new URL(`./recorder-worker.${ending}`, import.meta.url), {
      workerData: { directory, recordingKey, sealKey, rules, maxBytes } satisfies RecorderThreadOptions,
      name: 'portolan-recorder',
      resourceLimits: { maxOldGenerationSizeMb: 512 },
    })
    worker.unref()
    worker.on('message', (message: FromRecorder) => this.#hear(message))
    worker.on('error', (error) => this.#died(worker, error instanceof Error ? error.message : 'unknown reason'))
    worker.on('exit', () => this.#died(worker, 'it ended'))
    this.#worker = worker
  }

  #send(): void {
    this.#scheduled = false
    while (this.#waiting.length > 0 && this.#worker !== null)
      this.#post(this.#worker, this.#waiting.splice(0, largestBatch))
  }

  #post(worker: Worker, batch: readonly { readonly exchange: CapturedExchange; readonly bytes: number }[]): void {
    const transfer: ArrayBuffer[] = []
    const exchanges = batch.map(({ exchange }) => {
      if (exchange.body === null) return exchange
      // A copy of its own: the body may lie in a slab with others.
      const body = Uint8Array.from(exchange.body)
      transfer.push(body.buffer)
      return { ...exchange, body }
    })
    this.#sizes.push({
      recordingIds: batch.map(({ exchange }) => exchange.recordingId),
      bytes: batch.reduce((sum, { bytes }) => sum + bytes, 0),
    })
    try {
      worker.postMessage({ type: 'batch', exchanges } satisfies ToRecorder, transfer)
    } catch (error) {
      // Something that cannot be copied between threads.
      this.#sizes.pop()
      for (const { exchange } of batch) this.#drop(exchange.recordingId, 'recorder-failed', 1)
      this.#release(
        batch.length,
        batch.reduce((sum, { bytes }) => sum + bytes, 0),
      )
      this.#trouble('an exchange could not be handed to the recorder', { reason: (error as Error).message })
    }
  }

  #hear(message: FromRecorder): void {
    if (message.type !== 'done') return
    const size = this.#sizes.shift()
    if (size) this.#release(message.exchanges, size.bytes)
    const reasons = Object.keys(message.dropped).filter((reason) => reason !== 'erased-subject')
    if (reasons.length > 0)
      this.#trouble('exchanges were not recorded; requests are served all the same', { dropped: message.dropped })
  }

  #release(exchanges: number, bytes: number): void {
    this.#exchangesInFlight -= exchanges
    this.#bytesInFlight -= bytes
    if (this.#exchangesInFlight > 0) return
    for (const resolve of this.#idle) resolve()
    this.#idle = []
  }

  #died(worker: Worker, why: string): void {
    if (this.#worker !== worker) return
    this.#worker = null
    this.#mayStartAt = performance.now() + restartMs
    const lost = [
      ...this.#sizes.flatMap(({ recordingIds }) => recordingIds),
      ...this.#waiting.map(({ exchange }) => exchange.recordingId),
    ]
    for (const recordingId of lost) this.#drop(recordingId, 'recorder-failed', 1)
    this.#sizes.length = 0
    this.#waiting = []
    this.#release(this.#exchangesInFlight, this.#bytesInFlight)
    if (!this.#closing) this.#trouble('the recorder stopped and will be started again', { reason: why })
  }

  async #stopWorker(): Promise<void> {
    const worker = this.#worker
    if (worker === null) return
    this.#flushNotes()
    this.#worker = null
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
    worker.ref()
    worker.postMessage({ type: 'close' } satisfies ToRecorder)
    const timer = setTimeout(() => void worker.terminate(), 5000)
    await ended
    clearTimeout(timer)
  }

  // ------------------------------------------------------------------------------------------ counts

  #drop(recordingId: string, reason: DropReason, times: number): void {
    this.#note(recordingId, `dropped:${reason}`, times)
    this.#trouble('exchanges were not recorded; requests are served all the same', { dropped: { [reason]: times } })
  }

  #note(recordingId: string, name: Extract<ToRecorder, { type: 'note' }>['name'], times: number): void {
    const key = `${recordingId} ${name}`
    const note = this.#notes.get(key)
    if (note) note.times += times
    else this.#notes.set(key, { recordingId, name, times })
  }

  #flushNotes(): void {
    if (this.#worker === null) return
    for (const note of this.#notes.values()) this.#worker.postMessage({ type: 'note', ...note } satisfies ToRecorder)
    this.#notes.clear()
  }

  /** A minute of silence follows each: a full disk must not fill the log as well. */
  #trouble(message: string, facts: Readonly<Record<string, unknown>>): void {
    if (this.#troubles.has(message)) return
    this.#troubles.add(message)
    setTimeout(() => this.#troubles.delete(message), 60_000).unref()
    this.#options.onTrouble(message, facts)
  }
}
