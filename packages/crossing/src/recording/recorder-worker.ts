/** The thread in which exchanges are redacted, encrypted and written. Ends when it is told to. */
import { readlinkSync } from 'node:fs'
import { setPriority } from 'node:os'
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { createSealer } from '@portolan/wire'
import { databaseName } from './library.ts'
import { Recorder } from './recorder.ts'
import { RecordingsDatabase } from './sqlite/recordings-database.ts'
import type { FromRecorder, RecorderThreadOptions, ToRecorder } from './thread-messages.ts'
import { Vault } from './vault.ts'

const options = workerData as RecorderThreadOptions
const port = parentPort!
const database = new RecordingsDatabase(join(options.directory, databaseName))
const recorder = new Recorder({
  directory: options.directory,
  database,
  vault: new Vault(options.recordingKey),
  sealer: createSealer(options.sealKey),
  rules: options.rules,
  maxBytes: options.maxBytes,
})
const say = (message: FromRecorder): void => port.postMessage(message)
/** Counts that a full disk kept in memory are tried again now and then. */
const retry = setInterval(() => recorder.flush(), 5000)

/** Serving comes first: where the system knows threads by number, this one takes what processor time is left over. */
try {
  const thread = /\d+$/.exec(readlinkSync('/proc/thread-self'))?.[0]
  if (thread !== undefined) setPriority(Number(thread), 10)
} catch {
  // Not Linux, or not allowed: the queue's bound still holds.
}

port.on('message', (message: ToRecorder) => {
  if (message.type === 'batch') {
    const { dropped } = recorder.record(message.exchanges)
    say({ type: 'done', exchanges: message.exchanges.length, dropped })
  } else if (message.type === 'note') recorder.note(message.recordingId, message.name, message.times)
  else {
    clearInterval(retry)
    recorder.close()
    database.close()
    say({ type: 'closed' })
    port.close()
  }
})
