/**
 * `portolan usage reconcile`: our ledger beside a vendor's bill, by day, model and key.
 *
 * A vendor's key stands for one of our upstreams, because every upstream has one credential. Reported counts are the
 * vendor's own words, so a difference in them is shown and never corrected here. Estimated requests (a stream that
 * was cut before its usage came) can be: what the bill leaves for them is spread over them in proportion to their
 * estimates, exact to the token and the nano, as corrections that name the bill.
 */
import { hash } from 'node:crypto'
import { costTiers, priceRequest, type PriceBook } from '@portolan/meter'
import { billingOf, type Billing, type CorrectionInput, type LedgerRow, type SqliteStore } from '@portolan/store'
import { CliError } from '../errors.ts'
import { json, money, table } from '../output.ts'
import { readPriceBook, readTextFile } from '../price-files.ts'
import { withData, type CommonOptions } from './open.ts'
import { mapBillShape, readBill, readBillShape, type BillCell, type BillShape } from './usage-bill.ts'

const dayMs = 86_400_000

export interface ReconcileOptions extends CommonOptions {
  readonly shape: string
  readonly map?: string
  readonly upstream?: string
  readonly key?: string
  readonly apply?: boolean
  readonly actor?: string
}

interface Amounts {
  readonly input: number
  readonly hit: number
  readonly output: number
  readonly requests: number
  readonly nanos: bigint
}

/** One day, model and upstream, seen from both sides; null: that side says nothing of it. */
export interface ReconciledCell {
  readonly day: string
  readonly model: string
  readonly upstream: string
  readonly currency: string | null
  readonly ours: Amounts | null
  readonly requestsEstimated: number
  readonly billed: { readonly [Name in keyof Amounts]: Amounts[Name] | null } | null
  readonly agrees: boolean
  /** Why its estimated requests were not corrected; null: they were, or there was nothing to correct. */
  readonly uncorrected: string | null
}

export function reconcile(path: string, options: ReconcileOptions): Promise<void> {
  if (options.apply && !options.actor?.trim())
    throw new CliError('CLI_BAD_ARGUMENT', '--apply needs --actor: a correction says who answers for it.')
  return withData(options, ({ store }, loaded) => {
    const text = readTextFile(path)
    const shape = mapBillShape(readBillShape(options.shape), options.map)
    const bill = readBill(text, shape)
    if (bill.length === 0) throw new CliError('CLI_BAD_ARGUMENT', `The bill ${path} has no lines.`)
    const book = readPriceBook(loaded)
    const plan = reconciliation(store, byUpstream(bill, store, options), book, {
      digest: hash('sha256', text).slice(0, 16),
      actor: options.actor ?? '',
      nowMs: Date.now(),
    })
    const applied = options.apply ? store.ledger.correct(plan.corrections) : null
    if (options.json)
      console.log(
        json({
          layout: { source: shape.source, confirmed: shape.confirmed ?? null },
          cells: plan.cells,
          correctable: plan.corrections.length,
          corrected: applied?.inserted ?? 0,
        }),
      )
    else {
      printReconciliation(plan.cells, plan.corrections.length, applied?.inserted ?? null)
      const caution = layoutCaution(shape)
      if (caution !== null) console.log(caution)
    }
  })
}

/** What a reader should know of the names that the bill was read by. */
function layoutCaution({ confirmed }: BillShape): string | null {
  if (confirmed === undefined || confirmed.documented.length > 0) return null
  const guessed = confirmed.unconfirmed.length === 0 ? '' : `; nobody confirms ${confirmed.unconfirmed.join(', ')}`
  return `The vendor documents no layout of this export: its names are known from ${confirmed.by}${guessed}. --map says otherwise where yours differs.`
}

