/**
 * Reads the answer to `GET /models` in whatever dialect it comes.
 *
 * OpenAI's `{ object: "list", data: [{ id, created, owned_by }] }`, the Messages form with `display_name`,
 * `created_at` and limits, vLLM's `max_model_len`, a bare array, or a list under `models`. Entries that name no
 * model are left out; an answer that is no list is an error, because "no models" would be a different fact.
 */
import { UpstreamError } from './errors.ts'

export interface ListedModel {
  readonly id: string
  readonly displayName: string | null
  /** Unix seconds; null: not said. */
  readonly createdSec: number | null
  readonly ownedBy: string | null
  readonly contextTokens: number | null
  readonly maxOutputTokens: number | null
}

export interface ModelList {
  readonly models: readonly ListedModel[]
  /** Cursor for the next page (`after_id`); null: complete. */
  readonly nextAfterId: string | null
}

/** More than any server has; the rest of a hostile answer is not read. */
const mostModels = 10_000

/** @throws {UpstreamError} `UPSTREAM_BAD_MODEL_LIST` */
export function parseModelList(body: unknown): ModelList {
  const list = listIn(body)
  if (list === null)
    throw new UpstreamError('UPSTREAM_BAD_MODEL_LIST', `The upstream's answer for its models is ${describe(body)}.`)
  const byId = new Map<string, ListedModel>()
  for (const entry of list.slice(0, mostModels)) {
    const model = parseModel(entry)
    if (model && !byId.has(model.id)) byId.set(model.id, model)
  }
  const nextAfterId = isObject(body) && body.has_more === true ? textIn(body, 'last_id') : null
  return { models: [...byId.values()], nextAfterId }
}

function parseModel(entry: unknown): ListedModel | null {
  if (typeof entry === 'string') return parseModel({ id: entry })
  if (!isObject(entry)) return null
  const id = textIn(entry, 'id') ?? textIn(entry, 'name') ?? textIn(entry, 'model')
  if (id === null) return null
  return {
    id,
    displayName: textIn(entry, 'display_name'),
    createdSec: countIn(entry, 'created') ?? secondsOf(textIn(entry, 'created_at')),
    ownedBy: textIn(entry, 'owned_by'),
    contextTokens:
      countIn(entry, 'max_input_tokens') ??
      countIn(entry, 'max_model_len') ??
      countIn(entry, 'context_length') ??
      countIn(entry, 'context_window'),
    maxOutputTokens:
      countIn(entry, 'max_tokens') ?? countIn(entry, 'max_output_tokens') ?? countIn(entry, 'max_completion_tokens'),
  }
}

function listIn(body: unknown): readonly unknown[] | null {
  if (Array.isArray(body)) return body
  if (!isObject(body)) return null
  if (Array.isArray(body.data)) return body.data
  return Array.isArray(body.models) ? body.models : null
}

function textIn(entry: JsonObject, member: string): string | null {
  const value = entry[member]
  return typeof value === 'string' && value !== '' ? value : null
}

function countIn(entry: JsonObject, member: string): number | null {
  const value = entry[member]
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : null
}

function secondsOf(text: string | null): number | null {
  const ms = text === null ? Number.NaN : Date.parse(text)
  return Number.isNaN(ms) ? null : Math.floor(ms / 1000)
}

function describe(body: unknown): string {
  if (body === null) return 'null'
  if (typeof body !== 'object') return `a ${typeof body}`
  const members = Object.keys(body).slice(0, 6)
  return members.length === 0
    ? 'an empty object'
    : `an object with ${members.map((name) => name.slice(0, 30)).join(', ')} and no list`
}

type JsonObject = Readonly<Record<string, unknown>>

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
