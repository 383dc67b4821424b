/**
 * A second reading of a catalogue laid over the first, without losing what the first one said.
 *
 * An undated source only says what is, so a changed price closes the old record on the day of the new reading and
 * appends a new one; what is unchanged keeps the day it was first seen. A dated source brings its own history, and
 * its records replace those of the same id. What the catalogue no longer lists stays, and is named.
 */
import { MeterError } from '../errors.ts'
import type { CatalogueImport, CatalogueRecord, CatalogueSchedule } from './catalogue.ts'

/** Where an imported price file came from, so that it can be read again. */
export interface CatalogueOrigin {
  readonly source: 'litellm' | 'models.dev' | 'llm-prices'
  /** Files or addresses, in the order they were read. */
  readonly from: readonly string[]
  readonly observed_on: string
}

export interface ImportedFile {
  readonly schema_version: 1
  readonly as_of: string
  readonly import: CatalogueOrigin
  readonly schedules: Readonly<Record<string, CatalogueSchedule>>
  readonly records: readonly CatalogueRecord[]
}

export interface CatalogueMerge {
  readonly file: ImportedFile
  readonly unchanged: number
  /** Ids of records that were closed or replaced because the price is another one now. */
  readonly changed: readonly string[]
  readonly added: readonly string[]
  /** Ids of open records that the new reading does not have. */
  readonly gone: readonly string[]
}

export function importedFile(imported: CatalogueImport, origin: CatalogueOrigin): ImportedFile {
  const { schedules, records } = imported
  return { schema_version: 1, as_of: origin.observed_on, import: origin, schedules, records }
}

/** @throws {MeterError} METER_BAD_PRICE_FILE when the text is no file that an import wrote. */
export function readImportedFile(text: string): ImportedFile {
  let file: Partial<ImportedFile> | null
  try {
    file = JSON.parse(text) as Partial<ImportedFile> | null
  } catch (cause) {
    throw new MeterError('METER_BAD_PRICE_FILE', 'The price file is not valid JSON.', { cause })
  }
  if (typeof file?.import !== 'object' || !Array.isArray(file.import.from) || !Array.isArray(file.records))
    throw new MeterError('METER_BAD_PRICE_FILE', 'The file does not say which catalogue it was imported from.')
  return file as ImportedFile
}

export function mergeImport(before: ImportedFile, imported: CatalogueImport, origin: CatalogueOrigin): CatalogueMerge {
  const now = importedFile(imported, origin)
  const today = origin.observed_on
  const open = new Map(before.records.filter((one) => one.effective_to === null).map((one) => [nameOf(one), one]))
  const fresh = new Map(now.records.map((one) => [one.id, one]))
  const dated = origin.source === 'llm-prices'
  const changed: string[] = []
  const added: string[] = []
  const closed = new Set<string>()
  const replaced = new Set<string>()
  const appended: CatalogueRecord[] = []
  let unchanged = 0
  for (const record of now.records) {
    const same = dated ? before.records.find(({ id }) => id === record.id) : open.get(nameOf(record))
    if (same === undefined) added.push(record.id)
    else if (contentOf(same) === contentOf(record) && (!dated || same.effective_to === record.effective_to)) {
      unchanged++
      continue
    } else {
      changed.push(same.id)
      // Two readings on one day: the later one stands. Otherwise the earlier one was true until today.
      if (dated || same.effective_from >= today) replaced.add(same.id)
      else closed.add(same.id)
    }
    appended.push(record)
  }
  const names = new Set(now.records.map(nameOf))
  const kept = before.records
    .filter(({ id }) => !replaced.has(id))
    .map((record) => (closed.has(record.id) ? { ...record, effective_to: today } : record))
  return {
    file: { ...now, schedules: { ...before.schedules, ...now.schedules }, records: [...kept, ...appended] },
    unchanged,
    changed,
    added,
    gone: [...open.values()].filter((one) => !names.has(nameOf(one)) && !fresh.has(one.id)).map(({ id }) => id),
  }
}

function nameOf({ vendor, model, currency }: CatalogueRecord): string {
  return JSON.stringify([vendor, model, currency])
}

/** What a bill depends on; not when it was seen, or where. Members in one order, so that equal content is equal text. */
function contentOf({ rates, peak_rates, schedule, tiers, modifiers }: CatalogueRecord): string {
  return JSON.stringify([rates, peak_rates, schedule, tiers, modifiers], (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  )
}
