/**
 * `portolan usage what-if`: what the recorded traffic would have cost under another model, day, tokenizer and cache.
 *
 * The ledger is read, never written. What cannot be priced is listed, never counted as zero.
 */
import {
  cacheRuleOf,
  costTiers,
  isUnpriced,
  priceAt,
  repriceTraffic,
  type CacheRule,
  type CostTier,
  type HitAssumption,
  type PriceBook,
  type RecordedRequest,
  type RepricedTraffic,
  type TierSum,
} from '@portolan/meter'
import type { LedgerRow, SqliteStore } from '@portolan/store'
import { CliError } from '../errors.ts'
import { readInstant, shortInstant } from '../instant.ts'
import { json, money, table } from '../output.ts'
import { readPriceBook } from '../price-files.ts'
import { withData, type CommonOptions } from './open.ts'

export interface WhatIfOptions extends CommonOptions {
  readonly model: string
  readonly vendor?: string
  readonly at?: string
  readonly hitRate: string
  readonly tokenizerRatio: string
  readonly outputRatio: string
  readonly writeMisses?: boolean
  readonly currency?: string
  readonly from?: string
  readonly to?: string
  readonly key?: string
  readonly recordedModel?: string
}

const dayMs = 86_400_000
/** Above this share of prompt tokens without a known conversation a simulated cache would be a fiction. */
const mostColdShare = 0.2

export function whatIf(options: WhatIfOptions): Promise<void> {
  return withData(options, ({ store }, loaded) => {
    const book = readPriceBook(loaded)
    const currency = options.currency ?? loaded.file.currency ?? 'USD'
    const { vendor, model } = listedModel(book, options, currency)
    const atMs = options.at === undefined ? null : readInstant(options.at, '--at')
    if (atMs !== null) {
      const price = priceAt(book, { vendor, model, currency, atMs, promptTokens: 0 })
      if (isUnpriced(price)) throw new CliError('CLI_NOT_FOUND', price.message)
    }
    const untilMs = options.to === undefined ? Date.now() : readInstant(options.to, '--to')
    const fromMs = options.from === undefined ? untilMs - 30 * dayMs : readInstant(options.from, '--from')
    if (fromMs >= untilMs) throw new CliError('CLI_BAD_ARGUMENT', '--from is not before --to.')
    const hits = readHits(book, options.hitRate, vendor, model)
    const question = {
      book,
      vendor,
      model,
      currency,
      atMs,
      hits,
      tokenizerRatio: ratio(options.tokenizerRatio, '--tokenizer-ratio'),
      outputRatio: ratio(options.outputRatio, '--output-ratio'),
      writesMisses: options.writeMisses ?? false,
    }
    const keyId = options.key === undefined ? undefined : keyOf(store, options.key)
    const result = repriceTraffic(recorded(store, { fromMs, untilMs, keyId }, options.recordedModel), question)
    if (result.requests + result.withoutUsage + total(result.unpriced) === 0)
      throw new CliError(
        'CLI_NOT_FOUND',
        `The ledger has no requests from ${minute(fromMs)} to ${minute(untilMs)}${options.key === undefined ? '' : ` of the key ${options.key}`}. --from and --to name another time.`,
      )
    refuseFiction(result, hits)
    const assumptions = assumptionsOf(options, { vendor, model, atMs, hits, fromMs, untilMs, result })
    if (options.json) printJson(result, { vendor, model, currency, assumptions })
    else printText(result, { vendor, model, currency, assumptions })
  })
}

/** Requests that reached an upstream, in the order they were written. */
function* recorded(
  store: SqliteStore,
  filter: { readonly fromMs: number; readonly untilMs: number; readonly keyId?: string },
  model: string | undefined,
): Generator<RecordedRequest> {
  for (const row of store.ledger.rows(filter)) {
    if (row.status === 'refused' || row.upstream === null) continue
    if (model !== undefined && !namesOf(row).includes(model)) continue
    yield row
  }
}

function namesOf(row: LedgerRow): (string | null)[] {
  return [row.modelAsked, row.modelSent, row.modelServed]
}

function keyOf(store: SqliteStore, text: string): string {
  const keys = store.keys.listKeys()
  const found = keys.filter(({ id, name }) => id === text || name === text)
  const [only] = found
  if (only && found.length === 1) return only.id
  throw new CliError(
    found.length === 0 ? 'CLI_NOT_FOUND' : 'CLI_BAD_ARGUMENT',
    found.length === 0
      ? `No key has the id or name "${text}". \`portolan keys list\` shows them.`
      : `${found.length} keys are called "${text}"; name one by its id: ${found.map(({ id }) => id).join(', ')}.`,
  )
}

