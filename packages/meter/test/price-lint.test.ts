/** Lint, diff and self-hosted rates. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { diffPrices, lintPriceFile, loadPriceBook, ratesFromThroughput, ratesFromTraffic } from '@portolan/meter'
import { bundledBook, bundledText } from './bundled-book.ts'
import { acmeList, priceFileText, type Fields } from './invented-book.ts'

function lint(...records: Fields[]): string[] {
  return lintPriceFile(priceFileText({ records })).map(
    ({ severity, code, path }) => `${severity} ${code} ${path.join('.')}`,
  )
}

describe('lint', () => {
  it('finds no error in the bundled prices, and only the jumps that vendors made', () => {
    const findings = lintPriceFile(bundledText)
    assert.deepEqual(
      findings.filter(({ severity }) => severity === 'error'),
      [],
    )
    // The tenfold cut of cache hits on 26 April 2026, and what was announced but never came.
    for (const { code, message } of findings) assert.ok(code === 'jump', message)
  })

  it('names the place of everything that cannot be read, in one go', () => {
    assert.deepEqual(
      lint(
        { ...acmeList, currency: 'dollars' },
        { ...acmeList, id: 'b', rates: { input: -1, output: 1 } },
        { ...acmeList, id: 'c', effective_to: '2025-01-01' },
        { ...acmeList, id: 'd', rates: { input: 'free', output: 1 } },
        { ...acmeList, id: 'e', model: 'm2', tiers: [{ when: {}, rates: {} }] },
        acmeList,
        acmeList,
      ),
      [
        'error unreadable records.0.currency',
        'error unreadable records.1.rates.input',
        'error unreadable records.2.effective_to',
        'error unreadable records.3.rates.input',
        'error unreadable records.4.tiers.0',
        'error unreadable records.6.id',
      ],
    )
    assert.deepEqual(lintPriceFile('{')[0]?.path, [])
    assert.deepEqual(lintPriceFile('{"schema_version":2}')[0]?.path, ['schema_version'])
  })

  it('reports every overlap once, at the later record', () => {
    assert.deepEqual(
      lint(
        acmeList,
        { ...acmeList, id: 'b', effective_from: '2026-02-01' },
        { ...acmeList, id: 'c', effective_from: '2026-03-01' },
      ),
      ['error overlap records.1', 'error overlap records.2'],
    )
  })

  it('warns of gaps, jumps, another unit, and rates in an odd order', () => {
    assert.deepEqual(
      lint(
        { ...acmeList, effective_to: '2026-02-01' },
        { ...acmeList, id: 'b', effective_from: '2026-03-01', effective_to: '2026-04-01' },
        { ...acmeList, id: 'c', effective_from: '2026-04-01', rates: { input: 20, output: 4, cache_read: 21 } },
        { ...acmeList, id: 'd', model: 'm2', rates: { input: 0.0000002, output: 4 } },
        { ...acmeList, id: 'e', model: 'm3', announced_at: '2026-01-02', status: 'announced' },
      ),
      [
        'warning gap records.0.effective_to',
        'warning order records.2.rates.cache_read',
        'warning jump records.2.rates.input',
        'warning jump records.2.rates.cache_read',
        'warning unit records.3.rates.input',
        'warning announcement records.4.announced_at',
        'warning announcement records.4.status',
      ],
    )
  })
})

describe('a difference of prices', () => {
  it('between two dates names what moved', () => {
    const at = (date: string) => ({ book: bundledBook, atMs: Date.parse(date) })
    const changes = diffPrices(at('2026-04-25'), at('2026-04-27'), { vendor: 'deepseek', currency: 'USD' })
    assert.deepEqual(
      changes.map(({ model, kind, fields }) => [
        model,
        kind,
        ...fields.map((f) => `${f.field} ${f.before}>${f.after}`),
      ]),
      [
        ['deepseek-v4-flash', 'changed', 'cacheRead 0.028>0.0028'],
        ['deepseek-v4-pro', 'changed', 'input 1.74>0.435', 'output 3.48>0.87', 'cacheRead 0.145>0.003625'],
      ],
    )
  })

  it('between two files names what came and went, and tiers and factors too', () => {
    const book = (...records: Fields[]) => ({
      book: loadPriceBook(JSON.stringify({ schema_version: 1, as_of: '2026-01-01', records })),
      atMs: Date.parse('2026-06-01'),
    })
    const tiers = [{ when: { prompt_tokens_gt: 1000 }, rates: { input: 4, output: 8 } }]
    const changes = diffPrices(
      book(acmeList, { ...acmeList, id: 'b', model: 'm2' }),
      book({ ...acmeList, tiers, modifiers: { batch: 0.5 } }, { ...acmeList, id: 'c', model: 'm3' }),
    )
    assert.deepEqual(
      changes.map(({ model, kind, fields }) => `${model} ${kind} ${fields.map(({ field }) => field).join(', ')}`),
      [
        'm1 changed above 1000 input, above 1000 output, x batch',
        'm2 removed input, output, cacheRead',
        'm3 added input, output, cacheRead',
      ],
    )
  })
})

describe('rates of own hardware', () => {
  it('by throughput: 12 an hour at 10,000 prompt and 1,000 answer tokens a second, half the time in use', () => {
    // 12 / (10,000 x 3600 x 0.5) = 6.666...e-7 a token.
    const rates = ratesFromThroughput({
      costPerHour: '12',
      inputTokensPerSec: 10_000,
      outputTokensPerSec: 1000,
      utilization: 0.5,
      hitWeight: 0.1,
    })
    assert.deepEqual([rates.input, rates.cacheRead, rates.output], ['0.666666667', '0.066666667', '6.666666667'])
    assert.equal(rates.assumptions.length, 3)
  })

  it('by traffic: the bills of the hours add up to the hardware', () => {
    const served = { missTokens: 4_000_000, hitTokens: 10_000_000, outputTokens: 1_000_000 }
    const rates = ratesFromTraffic({ costPerHour: '2.5', hours: 10, ...served, outputWeight: 5, hitWeight: 0.1 })
    const bill = Number(rates.input) * 4 + Number(rates.cacheRead) * 10 + Number(rates.output) * 1
    assert.ok(Math.abs(bill - 25) < 1e-6, String(bill))
  })

  it('refuses what makes no sense', () => {
    const throughput = { costPerHour: '1', inputTokensPerSec: 1, outputTokensPerSec: 1, utilization: 1, hitWeight: 0 }
    assert.throws(() => ratesFromThroughput({ ...throughput, utilization: 0 }), RangeError)
    assert.throws(() => ratesFromThroughput({ ...throughput, inputTokensPerSec: 0 }), /input tokens a second/)
    assert.throws(() => ratesFromThroughput({ ...throughput, costPerHour: '-1' }), RangeError)
    const idle = { missTokens: 0, hitTokens: 0, outputTokens: 0 }
    assert.throws(
      () => ratesFromTraffic({ costPerHour: '1', hours: 1, ...idle, outputWeight: 5, hitWeight: 0.1 }),
      /nothing to divide by/,
    )
  })
})