/** The bill's lines by our names. */
function byUpstream(
  bill: readonly BillCell[],
  store: SqliteStore,
  options: ReconcileOptions,
): ReadonlyMap<string, BillCell & { readonly upstream: string }> {
  const named = new Map(
    (options.key?.split(',') ?? []).map((pair) => {
      const [theirs = '', ours = ''] = pair.split('=').map((part) => part.trim())
      if (theirs === '' || ours === '')
        throw new CliError('CLI_BAD_ARGUMENT', `--key: "${pair}" is not a pair such as prod=deepseek.`)
      return [theirs, ours] as const
    }),
  )
  const upstreams = new Set(store.ledger.usage({ groupBy: ['upstream'] }).flatMap(({ group }) => group.upstream ?? []))
  for (const upstream of [...named.values(), ...(options.upstream === undefined ? [] : [options.upstream])])
    if (!upstreams.has(upstream))
      throw new CliError(
        'CLI_NOT_FOUND',
        `The ledger knows no upstream "${upstream}"; it has ${[...upstreams].join(', ') || 'none yet'}.`,
      )
  const cells = new Map<string, BillCell & { readonly upstream: string }>()
  for (const line of bill) {
    const direct = line.key !== null && upstreams.has(line.key) ? line.key : undefined
    const upstream = named.get(line.key ?? '') ?? options.upstream ?? direct
    if (upstream === undefined)
      throw new CliError(
        'CLI_BAD_ARGUMENT',
        `Whose is the line of ${line.day}, ${line.model}${line.key === null ? '' : `, key "${line.key}"`}? Name the upstream with --upstream, or by --key "${line.key ?? 'name'}=upstream".`,
      )
    const name = cellName(line.day, line.model, upstream)
    const before = cells.get(name)
    cells.set(name, before === undefined ? { ...line, upstream } : { ...merge(before, line), upstream })
  }
  return cells
}

function merge(a: BillCell, b: BillCell): BillCell {
  const counts = { ...a.counts }
  for (const [name, value] of Object.entries(b.counts) as [keyof typeof counts, number][])
    counts[name] = (counts[name] ?? 0) + value
  const nanos = new Map(a.nanos)
  for (const [currency, value] of b.nanos) nanos.set(currency, (nanos.get(currency) ?? 0n) + value)
  return { ...a, counts, nanos }
}

export interface ReconciliationPlan {
  readonly cells: readonly ReconciledCell[]
  readonly corrections: readonly CorrectionInput[]
}

function reconciliation(
  store: SqliteStore,
  bill: ReadonlyMap<string, BillCell & { readonly upstream: string }>,
  book: PriceBook,
  by: { readonly digest: string; readonly actor: string; readonly nowMs: number },
): ReconciliationPlan {
  const days = [...bill.values()].map(({ day }) => day).sort()
  const range = { fromMs: Date.parse(days[0]!), untilMs: Date.parse(days.at(-1)!) + dayMs }
  const upstreams = new Set([...bill.values()].map(({ upstream }) => upstream))
  const rows = new Map<string, LedgerRow[]>()
  for (const row of store.ledger.rows(range)) {
    const model = row.modelServed ?? row.modelSent
    if (row.upstream === null || model === null || !upstreams.has(row.upstream)) continue
    const name = cellName(new Date(row.startedAtMs).toISOString().slice(0, 10), model, row.upstream)
    const found = rows.get(name)
    if (found === undefined) rows.set(name, [row])
    else found.push(row)
  }
  const cells: ReconciledCell[] = []
  const corrections: CorrectionInput[] = []
  for (const name of [...new Set([...bill.keys(), ...rows.keys()])].sort()) {
    const [day, model, upstream] = JSON.parse(name) as [string, string, string]
    const line = bill.get(name) ?? null
    const ours = rows.get(name) ?? []
    const estimated = ours.filter(({ usage }) => usage.source === 'estimated')
    const exact = ours.filter(({ usage }) => usage.source !== 'estimated')
    const currency = line?.nanos.keys().next().value ?? ours.find((row) => row.currency !== null)?.currency ?? null
    const sums = ours.length === 0 ? null : amountsOf(ours, currency)
    const billed = line === null ? null : billedAmounts(line, currency)
    const agrees = sums !== null && billed !== null && agree(sums, billed)
    let uncorrected: string | null = null
    if (!agrees && line !== null && estimated.length > 0) {
      const made = spread(line, currency, exact, estimated, book)
      if (typeof made === 'string') uncorrected = made
      else
        for (const [index, row] of estimated.entries())
          corrections.push({
            correctionId: `bill:${by.digest}:${row.requestId}`,
            requestId: row.requestId,
            madeAtMs: by.nowMs,
            actor: by.actor,
            reason: `estimated usage replaced by its share of the bill of ${day}, ${model}`,
            source: `bill sha256:${by.digest}`,
            after: made[index]!,
          })
    }
    cells.push({
      day,
      model,
      upstream,
      currency,
      ours: sums,
      requestsEstimated: estimated.length,
      billed,
      agrees,
      uncorrected,
    })
  }
  return { cells, corrections }
}

