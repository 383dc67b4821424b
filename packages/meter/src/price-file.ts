/**
 * Reads and checks a price file; what it lets through is a book without overlaps.
 *
 * The format is that of `data/price-history.json` (schema version 1): half-open intervals, bare dates mean
 * 00:00 UTC, rates per 1,000,000 tokens. Numbers are taken by their decimal text, never as binary fractions.
 * A file is accepted whole or not at all; the error names the record.
 */
import { createHash } from 'node:crypto'
import { isTimeZone, parseDay, type PeakSchedule } from './calendar.ts'
import { compare, multiply, parseDecimal, zero, type Decimal } from './decimal.ts'
import { MeterError } from './errors.ts'
import {
  chargedStatuses,
  type ContextTier,
  type ContextTierApplies,
  type PriceRecord,
  type PriceStatus,
  type Rates,
} from './price-record.ts'
import type { PriceBook, VendorCacheRule } from './price-book.ts'
import { buildIndex, spelledOut, type DatedAlias } from './price-index.ts'
import { noRates } from './promotion.ts'

/** Where the prices that ship with this package lie; reading the file is the caller's business. */
export const bundledPricesUrl: URL = new URL('../data/price-history.json', import.meta.url)

/**
 * @throws {MeterError} METER_BAD_PRICE_FILE or METER_OVERLAPPING_PRICES (with both record ids).
 */
export function loadPriceBook(...texts: readonly string[]): PriceBook {
  const files = texts.map((text) =>
    readPriceFile(text, (problem) => {
      throw problem
    }),
  )
  const ids = new Set<string>()
  for (const { id } of files.flatMap(({ records }) => records.map(({ record }) => record))) {
    if (ids.has(id)) bad(id, 'the id appears twice')
    ids.add(id)
  }
  return bookOf(files)
}

/** A file read record by record, before anybody asked whether its records go together. */
export interface PriceFile {
  readonly asOf: string
  readonly records: readonly { readonly record: PriceRecord; readonly index: number }[]
  readonly aliases: readonly DatedAlias[]
  readonly cacheRules: readonly VendorCacheRule[]
}

/**
 * @param onBadRecord told of each record that cannot be read; it may throw, or let the others be read.
 * @throws {MeterError} METER_BAD_PRICE_FILE when the file around the records is at fault.
 */
export function readPriceFile(text: string, onBadRecord: (problem: MeterError) => void): PriceFile {
  const file = asObject(parseWithNumberText(text), 'the file')
  if (file['schema_version'] !== '1') bad('schema_version', 'must be 1')
  const schedules = readSchedules(file['schedules'])
  const records = asList(file['records'], 'records').flatMap((value, index) => {
    try {
      return [{ record: readRecord(value, `records[${index}]`, schedules), index }]
    } catch (error) {
      if (!(error instanceof MeterError)) throw error
      onBadRecord(placed(error, value, index))
      return []
    }
  })
  const aliases = asList(file['aliases'] ?? [], 'aliases').map((value, index) => readAlias(value, `aliases[${index}]`))
  const asOf = file['as_of']
  const cacheRules = asList(file['cache_simulation'] ?? [], 'cache_simulation').map((value, index) =>
    readCacheRule(value, `cache_simulation[${index}]`),
  )
  return { asOf: typeof asOf === 'string' ? asOf : '', records, aliases, cacheRules }
}

/** @throws {MeterError} METER_OVERLAPPING_PRICES. */
export function bookOf(files: readonly PriceFile[]): PriceBook {
  const records = files.flatMap((file) => file.records.map(({ record }) => record))
  const index = buildIndex(
    records,
    files.flatMap(({ aliases }) => aliases),
  )
  const id = createHash('sha256').update(records.map((record) => `${record.id}@${record.hash}`).join('\n'))
  const asOf = files.reduce((latest, file) => (file.asOf > latest ? file.asOf : latest), '')
  const cacheRules = files.flatMap((file) => file.cacheRules)
  return {
    id: id.digest('hex').slice(0, 12),
    asOf,
    records: records.flatMap((record) => spelledOut(index, record)),
    index,
    cacheRules,
    below: null,
  }
}

