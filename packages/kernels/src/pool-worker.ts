/** One worker: its own instance over the shared memory, waiting for stages. */
import { workerData } from 'node:worker_threads'
import { drain, generationWord, queueWords, stopWord, type Kernel } from './task-queue.ts'
import { webAssembly, type WasmMemory, type WasmModule } from './web-assembly.ts'

interface Start {
  readonly module: WasmModule
  readonly memory: WasmMemory
  readonly kernelNames: readonly string[]
  readonly scratch: number
}

const start = workerData as Start
const instance = new webAssembly.Instance(start.module, { env: { memory: start.memory } })
const kernels = start.kernelNames.map((name) => instance.exports[name] as Kernel)
const words = queueWords(start.memory.buffer)
/** Turns before sleeping: some ten microseconds, the time between two stages of one step. */
const patience = 4000

let seen = 0
while (Atomics.load(words, stopWord) === 0) {
  for (let turn = 0; turn < patience && Atomics.load(words, generationWord) === seen; turn++);
  Atomics.wait(words, generationWord, seen)
  seen = Atomics.load(words, generationWord)
  drain(words, kernels, start.scratch)
}
