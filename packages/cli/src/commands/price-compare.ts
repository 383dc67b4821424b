/**
 * `portolan price compare`: two prices for one mix of traffic, every assumption in sight.
 *
 * `--launch-month` works out the claims of April 2026 from the dated book: what each was true of.
 */
import {
  comparePrices,
  describeDisplayRate,
  isMissingRate,
  isUnpriced,
  MeterError,
  priceAt,
  priceOfRecord,
  type ComparedSide,
  type Price,
  type PriceBook,
  type PriceComparison,
} from '@portolan/meter'
import { loadConfig } from '../config/load.ts'
import { dayOf, Display, readDisplay, type DisplayOptions } from '../display-rates.ts'
import { CliError } from '../errors.ts'
import { readInstant, shortInstant } from '../instant.ts'
import { json, table } from '../output.ts'
import { readPriceBook } from '../price-files.ts'
import type { CommonOptions } from './open.ts'
import { shownRates } from './price.ts'

export interface CompareOptions extends CommonOptions, DisplayOptions {
  readonly date?: string
  readonly secondDate?: string
  readonly currency: string
  readonly secondCurrency?: string
  readonly promptTokens: number
  readonly hitRate: string
  readonly outputPerPrompt: string
  readonly firstWritesMisses?: boolean
  readonly secondWritesMisses?: boolean
  readonly firstTokens?: string
  readonly secondTokens?: string
  readonly secondOutput?: string
  readonly months?: string
}

/** @param first,second `vendor/model`. */
export function comparePriceOf(first: string, second: string, options: CompareOptions): void {
  const loaded = loadConfig(options.config ?? null)
  const book = readPriceBook(loaded)
  const dateMs = options.date === undefined ? Date.now() : readInstant(options.date, '--date')
  const secondMs = options.secondDate === undefined ? dateMs : readInstant(options.secondDate, '--second-date')
  const months = options.months === undefined ? null : Number(options.months)
  if (months !== null && !(months > 0 && months < 1e6))
    throw new CliError('CLI_BAD_ARGUMENT', `--months: "${options.months}" is no number of months.`)
  const { currency, secondCurrency = currency } = options
  const shownIn = options.in ?? currency
  const display = readDisplay({ ...options, in: shownIn }, loaded, dayOf(dateMs))
  const prices = [
    inCurrency(first, priceOf(book, first, dateMs, options), display),
    inCurrency(second, priceOf(book, second, secondMs, { ...options, currency: secondCurrency }), display),
  ] as const
  const comparison = compared(
    {
      label: prices[0].label,
      price: prices[0].price,
      ...(options.firstWritesMisses && { writesMisses: true }),
      ...(options.firstTokens !== undefined && { tokenRatio: options.firstTokens }),
    },
    {
      label: prices[1].label,
      price: prices[1].price,
      ...(options.secondWritesMisses && { writesMisses: true }),
      ...(options.secondTokens !== undefined && { tokenRatio: options.secondTokens }),
      ...(options.secondOutput !== undefined && { outputRatio: options.secondOutput }),
    },
    options,
  )
  const exchange = new Set(prices.flatMap(({ basis }) => basis ?? []))
  const assumptions = [...comparison.assumptions, ...exchange]
  const lasts = months === null || comparison.billRatio === null ? null : months * comparison.billRatio
  if (options.json) {
    console.log(json({ first, second, currency: shownIn, ...comparison, assumptions, months, lastsMonths: lasts }))
    return
  }
  const { componentRatios, bill, billRatio, byHitShare, breakEvenHitShare } = comparison
  const sides = [
    { what: 'input', ratio: componentRatios.input },
    { what: 'cache read', ratio: componentRatios.cacheRead },
    { what: 'output', ratio: componentRatios.output },
  ]
  const [a, b] = prices
  console.log(`${a.label} (${shortInstant(dateMs)}) over ${b.label} (${shortInstant(secondMs)}), price by price:`)
  for (const { what, ratio } of sides) console.log(`  ${what.padEnd(12)} ${times(ratio)}`)
  console.log(`\nThe bill for 1,000,000 prompt tokens and their answers, ${shownIn}:`)
  for (const [index, { label, basis }] of prices.entries()) {
    const amount = bill[index] ?? 'no price for a part of it'
    // A converted bill is no amount to the last digit, so it does not look like one.
    console.log(
      `  ${label}  ${basis === undefined || bill[index] === null ? amount : `~ ${Number(amount).toPrecision(6)}`}`,
    )
  }
  console.log(`  ratio  ${times(billRatio)}\n`)
  console.log(
    table(
      [byHitShare],
      byHitShare.map(({ hitShare }, index) => ({
        title: `${hitShare * 100} % HITS`,
        align: 'right' as const,
        value: (line: typeof byHitShare) => times(line[index]?.billRatio ?? null),
      })),
    ),
  )
  if (breakEvenHitShare !== null)
    console.log(
      `\nThe second side costs as much as the first at ${(breakEvenHitShare * 100).toFixed(1)} % hits of its own.`,
    )
  if (lasts !== null)
    console.log(`\nA budget that lasts ${months} months on the first lasts ${duration(lasts)} on the second.`)
  console.log('\nAssumed:')
  for (const line of [...assumptions, 'as many tasks, tried as often, with the same prompts']) console.log(`  ${line}`)
}

