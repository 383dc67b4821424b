/**
 * `POST /v1/messages/count_tokens`: a Messages request without generation, answered with `{input_tokens}`.
 *
 * The request has the shape of a message request without its budget and sampling, so `toCanonicalRequest` reads
 * it; here are the two small bodies that are its own.
 */
import { isObject, numberOr } from './types.ts'

/** Members that the endpoint takes; the rest of a message request would be refused. */
const members = [
  'model',
  'output_config',
  'thinking',
  'context_management',
  'mcp_servers',
  'speed',
  'cache_control',
  'tools',
  'tool_choice',
  'system',
  'messages',
]

/** The body to send upstream, from a written message request. */
export function toCountTokensBody(body: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(members.filter((name) => body[name] !== undefined).map((name) => [name, body[name]]))
}

export function writeCountTokensBody(inputTokens: number): Record<string, unknown> {
  return { input_tokens: inputTokens }
}

/** Null when the answer is not a count. */
export function readCountTokensBody(body: unknown): number | null {
  return isObject(body) ? numberOr(body['input_tokens']) : null
}
