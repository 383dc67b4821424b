/** Three catalogues in, our records out, and an account of what was lost. Samples are of our own making. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { formatDecimal } from '../decimal.ts'
import { isUnpriced, priceAt } from '../price-book.ts'
import { loadPriceBook } from '../price-file.ts'
import { disagreements, toPriceFile, type CatalogueImport } from './catalogue.ts'
import { importLiteLlm } from './litellm.ts'
import { importLlmPrices } from './llm-prices.ts'
import { importModelsDev } from './models-dev.ts'

const options = { observedOn: '2026-11-23', origin: 'sample' }

function only(imported: CatalogueImport): CatalogueImport['records'][number] {
  assert.equal(imported.records.length, 1, JSON.stringify(imported.skipped))
  return imported.records[0] ?? assert.fail()
}

describe('LiteLLM', () => {
  const of = (entries: Record<string, unknown>): CatalogueImport => importLiteLlm(JSON.stringify(entries), options)
  const chat = { litellm_provider: 'acme', mode: 'chat', input_cost_per_token: 1.5e-7, output_cost_per_token: 6e-7 }

  it('prices per token become prices per million without a binary fraction in between', () => {
    const record = only(of({ 'acme/m1': { ...chat, cache_read_input_token_cost: 3.625e-9 } }))
    assert.deepEqual({ ...record.rates }, { input: '0.15', output: '0.6', cache_read: '0.003625' })
    assert.equal(record.model, 'm1')
    assert.deepEqual(record.sources, ['sample, key acme/m1, observed 2026-11-23'])
    assert.equal(record.date_precision, 'unknown')
  })

  it('thresholds become tiers, and both write lifetimes are kept', () => {
    const record = only(
      of({
        m1: {
          ...chat,
          cache_creation_input_token_cost: 2e-7,
          cache_creation_input_token_cost_above_1hr: 3e-7,
          input_cost_per_token_above_272k_tokens: 3e-7,
          output_cost_per_token_above_272k_tokens: 9e-7,
        },
      }),
    )
    assert.deepEqual(record.tiers, [{ when: { prompt_tokens_gt: 272_000 }, rates: { input: '0.3', output: '0.9' } }])
    assert.equal(record.rates['cache_write_1h'], '0.3')
  })

  it('service tiers become a factor where one factor explains them, and are reported where none does', () => {
    const batch = { input_cost_per_token_batches: 7.5e-8, output_cost_per_token_batches: 3e-7 }
    assert.deepEqual(only(of({ m1: { ...chat, ...batch } })).modifiers, { batch: '0.5' })
    const odd = of({ m1: { ...chat, ...batch, output_cost_per_token_batches: 4e-7 } })
    assert.equal(only(odd).modifiers, undefined)
    assert.deepEqual(odd.notCarried, [{ name: 'm1', what: 'batch rates that are no single factor' }])
  })

  // The real file rounds half of 2.5e-07 to 1.3e-07, and lists the factor again above each context size.
  it('a factor is recognised behind a rounded cache rate and above a context size, but not behind another factor', () => {
    const large = { input_cost_per_token_above_272k_tokens: 3e-7, output_cost_per_token_above_272k_tokens: 9e-7 }
    const half = {
      cache_read_input_token_cost: 2.5e-8,
      cache_read_input_token_cost_flex: 1.3e-8,
      input_cost_per_token_flex: 7.5e-8,
      output_cost_per_token_flex: 3e-7,
      input_cost_per_token_above_272k_tokens_flex: 1.5e-7,
    }
    const imported = of({ m1: { ...chat, ...large, ...half } })
    assert.deepEqual(only(imported).modifiers, { flex: '0.5' })
    assert.deepEqual(imported.notCarried, [])
    const odd = of({ m1: { ...chat, ...large, ...half, cache_read_input_token_cost_flex: 2.5e-8 } })
    assert.deepEqual(odd.notCarried, [{ name: 'm1', what: 'flex rates that are no single factor' }])
  })

  it('prices by ranges of the prompt become a base and tiers', () => {
    const imported = of({
      m1: {
        litellm_provider: 'acme',
        mode: 'chat',
        tiered_pricing: [
          { range: [0, 256000.0], input_cost_per_token: 5e-8, output_cost_per_token: 4e-7 },
          { range: [256000.0, 1000000.0], input_cost_per_token: 2.5e-7, output_cost_per_token: 2e-6 },
        ],
      },
      m2: { ...chat, tiered_pricing: [{ range: [100, 200], input_cost_per_token: 1e-7, output_cost_per_token: 1e-7 }] },
    })
    const [first] = imported.records
    assert.deepEqual({ ...first?.rates }, { input: '0.05', output: '0.4' })
    assert.deepEqual(first?.tiers, [{ when: { prompt_tokens_gt: 256_000 }, rates: { input: '0.25', output: '2' } }])
    assert.deepEqual(imported.notCarried, [{ name: 'm2', what: 'tiered_pricing' }])
  })

  it('off-peak hours become a schedule of the hours that are peak, and price by the clock', () => {
    const windows = [
      { hours_utc: ['00:00-01:00', '04:00-06:00', '10:00-00:00'], weekdays: [1, 2, 3, 4, 5] },
      { hours_utc: '00:00-00:00', weekdays: [6, 7] },
    ]
    const off_peak_pricing = { input_cost_per_token: 7.5e-8, output_cost_per_token: 3e-7, windows }
    const imported = of({ m1: { ...chat, off_peak_pricing } })
    const book = loadPriceBook(toPriceFile(imported, '2026-11-23'))
    const input = (at: string): string => {
      const key = { vendor: 'acme', model: 'm1', currency: 'USD', atMs: Date.parse(at), promptTokens: 1 }
      const price = priceAt(book, key)
      return isUnpriced(price) ? price.message : formatDecimal(price.rates.input ?? assert.fail())
    }
    // Monday 23 November 2026, and the Saturday after it.
    assert.equal(input('2026-11-23T00:59:59Z'), '0.075')
    assert.equal(input('2026-11-23T01:00:00Z'), '0.15')
    assert.equal(input('2026-11-23T10:00:00Z'), '0.075')
    assert.equal(input('2026-11-28T08:00:00Z'), '0.075')
    const odd = of({ m1: { ...chat, off_peak_pricing: { ...off_peak_pricing, windows: [{ hours_utc: 'at night' }] } } })
    assert.deepEqual(odd.notCarried, [{ name: 'm1', what: 'off_peak_pricing' }])
  })

  // deepseek/deepseek-v4-pro stands there with cache_creation_input_token_cost 0: writes are billed as input.
  it('a cache price of zero is no price, and a second spelling of the hit price is read', () => {
    const imported = of({ m1: { ...chat, cache_creation_input_token_cost: 0, input_cost_per_token_cache_hit: 4.4e-8 } })
    assert.deepEqual({ ...only(imported).rates }, { cache_read: '0.044', input: '0.15', output: '0.6' })
    assert.deepEqual(imported.notCarried, [{ name: 'm1', what: 'a cache_write_5m price of 0' }])
  })

  it('says what it could not carry', () => {
    const imported = of({ m1: { ...chat, output_cost_per_reasoning_token: 1e-6, input_cost_per_audio_token: 1e-6 } })
    assert.deepEqual(
      imported.notCarried.map(({ what }) => what),
      ['input_cost_per_audio_token'],
    )
    assert.ok(imported.sourceCannotSay.length > 0)
  })

  // litellm PR 26848: a model without a price costs 0 there. Here it gives no record.
  it('a price of zero is unknown, not free; pictures and half-priced entries give no record', () => {
    const imported = of({
      sample_spec: { input_cost_per_token: 0 },
      free: { ...chat, input_cost_per_token: 0, output_cost_per_token: 0 },
      picture: { litellm_provider: 'acme', mode: 'image_generation', output_cost_per_image: 1 },
      half: { litellm_provider: 'acme', mode: 'chat', input_cost_per_token: 1e-7 },
      negative: { ...chat, input_cost_per_token: -1 },
      nonsense: 7,
    })
    assert.deepEqual(imported.records, [])
    assert.deepEqual(
      imported.skipped.map(({ name }) => name),
      ['free', 'picture', 'half', 'negative', 'nonsense'],
    )
  })
})

describe('models.dev', () => {
  const of = (models: unknown): CatalogueImport => importModelsDev(JSON.stringify({ moonshotai: { models } }), options)

  it('maps its vendor names to ours and reads context tiers once', () => {
    const record = only(
      of({
        m1: {
          cost: {
            input: 5,
            output: 30,
            cache_read: 0.5,
            tiers: [{ input: 10, output: 45, cache_read: 1, tier: { type: 'context', size: 272_000 } }],
            context_over_200k: { input: 10, output: 45, cache_read: 1 },
          },
        },
      }),
    )
    assert.equal(record.vendor, 'moonshot')
    assert.deepEqual(record.tiers, [
      { when: { prompt_tokens_gt: 272_000 }, rates: { input: '10', output: '45', cache_read: '1' } },
    ])
  })

  it('falls back to the older over-200k form', () => {
    const record = only(of({ m1: { cost: { input: 2, output: 12, context_over_200k: { input: 4, output: 18 } } } }))
    assert.equal(record.tiers?.[0]?.when.prompt_tokens_gt, 200_000)
  })

  it('reports fast modes and audio, keeps a reasoning price of its own, and skips what has no cost', () => {
    const imported = of({
      m1: {
        cost: { input: 1, output: 2, reasoning: 3, input_audio: 4 },
        experimental: { modes: { fast: { cost: { input: 2 } } } },
      },
      m2: {},
      m3: { cost: { input: 0, output: 0 } },
    })
    assert.deepEqual({ ...imported.records[0]?.rates }, { input: '1', output: '2', reasoning: '3' })
    assert.deepEqual(
      imported.notCarried.map(({ what }) => what),
      ['input_audio', 'price of mode fast'],
    )
    assert.equal(imported.skipped.length, 2)
  })
})

describe('llm-prices', () => {
  const of = (models: unknown): CatalogueImport => importLlmPrices(JSON.stringify({ vendor: 'acme', models }), options)

  it('keeps its history, half-open by day', () => {
    const imported = of([
      {
        id: 'm1',
        name: 'M 1',
        price_history: [
          { input: 2, output: 12, input_cached: 0.2, from_date: '2026-07-30', to_date: null },
          { input: 2.5, output: 15, input_cached: null, from_date: null, to_date: '2026-07-30' },
        ],
      },
    ])
    assert.deepEqual(
      imported.records.map((record) => [record.effective_from, record.effective_to, record.date_precision]),
      [
        ['2026-07-30', null, 'day'],
        ['1970-01-01', '2026-07-30', 'unknown'],
      ],
    )
  })

  it('puts a long-context pseudo-model back as a tier', () => {
    const history = (input: number): unknown => [{ input, output: 30, from_date: '2026-04-23', to_date: null }]
    const record = only(
      of([
        { id: 'gpt-5.5', price_history: history(5) },
        { id: 'gpt-5.5-272k', price_history: history(10) },
      ]),
    )
    assert.deepEqual(record.tiers, [{ when: { prompt_tokens_gt: 272_000 }, rates: { input: '10', output: '30' } }])
  })

  it('does not take a model whose own name ends in k for a tier', () => {
    assert.equal(only(of([{ id: 'm-32k', price_history: [{ input: 1, output: 1 }] }])).model, 'm-32k')
  })
})

describe('an import', () => {
  it('with a history loads without overlaps', () => {
    const history = [
      { input: 2, output: 12, from_date: '2026-07-30', to_date: null },
      { input: 2.5, output: 15, from_date: null, to_date: '2026-07-30' },
    ]
    const text = JSON.stringify({ vendor: 'acme', models: [{ id: 'm1', price_history: history }] })
    assert.equal(loadPriceBook(toPriceFile(importLlmPrices(text, options), '2026-11-23')).records.length, 2)
  })

  it('loads as a price file of its own and is compared with the book', () => {
    const entry = {
      litellm_provider: 'acme',
      input_cost_per_token: 2e-6,
      output_cost_per_token: 4e-6,
      cache_read_input_token_cost: 1e-7,
    }
    const imported = importLiteLlm(JSON.stringify({ m1: entry }), options)
    const own = loadPriceBook(toPriceFile(imported, '2026-11-23'))
    const later = Date.UTC(2026, 11, 1)
    assert.deepEqual(disagreements(own, imported, later), [])
    const stale = importLiteLlm(JSON.stringify({ m1: { ...entry, cache_read_input_token_cost: 1e-6 } }), options)
    const [difference, ...more] = disagreements(own, stale, later)
    assert.deepEqual(more, [])
    assert.deepEqual([difference?.rate, difference?.book, difference?.catalogue], ['cacheRead', '0.1', '1'])
  })

  it('of anything but JSON is refused in words', () => {
    for (const read of [importLiteLlm, importModelsDev, importLlmPrices])
      for (const text of ['', '[]', '{"a":', 'null'])
        assert.throws(() => read(text, options), { code: 'METER_BAD_PRICE_FILE' })
  })
})
