/** Group commit: when `append` resolves, what happens when the ledger fails, and that no row vanishes silently. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  LedgerWriter,
  StoreError,
  type AppendResult,
  type Ledger,
  type LedgerRow,
  type LedgerWriterOptions,
} from '@portolan/store'
import { sampleRow } from './sample-row.ts'

/** A ledger in a list, which can be told to fail. */
class ListLedger implements Ledger {
  readonly batches: string[][] = []
  failure: Error | null = null
  answersLater = false

  append(rows: readonly LedgerRow[]): AppendResult | Promise<AppendResult> {
    if (this.failure !== null) {
      if (this.answersLater) return Promise.reject(this.failure)
      throw this.failure
    }
    this.batches.push(rows.map(({ requestId }) => requestId))
    const result = { inserted: rows.length, ignored: 0 }
    return this.answersLater ? Promise.resolve(result) : result
  }
  correct(): AppendResult {
    return { inserted: 0, ignored: 0 }
  }
  corrections(): readonly [] {
    return []
  }
  usage(): readonly [] {
    return []
  }
  recent(): readonly [] {
    return []
  }
  find(): null {
    return null
  }
}

const diskFull = new StoreError('STORE_DISK_FULL', 'The disk is full.')

function codeOf(code: string): (error: unknown) => boolean {
  return (error) => error instanceof StoreError && error.code === code
}

function openWriter(answersLater: boolean, options?: LedgerWriterOptions): [LedgerWriter, ListLedger] {
  const ledger = new ListLedger()
  ledger.answersLater = answersLater
  return [new LedgerWriter(ledger, options), ledger]
}

for (const answersLater of [false, true]) writerCases(answersLater)

function writerCases(answersLater: boolean): void {
  describe(`ledger writer over ${answersLater ? 'a remote' : 'an embedded'} ledger`, () => {
    it('commits all rows of one turn together, in order, and resolves after the commit', async () => {
      const [writer, ledger] = openWriter(answersLater)
      const seen: number[] = []
      const appended = ['a', 'b', 'c'].map((id) =>
        writer.append(sampleRow(id)).then(() => seen.push(ledger.batches.length)),
      )
      assert.deepEqual(ledger.batches, [])
      await Promise.all(appended)
      assert.deepEqual(ledger.batches, [['a', 'b', 'c']])
      assert.deepEqual(seen, [1, 1, 1])
      await writer.close()
    })

    it('splits a large turn into bounded batches', async () => {
      const [writer, ledger] = openWriter(answersLater, { maxBatchRows: 2 })
      await Promise.all(['a', 'b', 'c', 'd', 'e'].map((id) => writer.append(sampleRow(id))))
      assert.deepEqual(ledger.batches, [['a', 'b'], ['c', 'd'], ['e']])
      await writer.close()
    })

    it('tells every waiting caller when the disk is full, keeps the rows, and writes them when there is room', async () => {
      const [writer, ledger] = openWriter(answersLater, { retryDelayMs: 5 })
      ledger.failure = diskFull
      const results = await Promise.allSettled(['a', 'b'].map((id) => writer.append(sampleRow(id))))
      assert.ok(results.every((result) => result.status === 'rejected' && result.reason === diskFull))
      assert.equal(writer.counters().queuedRows, 2)
      // Rows that come while it fails are told at once: nobody waits for the next try.
      await assert.rejects(writer.append(sampleRow('c')), codeOf('STORE_DISK_FULL'))
      ledger.failure = null
      await writer.flush()
      assert.deepEqual(ledger.batches, [['a', 'b', 'c']])
      assert.deepEqual(writer.counters(), {
        committedRows: 3,
        ignoredRows: 0,
        commits: 1,
        failedCommits: 1,
        queuedRows: 0,
        refusedRows: 0,
      })
      await writer.append(sampleRow('d'))
      await writer.close()
    })

    it('tries again by itself', async () => {
      const [writer, ledger] = openWriter(answersLater, { retryDelayMs: 1 })
      ledger.failure = diskFull
      await assert.rejects(writer.append(sampleRow('a')))
      ledger.failure = null
      const deadline = Date.now() + 2000
      while (ledger.batches.length === 0 && Date.now() < deadline) await new Promise((resume) => setTimeout(resume, 2))
      assert.deepEqual(ledger.batches, [['a']])
      await writer.close()
    })

    it('refuses loudly when its queue is full, and says before that when to slow down', async () => {
      const [writer, ledger] = openWriter(answersLater, { maxQueuedRows: 4 })
      ledger.failure = diskFull
      const first = [writer.append(sampleRow('a')), writer.append(sampleRow('b'))]
      assert.equal(writer.hasRoom, false)
      first.push(writer.append(sampleRow('c')), writer.append(sampleRow('d')))
      await assert.rejects(writer.append(sampleRow('e')), codeOf('STORE_QUEUE_FULL'))
      assert.equal(writer.counters().refusedRows, 1)
      await Promise.allSettled(first)
      ledger.failure = null
      await writer.close()
      assert.deepEqual(ledger.batches.flat(), ['a', 'b', 'c', 'd'])
    })

    it('refuses an impossible row alone: its neighbours are written', async () => {
      const [writer, ledger] = openWriter(answersLater)
      const good = writer.append(sampleRow('good'))
      await assert.rejects(writer.append(sampleRow('')), codeOf('STORE_BAD_ROW'))
      await good
      assert.deepEqual(ledger.batches, [['good']])
      await writer.close()
    })

    it('writes what waits on close, then takes no more', async () => {
      const [writer, ledger] = openWriter(answersLater)
      const row = writer.append(sampleRow('a'))
      await writer.close()
      await row
      assert.deepEqual(ledger.batches, [['a']])
      await assert.rejects(writer.append(sampleRow('b')), codeOf('STORE_CLOSED'))
    })

    it('fails to close when rows cannot be written, and hands them over', async () => {
      const [writer, ledger] = openWriter(answersLater)
      ledger.failure = new Error('out of ideas')
      const row = writer.append(sampleRow('a'))
      await assert.rejects(writer.close(), codeOf('STORE_FAILED'))
      await assert.rejects(row, codeOf('STORE_FAILED'))
      assert.deepEqual(
        writer.unwritten().map(({ requestId }) => requestId),
        ['a'],
      )
    })
  })
}
