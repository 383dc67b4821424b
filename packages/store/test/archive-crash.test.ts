/** `kill -9` while rows move into files: nothing is lost, nothing is in two places, and the chain holds. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openSqliteStore, StoreError } from '@portolan/store'
import { sampleRow } from './sample-row.ts'

const root = mkdtempSync(join(tmpdir(), 'portolan-archive-crash-'))
after(() => rmSync(root, { recursive: true, force: true }))
const child = fileURLToPath(new URL('archive-killed.ts', import.meta.url))
const dayMs = 86_400_000
const days = 24
const rowsADay = 10
const endMs = days * dayMs

function filled(name: string): { readonly directory: string; readonly files: string } {
  const directory = join(root, name)
  let nowMs = 0
  const store = openSqliteStore({ directory, now: () => nowMs })
  for (let day = 0; day < days; day++) {
    nowMs = day * dayMs
    store.ledger.append(
      Array.from({ length: rowsADay }, (_, index) =>
        sampleRow(`${day}-${index}`, { startedAtMs: nowMs, costNanos: 7n }),
      ),
    )
  }
  store.close()
  return { directory, files: join(directory, 'archive') }
}

/** @param killAfterMs from the child's first word; null: it kills itself, or finishes. */
function archiveInChild(
  directory: string,
  files: string,
  killAt: number,
  killAfterMs: number | null,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const archiver = spawn(
      process.execPath,
      ['--conditions=source', child, directory, files, String(endMs), String(killAt)],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, NODE_COMPILE_CACHE: join(root, 'compile-cache') },
      },
    )
    let text = ''
    archiver.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      if (killAfterMs !== null && text.startsWith('ready')) setTimeout(() => archiver.kill('SIGKILL'), killAfterMs)
    })
    archiver.on('error', reject)
    archiver.on('close', () => resolve(text.includes('done')))
  })
}

/** @param settled no file may lie there that the ledger does not know. */
function checkBooks(directory: string, files: string, settled: boolean): void {
  const store = openSqliteStore({ directory, now: () => endMs })
  try {
    const archives = store.ledger.archives()
    const check = store.ledger.verify()
    assert.equal(check.problem, null)
    assert.equal(check.entries + check.archivedEntries, days * rowsADay)
    assert.equal(store.ledger.archiveProblem(), null)
    const [line] = store.ledger.usage({ groupBy: [] })
    assert.deepEqual([line?.requests, line?.costNanos], [days * rowsADay, 7n * BigInt(days * rowsADay)])
    // Half a run may still hold rows that their file has too; they are never counted twice, and the next run ends it.
    const archived = archives.reduce((rows, { manifest }) => rows + manifest.rows, 0)
    assert.ok(store.ledger.countRows() + archived >= days * rowsADay)
    if (!settled) return
    assert.equal(store.ledger.countRows() + archived, days * rowsADay)
    const known = archives.flatMap(({ path }) => [basename(path), basename(path).replace('.csv.gz', '.manifest.json')])
    assert.deepEqual(readdirSync(files).sort(), known.sort())
  } finally {
    store.close()
  }
}

describe('kill -9 while rows move into files', () => {
  it('at every point where the next file is begun, written or noted', async () => {
    const { directory, files } = filled('steps')
    // Every file reads the clock for its claim, its manifest and its note: kills fall on each of them in turn.
    for (let killAt = 1; killAt <= 5; killAt++) {
      assert.equal(await archiveInChild(directory, files, killAt, null), false)
      checkBooks(directory, files, false)
    }
    assert.equal(await archiveInChild(directory, files, 0, null), true)
    checkBooks(directory, files, true)
  })

  it('at any moment', async () => {
    const { directory, files } = filled('moments')
    for (let round = 0; round < 4; round++) {
      await archiveInChild(directory, files, 0, round * 5)
      checkBooks(directory, files, false)
    }
    await archiveInChild(directory, files, 0, null)
    checkBooks(directory, files, true)
  })

  it('never writes over a file that another ledger left under the same name', () => {
    const { directory } = filled('shared')
    const files = join(root, 'shared-files')
    const other = openSqliteStore({ directory: filled('other').directory, now: () => endMs })
    other.ledger.archive({ directory: files, beforeMs: endMs })
    const store = openSqliteStore({ directory, now: () => endMs })
    assert.throws(
      () => store.ledger.archive({ directory: files, beforeMs: endMs }),
      (error) => error instanceof StoreError && /did not write it; give it another directory/.test(error.message),
    )
    assert.deepEqual([store.ledger.countRows(), other.ledger.archiveProblem()], [days * rowsADay, null])
    store.close()
    other.close()
  })

  it('one process at a time: the second is told who is at it, unless that one is gone', () => {
    const { directory, files } = filled('two')
    const store = openSqliteStore({ directory, now: () => endMs })
    const claim = (pid: number): void =>
      store.settings.set(
        'archive.claim',
        JSON.stringify({ token: 't', pid, atMs: endMs, file: join(files, 'x.csv.gz') }),
      )
    claim(process.ppid)
    assert.throws(() => store.ledger.archive({ directory: files, beforeMs: endMs }), /is archiving this ledger/)
    // A pid that cannot be: its owner is gone, and what it was writing is removed.
    claim(4_194_305)
    store.ledger.archive({ directory: files, beforeMs: dayMs })
    writeFileSync(join(files, 'x.csv.gz'), 'half of a file')
    claim(4_194_305)
    store.ledger.archive({ directory: files, beforeMs: endMs })
    store.close()
    checkBooks(directory, files, true)
  })
})
