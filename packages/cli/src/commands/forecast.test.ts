/** `portolan forecast` over a ledger of four weeks: an announced price is a kink, thin data are refused. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { unknownUsage } from '@portolan/meter'
import { plainRow, type LedgerRow } from '@portolan/store'
import { openDataDirectory } from '../data-directory.ts'
import { run } from '../main.ts'

const directory = mkdtempSync(join(tmpdir(), 'portolan-forecast-'))
after(() => rmSync(directory, { recursive: true, force: true }))
const dayMs = 86_400_000
const today = Math.floor(Date.now() / dayMs)
const isoDay = (day: number): string => new Date(day * dayMs).toISOString().slice(0, 10)

/** One request at noon of a day: a million tokens. */
function row(day: number, units = 10): LedgerRow {
  const nanos = BigInt(units) * 1_000_000_000n
  const usage = { inputTokens: 1_000_000, hitTokens: 0, missTokens: 1_000_000, writtenTokens: 0, written1hTokens: 0 }
  return plainRow({
    requestId: `r${day}`,
    keyId: 'key_a',
    door: 'chat',
    path: '/v1/chat/completions',
    upstream: 'acme',
    upstreamProtocol: 'chat',
    modelAsked: 'm1',
    modelSent: 'm1',
    modelServed: 'm1',
    httpStatus: 200,
    usage: { ...unknownUsage, ...usage, outputTokens: 0, source: 'reported', convention: 'cached-inside' },
    currency: 'USD',
    costNanos: nanos,
    tierNanos: { miss: nanos, hit: 0n, write5m: 0n, write1h: 0n, output: 0n },
    priceVersion: 'now@0',
    startedAtMs: day * dayMs + dayMs / 2,
    endMs: 1,
    bytesIn: 1,
    bytesOut: 1,
  })
}

interface Line {
  readonly forecast: { readonly kind: string; readonly p50Day?: number; readonly assumptions?: readonly string[] }
}

async function forecast(
  name: string,
  days: number,
  announced: boolean,
  cheaperUntil: string | null = null,
): Promise<Line['forecast']> {
  const folder = join(directory, name)
  const { store } = openDataDirectory(folder)
  store.ledger.append(
    Array.from({ length: days }, (_unused, index) => {
      const day = today - days + index
      return row(day, cheaperUntil !== null && isoDay(day) < cheaperUntil ? 5 : 10)
    }),
  )
  store.close()
  const list = { vendor: 'acme', model: 'm1', currency: 'USD', status: 'list' }
  const next = { effective_from: isoDay(today + 10), effective_to: null, announced_at: isoDay(today - 1) }
  const now = { effective_from: '2026-01-01', effective_to: announced ? isoDay(today + 10) : null }
  const records = [
    ...(cheaperUntil === null
      ? []
      : [
          {
            ...list,
            effective_from: '2026-01-01',
            effective_to: cheaperUntil,
            id: 'past',
            rates: { input: 5, output: 5 },
          },
        ]),
    {
      ...list,
      ...now,
      ...(cheaperUntil && { effective_from: cheaperUntil }),
      id: 'now',
      rates: { input: 10, output: 10 },
    },
    ...(announced ? [{ ...list, ...next, id: 'next', status: 'announced', rates: { input: 40, output: 40 } }] : []),
  ]
  writeFileSync(join(folder, 'own.json'), JSON.stringify({ schema_version: 1, as_of: '2026-01-01', records }))
  const config = join(folder, 'portolan.yaml')
  writeFileSync(
    config,
    `prices: { overrides: [own.json] }
upstreams: { acme: { kind: openai-compatible, baseUrl: "http://127.0.0.1:9/v1", prices: acme } }
budgets: { all: { limit: 500, period: total } }
data: ${folder}
`,
  )
  const lines: string[] = []
  const { log } = console
  console.log = (text: string) => void lines.push(text)
  try {
    assert.equal(await run(['node', 'portolan', 'forecast', '--config', config, '--json']), 0)
  } finally {
    console.log = log
  }
  return (JSON.parse(lines.join('')) as Line[])[0]?.forecast ?? assert.fail('no budget')
}

describe('portolan forecast', () => {
  it('follows what was spent', async () => {
    assert.equal((await forecast('plain', 28, false)).p50Day, today + 49)
  })

  it('takes an announced price as a kink, and says so', async () => {
    // Ten days at 10, then 40 a day: 100 + 10 x 40.
    const { p50Day, assumptions } = await forecast('kink', 28, true)
    assert.equal(p50Day, today + 19)
    const said = `spend is multiplied by 4 from ${isoDay(today + 10)} on: m1 goes to next`
    assert.ok(assumptions?.includes(said), assumptions?.join('\n'))
  })

  it('counts what was spent under an earlier price at today’s', async () => {
    // The same million tokens a day, at 5 for two weeks and at 10 since: no growth, and ten a day from here on.
    assert.equal((await forecast('past', 28, false, isoDay(today - 14))).p50Day, today + 49)
  })

  it('refuses a week of data', async () => {
    assert.equal((await forecast('thin', 7, false)).kind, 'too-little-data')
  })
})
