/** A complete ledger row; a test states only what it is about. */
import { plainRow, type LedgerRow } from '@portolan/store'

export const startOfHourMs = Date.UTC(2026, 10, 23, 10)

export function sampleRow(requestId: string, changes: Partial<LedgerRow> = {}): LedgerRow {
  return plainRow({
    requestId,
    keyId: 'key_a',
    team: 'red',
    sessionId: 'session-1',
    door: 'chat',
    path: '/v1/chat/completions',
    upstream: 'deepseek',
    upstreamProtocol: 'chat',
    modelAsked: 'v4',
    modelSent: 'deepseek-v4-pro',
    modelServed: 'deepseek-v4-pro',
    upstreamRequestId: 'up-1',
    stream: true,
    httpStatus: 200,
    usage: {
      inputTokens: 1000,
      hitTokens: 900,
      missTokens: 100,
      writtenTokens: 0,
      written1hTokens: 0,
      outputTokens: 50,
      reasoningTokens: 20,
      raw: { prompt_tokens: 1000 },
      source: 'reported',
      convention: 'cached-inside',
    },
    currency: 'USD',
    costNanos: 184_800n,
    tierNanos: { miss: 66_000n, hit: 19_800n, write5m: 0n, write1h: 0n, output: 99_000n },
    priceVersion: 'deepseek/deepseek-v4-pro/USD/2026-09-10T04:00:00Z@0123456789ab+off-peak',
    startedAtMs: startOfHourMs + 1234,
    firstByteMs: 210,
    firstReasoningMs: 220,
    firstTextMs: 900,
    endMs: 1500,
    bytesIn: 4096,
    bytesOut: 8192,
    prefixKeptBytes: 3000,
    prefixTotalBytes: 3000,
    tags: { stage: 'test' },
    ...changes,
  })
}
