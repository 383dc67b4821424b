/** Archives in a thread of its own, with a connection of its own; both sides of the thread are in this file. */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { openSqliteStore } from '@portolan/store'
import type { ArchiveJob, ArchiveWork } from './retention.ts'

interface ThreadInput extends ArchiveJob {
  /** Of the database. */
  readonly dataDirectory: string
}

type ThreadAnswer = { readonly files: number; readonly rows: number } | { readonly problem: string }

/** Rows a file: what a thread holds in memory at once. */
const maxEntries = 50_000
/** Between two deletions the gateway gets the write lock. */
const pauseMs = 5

export function archiveInThread(dataDirectory: string): (job: ArchiveJob) => ArchiveWork {
  return (job) => {
    const input: ThreadInput = { ...job, dataDirectory }
    const thread = new Worker(new URL(import.meta.url), { workerData: input, name: 'portolan-retention' })
    const done = new Promise<{ files: number; rows: number }>((resolve, reject) => {
      thread.on('message', (answer: ThreadAnswer) => {
        if ('problem' in answer) reject(new Error(answer.problem))
        else resolve(answer)
      })
      thread.on('error', reject)
      // After an answer this changes nothing.
      thread.on('exit', () => reject(new Error('The archiving thread ended before its work.')))
    })
    return { done, stop: async () => void (await thread.terminate()) }
  }
}

function work({ dataDirectory, directory, beforeMs }: ThreadInput): ThreadAnswer {
  const store = openSqliteStore({ directory: dataDirectory })
  try {
    const manifests = store.ledger.archive({ directory, beforeMs, maxEntries, pauseMs })
    return { files: manifests.length, rows: manifests.reduce((sum, { rows }) => sum + rows, 0) }
  } catch (error) {
    return { problem: (error as Error).message }
  } finally {
    store.close()
  }
}

if (!isMainThread && parentPort !== null && isThreadInput(workerData)) parentPort.postMessage(work(workerData))

/** Another thread may load this file as a part of the program. */
function isThreadInput(value: unknown): value is ThreadInput {
  return typeof value === 'object' && value !== null && 'dataDirectory' in value && 'beforeMs' in value
}
