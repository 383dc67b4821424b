/**
 * Usage as a FOCUS 1.2 dataset: one record a day, key, team, tag, model, upstream and meter, in the order below.
 *
 * FOCUS is the FinOps Foundation's specification of cost and usage data. The twenty-one columns of feature level
 * "Mandatory" in its version 1.2 (tag v1.2, 2025-05-29) come first, then those Conditional and Recommended ones that
 * have something to say here, then columns of our own with the prefix that it asks for. Savings are not in it: what
 * another model would have cost is no charge. Unit prices are left out, because a day may have several.
 */
import type { UsageLine } from '@portolan/store'
import { decimalOf, metersOf, type Meter } from './usage-meters.ts'

export const focusColumns = [
  'BilledCost',
  'BillingAccountId',
  'BillingAccountName',
  'BillingCurrency',
  'BillingPeriodEnd',
  'BillingPeriodStart',
  'ChargeCategory',
  'ChargeClass',
  'ChargeDescription',
  'ChargePeriodEnd',
  'ChargePeriodStart',
  'ContractedCost',
  'EffectiveCost',
  'InvoiceIssuerName',
  'ListCost',
  'PricingQuantity',
  'PricingUnit',
  'ProviderName',
  'PublisherName',
  'ServiceCategory',
  'ServiceName',
  'ChargeFrequency',
  'ConsumedQuantity',
  'ConsumedUnit',
  'PricingCategory',
  'ResourceId',
  'ResourceName',
  'ResourceType',
  'ServiceSubcategory',
  'SkuId',
  'SkuMeter',
  'SkuPriceId',
  'SubAccountId',
  'SubAccountName',
  'Tags',
  'x_Model',
  'x_InputMissTokens',
  'x_InputHitTokens',
  'x_CacheWriteTokens',
  'x_OutputTokens',
  'x_ReasoningTokens',
  'x_EstimatedCost',
  'x_UnpricedRequests',
  'x_Arm',
  'x_ExperimentId',
] as const

export type FocusRecord = Readonly<Record<(typeof focusColumns)[number], string | null>>

export interface FocusNames {
  readonly account: string
  readonly keys: ReadonlyMap<string, string>
}

/** The groups that `toFocus` needs its lines by. */
export const focusGroups = ['day', 'key', 'team', 'tag', 'model', 'upstream'] as const

const meterNames: Readonly<Record<Meter, string>> = {
  'input-miss': 'Input tokens, not cached',
  'input-hit': 'Input tokens, cached',
  'cache-write-5m': 'Input tokens written to the cache',
  'cache-write-1h': 'Input tokens written to the cache for an hour',
  output: 'Output tokens',
  unsplit: 'Requests priced as a whole',
}

/** One charge: what a day used of one meter, and what it came to. */
interface FocusCharge {
  /** UTC, `2026-11-24`. */
  readonly day: string
  readonly account: string
  readonly provider: string
  readonly model: string
  readonly currency: string
  readonly meter: Meter
  readonly tokens: number
  /** Counted where a charge has no tokens of its own. */
  readonly requests: number
  readonly nanos: bigint
}

/** The charge with the columns that every charge fills; a caller who knows more sets the others. */
export function focusRecord(charge: FocusCharge, more: Partial<FocusRecord> = {}): FocusRecord {
  const { day, account, provider, model, currency, meter, tokens, requests, nanos } = charge
  const start = Date.parse(`${day}T00:00:00Z`)
  const month = new Date(start)
  const instant = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z')
  const cost = decimalOf(nanos)
  const whole = meter === 'unsplit'
  const quantity = String(whole ? requests : tokens)
  const unit = whole ? 'Requests' : 'Tokens'
  const only = (...wanted: readonly Meter[]): string | null => (wanted.includes(meter) ? String(tokens) : null)
  return {
    BilledCost: cost,
    BillingAccountId: account,
    BillingAccountName: account,
    BillingCurrency: currency,
    BillingPeriodEnd: instant(Date.UTC(month.getUTCFullYear(), month.getUTCMonth() + 1)),
    BillingPeriodStart: instant(Date.UTC(month.getUTCFullYear(), month.getUTCMonth())),
    ChargeCategory: 'Usage',
    ChargeClass: null,
    ChargeDescription: `${model}: ${meterNames[meter]}`,
    ChargePeriodEnd: instant(start + 86_400_000),
    ChargePeriodStart: instant(start),
    ContractedCost: cost,
    EffectiveCost: cost,
    InvoiceIssuerName: provider,
    ListCost: cost,
    PricingQuantity: quantity,
    PricingUnit: unit,
    ProviderName: provider,
    PublisherName: provider,
    ServiceCategory: 'AI and Machine Learning',
    ServiceName: 'Language model inference',
    ChargeFrequency: 'Usage-Based',
    ConsumedQuantity: quantity,
    ConsumedUnit: unit,
    PricingCategory: 'Standard',
    ResourceId: null,
    ResourceName: null,
    ResourceType: null,
    ServiceSubcategory: 'Generative AI',
    SkuId: `${provider}/${model}/${meter}`,
    SkuMeter: meterNames[meter],
    SkuPriceId: `${provider}/${model}/${meter}/${currency}`,
    SubAccountId: null,
    SubAccountName: null,
    Tags: null,
    x_Model: model,
    x_InputMissTokens: only('input-miss'),
    x_InputHitTokens: only('input-hit'),
    x_CacheWriteTokens: only('cache-write-5m', 'cache-write-1h'),
    x_OutputTokens: only('output'),
    x_ReasoningTokens: null,
    x_EstimatedCost: null,
    x_UnpricedRequests: null,
    x_Arm: null,
    x_ExperimentId: null,
    ...more,
  }
}

/** Empty for a line without currency: FOCUS has no charge without one. Such requests are counted by the caller. */
export function toFocus(line: UsageLine, names: FocusNames): readonly FocusRecord[] {
  const { group, currency, requests } = line
  const day = group.day
  if (currency === null || day === undefined || day === null) return []
  const provider = group.upstream ?? 'none'
  const model = group.model ?? 'unknown'
  return metersOf(line).map(({ meter, tokens, nanos }, index) =>
    focusRecord(
      { day, account: names.account, provider, model, currency, meter, tokens, requests, nanos },
      {
        ResourceId: group.key ?? null,
        ResourceName: group.key == null ? null : (names.keys.get(group.key) ?? null),
        ResourceType: group.key == null ? null : 'API key',
        SubAccountId: group.team ?? null,
        SubAccountName: group.team ?? null,
        Tags: group.tag == null ? null : JSON.stringify({ tag: group.tag }),
        x_ReasoningTokens: meter === 'output' ? String(line.reasoningTokens) : null,
        // Of the whole line, so on its first record only: the column then adds up.
        x_EstimatedCost: index === 0 ? decimalOf(line.estimatedNanos) : null,
        x_UnpricedRequests: index === 0 ? String(line.requestsUnpriced) : null,
      },
    ),
  )
}
