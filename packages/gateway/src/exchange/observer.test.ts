import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { noUsage } from '@portolan/wire'
import { GeneratedText } from './generated-text.ts'
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

  // A whole answer put together from a stream that broke off is asked for again: what the first attempt had said was
  // added to the second one's estimate.
  it('forgets what an attempt had generated', () => {
    const observer = new Observer(performance.now())
    observer.generated = new GeneratedText('tokenizer.json')
    observer.observe({ type: 'reasoning-delta', key: 0, text: 'thought', summary: false })
    observer.observe({ type: 'text-delta', key: 1, text: 'said' })
    observer.observe({ type: 'tool-call-start', key: 2, callId: 'c', name: 'f', namespace: null, custom: false })
    observer.restart()
    assert.deepEqual([observer.generatedChars, observer.generated.chars, observer.toolCalls], [0, 0, 0])
    assert.deepEqual([observer.firstReasoningMs, observer.firstTextMs], [null, null])
    assert.deepEqual([observer.generated.texts(true), observer.generated.texts(false)], [[], []])
  })
})

describe('what was generated', () => {
  it('is kept by block, however its pieces arrive', () => {
    const generated = new GeneratedText('tokenizer.json')
    for (const [key, text] of [
      [1, 'al'],
      [2, 'be'],
      [1, 'pha'],
      [2, 'ta'],
    ] as const)
      generated.add(key, text, false)
    generated.add(3, 'thought', true)
    assert.deepEqual([generated.texts(false), generated.texts(true)], [['alpha', 'beta'], ['thought']])
    assert.deepEqual([generated.chars, generated.reasoningChars], [16, 7])
  })

  it('is not kept without end, and its length is known all the same', () => {
    const generated = new GeneratedText('tokenizer.json')
    const megabyte = 'x'.repeat(1 << 20)
    for (let i = 0; i < 8; i++) generated.add(0, megabyte, false)
    assert.equal(generated.chars, 8 << 20)
    assert.ok(generated.texts(false)[0]!.length <= 3 << 20)
  })
})
