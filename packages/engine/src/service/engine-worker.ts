/** The engine's thread: takes messages between two steps, and sends what a step has made in one message. */
import { parentPort, workerData } from 'node:worker_threads'
import { Engine, failureOf } from './engine.ts'
import type { EngineEvent, EngineOptions, FromEngine, ToEngine } from './protocol.ts'

const port = parentPort!
const send = (message: FromEngine): void => port.postMessage(message, [])

let batches = new Map<number, EngineEvent[]>()
let isRunning = false

function flush(): void {
  if (batches.size === 0) return
  send({ type: 'events', batches: [...batches] })
  batches = new Map()
}

function emitTo(id: number): (event: EngineEvent) => void {
  return (event) => {
    const batch = batches.get(id)
    // Only the newest progress of a batch says anything.
    if (event.type === 'progress' && batch?.at(-1)?.type === 'progress') batch.pop()
    if (batch === undefined) batches.set(id, [event])
    else batch.push(event)
  }
}

function run(engine: Engine): void {
  if (isRunning) return
  isRunning = true
  const turn = (): void => {
    isRunning = engine.step()
    flush()
    // Messages that came during the step are read before the next.
    if (isRunning) setImmediate(turn)
  }
  setImmediate(turn)
}

try {
  const engine = await Engine.open(workerData as EngineOptions, () => performance.now())
  port.on('message', (message: ToEngine) => {
    switch (message.type) {
      case 'generate':
        engine.generate(message.id, message.request, emitTo(message.id))
        run(engine)
        break
      case 'cancel':
        engine.cancel(message.id)
        break
      case 'counters':
        send({ type: 'counters', id: message.id, counters: engine.counters })
        break
      case 'close':
        engine.close()
        send({ type: 'closed' })
        port.close()
    }
  })
  send({ type: 'ready', info: engine.info })
} catch (error) {
  const { code, kind, message } = failureOf(error)
  send({ type: 'broken', code, kind, message })
}
