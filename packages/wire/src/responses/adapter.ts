/** The Responses protocol: `POST /v1/responses` of the OpenAI API, stateless. */
import type { ProtocolAdapter } from '../canonical/adapter.ts'
import { readErrorBody, writeErrorBody, writeErrorEvent } from './errors.ts'
import { fromCanonicalRequest } from './from-canonical.ts'
import { fromCanonicalResponse, toCanonicalResponse } from './response.ts'
import { createStreamReader } from './stream-reader.ts'
import { createStreamWriter } from './stream-writer.ts'
import { toCanonicalRequest } from './to-canonical.ts'
import { readUsage } from './usage.ts'

export const responsesAdapter: ProtocolAdapter = {
  protocol: 'responses',
  toCanonicalRequest,
  fromCanonicalRequest,
  toCanonicalResponse,
  fromCanonicalResponse,
  createStreamReader,
  createStreamWriter,
  readUsage,
  writeErrorBody,
  writeErrorEvent,
  readErrorBody,
}

/** Answer of `POST /v1/responses/input_tokens`, whose body `toCanonicalRequest` reads like any other. */
export function inputTokensBody(inputTokens: number): Record<string, unknown> {
  return { object: 'response.input_tokens', input_tokens: inputTokens }
}
