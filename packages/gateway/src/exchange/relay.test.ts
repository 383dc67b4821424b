import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { messagesAdapter } from '@portolan/wire'
import type { ClientSide } from './client-side.ts'
import { Observer } from './observer.ts'
import { Relay, type AttemptResult } from './relay.ts'

describe('one upstream answer on its way to the caller', () => {
  // litellm#14315 the other way round: the whole answer went out under the upstream's text/event-stream.
  it('calls an answer JSON that was put together from a stream nobody asked for', () => {
    const results: AttemptResult[] = []
    const relay = new Relay(
      {
        door: messagesAdapter,
        far: messagesAdapter,
        requestId: 'req_1',
        stream: false,
        dropUsageChunk: false,
        same: true,
        answer: () => ({
          model: 'm',
          requestId: 'req_1',
          createdSec: 0,
          messagesVersion: '2023-06-01',
          request: {} as never,
          sealer: null,
          upstreamFamily: 'anthropic-compatible',
          toolNames: new Map(),
        }),
        headers: () => ({}),
      },
      { contentSent: false, committed: false } as ClientSide,
      new Observer(performance.now()),
      (result) => results.push(result),
    )
    const event = (type: string, members: object): Buffer =>
      Buffer.from(`event: ${type}\ndata: ${JSON.stringify({ type, ...members })}\n\n`)
    relay.onHeaders(200, { 'content-type': 'text/event-stream' })
    relay.onData(event('message_start', { message: { id: 'msg_1', model: 'm', usage: { input_tokens: 1 } } }))
    relay.onData(event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }))
    relay.onData(event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'Hello' } }))
    relay.onData(event('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 1 } }))
    relay.onData(event('message_stop', {}))
    const [result] = results
    assert.ok(result?.kind === 'done' && result.head)
    assert.equal(result.head.headers['content-type'], 'application/json')
    assert.match(String(result.final), /"text":"Hello"/)
  })
})