function priceOf(book: PriceBook, name: string, atMs: number, { currency, promptTokens }: CompareOptions): Price {
  const slash = name.indexOf('/')
  if (slash < 1)
    throw new CliError('CLI_BAD_ARGUMENT', `"${name}" is not vendor/model, such as deepseek/deepseek-v4-pro.`)
  const price = priceAt(book, {
    vendor: name.slice(0, slash),
    model: name.slice(slash + 1),
    currency,
    atMs,
    promptTokens,
  })
  if (isUnpriced(price)) throw new CliError('CLI_NOT_FOUND', price.message)
  return price
}

/** More digits than a bill needs, so that ratios are not those of rounded prices. */
const convertedDigits = 18

/** @throws CliError CLI_NOT_FOUND where the table has no rate for that day: no comparison goes by a guess. */
function inCurrency(
  name: string,
  price: Price,
  display: Display | null,
): { readonly label: string; readonly price: Price; readonly basis?: string } {
  if (display === null || price.currency === display.currency) return { label: name, price }
  const rate = display.rateFrom(price.currency)
  if (isMissingRate(rate))
    throw new CliError(
      'CLI_NOT_FOUND',
      `Cannot compare ${price.currency} with ${display.currency}: ${rate.missing} Add one to the file that \`displayRates\` names, or choose a day with --rate-date.`,
    )
  const converted = {
    ...price,
    currency: display.currency,
    rates: shownRates(price.rates, rate, convertedDigits),
    partsAbove: price.partsAbove.map((part) => ({ ...part, rates: shownRates(part.rates, rate, convertedDigits) })),
  }
  return { label: `${name}, ${price.currency} list`, price: converted, basis: describeDisplayRate(rate) }
}

function compared(
  first: ComparedSide,
  second: ComparedSide,
  { hitRate, outputPerPrompt }: Pick<CompareOptions, 'hitRate' | 'outputPerPrompt'>,
): PriceComparison {
  try {
    return comparePrices(first, second, { hitShare: hitRate, outputPerPrompt })
  } catch (error) {
    if (error instanceof RangeError || error instanceof MeterError)
      throw new CliError('CLI_BAD_ARGUMENT', error.message, { cause: error })
    throw error
  }
}

// ------------------------------------------------------------------------------------------ April 2026

interface Claim {
  readonly claim: string
  readonly worksOutAs: string
  readonly trueOf: string
  readonly wholeBill: string
}

const mix = { hitRate: '0.9', outputPerPrompt: '0.025' }

