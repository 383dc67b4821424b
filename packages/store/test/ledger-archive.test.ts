/** Old rows go into files; nothing leaves before its file was read back, and the books still balance afterwards. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { billingOf, csvLine, openSqliteStore, readCsv, StoreError, type SqliteStore } from '@portolan/store'
import { sampleRow } from './sample-row.ts'

const root = mkdtempSync(join(tmpdir(), 'portolan-archive-'))
const opened: SqliteStore[] = []
after(() => {
  for (const store of opened) store.close()
  rmSync(root, { recursive: true, force: true })
})
let directories = 0

/** Ten days with three rows each, one corrected on the last day. */
function tenDays(): { readonly store: SqliteStore; readonly files: string; readonly day: (day: number) => number } {
  const directory = join(root, String(directories++))
  let nowMs = 0
  const day = (index: number): number => Date.UTC(2026, 10, 1 + index)
  const store = openSqliteStore({ directory, now: () => nowMs })
  opened.push(store)
  for (let index = 0; index < 10; index++) {
    nowMs = day(index) + 1000
    store.ledger.append(['a', 'b', 'c'].map((name) => sampleRow(`${name}${index}`, { startedAtMs: day(index) })))
  }
  const after = { ...billingOf(sampleRow('')), costNanos: 5n, tierNanos: null }
  const fix = {
    correctionId: 'fix',
    requestId: 'a0',
    madeAtMs: nowMs,
    actor: 'ana',
    reason: '"so", said\nshe',
    source: 'x',
  }
  store.ledger.correct([{ ...fix, after }])
  return { store, files: join(directory, 'archive'), day }
}

describe('the archive of the ledger', () => {
  it('takes whole batches that are old enough, in files of bounded size with a manifest each', () => {
    const { store, files, day } = tenDays()
    const before = store.ledger.usage({ groupBy: ['day', 'model'] })
    const manifests = store.ledger.archive({ directory: files, beforeMs: day(7), maxEntries: 9 })
    assert.deepEqual(
      manifests.map(({ firstBatch, lastBatch, rows, corrections }) => [firstBatch, lastBatch, rows, corrections]),
      [
        [1, 3, 9, 0],
        [4, 6, 9, 0],
        [7, 7, 3, 0],
      ],
    )
    assert.equal(manifests[0]?.sums['USD']?.['cost_nanos'], String(9n * 184_800n))
    assert.equal(readdirSync(files).length, 6)
    assert.equal(store.ledger.countRows(), 9)
    assert.deepEqual(store.ledger.usage({ groupBy: ['day', 'model'] }), before)
    assert.equal(store.ledger.find('a0'), null)
  })

  it('leaves a chain that holds and sums that are the sums of files and rows together', () => {
    const { store, files, day } = tenDays()
    store.ledger.archive({ directory: files, beforeMs: day(5) })
    const check = store.ledger.verify()
    assert.deepEqual([check.problem, check.entries, check.archivedEntries], [null, 16, 15])
    assert.equal(store.ledger.archiveProblem(), null)
    // The correction's row went before it; the rest goes later.
    store.ledger.archive({ directory: files, beforeMs: day(20) })
    assert.deepEqual([store.ledger.verify().problem, store.ledger.countRows()], [null, 0])
    store.ledger.append([sampleRow('new')])
    assert.equal(store.ledger.verify().problem, null)
    assert.equal(store.ledger.archiveProblem(), null)
  })

  it('holds every entry as it was written, readable without this program', () => {
    const { store, files, day } = tenDays()
    const [manifest] = store.ledger.archive({ directory: files, beforeMs: day(20) })
    const text = gunzipSync(readFileSync(join(files, manifest?.file ?? ''))).toString('utf8')
    const [header, ...records] = readCsv(text)
    assert.deepEqual(header?.slice(0, 6), ['kind', 'seq', 'batch', 'id', 'request_id', 'started_at'])
    assert.equal(records.length, 31)
    assert.deepEqual(records[4]?.slice(0, 6), ['row', '5', '2', 'b1', 'b1', '2026-11-02T00:00:00.000Z'])
    assert.equal(records[30]?.[0], 'correction')
  })

  it('says which file is missing, changed or cut', () => {
    const { store, files, day } = tenDays()
    const [manifest] = store.ledger.archive({ directory: files, beforeMs: day(5) })
    const path = join(files, manifest?.file ?? '')
    const bytes = readFileSync(path)
    writeFileSync(path, bytes.subarray(0, -4))
    assert.match(store.ledger.archiveProblem()?.message ?? '', /is not the file that was written/)
    rmSync(path)
    assert.match(store.ledger.archiveProblem()?.message ?? '', /cannot be read/)
  })

  it('keeps the rows where the directory cannot be written', () => {
    const { store, files, day } = tenDays()
    writeFileSync(files, 'a file, not a directory')
    assert.throws(
      () => store.ledger.archive({ directory: join(files, 'deeper'), beforeMs: day(5) }),
      (error) => error instanceof StoreError && error.code === 'STORE_ARCHIVE',
    )
    assert.equal(store.ledger.countRows(), 30)
  })

  it('refuses to correct a row that went into a file', () => {
    const { store, files, day } = tenDays()
    store.ledger.archive({ directory: files, beforeMs: day(5) })
    const fix = { correctionId: 'late', requestId: 'a1', madeAtMs: 1, actor: 'a', reason: 'b', source: 'c' }
    assert.throws(
      () => store.ledger.correct([{ ...fix, after: billingOf(sampleRow('')) }]),
      (error) => error instanceof StoreError && error.code === 'STORE_NO_ROW',
    )
  })
})

describe('comma-separated values', () => {
  it('come back as they were written, whatever they hold', () => {
    const records = [['plain', '', 'a,b', 'say "so"', 'two\r\nlines', '"'], ['', ''], ['last']]
    assert.deepEqual([...readCsv(records.map(csvLine).join(''))], records)
  })

  it('are read from other programs too: marks, line ends, a cut last line', () => {
    assert.deepEqual(
      [...readCsv('\ufeffa,b\r\n1,2\r\n\r\n3,"4')],
      [
        ['a', 'b'],
        ['1', '2'],
        ['3', '4'],
      ],
    )
    assert.deepEqual([...readCsv('a,')], [['a', '']])
  })
})
