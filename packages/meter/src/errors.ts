/**
 * Errors of the meter: broken promises only (a price file that cannot be trusted, a number that is not one).
 *
 * Expected outcomes are return values: no price in force is `{ unpriced }`, odd usage is a list of findings.
 */
import type { ErrorEntry } from '@portolan/wire'

export const meterErrors = {
  METER_BAD_DECIMAL: {
    kind: 'internal',
    summary: 'A price or an amount is not a plain decimal number.',
    remedy: 'Write it as digits with an optional fraction, for example 0.003625.',
  },
  METER_BAD_PRICE_FILE: {
    kind: 'internal',
    summary: 'A price file has a field with a missing, unknown or impossible value.',
    remedy: 'Correct the record named in the message; nothing of the file was loaded.',
  },
  METER_BAD_RATES: {
    kind: 'internal',
    summary: 'A table of exchange rates for display has a place that could be read wrongly.',
    remedy: 'Correct the place named in the message; nothing of the table was used.',
  },
  METER_OVERLAPPING_PRICES: {
    kind: 'internal',
    summary: 'Two price records claim the same model, currency and instant, so the price would depend on chance.',
    remedy: 'Close the earlier of the two records named in the message where the later one begins.',
  },
} as const satisfies Record<string, ErrorEntry>

export type MeterErrorCode = keyof typeof meterErrors

export class MeterError extends Error {
  readonly code: MeterErrorCode
  /** Where in a price file, e.g. `records[3].rates.input`; null when it is not about one place. */
  readonly at: string | null

  constructor(code: MeterErrorCode, message: string, options?: ErrorOptions & { readonly at?: string }) {
    super(message, options)
    this.name = 'MeterError'
    this.code = code
    this.at = options?.at ?? null
  }
}
