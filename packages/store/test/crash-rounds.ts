/**
 * `kill -9` in the middle of writing, then look: every acknowledged row is there, once, and the rollups equal
 * the rows. Used by `crash.test.ts` (few rounds) and `crash-soak.ts` (many).
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openSqliteStore } from '@portolan/store'

const child = fileURLToPath(new URL('crash-writer.ts', import.meta.url))

/** Rounds share one database, so that recovery builds on recovered files. Returns the acknowledged rows. */
export async function crashRounds(directory: string, rounds: number, random: () => number): Promise<number> {
  const acknowledged = new Set<string>()
  for (let round = 0; round < rounds; round++) {
    for (const id of await writeUntilKilled(directory, round, 1 + Math.floor(random() * 40))) acknowledged.add(id)
    const store = openSqliteStore({ directory })
    try {
      for (const id of acknowledged)
        if (id.startsWith(`${round}-`))
          assert.ok(store.ledger.find(id), `round ${round}: acknowledged row ${id} is missing`)
      const [line] = store.ledger.usage({ groupBy: [] })
      const requests = line?.requests ?? 0
      // Rows committed but not yet acknowledged may be there as well, never fewer.
      assert.ok(requests >= acknowledged.size, `round ${round}: ${requests} rows for ${acknowledged.size} acknowledged`)
      assert.equal(line?.costNanos ?? 0n, 7n * BigInt(requests))
      assert.equal(store.ledger.countRows(), requests, `round ${round}: rollups and rows differ`)
    } finally {
      store.close()
    }
  }
  return acknowledged.size
}

/** Starts the child, waits until it has acknowledged `turns` lines or so, and kills it. */
function writeUntilKilled(directory: string, round: number, lines: number): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const writer = spawn(process.execPath, ['--conditions=source', child, directory, String(round)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      // Most of a round is the start of a process; compiled modules are kept beside the data.
      env: { ...process.env, NODE_COMPILE_CACHE: join(directory, '..', 'compile-cache') },
    })
    let text = ''
    writer.stdout.setEncoding('utf8')
    writer.stdout.on('data', (chunk: string) => {
      text += chunk
      if (text.split('\n').length > lines + 1) writer.kill('SIGKILL')
    })
    writer.on('error', reject)
    writer.on('close', () => {
      // The last line may be cut by the kill; a cut id is not an acknowledgement.
      const whole = text.slice(0, text.lastIndexOf('\n') + 1)
      resolve(whole.split('\n').filter((line) => line !== '' && line !== 'ready'))
    })
  })
}
