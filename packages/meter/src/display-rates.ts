/**
 * Rates of exchange that an operator keeps, by day, for showing an amount in another currency beside the real one.
 *
 * What a request costs stands in the currency of its price list; nothing here reaches a row, a sum or a budget. A rate
 * is used for the day it is written for and for no other, in either direction, and never through a third currency:
 * what the table does not say is said to be missing. Arithmetic is exact up to one rounding, half to even.
 */
import { compare, formatDecimal, parseDecimal, zero, type Decimal } from './decimal.ts'
import { MeterError } from './errors.ts'

/** One line of the table, in the direction in which it is used: `numerator / denominator` of `to` for one of `from`. */
export interface DisplayRate {
  readonly from: string
  readonly to: string
  /** `2026-10-31`. */
  readonly day: string
  /** As the table has it, e.g. `1 USD = 7.1194 CNY`; the inverse is used exactly, not rounded first. */
  readonly quoted: string
  /** Whose rates they are, as the table says. */
  readonly source: string | null
  readonly numerator: bigint
  readonly denominator: bigint
}

export interface MissingRate {
  readonly missing: string
}

export interface DisplayRates {
  readonly source: string | null
  /** By pair such as `USD/CNY` (CNY for one USD), then by day. */
  readonly pairs: ReadonlyMap<string, ReadonlyMap<string, Decimal>>
}

export const noDisplayRates: DisplayRates = { source: null, pairs: new Map() }

/** A binary fraction of more digits is no longer what its author typed. */
const mostDigitsOfANumber = 15

/**
 * Reads `{ source?, rates: { "USD/CNY": { "2026-10-31": "7.1194" } } }`.
 *
 * @throws {MeterError} METER_BAD_RATES naming the place.
 */
export function readDisplayRates(value: unknown): DisplayRates {
  const file = objectAt(value, 'the file')
  const stranger = Object.keys(file).find((name) => name !== 'rates' && name !== 'source')
  if (stranger !== undefined) throw bad(stranger, 'is neither `rates` nor `source`')
  const { source = null } = file
  if (source !== null && (typeof source !== 'string' || source.length > 200)) throw bad('source', 'is no short text')
  const pairs = new Map<string, ReadonlyMap<string, Decimal>>()
  for (const [pair, days] of Object.entries(objectAt(file['rates'], 'rates'))) {
    const at = `rates.${pair}`
    const [, from, to] = /^([A-Z]{3})\/([A-Z]{3})$/.exec(pair) ?? []
    if (from === undefined || from === to) throw bad(at, 'is no pair of currencies such as USD/CNY')
    if (pairs.has(`${to}/${from}`)) throw bad(at, `says the other way round what ${to}/${from} says; keep one of them`)
    const known = new Map<string, Decimal>()
    for (const [day, rate] of Object.entries(objectAt(days, at))) known.set(day, rateAt(rate, day, `${at}.${day}`))
    pairs.set(pair, known)
  }
  return { source, pairs }
}

function rateAt(value: unknown, day: string, at: string): Decimal {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(day) || !isDay(day)) throw bad(at, 'is not under a day such as 2026-10-31')
  if (typeof value !== 'string' && typeof value !== 'number') throw bad(at, 'is no number')
  if (typeof value === 'number' && value.toString().replace(/\D/g, '').length > mostDigitsOfANumber)
    throw bad(at, 'has more digits than a number keeps; write it in quotes')
  let rate: Decimal
  try {
    rate = parseDecimal(value)
  } catch (cause) {
    throw bad(at, 'is no decimal number', cause)
  }
  if (compare(rate, zero) <= 0) throw bad(at, 'is not above zero')
  return rate
}

function isDay(day: string): boolean {
  const ms = Date.parse(day)
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(day)
}

/** The rate of that day, or in words that there is none, and which days around it have one. */
export function displayRate(rates: DisplayRates, from: string, to: string, day: string): DisplayRate | MissingRate {
  const { source } = rates
  if (from === to) return { from, to, day, quoted: `1 ${from} = 1 ${to}`, source: null, numerator: 1n, denominator: 1n }
  const direct = rates.pairs.get(`${from}/${to}`)
  const inverse = rates.pairs.get(`${to}/${from}`)
  const rate = (direct ?? inverse)?.get(day)
  if (rate === undefined) {
    const nearest = nearestDays([...((direct ?? inverse)?.keys() ?? [])], day)
    const known = nearest.length === 0 ? 'the table has none for these two' : `it has one for ${nearest.join(' and ')}`
    return { missing: `There is no rate between ${from} and ${to} for ${day}; ${known}.` }
  }
  const unit = 10n ** BigInt(rate.scale)
  return direct === undefined
    ? { from, to, day, quoted: quote(to, rate, from), source, numerator: unit, denominator: rate.digits }
    : { from, to, day, quoted: quote(from, rate, to), source, numerator: rate.digits, denominator: unit }
}

export function isMissingRate(rate: DisplayRate | MissingRate): rate is MissingRate {
  return 'missing' in rate
}

function quote(one: string, rate: Decimal, other: string): string {
  return `1 ${one} = ${formatDecimal(rate)} ${other}`
}

/** The last day before and the first after. */
function nearestDays(days: readonly string[], day: string): readonly string[] {
  const sorted = days.toSorted()
  const before = sorted.findLast((known) => known < day)
  const after = sorted.find((known) => known > day)
  return [before, after].filter((known) => known !== undefined)
}

/** An amount in nano-units of the other currency. */
export function displayedNanos(nanos: bigint, { numerator, denominator }: DisplayRate): bigint {
  return quotientHalfEven(nanos * numerator, denominator)
}

/** A price in the other currency, to `scale` digits after the point. */
export function displayedDecimal(value: Decimal, { numerator, denominator }: DisplayRate, scale = 9): Decimal {
  const digits = quotientHalfEven(
    value.digits * numerator * 10n ** BigInt(scale),
    denominator * 10n ** BigInt(value.scale),
  )
  return parseDecimal(formatDecimal({ digits, scale }))
}

/** What stands beside every figure that was converted. */
export function describeDisplayRate({ quoted, day, source }: DisplayRate): string {
  return `${quoted} on ${day}${source === null ? '' : ` (${source})`}, for display only`
}

/** For a positive divisor. */
function quotientHalfEven(dividend: bigint, divisor: bigint): bigint {
  const truncated = dividend / divisor
  const rest = dividend % divisor
  const twice = 2n * (rest < 0n ? -rest : rest)
  if (twice < divisor || (twice === divisor && truncated % 2n === 0n)) return truncated
  return dividend < 0n ? truncated - 1n : truncated + 1n
}

function objectAt(value: unknown, at: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad(at, 'is no mapping')
  return value as Readonly<Record<string, unknown>>
}

function bad(at: string, what: string, cause?: unknown): MeterError {
  return new MeterError('METER_BAD_RATES', `${at} ${what}.`, { at, cause })
}
