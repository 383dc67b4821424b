/**
 * Holds a request's largest possible bill in its budgets before anything is sent (law 5).
 *
 * The bound is strict: a byte-level tokenizer never makes more tokens than there are bytes, so every byte of the
 * body counts as a prompt token at the dearest prompt rate, and the whole output budget at the output rate. It is
 * given back to the nano when the request settles. A model without a price cannot be held to a budget and is
 * refused: an unpriced request would be spent without being counted.
 */
import { isUnpriced, largestCost, priceAt, type Price, type Unpriced } from '@portolan/meter'
import type { BudgetState } from '@portolan/store'
import { GatewayError } from '../errors.ts'
import type { GatewayParts } from '../gateway.ts'
import type { ModelRoute, RouteTarget } from '../route.ts'
import type { Inbound } from './inbound.ts'

/** What an upstream may generate when neither the caller nor the model's table says: DeepSeek's own largest. */
const unboundedOutputTokens = 393_216
/** A picture by address costs tokens that its few bytes do not show; above every vendor's cap. */
const tokensPerLinkedImage = 16_384

/** Reserves, or throws `GATEWAY_BUDGET_SPENT` naming the budget and when it resets. */
export function holdBudgets(
  parts: GatewayParts,
  budgetIds: readonly string[],
  requestId: string,
  inbound: Inbound,
  route: ModelRoute,
  startedAtMs: number,
): void {
  const bounds = route.targets.map((target) => boundOf(parts, target, inbound, startedAtMs))
  const amountNanos = bounds.reduce((largest, bound) => (bound > largest ? bound : largest), 0n)
  const longestMs = Math.max(...route.targets.map(({ upstream }) => upstream.timeouts.firstByteMs)) + reservationSlackMs
  const result = parts.store.reserve({
    requestId,
    budgetIds,
    amountNanos,
    currency: parts.config.currency,
    nowMs: startedAtMs,
    expiresAtMs: startedAtMs + longestMs,
  })
  if (result.kind === 'refused') throw spent(result.budget, amountNanos, result.availableNanos, startedAtMs)
}

/** An answer may stream this long after its first byte before a crashed process's reservation is given back. */
const reservationSlackMs = 3_600_000

function boundOf(parts: GatewayParts, { upstream, model }: RouteTarget, inbound: Inbound, atMs: number): bigint {
  const promptTokens = inbound.bytes.length + linkedImages(inbound) * tokensPerLinkedImage
  const price = priceOf(parts, upstream.name, upstream.priceVendor, model, promptTokens, atMs)
  const dialect = Object.values(upstream.definition.addresses)[0]?.dialect(model)
  const outputTokens = inbound.maxOutputTokens ?? dialect?.maxOutputTokens ?? unboundedOutputTokens
  const bound = isUnpriced(price) ? null : largestCost(price, promptTokens, outputTokens * inbound.choices)
  if (bound === null)
    throw new GatewayError(
      'GATEWAY_BUDGET_UNPRICED',
      `The model \`${model}\` of the upstream ${upstream.name} has no complete price, so the budget of this key cannot be held. The operator can give it one with \`prices\`.`,
    )
  return bound
}

function priceOf(
  parts: GatewayParts,
  name: string,
  vendor: string | null,
  model: string,
  promptTokens: number,
  atMs: number,
): Price | Unpriced {
  const fixed = parts.fixedPrices.get(name)
  return (
    fixed ??
    priceAt(parts.priceBook, { vendor: vendor ?? name, model, currency: parts.config.currency, atMs, promptTokens })
  )
}

function linkedImages(inbound: Inbound): number {
  // Only bodies that link pictures pay for the search.
  return inbound.bytes.includes('"http') ? (inbound.text.match(/"(image_url|url|input_image)"/g)?.length ?? 0) : 0
}

function spent(budget: BudgetState, needNanos: bigint, availableNanos: bigint, nowMs: number): GatewayError {
  const when =
    budget.resetsAtMs === null ? 'It does not reset.' : `It resets at ${new Date(budget.resetsAtMs).toISOString()}.`
  const retryAfterSec = budget.resetsAtMs === null ? null : Math.ceil((budget.resetsAtMs - nowMs) / 1000)
  return new GatewayError(
    'GATEWAY_BUDGET_SPENT',
    `The budget "${budget.name}" (${amount(budget.limitNanos)} ${budget.currency} per ${budget.period}) has ${amount(availableNanos)} left and this request may cost up to ${amount(needNanos)}. ${when}`,
    retryAfterSec,
  )
}

/** Nanos as a decimal, at most six places: enough to plan with. */
function amount(nanos: bigint): string {
  return (Number(nanos / 1000n) / 1e6).toString()
}
