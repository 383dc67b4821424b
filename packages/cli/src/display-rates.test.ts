/** `--in`: other currencies for the eye, by the operator's own table, in listings, statements and price comparisons. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { openSqliteStore, plainRow } from '@portolan/store'
import { run } from './main.ts'

const root = mkdtempSync(join(tmpdir(), 'portolan-display-'))
after(() => rmSync(root, { recursive: true, force: true }))
const config = join(root, 'portolan.yaml')
const data = join(root, 'data')
writeFileSync(config, 'displayRates: rates.yaml\n')
writeFileSync(
  join(root, 'rates.yaml'),
  'source: the bank\nrates:\n  USD/CNY:\n    2026-10-31: 7.25\n    2026-04-27: "6.84"\n',
)
const store = openSqliteStore({ directory: data })
store.ledger.append(
  (['USD', 'CNY', 'EUR'] as const).map((currency) =>
    plainRow({
      requestId: currency,
      modelServed: `model-${currency}`,
      currency,
      costNanos: 29_000_000_000n,
      startedAtMs: Date.UTC(2026, 9, 12),
    }),
  ),
)
store.close()

async function portolan(...argv: string[]): Promise<{ readonly code: number; readonly text: string }> {
  const lines: string[] = []
  const { log, error } = console
  const write = process.stdout.write.bind(process.stdout)
  console.log = console.error = (text: string) => void lines.push(text)
  const before = process.exitCode
  try {
    // A statement as CSV goes past console.log.
    process.stdout.write = (chunk: string | Uint8Array) => (lines.push(String(chunk)), true)
    const code = await run(['node', 'portolan', ...argv, '--config', config, '--data', data])
    return { code: code || Number(process.exitCode ?? 0), text: lines.join('\n') }
  } finally {
    Object.assign(console, { log, error })
    process.stdout.write = write
    process.exitCode = before
  }
}

const october = ['usage', '--from', '2026-10-01', '--to', '2026-11-01', '--in', 'USD']

describe('amounts in another currency', () => {
  it('stand beside the real ones, with rate, day and purpose; without a rate there is none', async () => {
    const { text } = await portolan(...october)
    // 29 / 7.25 = 4.
    assert.match(text, /model-CNY .* 29\.00 CNY\s+~ 4\.00 USD/)
    assert.match(text, /model-USD .* 29\.00 USD\s+29\.00 USD/)
    assert.match(text, /model-EUR .* 29\.00 EUR\s+no rate/)
    assert.match(text, /^~ 1 USD = 7\.25 CNY on 2026-10-31 \(the bank\), for display only$/m)
    assert.match(text, /There is no rate between EUR and USD for 2026-10-31/)
  })

  it('as JSON: the amount never without its basis, the real cost untouched', async () => {
    const { text } = await portolan(...october, '--json')
    const [cny] = (JSON.parse(text) as Record<string, unknown>[]).filter((line) => line['currency'] === 'CNY')
    assert.deepEqual(
      [cny?.['costNanos'], cny?.['display']],
      [
        '29000000000',
        {
          currency: 'USD',
          nanos: '4000000000',
          basis: '1 USD = 7.25 CNY on 2026-10-31 (the bank), for display only',
        },
      ],
    )
  })

  it('a statement says under each total what it is worth for the eye, and in CSV on every line', async () => {
    const statement = ['usage', 'statement', '--month', '2026-10', '--in', 'USD']
    assert.match((await portolan(...statement)).text, /TOTAL {2}29\.00 CNY .*\n\s+~ 4\.00 USD {2}at 1 USD = 7\.25 CNY/)
    const { text } = await portolan(...statement, '--format', 'csv')
    assert.match(text, /29,CNY,4,USD,"?1 USD = 7\.25 CNY on 2026-10-31 \(the bank\), for display only"?$/m)
    assert.match(text, /29,EUR,,USD,"?There is no rate/)
  })

  it('prices of two currencies are compared at the rate of their day, which is among the assumptions', async () => {
    const compare = ['price', 'compare', 'deepseek/deepseek-v4-pro', 'deepseek/deepseek-v4-pro', '--date', '2026-04-27']
    const { text, code } = await portolan(...compare, '--second-currency', 'CNY', '--json')
    assert.equal(code, 0, text)
    const answer = JSON.parse(text) as { componentRatios: { input: number }; assumptions: string[]; currency: string }
    // 0.435 USD of the promotion over 3 CNY / 6.84 = 0.438596... USD.
    assert.equal(answer.componentRatios.input.toFixed(6), (0.435 / (3 / 6.84)).toFixed(6))
    assert.ok(answer.assumptions.includes('1 USD = 6.84 CNY on 2026-04-27 (the bank), for display only'))
    assert.equal(answer.currency, 'USD')
    assert.match((await portolan(...compare, '--second-currency', 'CNY')).text, /v4-pro, CNY list {2}~ 0\.0\d+$/m)
  })

  it('a comparison across currencies without a rate is refused, and says for which day', async () => {
    const compare = ['price', 'compare', 'deepseek/deepseek-v4-pro', 'deepseek/deepseek-v4-pro', '--date', '2026-05-02']
    const { text, code } = await portolan(...compare, '--second-currency', 'CNY')
    assert.notEqual(code, 0)
    assert.match(
      text,
      /Cannot compare CNY with USD: There is no rate between CNY and USD for 2026-05-02; it has one for/,
    )
  })

  it('price show gives the list price first and the converted one marked', async () => {
    const { text } = await portolan(
      'price',
      'show',
      'deepseek',
      'deepseek-v4-pro',
      '--date',
      '2026-04-27',
      '--in',
      'CNY',
    )
    assert.match(text, /^always\s+0\.435 /m)
    assert.match(text, /^~ always, CNY\s+2\.9754 /m)
    assert.match(text, /~ 1 USD = 6\.84 CNY on 2026-04-27 \(the bank\), for display only/)
  })

  it('a slip is refused: a day without --in, a word that is no currency, a table that cannot be read', async () => {
    assert.match((await portolan('usage', '--rate-date', '2026-10-31')).text, /--rate-date goes with --in/)
    assert.match((await portolan('usage', '--in', 'dollars')).text, /no currency code/)
    assert.match((await portolan('usage', '--in', 'USD', '--last', '3')).text, /not with --last/)
    writeFileSync(join(root, 'rates.yaml'), 'rates:\n  USD/CNY:\n    yesterday: 7.25\n')
    assert.match((await portolan(...october)).text, /rates\.yaml: rates\.USD\/CNY\.yesterday is not under a day/)
  })
})
