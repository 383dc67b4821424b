/** What every ledger adapter must do. Called with a fresh, empty ledger for each case. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { StoreError, type Ledger, type LedgerRow, type UsageLine } from '@portolan/store'
import { sampleRow, startOfHourMs } from './sample-row.ts'

const hourMs = 3_600_000
const unknownCounts = {
  inputTokens: null,
  hitTokens: null,
  missTokens: null,
  writtenTokens: null,
  written1hTokens: null,
  outputTokens: null,
  reasoningTokens: null,
  raw: null,
  source: 'none',
  convention: 'unknown',
} as const
const unpriced = { currency: null, costNanos: null, tierNanos: null, priceVersion: null } as const

export function ledgerConformance(open: () => Ledger | Promise<Ledger>): void {
  it('gives a row back as it was appended', async () => {
    const ledger = await open()
    const row = sampleRow('r1')
    assert.deepEqual(await ledger.append([row]), { inserted: 1, ignored: 0 })
    assert.deepEqual(await ledger.find('r1'), row)
    assert.equal(await ledger.find('r2'), null)
  })

  it('keeps unknown unknown: null counts, clocks and amounts do not become 0', async () => {
    const ledger = await open()
    const row = sampleRow('r1', {
      ...unpriced,
      usage: unknownCounts,
      unpricedReason: 'count-unknown',
      keyId: null,
      door: null,
      upstream: null,
      upstreamProtocol: null,
      httpStatus: null,
      firstByteMs: null,
      firstReasoningMs: null,
      firstTextMs: null,
      endMs: null,
      prefixKeptBytes: null,
      prefixTotalBytes: null,
      status: 'aborted',
      tags: {},
    })
    await ledger.append([row])
    assert.deepEqual(await ledger.find('r1'), row)
  })

  it('keeps a priced zero apart from unpriced', async () => {
    const ledger = await open()
    const nothing = { miss: 0n, hit: 0n, write5m: 0n, write1h: 0n, output: 0n }
    await ledger.append([
      sampleRow('free', { costNanos: 0n, tierNanos: nothing, priceVersion: 'local/free' }),
      sampleRow('unpriced', { ...unpriced, unpricedReason: 'unknown-model' }),
    ])
    assert.equal((await ledger.find('free'))?.costNanos, 0n)
    assert.equal((await ledger.find('unpriced'))?.costNanos, null)
    const lines = await ledger.usage({ groupBy: [] })
    assert.deepEqual(
      lines.map(({ currency, requests, requestsUnpriced }) => ({ currency, requests, requestsUnpriced })),
      [
        { currency: null, requests: 1, requestsUnpriced: 1 },
        { currency: 'USD', requests: 1, requestsUnpriced: 0 },
      ],
    )
  })

  it('counts a request id once, within a batch and across batches', async () => {
    const ledger = await open()
    assert.deepEqual(await ledger.append([sampleRow('r1'), sampleRow('r1', { costNanos: 5n })]), {
      inserted: 1,
      ignored: 1,
    })
    assert.deepEqual(await ledger.append([sampleRow('r1'), sampleRow('r2')]), { inserted: 1, ignored: 1 })
    assert.equal((await ledger.find('r1'))?.costNanos, 184_800n)
    const [line] = await ledger.usage({ groupBy: [] })
    assert.equal(line?.requests, 2)
    assert.equal(line?.costNanos, 369_600n)
  })

  it('keeps nanos beyond 2^53 exact, in rows and in sums', async () => {
    const ledger = await open()
    const large = 2n ** 53n + 1n
    const tierNanos = { miss: large, hit: 0n, write5m: 0n, write1h: 0n, output: 0n }
    await ledger.append([
      sampleRow('r1', { costNanos: large, tierNanos }),
      sampleRow('r2', { costNanos: large, tierNanos }),
    ])
    assert.equal((await ledger.find('r1'))?.costNanos, 9_007_199_254_740_993n)
    const [line] = await ledger.usage({ groupBy: [] })
    assert.equal(line?.costNanos, 18_014_398_509_481_986n)
    assert.equal(line?.tierNanos.miss, 18_014_398_509_481_986n)
  })

  it('never adds currencies', async () => {
    const ledger = await open()
    await ledger.append([sampleRow('r1'), sampleRow('r2', { currency: 'CNY' })])
    const lines = await ledger.usage({ groupBy: ['model'] })
    assert.deepEqual(
      lines.map(({ currency, costNanos }) => [currency, costNanos]),
      [
        ['CNY', 184_800n],
        ['USD', 184_800n],
      ],
    )
  })

  it('groups by model, key, upstream, hour, day and status, and filters by them and by time', async () => {
    const ledger = await open()
    await ledger.append([
      sampleRow('r1'),
      sampleRow('r2', { keyId: 'key_b', startedAtMs: startOfHourMs + hourMs - 1 }),
      sampleRow('r3', { modelServed: 'deepseek-flash', startedAtMs: startOfHourMs + hourMs }),
      sampleRow('r4', {
        modelServed: null,
        modelSent: null,
        status: 'refused',
        keyId: null,
        upstream: null,
        startedAtMs: startOfHourMs + 14 * hourMs,
      }),
    ])
    const by = async (query: Parameters<Ledger['usage']>[0]): Promise<unknown[]> =>
      (await ledger.usage(query)).map(({ group, requests }) => [...Object.values(group), requests])
    assert.deepEqual(await by({ groupBy: ['model'] }), [
      [null, 1],
      ['deepseek-flash', 1],
      ['deepseek-v4-pro', 2],
    ])
    assert.deepEqual(await by({ groupBy: ['key', 'upstream'] }), [
      [null, null, 1],
      ['key_a', 'deepseek', 2],
      ['key_b', 'deepseek', 1],
    ])
    assert.deepEqual(await by({ groupBy: ['hour'] }), [
      ['2026-11-23T10:00', 2],
      ['2026-11-23T11:00', 1],
      ['2026-11-24T00:00', 1],
    ])
    assert.deepEqual(await by({ groupBy: ['day', 'status'] }), [
      ['2026-11-23', 'ok', 3],
      ['2026-11-24', 'refused', 1],
    ])
    assert.deepEqual(await by({ groupBy: [], keyId: 'key_b' }), [[1]])
    assert.deepEqual(await by({ groupBy: [], model: 'deepseek-flash' }), [[1]])
    assert.deepEqual(await by({ groupBy: [], upstream: 'openai' }), [])
    assert.deepEqual(await by({ groupBy: [], fromMs: startOfHourMs + hourMs, untilMs: startOfHourMs + 2 * hourMs }), [
      [1],
    ])
    assert.deepEqual(await by({ groupBy: [], untilMs: startOfHourMs + hourMs }), [[2]])
  })

  it('says how many requests are missing from token sums', async () => {
    const ledger = await open()
    await ledger.append([sampleRow('r1'), sampleRow('r2', { ...unpriced, currency: 'USD', usage: unknownCounts })])
    const [line] = await ledger.usage({ groupBy: [] })
    assert.equal(line?.requests, 2)
    assert.equal(line?.requestsWithoutUsage, 1)
    assert.equal(line?.requestsUnpriced, 1)
    assert.equal(line?.inputTokens, 1000)
  })

  it('keeps a negative count on its row as evidence and out of every sum', async () => {
    const ledger = await open()
    const usage = { ...sampleRow('').usage, hitTokens: -5 }
    await ledger.append([sampleRow('bad', { ...unpriced, currency: 'USD', usage }), sampleRow('good')])
    assert.equal((await ledger.find('bad'))?.usage.hitTokens, -5)
    const [line] = await ledger.usage({ groupBy: [] })
    assert.equal(line?.hitTokens, 900)
    assert.equal(line?.requestsWithoutUsage, 1)
  })

  it('stores a row whatever the caller and the upstream put into it', async () => {
    const ledger = await open()
    const usage = { ...sampleRow('').usage, inputTokens: 1.5, outputTokens: NaN, raw: { deep: 'x'.repeat(10_000) } }
    await ledger.append([
      sampleRow('r1', {
        modelAsked: '🙂'.repeat(50_000),
        path: `/${'a'.repeat(9000)}`,
        sessionId: 'nul \u0000 inside',
        tags: { ['k'.repeat(9000)]: 'v' },
        firstByteMs: Infinity,
        endMs: 12.6,
        usage,
      }),
    ])
    const row = await ledger.find('r1')
    assert.ok(row !== null && (row.modelAsked?.length ?? 999) <= 256 && row.path.length <= 512)
    assert.deepEqual([row.usage.inputTokens, row.usage.outputTokens, row.usage.raw], [null, null, null])
    assert.deepEqual([row.firstByteMs, row.endMs], [null, 13])
  })

  it('refuses a batch with an impossible row as a whole, naming the row', async () => {
    const ledger = await open()
    await assert.rejects(
      async () => ledger.append([sampleRow('fine'), sampleRow('huge', { costNanos: 2n ** 63n })]),
      (error) => error instanceof StoreError && error.code === 'STORE_BAD_ROW' && error.message.includes('huge'),
    )
    assert.equal(await ledger.find('fine'), null)
    assert.deepEqual(await ledger.usage({ groupBy: [] }), [])
  })

  it('lists the newest rows first, of all keys or of one', async () => {
    const ledger = await open()
    await ledger.append([sampleRow('r1'), sampleRow('r2', { keyId: 'key_b' }), sampleRow('r3')])
    assert.deepEqual(ids(await ledger.recent(2)), ['r3', 'r2'])
    assert.deepEqual(ids(await ledger.recent(5, { keyId: 'key_a' })), ['r3', 'r1'])
    assert.deepEqual(await ledger.recent(0), [])
  })

  it('rollups equal the sum of rows, whatever the order and the repeats', async () => {
    const ledger = await open()
    const random = seededRandom(7)
    const sent: LedgerRow[] = []
    for (let batch = 0; batch < 40; batch++) {
      const rows = Array.from({ length: 1 + Math.floor(random() * 12) }, () => randomRow(random))
      sent.push(...rows)
      await ledger.append(rows)
    }
    const kept = new Map<string, LedgerRow>()
    for (const row of sent) if (!kept.has(row.requestId)) kept.set(row.requestId, row)
    const expected = { requests: 0, output: 0, cost: 0n }
    for (const row of kept.values()) {
      expected.requests += 1
      expected.output += row.usage.outputTokens ?? 0
      expected.cost += row.costNanos ?? 0n
    }
    for (const groupBy of [[], ['hour', 'key'], ['model', 'status', 'day']] as const)
      assert.deepEqual(sumOf(await ledger.usage({ groupBy })), expected, groupBy.join())
  })
}

function ids(rows: readonly LedgerRow[]): string[] {
  return rows.map(({ requestId }) => requestId)
}

function sumOf(lines: readonly UsageLine[]): { requests: number; output: number; cost: bigint } {
  return lines.reduce(
    (sum, line) => ({
      requests: sum.requests + line.requests,
      output: sum.output + line.outputTokens,
      cost: sum.cost + line.costNanos,
    }),
    { requests: 0, output: 0, cost: 0n },
  )
}

function randomRow(random: () => number): LedgerRow {
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] ?? assert.fail()
  const miss = BigInt(Math.floor(random() * 1e6))
  const known = random() < 0.9
  return sampleRow(`r${Math.floor(random() * 200)}`, {
    keyId: random() < 0.2 ? null : pick(['key_a', 'key_b']),
    modelServed: pick(['a', 'b', 'c']),
    status: pick(['ok', 'error', 'cut']),
    currency: pick(['USD', 'CNY']),
    startedAtMs: startOfHourMs + Math.floor(random() * 50 * hourMs),
    usage: { ...sampleRow('').usage, outputTokens: known ? Math.floor(random() * 500) : null },
    costNanos: known ? miss : null,
    tierNanos: known ? { miss, hit: 0n, write5m: 0n, write1h: 0n, output: 0n } : null,
  })
}

/** Mulberry32: small, seeded, good enough to shuffle test data. */
function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
