import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ErrorKind } from '../errors.ts'
import { readMessagesErrorBody, writeMessagesErrorBody, writeMessagesErrorEvent } from './errors.ts'

const write = (kind: ErrorKind, message = 'text', code: string | null = null) =>
  writeMessagesErrorBody({ kind, message, code, param: null, requestId: 'req_1' })

describe('Messages errors', () => {
  it('have the status and type of their kind (ray-project/ray#65486)', () => {
    const rows: [ErrorKind, number, string][] = [
      ['invalid-request', 400, 'invalid_request_error'],
      ['authentication', 401, 'authentication_error'],
      ['billing', 402, 'billing_error'],
      ['permission', 403, 'permission_error'],
      ['not-found', 404, 'not_found_error'],
      ['conflict', 409, 'conflict_error'],
      ['too-large', 413, 'invalid_request_error'],
      ['context-length', 400, 'invalid_request_error'],
      ['unprocessable', 422, 'invalid_request_error'],
      ['rate-limit', 429, 'rate_limit_error'],
      ['client-closed', 499, 'api_error'],
      ['internal', 500, 'api_error'],
      ['upstream', 502, 'api_error'],
      ['overloaded', 529, 'overloaded_error'],
      ['timeout', 504, 'timeout_error'],
    ]
    for (const [kind, status, type] of rows) {
      const { status: got, body } = write(kind)
      assert.equal(got, status)
      assert.equal((body['error'] as { type: string }).type, type)
      assert.equal(body['request_id'], 'req_1')
    }
  })

  it('carry our code where the vendor’s client looks for it', () => {
    assert.deepEqual(write('permission', 'no key', 'GATEWAY_NO_KEY').body, {
      type: 'error',
      error: { type: 'permission_error', message: 'no key', details: { error_code: 'GATEWAY_NO_KEY' } },
      request_id: 'req_1',
    })
  })

  it('say overflow in the words that clients look for, with both numbers', () => {
    const words = (message: string) => (write('context-length', message).body['error'] as { message: string }).message
    assert.match(
      words("This model's maximum context length is 131072 tokens. However, you requested 140000 tokens."),
      /^prompt is too long: 140000 tokens > 131072 maximum/,
    )
    assert.equal(words('prompt is too long: 5 tokens > 4 maximum'), 'prompt is too long: 5 tokens > 4 maximum')
    assert.equal(words('too much'), 'prompt is too long: too much')
  })

  it('end a stream with an event line', () => {
    assert.match(
      writeMessagesErrorEvent({ kind: 'timeout', message: 'm', code: null, param: null, requestId: 'r' }),
      /^event: error\ndata: \{"type":"error"/,
    )
  })
})

describe('reading errors of Messages upstreams', () => {
  it('reads both envelopes, strings, pages and nothing', () => {
    const kinds = (status: number, text: string) => readMessagesErrorBody(status, text).kind
    assert.equal(
      kinds(529, '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'),
      'overloaded',
    )
    assert.equal(kinds(400, '{"type":"error","error":{"type":"authentication_error","message":"x"}}'), 'authentication')
    assert.equal(
      kinds(402, '{"error":{"message":"Insufficient Balance","type":"unknown_error","code":"invalid_request_error"}}'),
      'billing',
    )
    assert.equal(kinds(401, '{"error":"no"}'), 'authentication')
    assert.equal(kinds(422, '{"detail":"bad"}'), 'unprocessable')
    assert.equal(kinds(503, '<html><style>a{}</style><h1>Service Unavailable</h1></html>'), 'overloaded')
    assert.equal(readMessagesErrorBody(502, '<h1>Bad  gateway</h1>').message, 'Bad gateway')
    assert.equal(readMessagesErrorBody(500, '').message, 'The upstream answered with status 500.')
    assert.equal(kinds(418, 'x'), 'invalid-request')
    assert.equal(kinds(599, 'x'), 'upstream')
  })

  it('recognises context overflow by its words or code', () => {
    assert.equal(
      readMessagesErrorBody(
        400,
        '{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"}}',
      ).kind,
      'context-length',
    )
    const other = readMessagesErrorBody(
      400,
      '{"error":{"message":"too big","type":"invalid_request_error","code":"context_length_exceeded"}}',
    )
    assert.deepEqual([other.kind, other.code], ['context-length', 'context_length_exceeded'])
    assert.equal(readMessagesErrorBody(429, '{"error":{"message":"too many tokens per minute"}}').kind, 'rate-limit')
  })
})
