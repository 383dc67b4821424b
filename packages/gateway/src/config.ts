/**
 * What a gateway needs to know, as plain data. The command line reads it from `portolan.yaml`; a reload swaps
 * the whole value, so nothing here is ever changed in place.
 */
import type { LossPolicy } from '@portolan/wire'
import type { UpstreamConfig } from '@portolan/upstream'

export interface ModelConfig {
  /** The name callers use. */
  readonly name: string
  /** Upstreams in order of preference; `model` null: the same name. */
  readonly route: readonly { readonly upstream: string; readonly model: string | null }[]
  /** Null: as the upstream that answers has it. */
  readonly lossPolicy: LossPolicy | null
  /** Path of a `tokenizer.json` for token counts and for answers that break off; null: estimates by length. */
  readonly tokenizer: string | null
}

export interface GatewayLimits {
  /** Largest request body after decoding. */
  readonly bodyBytes: number
  /** Longest pause inside a request body. */
  readonly bodyMs: number
  /** How long a caller may refuse to read its answer. */
  readonly clientStallMs: number
  /** Answers in flight at a drain are given this long. */
  readonly drainMs: number
}

export interface GatewayConfig {
  readonly listen: { readonly host: string; readonly port: number }
  readonly upstreams: readonly UpstreamConfig[]
  readonly models: readonly ModelConfig[]
  readonly limits: GatewayLimits
  /** Streams that are silent this long get a keep-alive, and again as often. 0: never. */
  readonly keepAliveMs: number
  /** How long a conversation is drawn to the upstream that answered it last. */
  readonly affinityMs: number
  /** Which of a vendor's price lists applies to this account. */
  readonly currency: string
}

export const defaultLimits: GatewayLimits = {
  bodyBytes: 64 << 20,
  bodyMs: 60_000,
  clientStallMs: 300_000,
  drainMs: 30_000,
}

export const defaultConfig: Omit<GatewayConfig, 'upstreams' | 'models'> = {
  listen: { host: '127.0.0.1', port: 4114 },
  limits: defaultLimits,
  keepAliveMs: 10_000,
  affinityMs: 3_600_000,
  currency: 'USD',
}
