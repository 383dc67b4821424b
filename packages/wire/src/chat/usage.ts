/**
 * Chat's usage object and ours.
 *
 * `prompt_tokens` includes cached tokens; `completion_tokens` includes reasoning. Reads come as
 * `prompt_tokens_details.cached_tokens`, DeepSeek's `prompt_cache_hit_tokens` or, from a few upstreams, a bare
 * `cached_tokens`; writes as `prompt_tokens_details.cache_write_tokens`.
 */
import type { Usage } from '../canonical/usage.ts'
import { isObject } from './fields.ts'

/** Null when it is not a usage object: neither side of the count is there. */
export function readChatUsage(value: unknown): Usage | null {
  if (!isObject(value)) return null
  const inputTokens = count(value['prompt_tokens'])
  const outputTokens = count(value['completion_tokens'])
  if (inputTokens === null && outputTokens === null) return null
  const input = isObject(value['prompt_tokens_details']) ? value['prompt_tokens_details'] : {}
  const output = isObject(value['completion_tokens_details']) ? value['completion_tokens_details'] : {}
  const writtenTokens = count(input['cache_write_tokens'])
  let hitTokens =
    count(value['prompt_cache_hit_tokens']) ?? count(input['cached_tokens']) ?? count(value['cached_tokens'])
  // An engine that counts its writes as cached would report more than there is (catalogue 92).
  if (inputTokens !== null && hitTokens !== null && hitTokens + (writtenTokens ?? 0) > inputTokens)
    hitTokens = Math.max(0, inputTokens - (writtenTokens ?? 0))
  return {
    inputTokens,
    hitTokens,
    missTokens: inputTokens === null || hitTokens === null ? null : inputTokens - hitTokens - (writtenTokens ?? 0),
    writtenTokens,
    written1hTokens: null,
    outputTokens,
    reasoningTokens: count(output['reasoning_tokens']),
    raw: value,
  }
}

/** Null unless both sides are known: a caller must not read 0 where nobody counted. */
export function writeChatUsage(usage: Usage): Record<string, unknown> | null {
  const { inputTokens, outputTokens, hitTokens, writtenTokens, reasoningTokens } = usage
  if (inputTokens === null || outputTokens === null) return null
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    ...(hitTokens === null && writtenTokens === null
      ? {}
      : {
          prompt_tokens_details: {
            cached_tokens: hitTokens ?? 0,
            ...(writtenTokens === null ? {} : { cache_write_tokens: writtenTokens }),
          },
        }),
    ...(reasoningTokens === null ? {} : { completion_tokens_details: { reasoning_tokens: reasoningTokens } }),
    // DeepSeek's spelling: hit and miss add up to the prompt.
    ...(hitTokens === null
      ? {}
      : { prompt_cache_hit_tokens: hitTokens, prompt_cache_miss_tokens: inputTokens - hitTokens }),
  }
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null
}
