/** `usage what-if` over a ledger of three requests and one without usage. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { unknownUsage } from '@portolan/meter'
import { plainRow, type LedgerRow } from '@portolan/store'
import { openDataDirectory } from '../data-directory.ts'
import { run } from '../main.ts'

const directory = mkdtempSync(join(tmpdir(), 'portolan-what-if-'))
after(() => rmSync(directory, { recursive: true, force: true }))

const startedAtMs = Date.UTC(2026, 10, 20, 12)

function row(requestId: string, changes: Partial<LedgerRow> = {}): LedgerRow {
  return plainRow({
    requestId,
    keyId: 'key_a',
    sessionId: 'ses_1',
    door: 'chat',
    path: '/v1/chat/completions',
    upstream: 'anthropic',
    upstreamProtocol: 'messages',
    modelAsked: 'claude-opus-4-7',
    modelSent: 'claude-opus-4-7',
    httpStatus: 200,
    usage: {
      ...unknownUsage,
      inputTokens: 1_000_000,
      hitTokens: 900_000,
      missTokens: 100_000,
      writtenTokens: 0,
      written1hTokens: 0,
      outputTokens: 25_000,
      source: 'reported',
      convention: 'cached-outside',
    },
    currency: 'USD',
    costNanos: 1_575_000_000n,
    tierNanos: { miss: 500_000_000n, hit: 450_000_000n, write5m: 0n, write1h: 0n, output: 625_000_000n },
    priceVersion: 'anthropic/claude-opus-4-7/USD/2026-04-16@0',
    startedAtMs,
    endMs: 1,
    bytesIn: 4_000_000,
    bytesOut: 1,
    ...changes,
  })
}

before(() => {
  const { store } = openDataDirectory(directory)
  store.ledger.append([
    row('r1'),
    row('r2', { startedAtMs: startedAtMs + 60_000, prefixKeptBytes: 3_000_000, prefixTotalBytes: 3_000_000 }),
    row('r3', { usage: unknownUsage, costNanos: null, tierNanos: null, priceVersion: null, sessionId: null }),
    row('r4', { status: 'refused', upstream: null }),
  ])
  store.close()
})

async function whatIf(
  ...argv: string[]
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const lines = { out: [] as string[], err: [] as string[] }
  const { log, error } = console
  console.log = (text: string) => void lines.out.push(text)
  console.error = (text: string) => void lines.err.push(text)
  const all = ['--data', directory, '--from', '2026-11-01', '--to', '2026-12-01', ...argv]
  try {
    const code = await run(['node', 'portolan', 'usage', 'what-if', ...all])
    return { code, out: lines.out.join('\n'), err: lines.err.join('\n') }
  } finally {
    Object.assign(console, { log, error })
  }
}

async function parsed(...argv: string[]): Promise<Record<string, unknown>> {
  const { out, err, code } = await whatIf(...argv, '--json')
  assert.equal(code, 0, err)
  return JSON.parse(out) as Record<string, unknown>
}

describe('usage what-if', () => {
  const april = ['--model', 'deepseek-v4-pro', '--at', '2026-04-27']

  it('prices the recorded requests as of a day, beside what they cost', async () => {
    const { out } = await whatIf(...april)
    assert.match(out, /2 requests as deepseek deepseek-v4-pro: 0\.137025 USD/)
    assert.match(out, /recorded: 3\.15 USD, so 95\.7 % less/)
    assert.match(out, /cache read +1,800,000 +0\.90 USD +1,800,000 +0\.006525 USD/)
    assert.match(out, /1 requests have no known usage/)
    assert.match(out, /the price list of 2026-04-27/)
  })

  it('takes a share of hits, a tokenizer ratio, and reports both in JSON', async () => {
    const result = await parsed(...april, '--hit-rate', '0.5', '--tokenizer-ratio', '0.8')
    assert.deepEqual((result['tiers'] as Record<string, unknown>)['hit'], { tokens: 800_000, nanos: '2900000' })
    assert.equal(result['requestsWithoutUsage'], 1)
    assert.ok((result['assumptions'] as string[]).includes('0.8 tokens for one recorded'))
  })

  it('simulates the cache of the vendor asked about', async () => {
    const result = await parsed(...april, '--hit-rate', 'simulated')
    // 3 of 4 bytes were kept: 750,000 tokens, in steps of 128.
    assert.deepEqual((result['tiers'] as Record<string, { tokens: number }>)['hit']?.tokens, 749_952)
  })

  it('leaves the ledger as it was', async () => {
    const rows = (): readonly LedgerRow[] => {
      const { store } = openDataDirectory(directory)
      const found = store.ledger.recent(100)
      store.close()
      return found
    }
    const before = rows()
    await whatIf(...april, '--hit-rate', 'simulated')
    assert.deepEqual(rows(), before)
  })

  it('refuses what it cannot know, and says what to do', async () => {
    const cases: readonly (readonly [string[], RegExp])[] = [
      [['--model', 'deepseek-v5'], /no USD price of "deepseek-v5"/],
      [['--model', 'deepseek-v4-pro', '--at', '2026-01-01'], /in force at 2026-01-01/],
      [[...april, '--hit-rate', 'often'], /neither observed, simulated nor a share/],
      [[...april, '--tokenizer-ratio', '0'], /ratio above 0/],
      [[...april, '--key', 'nobody'], /No key has the id or name/],
      [[...april, '--recorded-model', 'gpt-9'], /has no requests/],
      [['--model', 'deepseek-v4-pro', '--from', 'yesterday'], /--from: "yesterday" is not a date/],
    ]
    for (const [argv, message] of cases) {
      const { code, err } = await whatIf(...argv)
      assert.equal(code, 2, argv.join(' '))
      assert.match(err, message)
    }
  })
})

describe('usage what-if over requests of no known conversation', () => {
  it('does not simulate a fiction', async () => {
    const { store } = openDataDirectory(directory)
    store.ledger.append([row('r5', { sessionId: null }), row('r6', { sessionId: null })])
    store.close()
    const { err } = await whatIf('--model', 'deepseek-v4-pro', '--hit-rate', 'simulated')
    assert.match(err, /50 % of the prompt tokens belong to no conversation/)
  })
})