function cellName(day: string, model: string, upstream: string): string {
  return JSON.stringify([day, model, upstream])
}

function amountsOf(rows: readonly LedgerRow[], currency: string | null): Amounts {
  const sum = (pick: (row: LedgerRow) => number | null): number =>
    rows.reduce((total, row) => total + Math.max(0, pick(row) ?? 0), 0)
  return {
    input: sum(({ usage }) => usage.inputTokens),
    hit: sum(({ usage }) => usage.hitTokens),
    output: sum(({ usage }) => usage.outputTokens),
    requests: rows.length,
    nanos: rows.reduce((total, row) => (row.currency === currency ? total + (row.costNanos ?? 0n) : total), 0n),
  }
}

function billedAmounts({ counts, nanos }: BillCell, currency: string | null): NonNullable<ReconciledCell['billed']> {
  const { hit, miss, written } = counts
  const parts = hit === undefined && miss === undefined ? null : (hit ?? 0) + (miss ?? 0) + (written ?? 0)
  return {
    input: counts.input ?? parts,
    hit: hit ?? null,
    output: counts.output ?? null,
    requests: counts.requests ?? null,
    nanos: currency === null ? null : (nanos.get(currency) ?? null),
  }
}

/** Vendors do not all count requests that failed: a difference in their number alone is no difference. */
function agree(ours: Amounts, billed: NonNullable<ReconciledCell['billed']>): boolean {
  return (['input', 'hit', 'output', 'nanos'] as const).every(
    (name) => billed[name] === null || billed[name] === ours[name],
  )
}

/** What stands for each estimated row from now on; or, in words, why the bill does not say. */
function spread(
  line: BillCell,
  currency: string | null,
  exact: readonly LedgerRow[],
  estimated: readonly LedgerRow[],
  book: PriceBook,
): readonly Billing[] | string {
  const billed = billedAmounts(line, currency)
  if (billed.input === null || billed.output === null) return 'the bill has no token counts'
  const known = amountsOf(exact, currency)
  const writtenKnown = exact.reduce((sum, { usage }) => sum + (usage.writtenTokens ?? 0), 0)
  const left = {
    input: billed.input - known.input,
    hit: (billed.hit ?? 0) - known.hit,
    // Some exports say nothing of what was written to a cache; then nothing is left of it to spread.
    written: line.counts.written === undefined ? 0 : line.counts.written - writtenKnown,
    output: billed.output - known.output,
    nanos: billed.nanos === null ? null : billed.nanos - known.nanos,
  }
  if (left.input < 0 || left.hit < 0 || left.written < 0 || left.output < 0)
    return 'the vendor billed fewer tokens than it reported in the answers'
  if (left.nanos !== null && left.nanos < 0n) return 'the vendor billed less money than the exact requests cost'
  if (left.hit + left.written > left.input) return 'the bill leaves more cached than input tokens'
  const weights = (pick: (row: LedgerRow) => number | null): bigint[] =>
    estimated.map((row) => BigInt(Math.max(0, pick(row) ?? 0)))
  const share = (total: number, by: readonly bigint[]): number[] => shares(BigInt(total), by).map(Number)
  const inputs = share(
    left.input,
    weights(({ usage }) => usage.inputTokens),
  )
  const outputs = share(
    left.output,
    weights(({ usage }) => usage.outputTokens),
  )
  // Hits and writes follow the input that each row got, so that no row has more of them than input.
  const hits = share(left.hit, inputs.map(BigInt))
  const writes = share(
    left.written,
    inputs.map((tokens, index) => BigInt(tokens - hits[index]!)),
  )
  const costs =
    left.nanos === null
      ? null
      : shares(
          left.nanos,
          estimated.map(({ costNanos }) => (costNanos === null || costNanos < 0n ? 0n : costNanos)),
        )
  return estimated.map((row, index) => {
    const [input, hit, written] = [inputs[index]!, hits[index]!, writes[index]!]
    const { estimatedBy: _, ...counts } = row.usage
    const usage = {
      ...counts,
      inputTokens: input,
      hitTokens: hit,
      writtenTokens: written,
      written1hTokens: Math.min(written, row.usage.written1hTokens ?? 0),
      missTokens: input - hit - written,
      outputTokens: outputs[index]!,
      reasoningTokens: row.usage.reasoningTokens === null ? null : Math.min(row.usage.reasoningTokens, outputs[index]!),
      source: 'reported' as const,
    }
    const before = billingOf(row)
    if (costs !== null && currency !== null)
      return { ...before, usage, currency, costNanos: costs[index]!, tierNanos: null, unpricedReason: null }
    return repriced(row, usage, book) ?? { ...before, usage }
  })
}

