/**
 * Prices that come from no vendor's list: an operator's own rates for a self-hosted model, and explicit zero.
 *
 * Free is a decision with a version id on the row (`local/free`), never what a missing price falls back to.
 */
import { createHash } from 'node:crypto'
import { compare, formatDecimal, parseDecimal, zero, type Decimal } from './decimal.ts'
import { MeterError } from './errors.ts'
import type { Price } from './price-book.ts'
import type { Rates } from './price-record.ts'

/** Currency units per 1,000,000 tokens, as a configuration file gives them. */
export interface FixedRates {
  readonly input: string | number
  readonly output: string | number
  /** Default: the input rate (no discount for hits). */
  readonly cacheRead?: string | number
  /** Default: the input rate. */
  readonly cacheWrite?: string | number
}

/**
 * An operator's own price for what an upstream serves. The version id hashes the rates, so that a changed
 * price is a new version on new rows.
 *
 * @throws {MeterError} METER_BAD_DECIMAL when a rate is negative or not a number.
 */
export function selfHostedPrice(name: string, currency: string, given: FixedRates): Price {
  const input = rate(given.input)
  const output = rate(given.output)
  const cacheRead = given.cacheRead === undefined ? input : rate(given.cacheRead)
  const cacheWrite = given.cacheWrite === undefined ? input : rate(given.cacheWrite)
  const content = [currency, ...[input, output, cacheRead, cacheWrite].map(formatDecimal)].join(' ')
  const hash = createHash('sha256').update(content).digest('hex').slice(0, 12)
  return fixed(`self-hosted/${name}@${hash}`, currency, name, {
    input,
    output,
    cacheRead,
    cacheWrite5m: cacheWrite,
    cacheWrite1h: cacheWrite,
    reasoning: null,
  })
}

const freeRates: Rates = {
  input: zero,
  output: zero,
  cacheRead: zero,
  cacheWrite5m: zero,
  cacheWrite1h: zero,
  reasoning: null,
}

/**
 * Zero on purpose. `local/free`: served by our own engine, nobody is billed; `not-sent`: refused before any
 * upstream was called, so there is nothing to bill.
 */
export function zeroPrice(why: 'local/free' | 'not-sent', currency: string): Price {
  return fixed(why, currency, why, freeRates)
}

function fixed(versionId: string, currency: string, matchedModel: string, rates: Rates): Price {
  return { versionId, currency, rates, matchedModel, partsAbove: [], variant: [], record: null }
}

function rate(value: string | number): Decimal {
  const parsed = parseDecimal(value)
  if (compare(parsed, zero) < 0)
    throw new MeterError('METER_BAD_DECIMAL', `A price cannot be negative: ${formatDecimal(parsed)}.`)
  return parsed
}
