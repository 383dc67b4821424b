/** The usage object of Responses: `input_tokens` includes cached tokens, `output_tokens` includes reasoning. */
import type { Usage } from '../canonical/usage.ts'
import { isObject } from './read-field.ts'

export function readUsage(value: unknown): Usage | null {
  if (!isObject(value)) return null
  const inputTokens = count(value.input_tokens)
  const outputTokens = count(value.output_tokens)
  if (inputTokens === null && outputTokens === null) return null
  const inputDetails = isObject(value.input_tokens_details) ? value.input_tokens_details : {}
  const outputDetails = isObject(value.output_tokens_details) ? value.output_tokens_details : {}
  const hitTokens = count(inputDetails.cached_tokens)
  const writtenTokens = count(inputDetails.cache_write_tokens)
  const missTokens =
    inputTokens === null || hitTokens === null ? null : Math.max(0, inputTokens - hitTokens - (writtenTokens ?? 0))
  return {
    inputTokens,
    hitTokens,
    missTokens,
    writtenTokens,
    written1hTokens: null,
    outputTokens,
    reasoningTokens: count(outputDetails.reasoning_tokens),
    raw: value,
  }
}

/** Null when nothing is known; the type has no way to say "unknown" of a single count, so those become 0. */
export function writeUsage(usage: Usage): Record<string, unknown> | null {
  if (usage.inputTokens === null && usage.outputTokens === null) return null
  const input = usage.inputTokens ?? 0
  const output = usage.outputTokens ?? 0
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: usage.hitTokens ?? 0, cache_write_tokens: usage.writtenTokens ?? 0 },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens ?? 0 },
    total_tokens: input + output,
  }
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null
}
