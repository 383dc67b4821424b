/**
 * Data: how each vendor's prompt cache is simulated, state of November 2026.
 *
 * From the vendors' pages where they say (minimum, step, lifetime), else from what was measured; what nobody
 * publishes (eviction, routing) is in none of them. `marked` assumes a caller that marks its whole prompt each turn.
 */
import type { CacheRule } from './cache-simulator.ts'

interface VendorRule {
  readonly vendor: string
  /** Names begin with one of these; none: every model. The first rule that fits holds. */
  readonly models?: readonly string[]
  readonly rule: CacheRule
}

const hourMs = 3_600_000

const vendorCacheRules: readonly VendorRule[] = [
  { vendor: 'deepseek', rule: automatic(128, 128, 24 * hourMs) },
  { vendor: 'openai', rule: automatic(1024, 128, hourMs) },
  { vendor: 'anthropic', models: ['claude-opus-5', 'claude-fable-5'], rule: marked(512) },
  { vendor: 'anthropic', models: ['claude-haiku-4-5', 'claude-opus-4-5', 'claude-opus-4-6'], rule: marked(4096) },
  { vendor: 'anthropic', rule: marked(1024) },
  { vendor: 'google', models: ['gemini-2.5'], rule: automatic(2048, 1, hourMs) },
  { vendor: 'google', rule: automatic(4096, 1, hourMs) },
  { vendor: 'alibaba', rule: marked(1024) },
  { vendor: 'moonshot', rule: automatic(256, 256, hourMs) },
  { vendor: 'zhipu', rule: automatic(1, 1, hourMs) },
  { vendor: 'self-hosted', rule: automatic(16, 16, null) },
]

/** Null: nothing is known of this vendor's cache. */
export function cacheRuleOf(vendor: string, model: string): CacheRule | null {
  return (
    vendorCacheRules.find(
      (one) => one.vendor === vendor && (one.models?.some((start) => model.startsWith(start)) ?? true),
    )?.rule ?? null
  )
}

function automatic(minTokens: number, stepTokens: number, lifetimeMs: number | null): CacheRule {
  return { kind: 'automatic', minTokens, stepTokens, lifetimeMs, keepsAnswers: false }
}

function marked(minTokens: number): CacheRule {
  return { kind: 'marked', minTokens, lookbackSegments: 20 }
}
