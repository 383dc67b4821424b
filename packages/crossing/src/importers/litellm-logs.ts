/**
 * LiteLLM's logs: the standard logging payload (JSONL of a file or bucket callback) and rows of its spend log, one a
 * line. Both name messages, response and times; a redacted row holds no messages and is left out.
 */
import { parseDecimal } from '@portolan/meter'
import type { ImportedExchange, ImportedTraffic } from '../recording/import-sessions.ts'
import type { ImportSource } from '../recording/import-source.ts'
import {
  asObject,
  countOf,
  jsonLines,
  readAnswer,
  readCompletion,
  readRequest,
  textOf,
  type Json,
} from './read-chat.ts'

export function importLiteLlmLogs({ lines }: ImportSource): ImportedTraffic {
  let [redacted, other] = [0, 0]
  function* exchanges(): Generator<ImportedExchange> {
    ;[redacted, other] = [0, 0]
    for (const { place, value } of jsonLines(lines())) {
      const messages = decoded(value['messages'])
      if (textOf(value['call_type'])?.match(/embed|image|transcri|speech|rerank|moderation/)) other++
      else if (
        !Array.isArray(messages) ||
        messages.length === 0 ||
        messages.some((message) => asObject(message)?.['content'] === 'redacted-by-litellm')
      )
        redacted++
      else yield exchange(value, messages, place)
    }
  }
  return {
    exchanges: { [Symbol.iterator]: exchanges },
    notExpressed: () => [
      'The request as it was sent: the log holds its messages and some parameters, not its bytes.',
      'When the first reasoning and the first visible token came; only the first token of a stream.',
      'Which session a request belongs to, unless a trace or session id was sent; others are found by their history.',
      'Cost is what the proxy computed when it logged, not what was billed.',
      ...(redacted > 0 ? [`${redacted} rows without messages (content logging was off) were left out.`] : []),
      ...(other > 0 ? [`${other} rows of other kinds (embeddings, images, speech) were left out.`] : []),
    ],
  }
}

function exchange(row: Json, messages: readonly unknown[], place: string): ImportedExchange {
  const model = textOf(row['model_group']) ?? textOf(row['model']) ?? 'unknown'
  const parameters = asObject(decoded(row['model_parameters'])) ?? {}
  const endUser = textOf(row['end_user'])
  const request = readRequest({ ...parameters, model, messages, ...(endUser === null ? {} : { user: endUser }) }, place)
  const response = decoded(row['response'])
  const completion = asObject(response)
  const said = completion !== null && Array.isArray(completion['choices']) ? readCompletion(completion, place) : null
  const text = textOf(response)
  const startedAtMs = instantOf(row['startTime'])
  const endedAtMs = instantOf(row['endTime'])
  const firstAtMs = instantOf(row['completionStartTime'])
  const failed = textOf(row['status']) === 'failure'
  return {
    session: textOf(row['session_id']) ?? textOf(asObject(row['metadata'])?.['session_id']),
    request,
    response: said ?? (text === null || failed ? null : readAnswer({ role: 'assistant', content: text }, model, place)),
    row: {
      requestId: textOf(row['id']) ?? textOf(row['request_id']) ?? place,
      keyId: textOf(asObject(row['metadata'])?.['user_api_key_hash']) ?? textOf(row['api_key']) ?? 'imported',
      modelSent: textOf(row['model']),
      upstream: textOf(row['custom_llm_provider']),
      status: failed ? 'error' : 'ok',
      ...(startedAtMs === null ? {} : { startedAtMs }),
      firstByteMs: startedAtMs === null || firstAtMs === null ? null : firstAtMs - startedAtMs,
      endMs: startedAtMs === null || endedAtMs === null ? null : endedAtMs - startedAtMs,
      ...costOf(row),
      ...usageOf(row, completion),
    },
  }
}

function usageOf(row: Json, completion: Json | null): ImportedExchange['row'] {
  const reported = asObject(completion?.['usage'])
  const input = countOf(row['prompt_tokens']) ?? countOf(reported?.['prompt_tokens'])
  if (input === null) return {}
  const hit = countOf(asObject(reported?.['prompt_tokens_details'])?.['cached_tokens'])
  return {
    usage: {
      inputTokens: input,
      hitTokens: hit,
      missTokens: hit === null ? null : input - hit,
      writtenTokens: hit === null ? null : 0,
      written1hTokens: hit === null ? null : 0,
      outputTokens: countOf(row['completion_tokens']) ?? countOf(reported?.['completion_tokens']),
      reasoningTokens: countOf(asObject(reported?.['completion_tokens_details'])?.['reasoning_tokens']),
      raw: null,
      source: 'reported',
      convention: 'cached-inside',
    },
  }
}

function costOf(row: Json): ImportedExchange['row'] {
  const spent = row['response_cost'] ?? row['spend']
  if (typeof spent !== 'number' || !(spent >= 0)) return {}
  const { digits, scale } = parseDecimal(spent)
  return {
    currency: 'USD',
    costNanos: scale <= 9 ? digits * 10n ** BigInt(9 - scale) : digits / 10n ** BigInt(scale - 9),
  }
}

/** Unix seconds, or ISO 8601. */
function instantOf(value: unknown): number | null {
  const ms = typeof value === 'number' ? value * 1000 : typeof value === 'string' ? Date.parse(value) : Number.NaN
  return Number.isFinite(ms) ? Math.round(ms) : null
}

/** Database exports hold JSON inside strings. */
function decoded(value: unknown): unknown {
  if (typeof value !== 'string' || !/^\s*[[{]/.test(value)) return value
  try {
    return JSON.parse(value)
  } catch {
    return value
  }
}
