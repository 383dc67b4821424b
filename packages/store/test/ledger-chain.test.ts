/** The hash chain: whatever is changed in the file afterwards is found, and named. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { DatabaseSync } from 'node:sqlite'
import { billingOf, openSqliteStore, type LedgerCheck } from '@portolan/store'
import { sampleRow } from './sample-row.ts'

const root = mkdtempSync(join(tmpdir(), 'portolan-chain-'))
after(() => rmSync(root, { recursive: true, force: true }))
let directories = 0

/** Three batches of two rows and one of a correction; then somebody works on the file. */
function checkAfter(change: string, expectHash?: string): LedgerCheck {
  const directory = join(root, String(directories++))
  const store = openSqliteStore({ directory })
  for (const batch of ['a', 'b', 'c'])
    store.ledger.append([sampleRow(`${batch}1`), sampleRow(`${batch}2`, { currency: 'CNY' })])
  store.ledger.correct([
    {
      correctionId: 'fix-1',
      requestId: 'b1',
      madeAtMs: 5,
      actor: 'ana',
      reason: 'billed otherwise',
      source: 'bill of November',
      after: { ...billingOf(sampleRow('')), costNanos: 100n, tierNanos: null },
    },
  ])
  store.close()
  const raw = new DatabaseSync(store.path)
  raw.exec(change)
  raw.close()
  const again = openSqliteStore({ directory })
  try {
    return again.ledger.verify({ expectHash })
  } finally {
    again.close()
  }
}

describe('the chain over the ledger', () => {
  it('holds over rows and corrections, and its sums are the sums of the entries', () => {
    const check = checkAfter('')
    assert.equal(check.problem, null)
    assert.deepEqual([check.batches, check.entries, check.unchainedRows], [4, 7, 0])
    assert.match(check.head.hash, /^[0-9a-f]{64}$/)
  })

  it('holds for an empty ledger', () => {
    const store = openSqliteStore({ directory: join(root, 'empty') })
    assert.deepEqual([store.ledger.verify().problem, store.ledger.verify().head.batch], [null, 0])
    store.close()
  })

  it('names the row whose amount was changed', () => {
    const { problem } = checkAfter(
      `UPDATE entries SET body = replace(body, '184800', '184801') WHERE request_id = 'b2'`,
    )
    assert.deepEqual([problem?.code, problem?.batch, problem?.seq, problem?.requestId], ['entry-changed', 2, 4, 'b2'])
  })

  it('names the batch when the digest was changed to fit', () => {
    const { problem } = checkAfter(`UPDATE entries SET body = replace(body, '184800', '1'), digest = 'x' WHERE seq = 4;
      UPDATE entries SET digest = '${'a'.repeat(22)}' WHERE seq = 3`)
    assert.deepEqual([problem?.code, problem?.batch, problem?.requestId], ['entry-changed', 2, 'b1'])
    const swapped = checkAfter(`UPDATE entries SET seq = -1 WHERE seq = 3; UPDATE entries SET seq = 3 WHERE seq = 4;
      UPDATE entries SET seq = 4 WHERE seq = -1`)
    assert.deepEqual([swapped.problem?.code, swapped.problem?.batch], ['batch-changed', 2])
  })

  it('names the row that is gone, and the one that was slipped in', () => {
    const gone = checkAfter(`DELETE FROM entries WHERE request_id = 'c1'`).problem
    assert.deepEqual([gone?.code, gone?.batch, gone?.seq], ['entry-missing', 3, 5])
    const added = checkAfter(
      `INSERT INTO entries SELECT 99, 'z', key_id, digest, body FROM entries WHERE seq = 1`,
    ).problem
    assert.deepEqual([added?.code, added?.requestId], ['entry-added', 'z'])
  })

  it('finds a row given to another key by its column alone', () => {
    assert.equal(checkAfter(`UPDATE entries SET key_id = 'key_b' WHERE seq = 2`).problem?.code, 'entry-changed')
  })

  it('finds a changed correction, a dropped batch and a moved commit time', () => {
    const correction = checkAfter(`UPDATE corrections SET body = replace(body, 'ana', 'eve')`).problem
    assert.deepEqual([correction?.code, correction?.requestId], ['entry-changed', 'b1'])
    assert.equal(checkAfter('DELETE FROM ledger_batches WHERE batch = 2').problem?.code, 'batch-missing')
    const moved = checkAfter('UPDATE ledger_batches SET committed_at_ms = 1 WHERE batch = 2').problem
    assert.deepEqual([moved?.code, moved?.batch], ['batch-changed', 2])
  })

  it('finds sums that were touched', () => {
    const { problem } = checkAfter('UPDATE usage_hours SET cost_nanos = cost_nanos - 1')
    assert.equal(problem?.code, 'sums-differ')
    assert.match(problem?.message ?? '', /cost_nanos/)
  })

  it('notices a cut end when the head was noted elsewhere', () => {
    const cut = `DELETE FROM ledger_batches WHERE batch > 2; DELETE FROM entries WHERE seq > 4; DELETE FROM corrections`
    const { head } = checkAfter('')
    assert.equal(checkAfter(cut, head.hash).problem?.code, 'head-unknown')
  })
})

describe('a clock that goes backwards', () => {
  it('puts every row into the hour that it says, breaks the seal of days that were summed, and keeps the chain', () => {
    const dayMs = 86_400_000
    const firstMs = Date.UTC(2026, 10, 1)
    let nowMs = firstMs
    const store = openSqliteStore({ directory: join(root, 'clock'), now: () => nowMs })
    const at = (id: string, ms: number): void => {
      nowMs = ms
      store.ledger.append([sampleRow(id, { startedAtMs: ms })])
    }
    for (let day = 0; day < 40; day++) at(`day-${day}`, firstMs + day * dayMs)
    const byDay = (): readonly (readonly unknown[])[] =>
      store.ledger.usage({ groupBy: ['day'] }).map(({ group, requests }) => [group.day, requests])
    assert.equal(byDay().length, 40)
    // Five weeks back, into days and a month that are sealed; then on, then a start in the year 3000 and in 1969.
    at('back', firstMs + 3 * dayMs + 5)
    at('on', firstMs + 41 * dayMs)
    store.ledger.append([
      sampleRow('far', { startedAtMs: Date.UTC(3000, 0, 1) }),
      sampleRow('old', { startedAtMs: Date.UTC(1969, 6, 20) }),
    ])
    at('after', firstMs + 42 * dayMs)
    const days = new Map(byDay().map(([day, requests]) => [day, requests]))
    assert.equal(days.get('2026-11-04'), 2)
    assert.deepEqual([days.get('3000-01-01'), days.get('1969-07-20'), days.size], [1, 1, 44])
    assert.equal(store.ledger.usage({ groupBy: ['month'], keyId: 'key_a' })[1]?.requests, 31)
    assert.equal(store.ledger.usage({ groupBy: [] })[0]?.requests, 45)
    assert.equal(store.ledger.verify().problem, null)
    store.close()
  })
})