/** Messages name a record by its id, places by its number. */
function placed(error: MeterError, value: unknown, index: number): MeterError {
  const id = typeof value === 'object' && value !== null && 'id' in value ? value.id : null
  const at = error.at ?? ''
  const within = typeof id === 'string' && at.startsWith(`${id}: `) ? `.${at.slice(id.length + 2)}` : ''
  const place = at.startsWith('records[') ? at : `records[${index}]${within}`
  return new MeterError(error.code, error.message, { cause: error, at: place })
}

// ---------------------------------------------------------------------------------------------- reading

/** Every JSON number becomes its own text, so that 0.003625 stays what was typed. */
function parseWithNumberText(text: string): unknown {
  try {
    return JSON.parse(text, keepNumberText) as unknown
  } catch (cause) {
    throw new MeterError('METER_BAD_PRICE_FILE', 'The price file is not valid JSON.', { cause })
  }
}

function keepNumberText(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  return typeof value === 'number' ? (context?.source ?? String(value)) : value
}

const statuses: readonly PriceStatus[] = [
  'list',
  'promo',
  'promo_then_list',
  'list_suspended_by_promo',
  'announced',
  'announced_withdrawn',
]

/** Fields about knowledge, not about the bill: they leave the version id as it is. */
const knowledgeFields: ReadonlySet<string> = new Set(['announced_at', 'end_announced_at', 'withdrawn_at'])

const rateFields: ReadonlySet<string> = new Set([
  'input',
  'output',
  'cache_read',
  'cache_write',
  'cache_write_5m',
  'cache_write_1h',
  'reasoning',
  // Billed by time, not by token: recorded in the file, not part of a request's cost.
  'cache_storage_per_1m_token_hours',
])

