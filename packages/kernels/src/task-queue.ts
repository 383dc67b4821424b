/**
 * The shared job table, as main thread and workers both see it. Words of 32 bits from `queueAt`:
 *
 *   0 generation | 1 next task | 2 tasks | 3 finished tasks | 4 stop | 5 traps | 8.. jobs
 *   job: kernel, arguments, units, units per task, first task        (8 words each)
 *   then 64 bytes of arguments per job
 *
 * `next` and `tasks` carry the generation in their upper bits: a worker that wakes late and claims a task of a
 * stage that is over sees two generations and drops it.
 */
import { queueAt } from './tables.ts'

export const maximumJobs = 512
export const jobWords = 8
export const generationWord = 0
export const nextWord = 1
export const tasksWord = 2
export const finishedWord = 3
export const stopWord = 4
export const trapsWord = 5
export const firstJobWord = 8
export const argumentsAt = queueAt + 4 * (firstJobWord + maximumJobs * jobWords)
export const argumentBytes = 64
const taskBits = 18
export const maximumTasks = 2 ** taskBits - 1024

/** `generation` is cut to the bits that are left. */
export function taskWord(generation: number, task: number): number {
  return (generation << taskBits) | task
}

export type Kernel = (args: number, from: number, to: number, scratch: number) => void

export function queueWords(buffer: SharedArrayBuffer): Int32Array<SharedArrayBuffer> {
  return new Int32Array(buffer, queueAt, firstJobWord + maximumJobs * jobWords)
}

/** Claims and runs tasks until none is left. */
export function drain(words: Int32Array, kernels: readonly Kernel[], scratch: number): void {
  for (;;) {
    const claimed = Atomics.add(words, nextWord, 1)
    const tasks = Atomics.load(words, tasksWord)
    const task = claimed & (2 ** taskBits - 1)
    const count = tasks & (2 ** taskBits - 1)
    if (claimed >>> taskBits !== tasks >>> taskBits || task >= count) return
    let job = firstJobWord
    // Jobs lie in order of their first task; word 5 holds the task after the last.
    while (words[job + 5]! <= task) job += jobWords
    const from = (task - words[job + 4]!) * words[job + 3]!
    const to = Math.min(words[job + 2]!, from + words[job + 3]!)
    try {
      kernels[words[job]!]!(words[job + 1]!, from, to, scratch)
    } catch {
      Atomics.add(words, trapsWord, 1)
    }
    if (Atomics.add(words, finishedWord, 1) + 1 === count) Atomics.notify(words, finishedWord)
  }
}
