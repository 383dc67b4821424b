/** What every ledger adapter must do. Called with a fresh, empty ledger for each case. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import {
  billingOf,
  correctedRow,
  otherTag,
  StoreError,
  type CorrectionInput,
  type Ledger,
  type LedgerRow,
  type UsageLine,
} from '@portolan/store'
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

  it('corrects a row by an entry of its own: the row stays, sums move by the difference', async () => {
    const ledger = await open()
    const row = sampleRow('r1', { usage: { ...sampleRow('').usage, source: 'estimated', estimatedBy: 'length' } })
    await ledger.append([row, sampleRow('r2')])
    const usage = { ...row.usage, outputTokens: 70, source: 'reported' } as const
    const after = { ...billingOf(row), usage, costNanos: 224_400n, tierNanos: { ...tiers, output: 138_600n } }
    const correction = { ...fix('fix-1', 'r1'), after }
    assert.deepEqual(await ledger.correct([correction]), { inserted: 1, ignored: 0 })
    assert.deepEqual(await ledger.find('r1'), row)
    assert.deepEqual(await ledger.corrections('r1'), [{ ...correction, before: billingOf(row) }])
    assert.deepEqual(correctedRow(row, await ledger.corrections('r1')), { ...row, ...after })
    const [line] = await ledger.usage({ groupBy: [] })
    assert.deepEqual(
      [line?.requests, line?.requestsEstimated, line?.estimatedNanos, line?.outputTokens, line?.costNanos],
      [2, 0, 0n, 120, 409_200n],
    )
    assert.equal(line?.tierNanos.output, 237_600n)
  })

  it('a correction sent twice counts once, a later one starts from the one before it', async () => {
    const ledger = await open()
    await ledger.append([sampleRow('r1')])
    const to = (id: string, costNanos: bigint): CorrectionInput => ({
      ...fix(id, 'r1'),
      after: { ...billingOf(sampleRow('')), costNanos, tierNanos: null },
    })
    await ledger.correct([to('fix-1', 500n), to('fix-1', 900n)])
    assert.deepEqual(await ledger.correct([to('fix-1', 900n), to('fix-2', 700n)]), { inserted: 1, ignored: 1 })
    assert.deepEqual(
      (await ledger.corrections('r1')).map(({ before, after }) => [before.costNanos, after.costNanos]),
      [
        [184_800n, 500n],
        [500n, 700n],
      ],
    )
    assert.equal((await ledger.usage({ groupBy: [] }))[0]?.costNanos, 700n)
  })

  it('a correction gives an unpriced row its price, in the currency of that price', async () => {
    const ledger = await open()
    const row = sampleRow('r1', { ...unpriced, unpricedReason: 'unknown-model' })
    await ledger.append([row])
    await ledger.correct([{ ...fix('fix-1', 'r1'), after: { ...billingOf(sampleRow('')), currency: 'CNY' } }])
    const lines = await ledger.usage({ groupBy: ['model'] })
    assert.deepEqual(
      lines.map(({ currency, requests, requestsUnpriced, costNanos }) => [
        currency,
        requests,
        requestsUnpriced,
        costNanos,
      ]),
      [['CNY', 1, 0, 184_800n]],
    )
  })

  it('refuses corrections of a row that is not there, and ones that nobody answers for, as a whole', async () => {
    const ledger = await open()
    await ledger.append([sampleRow('r1')])
    const good = { ...fix('fix-1', 'r1'), after: { ...billingOf(sampleRow('')), costNanos: 1n, tierNanos: null } }
    for (const [bad, code] of [
      [{ ...good, correctionId: 'fix-2', requestId: 'r9' }, 'STORE_NO_ROW'],
      [{ ...good, correctionId: 'fix-2', actor: ' ' }, 'STORE_BAD_ROW'],
      [{ ...good, correctionId: 'fix-2', after: { ...good.after, currency: null } }, 'STORE_BAD_ROW'],
    ] as const)
      await assert.rejects(
        async () => ledger.correct([good, bad]),
        (error) => error instanceof StoreError && error.code === code,
      )
    assert.deepEqual(await ledger.corrections('r1'), [])
    assert.equal((await ledger.usage({ groupBy: [] }))[0]?.costNanos, 184_800n)
  })

  it('sums by team, tag and month, and filters by them', async () => {
    const ledger = await open()
    await ledger.append([
      sampleRow('r1', { tag: 'release-7' }),
      sampleRow('r2', { team: 'blue', tag: 'release-7' }),
      sampleRow('r3', { team: null, startedAtMs: Date.UTC(2026, 11, 1) }),
    ])
    const by = async (query: Parameters<Ledger['usage']>[0]): Promise<unknown[]> =>
      (await ledger.usage(query)).map(({ group, requests }) => [...Object.values(group), requests])
    assert.deepEqual(await by({ groupBy: ['team', 'tag'] }), [
      [null, null, 1],
      ['blue', 'release-7', 1],
      ['red', 'release-7', 1],
    ])
    assert.deepEqual(await by({ groupBy: ['month'] }), [
      ['2026-11', 2],
      ['2026-12', 1],
    ])
    assert.deepEqual(await by({ groupBy: ['team'], tag: 'release-7', team: 'blue' }), [['blue', 1]])
    assert.deepEqual(await by({ groupBy: [], status: 'cut' }), [])
  })

  it('files a key’s hundred-and-first tag under "(other)", and keeps it on the row', async () => {
    const ledger = await open()
    for (let batch = 0; batch < 6; batch++)
      await ledger.append(
        Array.from({ length: 20 }, (_, index) => sampleRow(`r${batch}-${index}`, { tag: `tag-${batch * 20 + index}` })),
      )
    await ledger.append([sampleRow('again', { tag: 'tag-7' }), sampleRow('theirs', { keyId: 'key_b', tag: 'tag-119' })])
    const lines = await ledger.usage({ groupBy: ['tag'], keyId: 'key_a' })
    assert.equal(lines.length, 101)
    assert.equal(lines.find(({ group }) => group.tag === otherTag)?.requests, 20)
    assert.equal(lines.find(({ group }) => group.tag === 'tag-7')?.requests, 2)
    const late = await ledger.find('r5-19')
    assert.deepEqual([late?.tag, late?.tags['tag']], [otherTag, 'tag-119'])
    assert.equal((await ledger.find('theirs'))?.tag, 'tag-119')
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

const tiers = { miss: 66_000n, hit: 19_800n, write5m: 0n, write1h: 0n, output: 99_000n }

function fix(correctionId: string, requestId: string): Omit<CorrectionInput, 'after'> {
  return {
    correctionId,
    requestId,
    madeAtMs: startOfHourMs + 9 * hourMs,
    actor: 'ana@example.org',
    reason: 'the stream was cut before its usage came',
    source: 'bill 2026-11, line 4',
  }
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
