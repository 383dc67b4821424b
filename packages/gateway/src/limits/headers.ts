/**
 * Where a caller stands with its rate limits, in the header names that its SDK reads.
 *
 * Chat and Responses: `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, the reset as a duration (`1s`,
 * `6m0s`). Messages: `anthropic-ratelimit-{requests,tokens}-{limit,remaining,reset}`, the reset as an RFC 3339
 * instant. `limit` is what may come at once, `reset` is when all of that is there again. Of several limits of one
 * unit the one with the least room is told.
 */
import type { RateState } from '@portolan/store'
import type { Protocol } from '@portolan/wire'

export function rateHeaders(protocol: Protocol, rates: readonly RateState[], nowMs: number): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const unit of ['requests', 'tokens'] as const) {
    const tightest = rates
      .filter((rate) => rate.unit === unit)
      .reduce<RateState | null>((least, rate) => (least === null || tighter(rate, least) ? rate : least), null)
    if (tightest === null) continue
    const { burst, remaining, resetMs } = tightest
    if (protocol === 'messages') {
      const name = `anthropic-ratelimit-${unit}`
      headers[`${name}-limit`] = String(burst)
      headers[`${name}-remaining`] = String(remaining)
      headers[`${name}-reset`] = new Date(nowMs + resetMs).toISOString().replace(/\.\d+Z$/, 'Z')
    } else {
      headers[`x-ratelimit-limit-${unit}`] = String(burst)
      headers[`x-ratelimit-remaining-${unit}`] = String(remaining)
      headers[`x-ratelimit-reset-${unit}`] = durationText(resetMs)
    }
  }
  return headers
}

function tighter(a: RateState, b: RateState): boolean {
  return a.remaining === b.remaining ? a.resetMs > b.resetMs : a.remaining < b.remaining
}

/** `120ms`, `1.5s`, `6m0s`, `1h0m0s`. */
export function durationText(ms: number): string {
  if (ms < 1000) return `${ms}ms`
  const seconds = ms / 1000
  if (seconds < 60) return `${Number(seconds.toFixed(3))}s`
  const whole = Math.ceil(seconds)
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60]
  return hours > 0 ? `${hours}h${minutes}m${rest}s` : `${minutes}m${rest}s`
}
