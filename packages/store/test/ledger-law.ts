/**
 * The law of the ledger: whatever happens, the sums are the sums of the rows as they stand.
 *
 * Random appends (with repeats, late rows, rows of the day before, a clock that jumps forwards and back), corrections
 * of rows and of corrections, questions in between. A plain model keeps every row's present state and its sums; each
 * question is asked of both. Used by `ledger-law.test.ts` (few operations) and by hand:
 * `node --conditions=source packages/store/test/ledger-law.ts 1000000`.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  billingOf,
  openSqliteStore,
  type CorrectionInput,
  type LedgerRow,
  type UsageGroup,
  type UsageQuery,
} from '@portolan/store'
import { sampleRow } from './sample-row.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const firstMs = Date.UTC(2026, 0, 15)

interface Sums {
  requests: number
  unpriced: number
  estimated: number
  output: number
  cost: bigint
}

export interface LawRun {
  readonly operations: number
  readonly rows: number
  readonly corrections: number
  readonly questions: number
}

export function runLedgerLaw(operations: number, seed: number, questions: number): LawRun {
  const directory = mkdtempSync(join(tmpdir(), 'portolan-law-'))
  let nowMs = firstMs
  const store = openSqliteStore({ directory, now: () => nowMs })
  const { ledger } = store
  const random = seededRandom(seed)
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!
  const model = new Map<string, LedgerRow>()
  const ids: string[] = []
  const cells = new Map<string, Sums>()
  let [done, rows, corrections, asked, corrected] = [0, 0, 0, 0, 0]

  const change = (row: LedgerRow, sign: 1 | -1): void => {
    const hour = Math.floor(row.startedAtMs / hourMs) * hourMs
    const name = JSON.stringify([
      hour,
      row.keyId,
      row.team,
      row.tag,
      row.modelServed,
      row.upstream,
      row.currency,
      row.status,
    ])
    const sums = cells.get(name) ?? { requests: 0, unpriced: 0, estimated: 0, output: 0, cost: 0n }
    sums.requests += sign
    if (row.costNanos === null) sums.unpriced += sign
    else sums.cost += sign === 1 ? row.costNanos : -row.costNanos
    if (row.usage.source === 'estimated') sums.estimated += sign
    sums.output += sign * (row.usage.outputTokens ?? 0)
    cells.set(name, sums)
  }
  const billing = (): Pick<LedgerRow, 'usage' | 'currency' | 'costNanos' | 'tierNanos'> => {
    const priced = random() < 0.9
    const nanos = BigInt(Math.floor(random() * 1e12))
    return {
      usage: {
        ...sampleRow('').usage,
        outputTokens: random() < 0.95 ? Math.floor(random() * 5000) : null,
        source: pick(['reported', 'reported', 'estimated']),
      },
      currency: priced ? pick(['USD', 'CNY']) : null,
      costNanos: priced ? nanos : null,
      tierNanos: priced ? { miss: nanos, hit: 0n, write5m: 0n, write1h: 0n, output: 0n } : null,
    }
  }
  const newRow = (): LedgerRow => {
    const id = random() < 0.02 && ids.length > 0 ? pick(ids) : `r${rows}-${done}-${Math.floor(random() * 1e9)}`
    const late = random() < 0.001 ? random() * 90 * dayMs : random() * 2 * hourMs
    return sampleRow(id, {
      keyId: pick([null, 'key_a', 'key_b', 'key_c']),
      team: pick([null, 'red', 'blue']),
      tag: pick([null, null, 'nightly', 'release']),
      modelServed: pick(['flash', 'pro']),
      upstream: pick(['deepseek', 'cluster']),
      status: pick(['ok', 'ok', 'ok', 'cut', 'error']),
      startedAtMs: Math.round(nowMs - late),
      ...billing(),
    })
  }
  const append = (): void => {
    const batch = Array.from({ length: 1 + Math.floor(random() * 40) }, newRow)
    ledger.append(batch)
    for (const row of batch) {
      done += 1
      if (model.has(row.requestId)) continue
      rows += 1
      ids.push(row.requestId)
      model.set(row.requestId, row)
      change(row, 1)
    }
  }
  const correct = (): void => {
    const batch: CorrectionInput[] = Array.from({ length: 1 + Math.floor(random() * 5) }, () => {
      const requestId = pick(ids)
      const after = { ...billingOf(model.get(requestId)!), ...billing() }
      return {
        correctionId: `c${corrected++}`,
        requestId,
        madeAtMs: nowMs,
        actor: 'law',
        reason: 'chance',
        source: 'dice',
        after,
      }
    })
    // Some are sent again, as after a crash.
    ledger.correct(random() < 0.1 ? [...batch, ...batch] : batch)
    for (const { requestId, after } of batch) {
      done += 1
      corrections += 1
      change(model.get(requestId)!, -1)
      model.set(requestId, { ...model.get(requestId)!, ...after })
      change(model.get(requestId)!, 1)
    }
  }
  const ask = (): void => {
    asked += 1
    const groupBy = (['model', 'key', 'team', 'tag', 'upstream', 'status', 'month', 'day'] as const).filter(
      () => random() < 0.3,
    )
    const fromMs = random() < 0.5 ? undefined : nowMs - Math.floor(random() * 100 * dayMs)
    const untilMs = random() < 0.5 ? undefined : (fromMs ?? firstMs) + Math.floor(random() * 100 * dayMs)
    const query: UsageQuery = {
      groupBy,
      fromMs,
      untilMs,
      ...(random() < 0.2 && { keyId: 'key_a' }),
      ...(random() < 0.2 && { team: 'red' }),
    }
    const expected = answerOf(cells, query)
    const found = new Map(
      ledger.usage(query).map((line) => [
        JSON.stringify([...groupBy.map((group) => line.group[group] ?? null), line.currency]),
        {
          requests: line.requests,
          unpriced: line.requestsUnpriced,
          estimated: line.requestsEstimated,
          output: line.outputTokens,
          cost: line.costNanos,
        },
      ]),
    )
    assert.deepEqual(found, expected, JSON.stringify(query))
  }

  try {
    append()
    const everyOperations = operations / questions
    for (;;) {
      if (done >= operations) break
      const chance = random()
      if (chance < 0.9) append()
      else correct()
      // Time goes on for about half a year in the whole run, with steps back now and then.
      nowMs += (chance < 0.01 ? -30 : 3 * random()) * ((180 * dayMs) / (operations / 20))
      if (asked < Math.floor(done / everyOperations)) ask()
    }
    ask()
    assert.equal(ledger.verify().problem, null)
    return { operations: done, rows, corrections, questions: asked }
  } finally {
    store.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

function answerOf(cells: ReadonlyMap<string, Sums>, query: UsageQuery): Map<string, Sums> {
  const from = query.fromMs === undefined ? -Infinity : Math.floor(query.fromMs / hourMs) * hourMs
  const until = query.untilMs === undefined ? Infinity : Math.ceil(query.untilMs / hourMs) * hourMs
  const answer = new Map<string, Sums>()
  for (const [name, sums] of cells) {
    const [hour, key, team, tag, model, upstream, currency, status] = JSON.parse(name) as [number, ...(string | null)[]]
    if (hour < from || hour >= until) continue
    if (query.keyId !== undefined && key !== query.keyId) continue
    if (query.team !== undefined && team !== query.team) continue
    const iso = new Date(hour).toISOString()
    const values: Record<UsageGroup, string | null | undefined> = {
      key,
      team,
      tag,
      model,
      upstream,
      status,
      hour: iso,
      day: iso.slice(0, 10),
      month: iso.slice(0, 7),
    }
    const group = JSON.stringify([...query.groupBy.map((unit) => values[unit] ?? null), currency])
    const sum = answer.get(group) ?? { requests: 0, unpriced: 0, estimated: 0, output: 0, cost: 0n }
    sum.requests += sums.requests
    sum.unpriced += sums.unpriced
    sum.estimated += sums.estimated
    sum.output += sums.output
    sum.cost += sums.cost
    answer.set(group, sum)
  }
  for (const [group, sum] of answer) if (sum.requests === 0) answer.delete(group)
  return answer
}

/** Mulberry32. */
function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

if (import.meta.main) {
  const started = performance.now()
  const run = runLedgerLaw(Number(process.argv[2] ?? 1_000_000), Number(process.argv[3] ?? 1), 400)
  console.log(
    `${JSON.stringify(run)}: sums are the sums of the rows; ${((performance.now() - started) / 1000).toFixed(0)} s`,
  )
}
