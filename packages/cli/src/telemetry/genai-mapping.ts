/**
 * The one place where a settled request gets its OpenTelemetry names.
 *
 * GenAI semantic conventions (open-telemetry/semantic-conventions-genai), state of 2026-07-20, all of them still
 * "Development": when names move, this file moves and nothing else. `gen_ai.usage.input_tokens` includes cached
 * tokens, as our own counts do. What the conventions have no name for is called `portolan.*`. Left out on purpose:
 * messages, instructions, tool arguments, end users.
 */
import type { SettledRequest } from '@portolan/gateway'

export const conventionDate = '2026-07-20'

type Attributes = Record<string, string | number | boolean>

/** Values of `gen_ai.provider.name` where an upstream kind is spelt otherwise there; the rest keep their name. */
const providerNames: Readonly<Record<string, string>> = {
  embedded: 'portolan',
  demo: 'portolan',
}

export interface MappedSpan {
  readonly name: string
  readonly kind: 'client' | 'internal'
  readonly startMs: number
  readonly endMs: number
  readonly failed: boolean
  readonly attributes: Attributes
}

export interface MappedMeasures {
  /** Bounded: operation, provider, model (past a number of names `other`), upstream, outcome. */
  readonly attributes: Attributes
  readonly durationSec: number | null
  readonly firstChunkSec: number | null
  readonly tokens: readonly { readonly type: string; readonly count: number }[]
  readonly costNanos: bigint | null
  readonly currency: string | null
}

export const metricNames = {
  tokens: 'gen_ai.client.token.usage',
  duration: 'gen_ai.client.operation.duration',
  firstChunk: 'gen_ai.client.operation.time_to_first_chunk',
  cost: 'portolan.cost',
} as const

/** Bucket bounds that the conventions ask for. */
export const tokenBuckets: number[] = Array.from({ length: 14 }, (_, power) => 4 ** power)
export const secondsBuckets: number[] = Array.from({ length: 14 }, (_, power) => 0.01 * 2 ** power)

export function toSpan({ row, upstream }: SettledRequest): MappedSpan {
  const { usage } = row
  const operation = operationOf(row.path)
  const model = row.modelSent ?? row.modelAsked
  const attributes = withoutNull({
    'gen_ai.operation.name': operation,
    'gen_ai.provider.name': providerOf(upstream),
    'gen_ai.request.model': cut(model),
    'gen_ai.response.model': cut(row.modelServed),
    'gen_ai.response.id': cut(row.upstreamRequestId),
    'gen_ai.request.stream': row.stream ? true : null,
    'gen_ai.conversation.id': row.sessionId,
    'gen_ai.response.time_to_first_chunk': seconds(row.firstByteMs),
    'gen_ai.usage.input_tokens': usage.inputTokens,
    'gen_ai.usage.output_tokens': usage.outputTokens,
    'gen_ai.usage.cache_read.input_tokens': usage.hitTokens,
    'gen_ai.usage.cache_creation.input_tokens': usage.writtenTokens,
    'gen_ai.usage.reasoning.output_tokens': usage.reasoningTokens,
    'error.type': errorType(row),
    ...server(upstream),
    'portolan.request.id': row.requestId,
    'portolan.key.id': row.keyId,
    'portolan.door': row.door,
    'portolan.upstream': row.upstream,
    'portolan.model.asked': cut(row.modelAsked),
    'portolan.status': row.status,
    'portolan.attempts': row.attempts,
    'portolan.usage.source': usage.source,
    // Nanos beyond 2^53 do not fit a double.
    'portolan.cost.nanos': row.costNanos === null ? null : String(row.costNanos),
    'portolan.cost.currency': row.costNanos === null ? null : row.currency,
    'portolan.price.version': row.priceVersion,
    'portolan.unpriced': row.unpricedReason,
  })
  return {
    name: model === null ? operation : `${operation} ${cut(model)}`,
    kind: upstream?.definition.transport === 'http' ? 'client' : 'internal',
    startMs: row.startedAtMs,
    endMs: row.startedAtMs + Math.max(row.endMs ?? 0, 0),
    failed: row.status !== 'ok' && row.status !== 'aborted',
    attributes,
  }
}

export function toMeasures({ row, upstream }: SettledRequest, boundedModel: (name: string) => string): MappedMeasures {
  const { usage } = row
  const counts = [
    { type: 'input', count: usage.inputTokens },
    { type: 'output', count: usage.outputTokens },
  ]
  return {
    attributes: withoutNull({
      'gen_ai.operation.name': operationOf(row.path),
      'gen_ai.provider.name': providerOf(upstream),
      'gen_ai.request.model': row.modelSent === null ? null : boundedModel(row.modelSent),
      'portolan.upstream': row.upstream,
      'portolan.status': row.status,
      'error.type': row.status === 'ok' ? null : row.status,
    }),
    durationSec: seconds(row.endMs),
    firstChunkSec: seconds(row.firstByteMs),
    tokens: counts.flatMap(({ type, count }) => (count === null ? [] : [{ type, count }])),
    costNanos: row.costNanos,
    currency: row.currency,
  }
}

function operationOf(path: string): string {
  return path.endsWith('/completions') && !path.endsWith('/chat/completions') ? 'text_completion' : 'chat'
}

function providerOf(upstream: SettledRequest['upstream']): string | null {
  if (upstream === null) return null
  const { kind } = upstream.definition
  return providerNames[kind] ?? kind
}

function server(upstream: SettledRequest['upstream']): Record<string, string | number | null> {
  if (!upstream?.baseUrl) return {}
  const { hostname, port, protocol } = new URL(upstream.baseUrl)
  return { 'server.address': hostname, 'server.port': port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port) }
}

function errorType({ status, errorCode, httpStatus }: SettledRequest['row']): string | null {
  return status === 'ok'
    ? null
    : (cut(errorCode) ?? (httpStatus !== null && httpStatus >= 400 ? String(httpStatus) : status))
}

function seconds(ms: number | null): number | null {
  return ms === null ? null : ms / 1000
}

/** Callers choose names; an attribute is no place for a megabyte. */
function cut(text: string | null): string | null {
  return text === null || text.length <= 200 ? text : text.slice(0, 200).toWellFormed()
}

function withoutNull(values: Readonly<Record<string, string | number | boolean | null>>): Attributes {
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, string | number | boolean] => entry[1] !== null),
  )
}
