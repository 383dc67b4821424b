import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AnswerContext } from '../canonical/adapter.ts'
import type { CanonicalEvent } from '../canonical/event.ts'
import { noUsage } from '../canonical/usage.ts'
import { createSealer } from '../seal/sealer.ts'
import { TranslationReport } from '../translation/report.ts'
import { messagesAdapter } from './adapter.ts'
import { emptyRequest } from './fixtures.test-support.ts'

const sealer = createSealer(Buffer.alloc(32, 7))
const token = { family: 'openai', data: 'gAAAAbEncrypted' } as const

const context: AnswerContext = {
  model: 'asked',
  requestId: 'req_1',
  createdSec: 0,
  messagesVersion: '2023-06-01',
  request: emptyRequest,
  sealer,
  upstreamFamily: 'openai',
  toolNames: new Map(),
}

/** What a client replays of a thinking block with this signature. */
function replayed(signature: string) {
  const content = [
    { type: 'thinking', thinking: '', signature },
    { type: 'text', text: 'Hello' },
  ]
  const messages = [
    { role: 'user', content: 'Hi' },
    { role: 'assistant', content },
    { role: 'user', content: 'Go on.' },
  ]
  const body = { model: 'asked', max_tokens: 100, messages }
  const request = messagesAdapter.toCanonicalRequest(body, {
    messagesVersion: '2023-06-01',
    sealer,
    text: JSON.stringify(body),
    report: new TranslationReport(),
  })
  return request.items.find((item) => item.kind === 'reasoning')
}

// The bridge kept the summary and lost the encrypted reasoning, so the supplier thought from nothing on every
// next turn and its prompt cache never carried (litellm#39339, found by conformance case 54).
describe('encrypted reasoning of another protocol at the Messages door', () => {
  it('rides inside our signature through a stream and back, with its item id', () => {
    const writer = messagesAdapter.createStreamWriter(context)
    const events: CanonicalEvent[] = [
      { type: 'response-start', id: 'resp_1', model: 'm', createdSec: null, usage: null },
      { type: 'reasoning-start', key: 0, redacted: false, id: 'rs_1' },
      { type: 'reasoning-delta', key: 0, text: 'A summary.', summary: true },
      { type: 'reasoning-end', key: 0, token },
      { type: 'text-start', key: 1, refusal: false },
      { type: 'text-delta', key: 1, text: 'Hello' },
      { type: 'text-end', key: 1 },
      { type: 'response-end', stop: 'end', stopSequence: null, refusalExplanation: null, usage: noUsage },
    ]
    const text = events.map((event) => writer.write(event)).join('')
    const signature = /"signature_delta","signature":"([^"]+)"/.exec(text)?.[1]
    const item = replayed(signature ?? '')
    assert.ok(item?.kind === 'reasoning')
    assert.deepEqual([item.token, item.id, item.text], [token, 'rs_1', 'A summary.'])
  })

  it('rides inside our signature of a whole answer, also without any text to show', () => {
    const body = messagesAdapter.fromCanonicalResponse(
      {
        id: 'resp_1',
        model: 'm',
        createdSec: null,
        items: [
          { kind: 'reasoning', text: null, summary: [], token, id: 'rs_1' },
          { kind: 'assistant-text', parts: [{ type: 'text', text: 'Hello' }] },
        ],
        stop: 'end',
        stopSequence: null,
        refusalExplanation: null,
        usage: noUsage,
        logprobs: null,
        moreChoices: [],
      },
      context,
    )
    const [block] = body['content'] as { signature: string }[]
    const item = replayed(block?.signature ?? '')
    assert.ok(item?.kind === 'reasoning')
    assert.deepEqual([item.token, item.id], [token, 'rs_1'])
  })
})
