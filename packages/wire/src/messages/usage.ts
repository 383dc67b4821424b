/**
 * The usage object of Messages, both ways.
 *
 * Messages counts cached tokens outside `input_tokens`; our record counts them inside, so
 * `input = input_tokens + cache_read + cache_creation` and back by subtraction (vllm#40912, new-api#4395).
 */
import type { Usage } from '../canonical/usage.ts'
import { isObject, numberOr, type WireDeltaUsage, type WireObject, type WireUsage } from './types.ts'

/** Null when `usage` is not a usage object of Messages. A count that is not there stays null. */
export function readMessagesUsage(usage: unknown): Usage | null {
  if (!isObject(usage)) return null
  const missTokens = numberOr(usage['input_tokens'])
  const hitTokens = numberOr(usage['cache_read_input_tokens'])
  const creation = isObject(usage['cache_creation']) ? usage['cache_creation'] : null
  const written1hTokens = numberOr(creation?.['ephemeral_1h_input_tokens'])
  const written5mTokens = numberOr(creation?.['ephemeral_5m_input_tokens'])
  const writtenTokens =
    numberOr(usage['cache_creation_input_tokens']) ??
    (written1hTokens === null && written5mTokens === null ? null : (written1hTokens ?? 0) + (written5mTokens ?? 0))
  const outputTokens = numberOr(usage['output_tokens'])
  if (missTokens === null && outputTokens === null && hitTokens === null && writtenTokens === null) return null
  const details = isObject(usage['output_tokens_details']) ? usage['output_tokens_details'] : null
  return {
    inputTokens: missTokens === null ? null : missTokens + (hitTokens ?? 0) + (writtenTokens ?? 0),
    hitTokens,
    missTokens,
    writtenTokens,
    written1hTokens,
    outputTokens,
    reasoningTokens: numberOr(details?.['thinking_tokens']),
    raw: usage,
  }
}

/** Streamed usage is cumulative: a count that is present replaces, nothing is ever added (agentgateway#2977). */
export function mergeMessagesUsage(earlier: WireObject | null, later: unknown): WireObject | null {
  if (!isObject(later)) return earlier
  if (earlier === null) return later
  const merged: Record<string, unknown> = { ...earlier }
  for (const [name, value] of Object.entries(later)) if (value !== null && value !== undefined) merged[name] = value
  return merged
}

/** Prompt tokens outside the cache; null when unknown. */
function uncachedTokens(usage: Usage): number | null {
  if (usage.inputTokens === null) return usage.missTokens
  return Math.max(0, usage.inputTokens - (usage.hitTokens ?? 0) - (usage.writtenTokens ?? 0))
}

/** The usage of a whole message. Unknown counts that the protocol wants as numbers are 0, never a guess. */
export function writeMessagesUsage(usage: Usage): WireUsage {
  const raw = isObject(usage.raw) ? usage.raw : {}
  return {
    input_tokens: uncachedTokens(usage) ?? 0,
    cache_creation_input_tokens: usage.writtenTokens,
    cache_read_input_tokens: usage.hitTokens,
    cache_creation:
      usage.writtenTokens === null || usage.written1hTokens === null
        ? null
        : {
            ephemeral_5m_input_tokens: Math.max(0, usage.writtenTokens - usage.written1hTokens),
            ephemeral_1h_input_tokens: usage.written1hTokens,
          },
    output_tokens: usage.outputTokens ?? 0,
    output_tokens_details: thinkingDetails(usage),
    // Members that only a Messages upstream fills; other sources have other names for other things.
    server_tool_use: raw['server_tool_use'] ?? null,
    service_tier: isMessagesTier(raw['service_tier']) ? raw['service_tier'] : null,
    inference_geo: raw['inference_geo'] ?? null,
    speed: raw['speed'] ?? null,
  }
}

/** The usage of `message_delta`. */
export function writeMessagesDeltaUsage(usage: Usage): WireDeltaUsage {
  const raw = isObject(usage.raw) ? usage.raw : {}
  return {
    input_tokens: uncachedTokens(usage),
    cache_creation_input_tokens: usage.writtenTokens,
    cache_read_input_tokens: usage.hitTokens,
    output_tokens: usage.outputTokens ?? 0,
    output_tokens_details: thinkingDetails(usage),
    server_tool_use: raw['server_tool_use'] ?? null,
  }
}

function thinkingDetails(usage: Usage): { thinking_tokens: number } | null {
  return usage.reasoningTokens === null ? null : { thinking_tokens: usage.reasoningTokens }
}

function isMessagesTier(tier: unknown): boolean {
  return tier === 'standard' || tier === 'priority' || tier === 'batch'
}
