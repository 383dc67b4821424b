import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { HeaderMap } from '../upstream.ts'
import { readRetryAfter, readShouldRetry } from './retry-after.ts'

const nowMs = Date.UTC(2026, 10, 23, 12, 0, 0)

describe('retry-after', () => {
  const cases: readonly (readonly [HeaderMap, number | null])[] = [
    [{}, null],
    [{ 'retry-after': '7' }, 7_000],
    [{ 'retry-after': ' 0.5 ' }, 500],
    [{ 'retry-after': '0' }, 0],
    [{ 'retry-after-ms': '1500', 'retry-after': '9' }, 1_500],
    [{ 'retry-after-ms': 'soon', 'retry-after': '9' }, 9_000],
    [{ 'retry-after': 'Mon, 23 Nov 2026 12:00:30 GMT' }, 30_000],
    [{ 'retry-after': 'Mon, 23 Nov 2026 11:00:00 GMT' }, 0],
    [{ 'retry-after': 'Monday, 23-Nov-26 12:00:30 GMT' }, 30_000],
    [{ 'retry-after': 'Mon, 23 Nov 2096 12:00:00 GMT' }, 86_400_000],
    [{ 'retry-after': '999999999999' }, 86_400_000],
    [{ 'retry-after': '-5' }, null],
    [{ 'retry-after': '1e9' }, null],
    [{ 'retry-after': 'tomorrow' }, null],
    [{ 'retry-after': '2026' }, 2_026_000],
    [{ 'retry-after': ['3', '4'] }, 3_000],
    [{ 'retry-after': '' }, null],
  ]
  for (const [headers, expected] of cases)
    it(`${JSON.stringify(headers)} -> ${expected}`, () => assert.equal(readRetryAfter(headers, nowMs), expected))

  it('x-should-retry is true, false or not said', () => {
    assert.equal(readShouldRetry({ 'x-should-retry': 'true' }), true)
    assert.equal(readShouldRetry({ 'x-should-retry': 'false' }), false)
    assert.equal(readShouldRetry({ 'x-should-retry': 'perhaps' }), null)
    assert.equal(readShouldRetry({}), null)
  })
})
