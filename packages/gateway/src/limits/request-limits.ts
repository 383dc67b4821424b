/**
 * The limits of one request: held before it is sent, settled after it (law 5).
 *
 * All budgets and rate limits are taken in one step or none is. A body that does not fit by the bound that costs
 * nothing is bounded more tightly before it is refused, if that could help. Tokens of rate limits are taken by an
 * estimate of the prompt and corrected to what the request came to: a rate smooths, a budget bounds.
 */
import {
  countersFor,
  noLimits,
  type CounterRef,
  type KeyLimits,
  type KeyRecord,
  type LedgerRow,
  type RateState,
  type ReserveResult,
} from '@portolan/store'
import type { Protocol } from '@portolan/wire'
import type { ClientHeaders } from '../exchange/client-side.ts'
import type { Inbound } from '../exchange/inbound.ts'
import type { GatewayParts } from '../gateway.ts'
import type { ModelRoute } from '../route.ts'
import { bytesBound, contentBound, largestAmounts, promptContent, type PromptBound } from './bound.ts'
import { rateHeaders } from './headers.ts'
import { budgetSpent, rateLimited } from './refusal.ts'

/** An answer may stream this long after its first byte before a crashed process's reservation is given back. */
const reservationSlackMs = 3_600_000
/** Bytes of prompt per token, for rates only; budgets use bounds. */
const bytesPerToken = 3.6

export class RequestLimits {
  readonly #parts: GatewayParts
  readonly #requestId: string
  readonly #startedAtMs: number
  readonly #budgets: readonly CounterRef[]
  readonly #rates: readonly CounterRef[]
  /** A budget of money holds: every target needs a price. */
  readonly #priced: boolean
  /** What the request came to moves a counter; a rate of requests is done when it was taken. */
  readonly #settles: boolean
  #states: readonly RateState[] = []
  #rateTokens = 0
  #retryAfterMs: number | null = null
  #held = false

  private constructor(
    parts: GatewayParts,
    limits: KeyLimits,
    key: KeyRecord,
    model: string,
    requestId: string,
    startedAtMs: number,
  ) {
    this.#parts = parts
    this.#requestId = requestId
    this.#startedAtMs = startedAtMs
    this.#budgets = countersFor(limits.budgets, key, model)
    this.#rates = countersFor(limits.rates, key, model)
    this.#settles =
      this.#budgets.length > 0 ||
      limits.rates.some(({ id, unit }) => unit === 'tokens' && this.#rates.some((rate) => rate.id === id))
    this.#priced = limits.budgets.some(
      ({ id, unit }) => unit === 'money' && this.#budgets.some((budget) => budget.id === id),
    )
  }

  /** Null, after one look-up, for a key that nothing limits. */
  static of(
    parts: GatewayParts,
    key: KeyRecord,
    model: string,
    requestId: string,
    startedAtMs: number,
  ): RequestLimits | null {
    const limits = parts.store.limitsOf(key)
    if (limits === noLimits) return null
    const request = new RequestLimits(parts, limits, key, model, requestId, startedAtMs)
    return request.#budgets.length === 0 && request.#rates.length === 0 ? null : request
  }

  /** @throws GatewayError `GATEWAY_BUDGET_SPENT`, `GATEWAY_RATE_LIMITED` or `GATEWAY_BUDGET_UNPRICED`. */
  async hold(inbound: Inbound, route: ModelRoute): Promise<void> {
    this.#rateTokens = Math.ceil(inbound.bytes.length / bytesPerToken)
    const bound = bytesBound(inbound)
    let result = this.#reserve(inbound, route, bound)
    if (result.kind === 'refused') result = await this.#tighter(inbound, route, bound, result)
    this.#states = result.rates
    if (result.kind === 'limited') {
      this.#retryAfterMs = result.retryAfterMs
      throw rateLimited(result)
    }
    if (result.kind === 'refused') throw budgetSpent(result, this.#startedAtMs)
    this.#held = true
  }

  #reserve(inbound: Inbound, route: ModelRoute, { tokens }: PromptBound): ReserveResult {
    const longestMs = Math.max(...route.targets.map(({ upstream }) => upstream.timeouts.firstByteMs))
    return this.#parts.store.reserve({
      requestId: this.#requestId,
      budgets: this.#budgets,
      rates: this.#rates,
      largest: largestAmounts(this.#parts, inbound, route, tokens, this.#priced, this.#startedAtMs),
      rateTokens: this.#rateTokens,
      currency: this.#parts.config.currency,
      nowMs: this.#startedAtMs,
      expiresAtMs: this.#startedAtMs + longestMs + reservationSlackMs,
      owner: this.#parts.owner,
    })
  }

  /** Near its end a budget is worth a closer look at what is asked of it. */
  async #tighter(
    inbound: Inbound,
    route: ModelRoute,
    before: PromptBound,
    refused: Extract<ReserveResult, { readonly kind: 'refused' }>,
  ): Promise<ReserveResult> {
    const { budget, available } = refused
    if (budget.unit === 'requests') return refused
    const least = largestAmounts(this.#parts, inbound, route, 0, this.#priced, this.#startedAtMs)
    // Its answer alone is too large: no look at the prompt changes that.
    if ((budget.unit === 'money' ? least.nanos : least.tokens) > available) return refused
    const content = promptContent(inbound)
    if (content === null) return refused
    const byContent = contentBound(content)
    let result: ReserveResult = refused
    if (byContent.tokens < before.tokens) result = this.#reserve(inbound, route, byContent)
    if (result.kind !== 'refused' || route.tokenizer === null) return result
    const counted = await this.#parts.counters.boundTexts(content.texts, route.tokenizer)
    if (counted === null) return result
    return this.#reserve(inbound, route, { kind: 'counted', tokens: counted + content.otherTokens })
  }

  /** For the answer, whatever it is. */
  headers(protocol: Protocol): ClientHeaders {
    const headers: ClientHeaders = rateHeaders(protocol, this.#states, this.#startedAtMs)
    if (this.#retryAfterMs !== null) headers['retry-after-ms'] = String(this.#retryAfterMs)
    return headers
  }

  /** @param nothingGenerated no upstream can have billed anything: an unknown cost is none. */
  settle(row: LedgerRow, nothingGenerated: boolean): void {
    if (!this.#held || !this.#settles) return
    this.#held = false
    const { inputTokens, outputTokens } = row.usage
    const tokens = inputTokens === null || outputTokens === null ? null : BigInt(inputTokens) + BigInt(outputTokens)
    this.#parts.store.settleLimits({
      requestId: this.#requestId,
      nanos: row.costNanos ?? (nothingGenerated ? 0n : null),
      tokens: tokens ?? (nothingGenerated ? 0n : null),
      rates: this.#rates,
      rateTokens: this.#rateTokens,
    })
  }
}
