/**
 * `--in USD`: amounts in another currency beside the real ones, at the operator's own dated rates.
 *
 * One command uses one day's rate for each currency, so that what it prints adds up as the real amounts do. Every
 * converted figure comes with rate, day and the words that it is for display; without a rate there is no figure.
 */
import { resolve } from 'node:path'
import { parse } from 'yaml'
import {
  describeDisplayRate,
  displayedNanos,
  displayRate,
  isMissingRate,
  MeterError,
  noDisplayRates,
  readDisplayRates,
  type DisplayRate,
  type DisplayRates,
  type MissingRate,
} from '@portolan/meter'
import type { LoadedConfig } from './config/load.ts'
import { CliError } from './errors.ts'
import { money } from './output.ts'
import { readTextFile } from './price-files.ts'

export interface DisplayOptions {
  /** The currency to show amounts in. */
  readonly in?: string
  readonly rateDate?: string
}

/** A converted amount as JSON says it: never without what it was made with. */
export interface DisplayedAmount {
  readonly currency: string
  readonly nanos: bigint | null
  /** Such as `1 USD = 7.1194 CNY on 2026-10-31, for display only`; or why there is no amount. */
  readonly basis: string
}

export class Display {
  readonly currency: string
  readonly day: string
  readonly #rates: DisplayRates
  readonly #used = new Map<string, string>()

  constructor(rates: DisplayRates, currency: string, day: string) {
    this.#rates = rates
    this.currency = currency
    this.day = day
  }

  rateFrom(currency: string): DisplayRate | MissingRate {
    return displayRate(this.#rates, currency, this.currency, this.day)
  }

  amount(nanos: bigint, currency: string): DisplayedAmount {
    const rate = this.rateFrom(currency)
    const found = !isMissingRate(rate)
    const basis = found ? describeDisplayRate(rate) : rate.missing
    if (currency !== this.currency) this.#used.set(currency, basis)
    return { currency: this.currency, nanos: found ? displayedNanos(nanos, rate) : null, basis }
  }

  /** As a cell of a table; `notes` belongs under the table. */
  cell(nanos: bigint, currency: string | null): string {
    if (currency === null) return '-'
    const shown = this.amount(nanos, currency)
    if (shown.nanos === null) return 'no rate'
    return `${currency === this.currency ? '' : '~ '}${money(shown.nanos, this.currency)}`
  }

  /** One line for each currency that was converted, or could not be. */
  notes(): readonly string[] {
    return [...this.#used.values()]
  }
}

/**
 * Null without `--in`.
 *
 * @param defaultDay whose rates are used unless `--rate-date` names another, `2026-10-31`.
 */
export function readDisplay(options: DisplayOptions, loaded: LoadedConfig, defaultDay: string): Display | null {
  const { in: currency, rateDate } = options
  if (currency === undefined) {
    if (rateDate !== undefined)
      throw new CliError('CLI_BAD_ARGUMENT', '--rate-date goes with --in, the currency to show amounts in.')
    return null
  }
  if (!/^[A-Z]{3}$/.test(currency))
    throw new CliError('CLI_BAD_ARGUMENT', `--in: "${currency}" is no currency code such as USD.`)
  if (rateDate !== undefined && !(/^\d{4}-\d{2}-\d{2}$/.test(rateDate) && !Number.isNaN(Date.parse(rateDate))))
    throw new CliError('CLI_BAD_ARGUMENT', `--rate-date: "${rateDate}" is not a day such as 2026-10-31.`)
  return new Display(readRates(loaded), currency, rateDate ?? defaultDay)
}

/** The table that `displayRates` names; an empty one without it. @throws CliError naming the file and the place. */
function readRates({ file, directory }: LoadedConfig): DisplayRates {
  if (file.displayRates === undefined) return noDisplayRates
  const path = resolve(directory, file.displayRates)
  const text = readTextFile(path)
  try {
    return readDisplayRates(parse(text))
  } catch (error) {
    const why = error instanceof MeterError ? error.message : String((error as Error).message.split('\n')[0])
    throw new CliError('CLI_BAD_CONFIG', `${path}: ${why}`, { cause: error })
  }
}

/** The UTC day of an instant. */
export function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}
