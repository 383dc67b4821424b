/**
 * The engine as the rest of a process sees it: a thread that is asked and answers, so that no event loop waits
 * for a matrix.
 *
 * It keeps a process alive only while it works. When it dies, whoever waits is told, and the owner starts another.
 */
import { Worker } from 'node:worker_threads'
import { EngineError } from '../errors.ts'
import type {
  EngineCounters,
  EngineEvent,
  EngineInfo,
  EngineOptions,
  FromEngine,
  GenerationRequest,
  ToEngine,
} from './protocol.ts'

/**
 * What the thread's heap takes for new objects. Left to itself it takes 100 MB and more for answers of a few words each.
 */
const youngGenerationMb = 24

type Failure = Extract<EngineEvent, { type: 'failed' }>

export class EngineThread {
  /** Rejects with the reason when the folder is no usable model. */
  readonly ready: Promise<EngineInfo>
  readonly #worker: Worker
  readonly #streams = new Map<number, (events: readonly EngineEvent[]) => void>()
  readonly #asked = new Map<number, (counters: EngineCounters | null) => void>()
  #nextId = 0
  #stopped: Failure | null = null
  #closed: (() => void) | null = null

  constructor(options: EngineOptions) {
    // Built code lies beside its source in form and place, so only the ending differs.
    const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    this.#worker = new Worker(new URL(`./engine-worker.${ending}`, import.meta.url), {
      workerData: options,
      name: 'portolan-engine',
      resourceLimits: { maxYoungGenerationSizeMb: youngGenerationMb },
    })
    this.ready = new Promise((resolve, reject) => {
      this.#worker.on('message', (message: FromEngine) => {
        if (message.type === 'ready') {
          this.#restIfIdle()
          resolve(message.info)
        } else if (message.type === 'broken') {
          this.#stop({ ...message, type: 'failed' })
          reject(new EngineError('ENGINE_STOPPED', message.message))
          void this.#worker.terminate()
        } else this.#hear(message)
      })
      const died = (message: string): void => {
        this.#stop({ type: 'failed', code: 'ENGINE_STOPPED', kind: 'internal', message })
        reject(new EngineError('ENGINE_STOPPED', message))
      }
      this.#worker.on('error', (error: unknown) =>
        died(`The engine's thread died: ${error instanceof Error ? error.message : 'unknown reason'}`),
      )
      this.#worker.on('exit', () => died('The engine has stopped.'))
    })
    // Whoever generates hears of it; nobody else needs to.
    this.ready.catch(() => {})
  }

  get hasStopped(): boolean {
    return this.#stopped !== null
  }

  /** Ends with `ended` or `failed`. Leaving the loop, or the signal, cancels within one step. */
  async *generate(
    request: GenerationRequest,
    signal: AbortSignal | null,
  ): AsyncGenerator<EngineEvent, void, undefined> {
    if (this.#stopped !== null) {
      yield this.#stopped
      return
    }
    const id = this.#nextId++
    let waiting: readonly EngineEvent[] = []
    let wake: () => void = () => {}
    this.#streams.set(id, (events) => {
      waiting = [...waiting, ...events]
      wake()
    })
    this.#worker.ref()
    const abort = (): void => this.#send({ type: 'cancel', id })
    signal?.addEventListener('abort', abort, { once: true })
    let isOver = false
    try {
      this.#send({ type: 'generate', id, request })
      if (signal?.aborted) abort()
      while (!isOver) {
        if (waiting.length === 0)
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        const events = waiting
        waiting = []
        for (const event of events) {
          isOver = event.type === 'ended' || event.type === 'failed'
          yield event
        }
      }
    } finally {
      signal?.removeEventListener('abort', abort)
      this.#streams.delete(id)
      if (!isOver) abort()
      this.#restIfIdle()
    }
  }

  /** Null when the engine has stopped. */
  counters(): Promise<EngineCounters | null> {
    if (this.#stopped !== null) return Promise.resolve(null)
    const id = this.#nextId++
    return new Promise((resolve) => {
      this.#asked.set(id, resolve)
      this.#worker.ref()
      this.#send({ type: 'counters', id })
    })
  }

  /** Answers in progress fail; the cache is left whole. */
  async close(): Promise<void> {
    if (this.#stopped !== null) return
    await new Promise<void>((resolve) => {
      this.#closed = resolve
      this.#worker.ref()
      this.#send({ type: 'close' })
    })
    await this.#worker.terminate()
  }

  /** A thread that nobody waits for does not keep the process alive. */
  #restIfIdle(): void {
    if (this.#streams.size === 0 && this.#asked.size === 0) this.#worker.unref()
  }

  #send(message: ToEngine): void {
    if (this.#stopped === null) this.#worker.postMessage(message, [])
  }

  #hear(message: Exclude<FromEngine, { type: 'ready' | 'broken' }>): void {
    if (message.type === 'events') for (const [id, events] of message.batches) this.#streams.get(id)?.(events)
    else if (message.type === 'counters') {
      this.#asked.get(message.id)?.(message.counters)
      this.#asked.delete(message.id)
      this.#restIfIdle()
    } else this.#closed?.()
  }

  #stop(reason: Failure): void {
    if (this.#stopped !== null) return
    this.#stopped = reason
    for (const deliver of this.#streams.values()) deliver([reason])
    for (const answer of this.#asked.values()) answer(null)
    this.#asked.clear()
    this.#closed?.()
  }
}