function readRecord(value: unknown, at: string, schedules: ReadonlyMap<string, PeakSchedule>): PriceRecord {
  const raw = asObject(value, at)
  const id = asText(raw['id'], `${at}.id`)
  const status =
    statuses.find((known) => known === raw['status']) ??
    bad(`${id}: status`, `unknown status "${String(raw['status'])}"`)
  const currency = asText(raw['currency'], `${id}: currency`)
  if (!/^[A-Z]{3}$/.test(currency)) bad(`${id}: currency`, `"${currency}" is not a three-letter code`)
  const fromMs = asInstant(raw['effective_from'], `${id}: effective_from`)
  const untilMs = raw['effective_to'] === null ? null : asInstant(raw['effective_to'], `${id}: effective_to`)
  if (untilMs !== null && untilMs <= fromMs) bad(`${id}: effective_to`, 'not after effective_from')

  const announcedMs = optionalInstant(raw['announced_at'], `${id}: announced_at`) ?? fromMs
  const withdrawnMs = optionalInstant(raw['withdrawn_at'], `${id}: withdrawn_at`)
  if (withdrawnMs !== null && chargedStatuses.has(status)) bad(id, `a ${status} price was charged, not withdrawn`)
  if (withdrawnMs !== null && withdrawnMs <= announcedMs) bad(`${id}: withdrawn_at`, 'not after announced_at')

  const baseFactor = raw['base_factor'] === undefined ? null : readBaseFactor(raw, id, status)
  const rates = baseFactor === null ? readRates(raw['rates'], `${id}: rates`) : noRates
  const scheduleName = raw['schedule'] === undefined ? null : asText(raw['schedule'], `${id}: schedule`)
  const schedule = scheduleName === null ? null : schedules.get(scheduleName)
  if (schedule === undefined) bad(`${id}: schedule`, `unknown schedule "${scheduleName}"`)
  const peakRates = raw['peak_rates'] === undefined ? null : readRates(raw['peak_rates'], `${id}: peak_rates`)
  if ((schedule === null) !== (peakRates === null)) bad(id, 'schedule and peak_rates come together or not at all')
  const tierApplies = readTierApplies(raw, id)
  const tiers = asList(raw['tiers'] ?? [], `${id}: tiers`).map((tier, index) =>
    readTier(tier, `${id}: tiers[${index}]`, rates, tierApplies),
  )
  tiers.sort((a, b) => b.promptTokensAbove - a.promptTokensAbove)
  if (new Set(tiers.map((tier) => tier.promptTokensAbove)).size !== tiers.length) bad(id, 'two tiers share a threshold')
  if (tiers.length > 0 && peakRates !== null) bad(id, 'tiers and peak hours in one record have no defined meaning')
  const modifiers = new Map<string, Decimal>()
  for (const [name, factor] of Object.entries(asObject(raw['modifiers'] ?? {}, `${id}: modifiers`)))
    modifiers.set(name, asPrice(factor, `${id}: modifiers.${name}`))

  const billed = Object.fromEntries(Object.entries(raw).filter(([name]) => !knowledgeFields.has(name)))
  const content = JSON.stringify([billed, scheduleName === null ? null : describeSchedule(schedule)])
  return {
    id,
    vendor: asText(raw['vendor'], `${id}: vendor`),
    model: asText(raw['model'], `${id}: model`),
    aliases: asList(raw['aliases'] ?? [], `${id}: aliases`).map((alias) => asText(alias, `${id}: aliases`)),
    currency,
    fromMs,
    untilMs,
    announcedMs,
    announcedUntilMs: optionalInstant(raw['announced_to'], `${id}: announced_to`),
    endAnnouncedMs: optionalInstant(raw['end_announced_at'], `${id}: end_announced_at`),
    withdrawnMs,
    status,
    baseFactor,
    baseId: null,
    rates,
    peakRates,
    schedule,
    tiers,
    tierApplies,
    modifiers,
    confidence: asText(raw['confidence'] ?? 'unstated', `${id}: confidence`),
    sources: asList(raw['sources'] ?? [], `${id}: sources`).map((source) => asText(source, `${id}: sources`)),
    note: raw['note'] === undefined || raw['note'] === null ? null : asText(raw['note'], `${id}: note`),
    hash: createHash('sha256').update(content).digest('hex').slice(0, 12),
  }
}

function readRates(value: unknown, at: string): Rates {
  const raw = asObject(value, at)
  for (const name of Object.keys(raw)) if (!rateFields.has(name)) bad(at, `unknown rate "${name}"`)
  const read = (name: string): Decimal | null =>
    raw[name] === undefined || raw[name] === null ? null : asPrice(raw[name], `${at}.${name}`)
  if (raw['cache_write'] !== undefined && raw['cache_write_5m'] !== undefined)
    bad(at, 'cache_write and cache_write_5m name the same price')
  return {
    input: read('input'),
    output: read('output'),
    cacheRead: read('cache_read'),
    cacheWrite5m: read('cache_write_5m') ?? read('cache_write'),
    cacheWrite1h: read('cache_write_1h'),
    reasoning: read('reasoning'),
  }
}

/** Everything else that a bill depends on is the base's. */
function readBaseFactor(raw: Readonly<Record<string, unknown>>, id: string, status: PriceStatus): Decimal {
  const at = `${id}: base_factor`
  if (status !== 'promo') bad(at, 'only a promo is a factor of the list below it')
  for (const name of ['rates', 'peak_rates', 'schedule', 'tiers', 'context_tier_applies', 'modifiers'])
    if (raw[name] !== undefined) bad(`${id}: ${name}`, 'comes from the base where there is a base_factor')
  const factor = asPrice(raw['base_factor'], at)
  if (factor.digits === 0n || compare(factor, { digits: 1n, scale: 0 }) > 0) bad(at, 'not above 0 and at most 1')
  return factor
}

