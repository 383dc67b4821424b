import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { UpstreamError, upstreamErrors } from './errors.ts'
import type { UpstreamErrorCode } from './errors.ts'

describe('upstream errors', () => {
  it('take their kind from the catalogue, so that every door can word them', () => {
    for (const code of Object.keys(upstreamErrors) as UpstreamErrorCode[]) {
      const error = new UpstreamError(code, 'said')
      assert.equal(error.kind, upstreamErrors[code].kind)
      assert.match(code, /^UPSTREAM_[A-Z_]+$/)
      assert.match(upstreamErrors[code].summary, /\.$/)
      assert.match(upstreamErrors[code].remedy, /\.$/)
    }
  })

  it('carry facts as fields and keep the cause', () => {
    const cause = new Error('socket')
    const error = new UpstreamError('UPSTREAM_BREAKER_OPEN', 'left alone', { cause, retryAfterMs: 1500, setting: null })
    assert.equal(error.cause, cause)
    assert.equal(error.retryAfterMs, 1500)
    assert.equal(new UpstreamError('UPSTREAM_RESET', 'x').retryAfterMs, null)
    assert.equal('cause' in new UpstreamError('UPSTREAM_RESET', 'x'), false)
  })
})
