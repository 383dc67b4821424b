/**
 * Runs kernels over ranges of rows, on this thread and any number of workers.
 *
 * Jobs added between two flushes are one stage: they run in any order and at the same time, so none may read
 * what another writes. Tasks are claimed one by one; this thread takes part, and without workers it does
 * everything in order. Splitting never changes a result: a row belongs to one task.
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Arena } from './arena.ts'
import { KernelError } from './errors.ts'
import {
  argumentBytes,
  argumentsAt,
  drain,
  finishedWord,
  firstJobWord,
  generationWord,
  jobWords,
  maximumJobs,
  maximumTasks,
  nextWord,
  queueWords,
  stopWord,
  tasksWord,
  taskWord,
  trapsWord,
  type Kernel,
} from './task-queue.ts'
import { webAssembly, type WasmModule } from './web-assembly.ts'

/** Longest stage that is believed; a worker that was killed in the middle of a task never reports it. */
const lostAfterMs = 120_000
const patience = 20_000

export type KernelName = string

export class Pool {
  readonly workers: number
  readonly #words: Int32Array<SharedArrayBuffer>
  readonly #integers: Int32Array<SharedArrayBuffer>
  readonly #floats: Float32Array<SharedArrayBuffer>
  readonly #names: readonly string[]
  readonly #kernels: readonly Kernel[]
  readonly #scratch: number
  readonly #threads: readonly Worker[]
  #jobs = 0
  #tasks = 0
  #generation = 0
  #closed = false

  private constructor(
    arena: Arena,
    names: readonly string[],
    kernels: readonly Kernel[],
    scratch: number,
    threads: readonly Worker[],
  ) {
    this.workers = threads.length
    this.#words = queueWords(arena.buffer)
    this.#integers = new Int32Array(arena.buffer, argumentsAt, ((maximumJobs + 1) * argumentBytes) / 4)
    this.#floats = new Float32Array(arena.buffer, argumentsAt, ((maximumJobs + 1) * argumentBytes) / 4)
    this.#names = names
    this.#kernels = kernels
    this.#scratch = scratch
    this.#threads = threads
  }

  static async start(arena: Arena, module: WasmModule, workers: number, scratchBytes: number): Promise<Pool> {
    const names = webAssembly.Module.exports(module)
      .filter((entry) => entry.kind === 'function')
      .map((entry) => entry.name)
    const instance = new webAssembly.Instance(module, { env: { memory: arena.memory } })
    const kernels = names.map((name) => instance.exports[name] as Kernel)
    const scratch = arena.take(scratchBytes)
    const file = import.meta.url.endsWith('.ts') ? './pool-worker.ts' : './pool-worker.js'
    const threads = Array.from({ length: workers }, () => {
      const thread = new Worker(new URL(file, import.meta.url), {
        workerData: { module, memory: arena.memory, kernelNames: names, scratch: arena.take(scratchBytes) },
      })
      return thread
    })
    await Promise.all(threads.map((thread) => once(thread, 'online')))
    for (const thread of threads) thread.unref()
    return new Pool(arena, names, kernels, scratch, threads)
  }

  /** Adds a job: `kernel` over `units` rows, panels or tokens, `grain` of them a task. */
  add(kernel: KernelName, values: readonly number[], units: number, grain: number, floatAt = -1, float = 0): void {
    if (this.#closed) throw new KernelError('KERNELS_CLOSED', 'The kernels are closed.')
    const index = this.#names.indexOf(kernel)
    if (index < 0) throw new KernelError('KERNELS_UNSUPPORTED', `No kernel has the name ${kernel}.`)
    if (units <= 0) return
    const size = Math.max(1, Math.floor(grain), Math.ceil(units / 65_536))
    const tasks = Math.ceil(units / size)
    if (this.#jobs === maximumJobs || this.#tasks + tasks > maximumTasks) this.flush()
    const at = (this.#jobs * argumentBytes) / 4
    for (const [offset, value] of values.entries()) this.#integers[at + offset] = value
    if (floatAt >= 0) this.#floats[at + floatAt] = float
    const word = firstJobWord + this.#jobs * jobWords
    this.#words[word] = index
    this.#words[word + 1] = argumentsAt + at * 4
    this.#words[word + 2] = units
    this.#words[word + 3] = size
    this.#words[word + 4] = this.#tasks
    this.#tasks += tasks
    this.#words[word + 5] = this.#tasks
    this.#jobs++
  }

  /** Runs one kernel now, before the stage that is being collected. */
  runFirst(kernel: KernelName, values: readonly number[], units: number, floatAt = -1, float = 0): void {
    if (this.#tasks === 0 && units >= 16) {
      this.add(kernel, values, units, this.grainFor(units), floatAt, float)
      this.flush()
      return
    }
    const index = this.#names.indexOf(kernel)
    const at = (maximumJobs * argumentBytes) / 4
    for (const [offset, value] of values.entries()) this.#integers[at + offset] = value
    if (floatAt >= 0) this.#floats[at + floatAt] = float
    try {
      this.#kernels[index]!(argumentsAt + at * 4, 0, units, this.#scratch)
    } catch (cause) {
      throw new KernelError('KERNELS_TRAP', 'A kernel left its memory; an address or a shape was wrong.', { cause })
    }
  }

  /** Grain that gives each thread a few tasks, so that a busy core does not hold up the others. */
  grainFor(units: number): number {
    return this.workers === 0 ? units : Math.max(1, Math.ceil(units / ((this.workers + 1) * 8)))
  }

  /** Runs what was added and returns when all of it is done. */
  flush(): void {
    const tasks = this.#tasks
    if (tasks === 0) return
    this.#jobs = 0
    this.#tasks = 0
    this.#generation++
    const words = this.#words
    Atomics.store(words, finishedWord, 0)
    Atomics.store(words, tasksWord, taskWord(this.#generation, tasks))
    Atomics.store(words, nextWord, taskWord(this.#generation, 0))
    if (this.workers > 0 && tasks > 1) {
      Atomics.add(words, generationWord, 1)
      Atomics.notify(words, generationWord)
    }
    drain(words, this.#kernels, this.#scratch)
    for (let turn = 0; turn < patience && Atomics.load(words, finishedWord) < tasks; turn++);
    for (let waitedMs = 0; ; waitedMs += 10) {
      const finished = Atomics.load(words, finishedWord)
      if (finished >= tasks) break
      if (waitedMs > lostAfterMs) throw new KernelError('KERNELS_WORKER_LOST', 'A worker of the kernels stopped.')
      Atomics.wait(words, finishedWord, finished, 10)
    }
    if (Atomics.exchange(words, trapsWord, 0) !== 0) {
      throw new KernelError('KERNELS_TRAP', 'A kernel left its memory; an address or a shape was wrong.')
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    Atomics.store(this.#words, stopWord, 1)
    Atomics.add(this.#words, generationWord, 1)
    Atomics.notify(this.#words, generationWord)
    await Promise.all(this.#threads.map((thread) => thread.terminate()))
  }
}
