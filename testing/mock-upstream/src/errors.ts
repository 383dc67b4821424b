/**
 * Error bodies as the suppliers word them: `{error:{…}}` for OpenAI, DeepSeek (on all its doors) and vLLM,
 * `{type:"error",…}` for Anthropic. Status to type follows the error pages of the two vendors, 2026.
 */

import type { AnswerError, Dialect } from './answer.ts'
import type { Frame } from './frames.ts'
import type { MockProtocol } from './recorded-request.ts'

const anthropicTypes: Record<number, string> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  409: 'conflict_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  500: 'api_error',
  503: 'api_error',
  504: 'timeout_error',
  529: 'overloaded_error',
}

const openAiTypes: Record<number, [type: string, code: string | null]> = {
  400: ['invalid_request_error', null],
  401: ['invalid_request_error', 'invalid_api_key'],
  403: ['invalid_request_error', 'unsupported_country_region_territory'],
  404: ['invalid_request_error', 'model_not_found'],
  429: ['requests', 'rate_limit_exceeded'],
  500: ['server_error', null],
  503: ['server_error', null],
}

const defaultMessages: Record<number, string> = {
  400: 'The request is not valid.',
  401: 'The key is not valid.',
  402: 'Insufficient Balance',
  404: 'The model does not exist.',
  429: 'Too many requests at once.',
  500: 'The server had an error while processing the request.',
  503: 'The engine is overloaded, please try again later.',
  529: 'Overloaded',
}

/** Which envelope this request gets. DeepSeek uses OpenAI's on its Messages door too. */
function speaksAnthropic(protocol: MockProtocol, dialect: Dialect): boolean {
  return dialect === 'anthropic' || ((protocol === 'messages' || protocol === 'count') && dialect === 'vllm')
}

export function errorBody(error: AnswerError, protocol: MockProtocol, dialect: Dialect, requestId: string): unknown {
  if (error.body !== undefined) return error.body
  const message = error.message ?? defaultMessages[error.status] ?? `Status ${error.status}.`
  if (speaksAnthropic(protocol, dialect)) {
    const type =
      error.type ?? anthropicTypes[error.status] ?? (error.status >= 500 ? 'api_error' : 'invalid_request_error')
    return { type: 'error', error: { type, message }, request_id: requestId }
  }
  if (dialect === 'deepseek') {
    const type =
      error.type ??
      (error.status === 401 ? 'authentication_error' : error.status === 402 ? 'unknown_error' : 'invalid_request_error')
    return { error: { message, type, param: null, code: error.code ?? 'invalid_request_error' } }
  }
  if (dialect === 'vllm') {
    return { error: { message, type: error.type ?? 'BadRequestError', param: null, code: error.status } }
  }
  const [type, code] = openAiTypes[error.status] ?? [
    error.status >= 500 ? 'server_error' : 'invalid_request_error',
    null,
  ]
  return { error: { message, type: error.type ?? type, param: null, code: error.code ?? code } }
}

/** The in-band error of a stream that had begun. */
export function streamErrorFrames(
  error: { message?: string; type?: string; code?: string },
  protocol: MockProtocol,
  dialect: Dialect,
  sequenceNumber: number,
  requestId: string,
): Frame[] {
  const message = error.message ?? 'The server had an error while processing the request.'
  if (protocol === 'messages') {
    const body = { type: 'error', error: { type: error.type ?? 'overloaded_error', message }, request_id: requestId }
    return [{ event: 'error', data: body }]
  }
  if (protocol === 'responses') {
    const body = {
      type: 'error',
      code: error.code ?? 'server_error',
      message,
      param: null,
      sequence_number: sequenceNumber,
    }
    return [{ event: 'error', data: body }]
  }
  const type = error.type ?? 'server_error'
  return [{ data: { error: { message, type, param: null, code: error.code ?? (dialect === 'vllm' ? 500 : null) } } }]
}
