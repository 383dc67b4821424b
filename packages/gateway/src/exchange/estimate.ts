/**
 * What a request used whose usage nobody reported: by the model's own tokenizer where the configuration names one,
 * by length otherwise. Answers at once, so that the row of a cut stream waits for nothing, and says what it went by.
 */
import type { GatewayParts } from '../gateway.ts'
import { promptSize } from '../token-counters.ts'
import type { TextEstimator } from '../text-estimator.ts'
import type { Inbound } from './inbound.ts'
import type { Observer } from './observer.ts'

export interface UsageEstimate {
  readonly inputTokens: number
  readonly outputTokens: number
  /** Null: not known how much of it was thought. */
  readonly reasoningTokens: number | null
  /** As the row says it. */
  readonly by: string
}

export function estimateUsage(
  parts: Pick<GatewayParts, 'counters' | 'sealer'>,
  inbound: Inbound,
  /** Bytes of the body that was sent. */
  sentBytes: number,
  observer: Observer,
): UsageEstimate {
  const { generated } = observer
  const estimator = generated === null ? null : parts.counters.ready(generated.tokenizer)
  // An answer that only its upstream's own protocol can read has a length and no text.
  const unread = generated?.chars === 0 && observer.generatedChars > 0
  if (generated === null || estimator === null || unread)
    return {
      inputTokens: byLength(sentBytes),
      outputTokens: byLength(observer.generatedChars),
      reasoningTokens: null,
      by: generated === null || unread ? 'length' : 'length, because the tokenizer cannot be used',
    }
  const prompt =
    observer.usage.inputTokens === null ? estimatePrompt(parts, inbound, sentBytes, estimator) : { tokens: 0 }
  const thought = estimator.estimate(generated.texts(true), generated.reasoningChars)
  const said = estimator.estimate(generated.texts(false), generated.chars - generated.reasoningChars)
  const sampled = [prompt, thought, said].some((part) => 'sampled' in part && part.sampled)
  return {
    inputTokens: prompt.tokens,
    outputTokens: thought.tokens + said.tokens,
    reasoningTokens: generated.reasoningChars === 0 ? null : thought.tokens,
    by: `tokenizer sha256:${estimator.digest}${sampled ? ', sampled' : ''}`,
  }
}

function estimatePrompt(
  { sealer }: Pick<GatewayParts, 'sealer'>,
  inbound: Inbound,
  sentBytes: number,
  estimator: TextEstimator,
): { readonly tokens: number; readonly sampled: boolean } {
  if (!inbound.readable || !estimator.affordable) return estimator.byDensity(sentBytes)
  try {
    const { texts, framingTokens } = promptSize(inbound.canonical(sealer, 'silent').request)
    const { tokens, sampled } = estimator.estimate(texts)
    return { tokens: tokens + framingTokens, sampled }
  } catch {
    // A body that its protocol does not know was forwarded all the same: what was sent is what was read.
    return estimator.estimate([inbound.text])
  }
}

/** Bytes or UTF-16 units per token over mixed prose, code and JSON: 3.6 in our samples; rounded up, never zero. */
function byLength(length: number): number {
  return length === 0 ? 0 : Math.max(1, Math.ceil(length / 3.6))
}
