/** Retention by itself: once a day, overdue at a start, after an hour when it failed, and never in anybody's way. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { openSqliteStore, plainRow } from '@portolan/store'
import { run } from '../main.ts'
import { archiveInThread } from './retention-thread.ts'
import { dayMs, Retention, retentionState, type ArchiveJob, type RetentionPolicy } from './retention.ts'

const root = mkdtempSync(join(tmpdir(), 'portolan-retention-'))
after(() => rmSync(root, { recursive: true, force: true }))
const hourMs = 3_600_000
const policy: RetentionPolicy = { days: 90, directory: '/archive' }

interface Bench {
  readonly jobs: ArchiveJob[]
  readonly at: (ms: number) => void
  readonly fail: (problem: string | null) => void
  readonly begin: (changed?: Partial<RetentionPolicy>) => Retention
  readonly settings: {
    readonly get: (name: string) => string | null
    readonly set: (name: string, value: string) => void
  }
}

function bench(): Bench {
  const values = new Map<string, string>()
  const settings = {
    get: (name: string) => values.get(name) ?? null,
    set: (name: string, value: string) => void values.set(name, value),
  }
  const jobs: ArchiveJob[] = []
  let nowMs = 1000 * dayMs
  let problem: string | null = null
  return {
    jobs,
    settings,
    at: (ms) => void (nowMs = 1000 * dayMs + ms),
    fail: (text) => void (problem = text),
    begin: (changed = {}) =>
      new Retention({
        settings,
        policy: { ...policy, ...changed },
        archive: (job) => {
          jobs.push(job)
          return {
            done: problem === null ? Promise.resolve({ files: 1, rows: 5 }) : Promise.reject(new Error(problem)),
            stop: async () => {},
          }
        },
        now: () => nowMs,
        log: { info: () => {}, error: () => {} },
      }),
  }
}

describe('retention', () => {
  it('runs once a day, whatever restarts in between', async () => {
    const { jobs, at, begin, settings } = bench()
    await begin().look()
    assert.deepEqual(jobs, [{ directory: '/archive', beforeMs: 910 * dayMs }])
    at(23 * hourMs)
    await begin().look()
    assert.equal(jobs.length, 1)
    at(dayMs)
    await begin().look()
    assert.equal(jobs.length, 2)
    assert.deepEqual(retentionState(settings)?.last, {
      startedAtMs: 1001 * dayMs,
      endedAtMs: 1001 * dayMs,
      files: 1,
      rows: 5,
      problem: null,
    })
  })

  it('tries again after an hour where it failed, and keeps the reason', async () => {
    const { jobs, at, begin, fail, settings } = bench()
    fail('the disk is full')
    const retention = begin()
    await retention.look()
    assert.equal(retentionState(settings)?.last?.problem, 'the disk is full')
    at(hourMs - 1)
    await retention.look()
    assert.equal(jobs.length, 1)
    at(hourMs)
    fail(null)
    await retention.look()
    assert.deepEqual([jobs.length, retentionState(settings)?.last?.problem], [2, null])
  })

  it('a clock that was wrong once does not put it off for years', async () => {
    const { jobs, at, begin } = bench()
    at(3650 * dayMs)
    await begin().look()
    at(0)
    await begin().look()
    assert.equal(jobs.length, 2)
  })

  it('does nothing unless it is configured, and begins when it is', async () => {
    const { jobs, begin, settings } = bench()
    const retention = begin({ days: null })
    retention.start()
    await retention.look()
    assert.deepEqual([jobs.length, retentionState(settings)?.days], [0, null])
    retention.change({ ...policy, days: 30 })
    await retention.look()
    assert.deepEqual([jobs.map(({ beforeMs }) => beforeMs / dayMs), retentionState(settings)?.days], [[970], 30])
    await retention.stop()
    retention.change(policy)
    assert.equal(jobs.length, 1)
  })

  it('a run that a shutdown ends counts as not run', async () => {
    const { settings } = bench()
    let reject: (error: Error) => void = () => {}
    const retention = new Retention({
      settings,
      policy,
      archive: () => ({
        done: new Promise((_resolve, failed) => void (reject = failed)),
        stop: async () => reject(new Error('terminated')),
      }),
      now: () => 5 * dayMs,
      log: { info: () => {}, error: () => assert.fail('nothing failed') },
    })
    retention.start()
    await retention.stop()
    assert.equal(retentionState(settings)?.last, null)
  })
})

describe('the archiving thread beside a running ledger', () => {
  it('moves old rows while new ones are written; the chain, the sums and the list agree afterwards', async () => {
    const data = join(root, 'data')
    let nowMs = 0
    const store = openSqliteStore({ directory: data, now: () => nowMs })
    const row = (id: string) => plainRow({ requestId: id, startedAtMs: nowMs, currency: 'USD', costNanos: 3n })
    for (let day = 0; day < 40; day++) {
      nowMs = day * dayMs
      store.ledger.append(Array.from({ length: 50 }, (_, index) => row(`${day}-${index}`)))
    }
    const retention = new Retention({
      settings: store.settings,
      policy: { days: 10, directory: join(root, 'files') },
      archive: archiveInThread(data),
      now: () => 40 * dayMs,
      log: { info: () => {}, error: ({ reason }: { reason: string }) => assert.fail(reason) },
    })
    const running = retention.look()
    nowMs = 40 * dayMs
    for (let index = 0; index < 100; index++) {
      store.ledger.append([row(`late-${index}`)])
      await new Promise(setImmediate)
    }
    await running
    assert.deepEqual(
      [retentionState(store.settings)?.last?.rows, store.ledger.countRows(), store.ledger.verify().problem],
      [30 * 50, 10 * 50 + 100, null],
    )
    assert.equal(store.ledger.usage({ groupBy: [] })[0]?.requests, 2100)
    store.close()

    const config = join(root, 'portolan.yaml')
    writeFileSync(config, 'usage: { retentionDays: 10, archive: ./files }\n')
    const lines: string[] = []
    const { log } = console
    console.log = (text: string) => void lines.push(text)
    try {
      await run(['node', 'portolan', 'usage', 'archive', '--list', '--config', config, '--data', data])
    } finally {
      Object.assign(console, { log })
    }
    assert.match(lines.join('\n'), /1-30\s+1,500\s+0\s+[\d,]+\s+\S+ledger-000000001-000000030\.csv\.gz$/m)
    assert.match(
      lines.join('\n'),
      /rows older than 10 days go to .*once a day.*\nLast run 1970-02-10T00:00:00: 1,500 rows into 1 file\./,
    )
  })
})
