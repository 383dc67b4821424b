/** Rows as agents make them: long prompts, mostly hits, short answers with reasoning. */
import type { LedgerRow } from '@portolan/store'

/** Row number `index` of made-up agent traffic. */
export function benchRow(index: number, startedAtMs: number): LedgerRow {
  const hit = (index * 7919) % 90_000
  const miss = (index * 104_729) % 9000
  const output = 20 + ((index * 31) % 1500)
  const tierNanos = {
    miss: BigInt(miss) * 660n,
    hit: BigInt(hit) * 22n,
    write5m: 0n,
    write1h: 0n,
    output: BigInt(output) * 1980n,
  }
  return {
    requestId: `req_${startedAtMs.toString(36)}${index.toString(36).padStart(7, '0')}k3n9`,
    keyId: `key_${(index % 20).toString(16).padStart(16, '0')}`,
    team: `team-${index % 5}`,
    tag: index % 3 === 0 ? null : `tag-${index % 3}`,
    sessionId: `session-${Math.floor(index / 30)}`,
    door: 'messages',
    path: '/v1/messages',
    upstream: ['deepseek', 'cluster', 'openai', 'local'][index % 4] ?? null,
    upstreamProtocol: 'chat',
    modelAsked: 'claude-opus-4-7',
    modelSent: `model-${index % 12}`,
    modelServed: `model-${index % 12}`,
    upstreamRequestId: `0f4c9c2e-8b1d-4c58-9f7e-${index.toString(16).padStart(12, '0')}`,
    stream: true,
    status: index % 50 === 0 ? 'aborted' : 'ok',
    httpStatus: 200,
    errorCode: null,
    usage: {
      inputTokens: hit + miss,
      hitTokens: hit,
      missTokens: miss,
      writtenTokens: 0,
      written1hTokens: 0,
      outputTokens: output,
      reasoningTokens: output >> 1,
      raw: {
        prompt_tokens: hit + miss,
        completion_tokens: output,
        total_tokens: hit + miss + output,
        prompt_cache_hit_tokens: hit,
        prompt_cache_miss_tokens: miss,
      },
      source: 'reported',
      convention: 'cached-inside',
    },
    currency: 'USD',
    costNanos: tierNanos.miss + tierNanos.hit + tierNanos.output,
    tierNanos,
    priceVersion: 'deepseek/deepseek-v4-pro/USD/2026-09-10T04:00:00Z@0123456789ab+off-peak',
    unpricedReason: null,
    startedAtMs,
    firstByteMs: 180 + (index % 40),
    firstReasoningMs: 190 + (index % 40),
    firstTextMs: 900 + (index % 400),
    endMs: 2500 + (index % 4000),
    bytesIn: 4 * (hit + miss),
    bytesOut: 6 * output,
    prefixKeptBytes: 4 * hit,
    prefixTotalBytes: 4 * hit,
    prefixBreakCause: null,
    translation: null,
    attempts: 1,
    tags: {},
  }
}