function readTierApplies(raw: Readonly<Record<string, unknown>>, id: string): ContextTierApplies {
  const value = raw['context_tier_applies']
  if (value === undefined) return 'whole'
  if (raw['tiers'] === undefined) bad(`${id}: context_tier_applies`, 'there are no tiers that it could be about')
  if (value !== 'whole' && value !== 'above') return bad(`${id}: context_tier_applies`, 'neither whole nor above')
  return value
}

/**
 * A tier that lists input but no write price keeps the base's ratio of write to input: the vendors who price
 * writes do it as a multiple of input (1.25x, 2x), and the tiers that do list one agree.
 */
function readTier(value: unknown, at: string, base: Rates, applies: ContextTierApplies): ContextTier {
  const raw = asObject(value, at)
  const threshold = asObject(raw['when'], `${at}.when`)['prompt_tokens_gt']
  const promptTokensAbove = Number(threshold)
  if (!Number.isSafeInteger(promptTokensAbove) || promptTokensAbove < 0)
    bad(at, 'prompt_tokens_gt is not a token count')
  const rates = readRates(raw['rates'], `${at}.rates`)
  if (applies === 'above' && (rates.output !== null || rates.reasoning !== null))
    bad(
      `${at}.rates`,
      'a tier of the part above prices prompt tokens; output and reasoning keep the rates of the record',
    )
  return {
    promptTokensAbove,
    rates: {
      ...rates,
      cacheWrite5m: rates.cacheWrite5m ?? inProportion(base.cacheWrite5m, base.input, rates.input),
      cacheWrite1h: rates.cacheWrite1h ?? inProportion(base.cacheWrite1h, base.input, rates.input),
      reasoning: rates.reasoning ?? inProportion(base.reasoning, base.output, rates.output),
    },
  }
}

/** `part * to / from`, or null when a term is missing or the quotient has no short decimal form. */
function inProportion(part: Decimal | null, from: Decimal | null, to: Decimal | null): Decimal | null {
  if (part === null || from === null || to === null || from.digits === 0n) return null
  const product = multiply(part, to)
  const extraDigits = 12
  const dividend = product.digits * 10n ** BigInt(from.scale + extraDigits)
  if (dividend % from.digits !== 0n) return null
  return multiply({ digits: dividend / from.digits, scale: product.scale + extraDigits }, { digits: 1n, scale: 0 })
}

function readAlias(value: unknown, at: string): DatedAlias {
  const raw = asObject(value, at)
  return {
    vendor: asText(raw['vendor'], `${at}.vendor`),
    name: asText(raw['name'], `${at}.name`),
    model: asText(raw['model'], `${at}.model`),
    fromMs: asInstant(raw['effective_from'], `${at}.effective_from`),
    untilMs: raw['effective_to'] === null ? Infinity : asInstant(raw['effective_to'], `${at}.effective_to`),
  }
}

function readCacheRule(value: unknown, at: string): VendorCacheRule {
  const raw = asObject(value, at)
  const count = (name: string): number => {
    const number = Number(asText(raw[name], `${at}.${name}`))
    return Number.isSafeInteger(number) && number >= 1 ? number : bad(`${at}.${name}`, 'not a whole number from 1')
  }
  const minTokens = count('min_tokens')
  const models = raw['models'] === undefined ? null : asList(raw['models'], `${at}.models`)
  const place = {
    vendor: asText(raw['vendor'], `${at}.vendor`),
    models: models?.map((model) => asText(model, `${at}.models`)) ?? null,
  }
  if (raw['kind'] === 'marked') return { ...place, rule: { kind: 'marked', minTokens, lookbackSegments: 20 } }
  if (raw['kind'] !== 'automatic' && raw['kind'] !== 'units')
    return bad(`${at}.kind`, 'neither automatic nor marked nor units')
  const keepsAnswers = raw['keeps_answers'] ?? false
  if (typeof keepsAnswers !== 'boolean') return bad(`${at}.keeps_answers`, 'neither true nor false')
  const lifetimeMs = raw['lifetime_ms'] === null ? null : count('lifetime_ms')
  if (raw['kind'] === 'units')
    return { ...place, rule: { kind: 'units', minTokens, stepTokens: count('step_tokens'), lifetimeMs } }
  return {
    ...place,
    rule: { kind: 'automatic', minTokens, stepTokens: count('step_tokens'), lifetimeMs, keepsAnswers },
  }
}

