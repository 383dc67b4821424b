/**
 * The generic cell rate algorithm as a leaky bucket, in whole numbers: exact, and nothing to round.
 *
 * A bucket leaks `amount` every millisecond and a unit (a request, a token) adds `perMs`; it holds `burst` units.
 * That is GCRA with the level `max(0, TAT - now)` written in units of 1/amount ms, so that no emission interval has
 * to be a whole number of anything. (ITU-T I.371 gives both forms and their equivalence.)
 *
 * Clocks: a step back of up to a second is taken as standing still, because processes that share a counter read
 * clocks a moment apart; a larger one as a clock that was set, from which the bucket leaks on. Neither gives room
 * away nor shuts a caller out until the old time comes again.
 */
import type { RateLimitInput } from './limits.ts'

export interface RateLevel {
  /** What is in the bucket, in 1/amount ms. May exceed the bucket: counted after the fact. */
  readonly level: number
  readonly atMs: number
}

export type RateShape = Pick<RateLimitInput, 'amount' | 'perMs' | 'burst'>

const smallestClockStepMs = 1000

/** The largest count that a bucket of this shape may hold exactly. */
export function rateShapeProblem({ amount, perMs, burst }: RateShape): string | null {
  for (const [name, value] of Object.entries({ amount, perMs, burst }))
    if (!Number.isSafeInteger(value) || value < 1) return `${name} is ${value}; it must be a whole number from 1.`
  // Debts of several bursts must stay exact too.
  if (perMs * burst > Number.MAX_SAFE_INTEGER / 64)
    return 'the burst over so long a time cannot be counted exactly; use a budget with a rolling window instead.'
  return null
}

/** The bucket now. */
export function leaked(before: RateLevel | null, shape: RateShape, nowMs: number): RateLevel {
  if (before === null) return { level: 0, atMs: nowMs }
  const elapsedMs = nowMs - before.atMs
  if (elapsedMs < -smallestClockStepMs) return { level: before.level, atMs: nowMs }
  if (elapsedMs <= 0) return before
  // Beyond 2^53 it has long run dry.
  return { level: Math.max(0, before.level - elapsedMs * shape.amount), atMs: nowMs }
}

export type RateDecision =
  | { readonly kind: 'taken'; readonly after: RateLevel }
  | { readonly kind: 'limited'; readonly after: RateLevel; readonly retryAfterMs: number }

/**
 * Takes `units` if they fit. More units than the bucket holds count as a full bucket: such a request waits for an
 * empty one, and is not refused for ever.
 */
export function takeRate(before: RateLevel | null, shape: RateShape, units: number, nowMs: number): RateDecision {
  const now = leaked(before, shape, nowMs)
  const added = Math.min(units, shape.burst) * shape.perMs
  const over = now.level + added - shape.burst * shape.perMs
  if (over > 0) return { kind: 'limited', after: now, retryAfterMs: Math.ceil(over / shape.amount) }
  return { kind: 'taken', after: { level: now.level + added, atMs: now.atMs } }
}

/** Corrects what was taken to what it came to: room comes back, or a debt is left that later requests wait for. */
export function correctRate(
  before: RateLevel | null,
  shape: RateShape,
  takenUnits: number,
  actualUnits: number,
  nowMs: number,
): RateLevel {
  const now = leaked(before, shape, nowMs)
  const change = (actualUnits - Math.min(takenUnits, shape.burst)) * shape.perMs
  // A debt of more than 32 bursts is as good as one of 32, and stays exact.
  const level = Math.min(Math.max(0, now.level + change), 32 * shape.burst * shape.perMs)
  return { level, atMs: now.atMs }
}

export interface RateState extends RateShape {
  readonly id: string
  readonly subject: string
  readonly unit: RateLimitInput['unit']
  /** Units that would be let through at once. */
  readonly remaining: number
  /** Until the bucket is empty, so that a whole burst fits. */
  readonly resetMs: number
}

export function rateState(limit: RateLimitInput, subject: string, { level }: RateLevel): RateState {
  const { id, unit, amount, perMs, burst } = limit
  return {
    id,
    subject,
    unit,
    amount,
    perMs,
    burst,
    remaining: Math.max(0, Math.floor((burst * perMs - level) / perMs)),
    resetMs: Math.ceil(level / amount),
  }
}
