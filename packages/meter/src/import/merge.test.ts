/** A catalogue read twice: history is kept, and nothing else is invented. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isUnpriced, priceAt } from '../price-book.ts'
import { formatDecimal } from '../decimal.ts'
import { loadPriceBook } from '../price-file.ts'
import { importLiteLlm } from './litellm.ts'
import { importLlmPrices } from './llm-prices.ts'
import { importedFile, mergeImport, readImportedFile, type CatalogueMerge, type ImportedFile } from './merge.ts'

const chat = { litellm_provider: 'acme', mode: 'chat', input_cost_per_token: 1e-6, output_cost_per_token: 2e-6 }

function reading(day: string, entries: Record<string, unknown>, before?: ImportedFile): CatalogueMerge {
  const imported = importLiteLlm(JSON.stringify(entries), { observedOn: day, origin: 'prices.json' })
  const origin = { source: 'litellm', from: ['prices.json'], observed_on: day } as const
  return before
    ? mergeImport(before, imported, origin)
    : { file: importedFile(imported, origin), unchanged: 0, changed: [], added: [], gone: [] }
}

function inputAt(file: ImportedFile, model: string, day: string): string | null {
  const book = loadPriceBook(JSON.stringify(file))
  const price = priceAt(book, { vendor: 'acme', model, currency: 'USD', atMs: Date.parse(day), promptTokens: 1 })
  return isUnpriced(price) ? null : formatDecimal(price.rates.input ?? assert.fail())
}

describe('an undated catalogue read again', () => {
  const first = reading('2026-10-01', { m1: chat, m2: chat, m3: chat }).file
  const second = reading('2026-11-01', { m1: chat, m2: { ...chat, input_cost_per_token: 3e-6 }, m4: chat }, first)

  it('closes what changed on the day it was seen, and keeps the rest', () => {
    assert.equal(second.unchanged, 1)
    assert.deepEqual(second.changed, ['litellm/acme/m2/USD/2026-10-01'])
    assert.deepEqual(second.added, ['litellm/acme/m4/USD/2026-11-01'])
    assert.deepEqual(second.gone, ['litellm/acme/m3/USD/2026-10-01'])
    assert.deepEqual(
      ['2026-10-31', '2026-11-01'].map((day) => inputAt(second.file, 'm2', day)),
      ['1', '3'],
    )
    assert.equal(inputAt(second.file, 'm1', '2026-10-01'), '1')
    assert.equal(inputAt(second.file, 'm3', '2026-11-02'), '1')
  })

  it('changes nothing when nothing changed, and on one day the later reading stands', () => {
    assert.deepEqual(reading('2026-11-01', { m1: chat, m2: chat, m3: chat }, first).file.records, first.records)
    const same = reading('2026-10-01', { m1: { ...chat, input_cost_per_token: 9e-6 }, m2: chat, m3: chat }, first)
    assert.equal(inputAt(same.file, 'm1', '2026-10-01'), '9')
    assert.equal(same.file.records.length, 3)
  })

  it('a file that no import wrote is refused', () => {
    assert.throws(() => readImportedFile('{"schema_version":1,"records":[]}'), /which catalogue/)
    assert.throws(() => readImportedFile('no'), /not valid JSON/)
    assert.throws(() => readImportedFile('null'), /which catalogue/)
  })
})

describe('a dated catalogue read again', () => {
  it('brings its own ends', () => {
    const of = (history: unknown[], day: string) =>
      importLlmPrices(JSON.stringify({ vendor: 'acme', models: [{ id: 'm1', price_history: history }] }), {
        observedOn: day,
        origin: 'acme.json',
      })
    const origin = (day: string) => ({ source: 'llm-prices', from: ['acme.json'], observed_on: day }) as const
    const old = { input: 1, output: 2, from_date: '2026-01-01', to_date: null }
    const before = importedFile(of([old], '2026-10-01'), origin('2026-10-01'))
    const ended = { ...old, to_date: '2026-10-15' }
    const now = { input: 2, output: 2, from_date: '2026-10-15', to_date: null }
    const { file, changed, added } = mergeImport(before, of([now, ended], '2026-11-01'), origin('2026-11-01'))
    assert.equal(changed.length, 1)
    assert.equal(added.length, 1)
    assert.equal(inputAt(file, 'm1', '2026-10-14'), '1')
    assert.equal(inputAt(file, 'm1', '2026-10-15'), '2')
  })
})
