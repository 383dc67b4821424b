/**
 * The primary of a gateway with several processes: forks the doors, writes the ledger, restarts what dies.
 *
 * It serves no request itself, so the one ledger writer is never behind a busy door. Health gates, affinity and
 * the prefix meter are per worker: a hint may be missing, a limit of an upstream is divided among the workers.
 */
import cluster, { type Worker } from 'node:cluster'
import { AggregatorRegistry } from 'prom-client'
import type { Logger } from 'pino'
import type { LedgerWriter } from '@portolan/store'
import { GatewayError } from '@portolan/gateway'
import type { PrimaryMessage, WorkerMessage } from './messages.ts'

export interface Doors {
  readonly url: string
  reload(): void
  /** Resolves when all workers have finished their answers and gone. */
  drain(): Promise<void>
}

/** A worker that dies this soon after its start is not restarted for ever. */
const earlyDeathMs = 5000
const restartDelayMs = 500

export async function startWorkers(count: number, writer: LedgerWriter, log: Logger): Promise<Doors> {
  cluster.setupPrimary({ serialization: 'advanced' })
  const registry = new AggregatorRegistry()
  let draining = false
  const fork = (): Promise<string> => {
    const worker = cluster.fork()
    const startedAt = performance.now()
    worker.on('exit', (code, signal) => {
      if (draining) return
      log.error({ pid: worker.process.pid, code, signal }, 'a worker died')
      const delayMs = performance.now() - startedAt < earlyDeathMs ? restartDelayMs * 4 : restartDelayMs
      setTimeout(() => draining || void fork().catch(() => {}), delayMs)
    })
    return new Promise((resolve, reject) => {
      worker.on('message', (message: WorkerMessage) => {
        if (message.type === 'listening') resolve(message.url)
        else if (message.type === 'failed') reject(new GatewayError('GATEWAY_CANNOT_LISTEN', message.message))
        else if (message.type === 'rows') void settle(worker, writer, message)
        // The metrics library talks over the same channel; its messages have other types.
        else if (message.type === 'metrics')
          void registry.clusterMetrics().then(
            (text) => say(worker, { type: 'metrics', ask: message.ask, text }),
            (error: Error) => say(worker, { type: 'metrics', ask: message.ask, text: `# ${error.message}\n` }),
          )
      })
    })
  }
  const url = await fork()
  await Promise.all(Array.from({ length: count - 1 }, fork))
  let trouble: string | null = null
  const watch = setInterval(() => {
    const now = writer.hasRoom ? null : 'the ledger cannot be written and its queue is full'
    if (now === trouble) return
    trouble = now
    for (const worker of workers()) say(worker, { type: 'trouble', trouble })
  }, 250).unref()
  return {
    url,
    reload: () => {
      for (const worker of workers()) say(worker, { type: 'reload' })
    },
    drain: async () => {
      draining = true
      clearInterval(watch)
      await Promise.all(
        workers().map((worker) => {
          const gone = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
          say(worker, { type: 'drain' })
          return gone
        }),
      )
    },
  }
}

/** All rows of the batch go to the writer in one turn, so they are one commit. */
async function settle(
  worker: Worker,
  writer: LedgerWriter,
  { batch, rows }: Extract<WorkerMessage, { type: 'rows' }>,
): Promise<void> {
  const results = await Promise.allSettled(rows.map((row) => writer.append(row)))
  const errors = results.map((result) => (result.status === 'fulfilled' ? null : (result.reason as Error).message))
  say(worker, { type: 'settled', batch, errors })
}

function say(worker: Worker, message: PrimaryMessage): void {
  if (worker.isConnected()) worker.send(message)
}

function workers(): Worker[] {
  return Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined)
}
