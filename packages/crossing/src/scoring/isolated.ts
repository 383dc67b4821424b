/**
 * Runs what we did not write (a caller's JSON Schema, a user's regular expression or JavaScript check) in a thread
 * with limits of time and memory.
 *
 * Whatever it does, the answer is a value or a reason, and this thread goes on: a pattern that backtracks for ever, a
 * schema that makes the compiler explode, a check that fills memory or calls process.exit. Limits protect the run, not
 * secrets: a check file is the user's own program and may do what the user may.
 */
import { Worker } from 'node:worker_threads'
import { pathToFileURL } from 'node:url'

export type IsolatedTask =
  | { readonly kind: 'schema'; readonly schemaText: string; readonly valueText: string }
  | { readonly kind: 'pattern'; readonly pattern: string; readonly flags: string; readonly text: string }
  | { readonly kind: 'module'; readonly file: string; readonly input: unknown }

export type TaskResult = { readonly value: unknown } | { readonly failure: string }

/** `failed`: the task itself threw; the message says what. */
export type IsolatedResult =
  | { readonly value: unknown }
  | { readonly reason: 'time-limit' | 'memory-limit' | 'failed' | 'stopped'; readonly message: string }

export interface IsolationLimits {
  /** For one task. Default 1000. */
  readonly taskMs?: number
  /** Heap of the thread. Default 128. */
  readonly memoryMiB?: number
}

export class IsolatedRunner {
  readonly #taskMs: number
  readonly #memoryMiB: number
  #worker: Promise<Worker> | null = null
  #last: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor({ taskMs = 1000, memoryMiB = 128 }: IsolationLimits = {}) {
    this.#taskMs = taskMs
    this.#memoryMiB = memoryMiB
  }

  /** Tasks run one after the other, in order. Never rejects. */
  run(task: IsolatedTask): Promise<IsolatedResult> {
    const result = this.#last.then(() => this.#run(task))
    this.#last = result
    return result
  }

  /** A user's check file: its default export gets `input` and answers true, false or `{ pass, score, evidence }`. */
  runFile(path: string, input: unknown): Promise<IsolatedResult> {
    return this.run({ kind: 'module', file: pathToFileURL(path).href, input })
  }

  async close(): Promise<void> {
    this.#closed = true
    const worker = this.#worker
    this.#worker = null
    if (worker) await worker.then((thread) => thread.terminate()).catch(() => null)
  }

  async #run(task: IsolatedTask): Promise<IsolatedResult> {
    if (this.#closed) return { reason: 'stopped', message: 'The runner is closed.' }
    let worker: Worker
    try {
      worker = await (this.#worker ??= this.#start())
    } catch (error) {
      this.#worker = null
      return { reason: 'failed', message: `The thread did not start: ${messageOf(error)}.` }
    }
    return new Promise((resolve) => {
      const finish = (result: IsolatedResult, isDead: boolean): void => {
        clearTimeout(timer)
        worker.removeAllListeners('message').removeAllListeners('error').removeAllListeners('exit')
        // An error that comes after its task must not end the process.
        worker.on('error', () => (this.#worker = null)).on('exit', () => (this.#worker = null))
        worker.unref()
        if (isDead) {
          this.#worker = null
          worker.removeAllListeners('exit')
          void worker.terminate().then(() => resolve(result))
        } else resolve(result)
      }
      const timer = setTimeout(
        () => finish({ reason: 'time-limit', message: `It did not end within ${this.#taskMs} ms.` }, true),
        this.#taskMs,
      )
      worker.removeAllListeners('error').removeAllListeners('exit')
      worker.ref()
      worker.on('message', (result: TaskResult) =>
        finish('value' in result ? result : { reason: 'failed', message: result.failure }, false),
      )
      worker.on('error', (error: NodeJS.ErrnoException) =>
        finish(
          error.code === 'ERR_WORKER_OUT_OF_MEMORY'
            ? { reason: 'memory-limit', message: `It needed more than ${this.#memoryMiB} MiB.` }
            : { reason: 'failed', message: messageOf(error) },
          true,
        ),
      )
      worker.on('exit', () => finish({ reason: 'stopped', message: 'It ended its thread.' }, true))
      try {
        worker.postMessage(task)
      } catch (error) {
        finish({ reason: 'failed', message: `Its input cannot be handed over: ${messageOf(error)}.` }, false)
      }
    })
  }

  #start(): Promise<Worker> {
    const file = import.meta.url.endsWith('.ts') ? './isolated-worker.ts' : './isolated-worker.js'
    const worker = new Worker(new URL(file, import.meta.url), {
      env: {},
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: this.#memoryMiB, maxYoungGenerationSizeMb: 16, stackSizeMb: 4 },
    })
    return new Promise((resolve, reject) => {
      worker.once('message', () => {
        worker.removeAllListeners('error')
        resolve(worker)
      })
      worker.once('error', reject)
    })
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message.slice(0, 500) : 'something that is no error was thrown'
}
