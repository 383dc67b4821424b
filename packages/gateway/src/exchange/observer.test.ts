import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { noUsage } from '@portolan/wire'
import { Observer } from './observer.ts'

describe('what the meter learns over several attempts', () => {
  // An overload said inside a 200 stream was retried, and the second, good answer was cut after its first bytes,
  // because the error of the first attempt still stood (found by conformance case 36).
  it('forgets the error, the usage and the model of an attempt that failed before anything was said', () => {
    const observer = new Observer(performance.now())
    const usage = { ...noUsage, inputTokens: 20, outputTokens: 1 }
    observer.observe({ type: 'response-start', id: 'a', model: 'first', createdSec: null, usage })
    observer.observe({ type: 'error', kind: 'overloaded', message: 'Overloaded', code: null })
    observer.restart()
    assert.equal(observer.error, null)
    assert.equal(observer.usageReported, false)
    assert.equal(observer.servedModel, null)
    observer.observe({ type: 'response-start', id: 'b', model: 'second', createdSec: null, usage: null })
    observer.observe({ type: 'text-delta', key: 0, text: 'Hello' })
    assert.equal(observer.servedModel, 'second')
    assert.equal(observer.meaningful, true)
    assert.equal(observer.error, null)
  })
})
