/**
 * Rate limits of token counts: each limit of requests that holds the key holds its counts as well, on a counter of
 * their own. So it is at the vendor whose protocol has the endpoint: counting is free, has limits of its own, and
 * takes nothing from those of messages. Limits of tokens and budgets do not hold, because nothing is generated.
 */
import { countersFor, noLimits, type KeyRecord, type RateState } from '@portolan/store'
import { GatewayError } from '../errors.ts'
import type { GatewayParts } from '../gateway.ts'
import { rateLimited } from './refusal.ts'

/** Stands before the subject of the limit's counter: the same limit, counted apart. */
const apart = 'count-tokens:'

export interface CountHold {
  readonly rates: readonly RateState[]
  /** Null: there is room. */
  readonly refusal: GatewayError | null
  readonly retryAfterMs: number | null
}

const free: CountHold = { rates: [], refusal: null, retryAfterMs: null }

export function holdCount(
  { store, config, owner }: GatewayParts,
  key: KeyRecord,
  model: string,
  requestId: string,
  nowMs: number,
): CountHold {
  const limits = store.limitsOf(key)
  if (limits === noLimits) return free
  const ofRequests = limits.rates.filter(({ unit }) => unit === 'requests')
  const rates = countersFor(ofRequests, key, model).map(({ id, subject }) => ({ id, subject: apart + subject }))
  if (rates.length === 0) return free
  const result = store.reserve({
    requestId,
    budgets: [],
    rates,
    largest: { nanos: 0n, tokens: 0n },
    rateTokens: 0,
    currency: config.currency,
    nowMs,
    expiresAtMs: nowMs,
    owner,
  })
  if (result.kind === 'limited')
    return { rates: result.rates, refusal: rateLimited(result), retryAfterMs: result.retryAfterMs }
  return { ...free, rates: result.rates }
}