/** `vendor/model`, or a model that one vendor lists. */
function listedModel(
  book: PriceBook,
  { model, vendor }: WhatIfOptions,
  currency: string,
): { readonly vendor: string; readonly model: string } {
  const vendors = new Set<string>()
  for (let layer: PriceBook | null = book; layer !== null; layer = layer.below)
    for (const [name, currencies] of layer.index) if (currencies.get(currency)?.has(model)) vendors.add(name)
  if (vendor !== undefined) {
    if (vendors.has(vendor)) return { vendor, model }
    throw new CliError('CLI_NOT_FOUND', `The price book has no ${currency} price of ${vendor} "${model}".`)
  }
  const [only] = vendors
  if (only !== undefined && vendors.size === 1) return { vendor: only, model }
  const slash = model.indexOf('/')
  if (slash > 0 && vendors.size === 0)
    return listedModel(
      book,
      { model: model.slice(slash + 1), vendor: model.slice(0, slash) } as WhatIfOptions,
      currency,
    )
  throw new CliError(
    vendors.size === 0 ? 'CLI_NOT_FOUND' : 'CLI_BAD_ARGUMENT',
    vendors.size === 0
      ? `The price book has no ${currency} price of "${model}".`
      : `Several vendors list "${model}": ${[...vendors].join(', ')}. Say which with --vendor.`,
  )
}

function readHits(book: PriceBook, text: string, vendor: string, model: string): HitAssumption {
  if (text === 'observed') return { kind: 'observed' }
  if (text === 'simulated') {
    const rule = cacheRuleOf(book, vendor, model)
    if (rule !== null) return { kind: 'simulated', rule }
    throw new CliError(
      'CLI_BAD_ARGUMENT',
      `How the cache of ${vendor} works is not known, so it cannot be simulated. Give --hit-rate a share, or observed.`,
    )
  }
  const share = Number(text)
  if (text.trim() === '' || !(share >= 0 && share <= 1))
    throw new CliError(
      'CLI_BAD_ARGUMENT',
      `--hit-rate: "${text}" is neither observed, simulated nor a share from 0 to 1.`,
    )
  return { kind: 'share', share }
}

function ratio(text: string, option: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value > 0 && value <= 100))
    throw new CliError('CLI_BAD_ARGUMENT', `${option}: "${text}" is not a ratio above 0, such as 1.35.`)
  return value
}

function refuseFiction({ coldTokens, promptTokens }: RepricedTraffic, hits: HitAssumption): void {
  if (hits.kind !== 'simulated' || coldTokens <= promptTokens * mostColdShare) return
  throw new CliError(
    'CLI_BAD_ARGUMENT',
    `${percent(coldTokens / promptTokens)} of the prompt tokens belong to no conversation that the ledger knows, so their cache cannot be simulated. Use --hit-rate observed, or a share.`,
  )
}

// ----------------------------------------------------------------------------------------------- output

interface Asked {
  readonly vendor: string
  readonly model: string
  readonly currency: string
  readonly assumptions: readonly string[]
}

function assumptionsOf(
  options: WhatIfOptions,
  given: {
    readonly vendor: string
    readonly model: string
    readonly atMs: number | null
    readonly hits: HitAssumption
    readonly fromMs: number
    readonly untilMs: number
    readonly result: RepricedTraffic
  },
): string[] {
  const { atMs, hits, result } = given
  return [
    `requests from ${minute(given.fromMs)} to ${minute(given.untilMs)} UTC that reached an upstream`,
    atMs === null
      ? 'the price list of each request’s own day'
      : `the price list of ${shortInstant(atMs)}; peak hours by each request’s own clock`,
    describeHits(hits, given.vendor),
    options.tokenizerRatio === '1'
      ? 'as many tokens as recorded (--tokenizer-ratio)'
      : `${options.tokenizerRatio} tokens for one recorded`,
    options.outputRatio === '1'
      ? 'answers as long as recorded (--output-ratio)'
      : `${options.outputRatio} answer tokens for one recorded`,
    ...(options.writeMisses ? ['every prompt token that is no hit is written to the cache'] : []),
    ...(hits.kind === 'simulated' && result.coldTokens > 0
      ? [
          `${percent(result.coldTokens / result.promptTokens)} of the prompt tokens are of no known conversation: taken as cold`,
        ]
      : []),
    'the recorded tasks, tried as often as they were',
    `price versions: ${[...result.versions].join(', ') || 'none'}`,
  ]
}