export function launchMonth(options: CommonOptions): void {
  const book = readPriceBook(loadConfig(options.config ?? null))
  const price = (name: string, date: string): Price =>
    priceOf(book, name, readInstant(date, '--date'), { currency: 'USD', promptTokens: 1000, ...mix })
  const gpt = price('openai/gpt-5.5', '2026-04-24')
  const opus = price('anthropic/claude-opus-4-7', '2026-04-24')
  const launch = price('deepseek/deepseek-v4-pro', '2026-04-24')
  const promo = price('deepseek/deepseek-v4-pro', '2026-04-26')
  const list = suspended(book)
  const bill = (a: Price, b: Price, side: Partial<ComparedSide> = {}, hitRate = mix.hitRate): PriceComparison =>
    compared({ label: 'first', price: a, ...side }, { label: 'second', price: b }, { ...mix, hitRate })
  const claudeSide = { writesMisses: true, tokenRatio: '1.35' }
  const range = (b: Price): readonly [number, number] => [
    bill(opus, b, {}, '0').billRatio ?? NaN,
    bill(opus, b, claudeSide, '0.95').billRatio ?? NaN,
  ]
  const years = (b: Price): string =>
    range(b)
      .map((ratio) => ((ratio * 4) / 12).toFixed(1))
      .join(' to ')
  const claims: Claim[] = [
    {
      claim: '34.5x cheaper than GPT-5.5',
      worksOutAs: times(bill(gpt, list).componentRatios.cacheRead),
      trueOf: 'cache hits alone, against the list of 26 April that nobody was charged',
      wholeBill: times(bill(gpt, list).billRatio),
    },
    {
      claim: '138x cheaper than GPT-5.5',
      worksOutAs: times(bill(gpt, promo).componentRatios.cacheRead),
      trueOf: 'cache hits alone, at the promotion price (26 April to 16 August)',
      wholeBill: times(bill(gpt, promo).billRatio),
    },
    {
      claim: '1/20 of Opus 4.7, "4 months against 7 years"',
      worksOutAs: '21x is needed',
      trueOf: `the promotion at many hits; 4 months last ${years(launch)} years at the launch list, ${years(promo)} in the promotion`,
      wholeBill: `${range(launch)
        .map((ratio) => times(ratio))
        .join(' to ')}; ${range(promo)
        .map((ratio) => times(ratio))
        .join(' to ')}`,
    },
  ]
  const assumptions = [
    'whole bills: 90 % cache hits on both sides, 1 answer token for 40 prompt tokens, equal token counts',
    'Opus 4.7, from: no hits, equal tokens, no write surcharge; to: 95 % hits, every miss written at 1.25x, 35 % more tokens',
    `prices: ${[gpt, opus, launch, list, promo].map((one) => one.versionId).join(', ')}`,
    'the same tasks need the same tokens and tries: only a replay of the same tasks can settle that',
  ]
  if (options.json) {
    console.log(json({ claims, assumptions }))
    return
  }
  for (const { claim, worksOutAs, trueOf, wholeBill } of claims) {
    console.log(claim)
    console.log(`  works out as  ${worksOutAs}`)
    console.log(`  true of       ${trueOf}`)
    console.log(`  whole bill    ${wholeBill}\n`)
  }
  console.log('Assumed:')
  for (const line of assumptions) console.log(`  ${line}`)
}

function suspended(book: PriceBook): Price {
  for (let layer: PriceBook | null = book; layer !== null; layer = layer.below) {
    const record = layer.records.find(
      ({ status, model }) => status === 'list_suspended_by_promo' && model === 'deepseek-v4-pro',
    )
    if (!record) continue
    const price = priceOfRecord(record, record.model, { atMs: record.fromMs, promptTokens: 1000 })
    if (!isUnpriced(price)) return price
  }
  throw new CliError('CLI_NOT_FOUND', 'The price book lacks the list price of 26 April 2026.')
}

function times(ratio: number | null): string {
  return ratio === null ? 'no ratio' : `${ratio >= 100 ? ratio.toFixed(0) : ratio.toFixed(1)}x`
}

function duration(months: number): string {
  return months < 24 ? `${months.toFixed(1)} months` : `${(months / 12).toFixed(1)} years`
}