/** The bill has no money: the same price list as before, for the better counts. Null: it had no list price. */
function repriced(row: LedgerRow, usage: LedgerRow['usage'], book: PriceBook): Billing | null {
  const [vendor, model, currency] = row.priceVersion?.split('/') ?? []
  if (vendor === undefined || model === undefined || currency === undefined) return null
  const cost = priceRequest(usage, book, { vendor, model, currency }, row.startedAtMs)
  if (cost.totalNanos === null) return null
  return {
    usage,
    currency: cost.currency,
    costNanos: cost.totalNanos,
    tierNanos: Object.fromEntries(costTiers.map((tier) => [tier, cost.tierNanos[tier]])) as Billing['tierNanos'],
    priceVersion: cost.versionId,
    unpricedReason: null,
  }
}

/** Splits a total in proportion to weights, to the last unit: what rounding leaves goes to the largest remainders. */
export function shares(total: bigint, weights: readonly bigint[]): readonly bigint[] {
  const given = weights.reduce((sum, weight) => sum + weight, 0n)
  const used = given > 0n ? weights : weights.map(() => 1n)
  const whole = given > 0n ? given : BigInt(weights.length)
  const parts = used.map((weight, index) => ({
    index,
    part: (total * weight) / whole,
    rest: (total * weight) % whole,
  }))
  let left = total - parts.reduce((sum, { part }) => sum + part, 0n)
  for (const entry of parts.toSorted((a, b) => (a.rest === b.rest ? a.index - b.index : a.rest > b.rest ? -1 : 1))) {
    if (left === 0n) break
    entry.part += 1n
    left -= 1n
  }
  return parts.map(({ part }) => part)
}

function printReconciliation(cells: readonly ReconciledCell[], correctable: number, corrected: number | null): void {
  const differing = cells.filter(({ agrees }) => !agrees)
  const count = (value: number | null | undefined): string => (value == null ? '-' : value.toLocaleString('en-US'))
  const amount = (nanos: bigint | null | undefined, currency: string | null): string =>
    nanos == null ? '-' : money(nanos, currency)
  if (differing.length > 0)
    console.log(
      table(differing, [
        { title: 'DAY', value: ({ day }) => day },
        { title: 'MODEL', value: ({ model }) => model },
        { title: 'UPSTREAM', value: ({ upstream }) => upstream },
        { title: 'INPUT OURS', align: 'right', value: ({ ours }) => count(ours?.input) },
        { title: 'BILLED', align: 'right', value: ({ billed }) => count(billed?.input) },
        { title: 'OUTPUT OURS', align: 'right', value: ({ ours }) => count(ours?.output) },
        { title: 'BILLED', align: 'right', value: ({ billed }) => count(billed?.output) },
        { title: 'COST OURS', align: 'right', value: ({ ours, currency }) => amount(ours?.nanos, currency) },
        { title: 'BILLED', align: 'right', value: ({ billed, currency }) => amount(billed?.nanos, currency) },
        { title: 'ESTIMATED', align: 'right', value: ({ requestsEstimated }) => count(requestsEstimated) },
        {
          title: 'NOTE',
          value: ({ ours, billed, uncorrected }) =>
            uncorrected ?? (ours === null ? 'not in our ledger' : billed === null ? 'not on the bill' : ''),
        },
      ]),
    )
  console.log(`${cells.length - differing.length} of ${cells.length} cells (day, model, upstream) agree.`)
  if (corrected !== null) console.log(`${corrected} estimated requests corrected; the rows themselves stay.`)
  else if (correctable > 0)
    console.log(`${correctable} estimated requests can be corrected from this bill: --apply --actor <your name>.`)
}