function readSchedules(value: unknown): ReadonlyMap<string, PeakSchedule> {
  const schedules = new Map<string, PeakSchedule>()
  for (const [id, entry] of Object.entries(asObject(value ?? {}, 'schedules'))) {
    const at = `schedules.${id}`
    const raw = asObject(entry, at)
    const timeZone = asText(raw['timezone'], `${at}.timezone`)
    if (!isTimeZone(timeZone)) bad(at, `unknown time zone "${timeZone}"`)
    const windows = asList(raw['peak_windows'], `${at}.peak_windows`).map((window) => {
      const [start, end] = asList(window, `${at}.peak_windows`)
      const startMin = asMinute(start, at)
      const endMin = asMinute(end, at)
      if (endMin <= startMin) bad(at, 'a peak window ends before it starts; split it at midnight')
      return { startMin, endMin }
    })
    const weekdays = new Set(asList(raw['peak_weekdays'], `${at}.peak_weekdays`).map(Number))
    for (const day of weekdays) if (!Number.isInteger(day) || day < 1 || day > 7) bad(at, 'peak_weekdays are 1 to 7')
    const offPeakDays = asList(raw['off_peak_dates'] ?? [], `${at}.off_peak_dates`).map((range) => {
      const [first = '', last = first] = asText(range, `${at}.off_peak_dates`).split('..')
      const firstDay = parseDay(first)
      const lastDay = parseDay(last)
      if (firstDay === null || lastDay === null || lastDay < firstDay)
        return bad(at, `bad date range "${String(range)}"`)
      return { firstDay, lastDay }
    })
    schedules.set(id, { id, timeZone, windows, weekdays, offPeakDays })
  }
  return schedules
}

function describeSchedule(schedule: PeakSchedule | null | undefined): unknown {
  if (schedule === null || schedule === undefined) return null
  return { ...schedule, weekdays: [...schedule.weekdays].sort((a, b) => a - b) }
}

// ---------------------------------------------------------------------------------------------- fields

function bad(at: string, why: string): never {
  throw new MeterError('METER_BAD_PRICE_FILE', `Price file, ${at}: ${why}.`, { at })
}

function asObject(value: unknown, at: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return bad(at, 'expected an object')
  return Object.fromEntries(Object.entries(value))
}

function asList(value: unknown, at: string): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : bad(at, 'expected a list')
}

function asText(value: unknown, at: string): string {
  return typeof value === 'string' && value.length > 0 ? value : bad(at, 'expected a text')
}

function asPrice(value: unknown, at: string): Decimal {
  const text = asText(value, at)
  let price
  try {
    price = parseDecimal(text)
  } catch {
    return bad(at, `"${text.slice(0, 40)}" is not a decimal number`)
  }
  return compare(price, zero) < 0 ? bad(at, 'a price cannot be negative') : price
}

/** `2026-04-24` (00:00 UTC) or `2026-08-16T16:00:00Z`; anything whose zone would be a guess is refused. */
function asInstant(value: unknown, at: string): number {
  const text = asText(value, at)
  const day = parseDay(text)
  if (day !== null) return day * 86_400_000
  const ms = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2})$/.test(text)
    ? Date.parse(text)
    : NaN
  return Number.isNaN(ms) ? bad(at, `"${text}" is not a date or an instant with a zone`) : ms
}

function optionalInstant(value: unknown, at: string): number | null {
  return value === undefined || value === null ? null : asInstant(value, at)
}

function asMinute(value: unknown, at: string): number {
  const match = /^(\d{2}):(\d{2})$/.exec(asText(value, at))
  const minutes = match === null ? NaN : Number(match[1]) * 60 + Number(match[2])
  return minutes <= 1440 ? minutes : bad(at, `"${String(value)}" is not a time of day`)
}