function describeHits(hits: HitAssumption, vendor: string): string {
  if (hits.kind === 'observed') return 'the cache hits that were recorded at the vendor that served them'
  if (hits.kind === 'share') return `${percent(hits.share)} of every prompt is a cache hit`
  return `a simulated cache of ${vendor}: ${describeRule(hits.rule)}; eviction and routing are not simulated, so hits are an upper estimate`
}

function describeRule(rule: CacheRule): string {
  if (rule.kind === 'marked') return `whole prompts marked, five minutes, from ${rule.minTokens} tokens on`
  const life = rule.lifetimeMs === null ? 'no end' : `${rule.lifetimeMs / 3_600_000} hours since the last use`
  // The ledger does not know where a stored unit ends: what a request repeats is taken as one.
  const kind = rule.kind === 'units' ? 'automatic, whole units taken as what each request repeats' : 'automatic'
  return `${kind}, steps of ${rule.stepTokens} tokens, from ${rule.minTokens} on, ${life}`
}

function printText(result: RepricedTraffic, { vendor, model, currency, assumptions }: Asked): void {
  const before = result.recordedTiers.get(currency)
  console.log(
    `${result.requests.toLocaleString('en-US')} requests as ${vendor} ${model}: ${money(result.totalNanos, currency)}`,
  )
  for (const [code, nanos] of result.recordedNanos)
    console.log(
      `  recorded: ${money(nanos, code)}${code === currency ? `, ${comparison(nanos, result.totalNanos)}` : ''}`,
    )
  console.log('')
  const shown = costTiers.filter((tier) => result.tiers[tier].tokens > 0 || (before?.[tier].tokens ?? 0) > 0)
  const tokens = (sum: TierSum | undefined): string => (sum ? sum.tokens.toLocaleString('en-US') : '-')
  const cost = (sum: TierSum | undefined): string => (sum ? money(sum.nanos, currency) : '-')
  console.log(
    table(shown, [
      { title: 'TIER', value: (tier) => tierNames[tier] },
      { title: 'RECORDED', align: 'right', value: (tier) => tokens(before?.[tier]) },
      { title: 'COST', align: 'right', value: (tier) => cost(before?.[tier]) },
      { title: 'WHAT IF', align: 'right', value: (tier) => tokens(result.tiers[tier]) },
      { title: 'COST', align: 'right', value: (tier) => cost(result.tiers[tier]) },
    ]),
  )
  const gaps: string[] = [...result.unpriced].map(([reason, count]) => `${count} requests have no price: ${reason}`)
  if (result.withoutUsage > 0) gaps.push(`${result.withoutUsage} requests have no known usage`)
  if (result.recordedUnpriced > 0)
    gaps.push(`${result.recordedUnpriced} requests are priced here and were unpriced when they were recorded`)
  if (gaps.length > 0) console.log(`\nNot in these sums, or in only one:\n${gaps.map((gap) => `  ${gap}`).join('\n')}`)
  console.log('\nAssumed:')
  for (const line of assumptions) console.log(`  ${line}`)
}

const tierNames: Readonly<Record<CostTier, string>> = {
  miss: 'input, not cached',
  hit: 'cache read',
  write5m: 'cache write',
  write1h: 'cache write, 1 h',
  output: 'output',
}

function printJson(result: RepricedTraffic, asked: Asked): void {
  console.log(
    json({
      ...asked,
      requests: result.requests,
      totalNanos: result.totalNanos,
      tiers: result.tiers,
      recorded: Object.fromEntries(
        [...result.recordedNanos].map(([code, nanos]) => [
          code,
          { totalNanos: nanos, tiers: result.recordedTiers.get(code) },
        ]),
      ),
      unpriced: Object.fromEntries(result.unpriced),
      requestsWithoutUsage: result.withoutUsage,
      recordedUnpriced: result.recordedUnpriced,
      priceVersions: [...result.versions],
    }),
  )
}

function comparison(recorded: bigint, now: bigint): string {
  if (recorded === 0n) return 'which was nothing'
  const times = Number(now) / Number(recorded)
  return times >= 1 ? `so ${times.toFixed(2)} times as much` : `so ${percent(1 - times)} less`
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1).replace(/\.0$/, '')} %`
}

function minute(ms: number): string {
  return shortInstant(Math.floor(ms / 60_000) * 60_000)
}

function total(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0)
}
