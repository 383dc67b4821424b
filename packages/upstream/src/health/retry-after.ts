/**
 * When an upstream asks to be asked again, in milliseconds.
 *
 * `retry-after-ms` is the finest and wins, then `retry-after` as seconds or as an HTTP date (RFC 9110, 10.2.3).
 * Vendors' SDKs read them in the same order. Nonsense counts as not said.
 */
import type { HeaderMap } from '../upstream.ts'

/** Nobody means more than a day; a date in the wrong century is a broken clock. */
const longestMs = 86_400_000

/** @returns null when nothing usable is said; 0 for a moment that has passed. */
export function readRetryAfter(headers: HeaderMap, nowMs: number): number | null {
  const fine = decimal(first(headers['retry-after-ms']))
  if (fine !== null) return within(fine)
  const text = first(headers['retry-after'])
  const seconds = decimal(text)
  if (seconds !== null) return within(seconds * 1000)
  // `Date.parse` guesses at almost anything, so only text that looks like one of the three HTTP date forms goes in.
  if (text === null || !/^[A-Z][a-z]{2,8},? .*\d{2}:\d{2}:\d{2}/.test(text)) return null
  const atMs = Date.parse(text)
  return Number.isNaN(atMs) ? null : within(atMs - nowMs)
}

/** `x-should-retry`: the upstream's own verdict, or the gateway's in front of it. null: not said. */
export function readShouldRetry(headers: HeaderMap): boolean | null {
  const text = first(headers['x-should-retry'])
  return text === 'true' ? true : text === 'false' ? false : null
}

function first(value: HeaderMap[string]): string | null {
  const text = typeof value === 'string' ? value : value?.[0]
  return text === undefined ? null : text.trim()
}

function decimal(text: string | null): number | null {
  return text !== null && /^\d{1,12}(\.\d{1,6})?$/.test(text) ? Number(text) : null
}

function within(ms: number): number {
  return Math.min(Math.max(0, Math.ceil(ms)), longestMs)
}
