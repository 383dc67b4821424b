import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { messagesAdapter } from '@portolan/wire'
import type { ClientSide } from './client-side.ts'
import { Observer } from './observer.ts'
import { Relay, type AttemptResult } from './relay.ts'

/** A relay between two Messages ends, with what it handed back. */
function relayOf(stream: boolean): {
  readonly relay: Relay
  readonly results: AttemptResult[]
  readonly sent: string[]
} {
  const results: AttemptResult[] = []
  const sent: string[] = []
  const client = {
    contentSent: false,
    committed: false,
    commit: () => {},
    write: (bytes: Buffer | string) => sent.push(bytes.toString()) > 0,
  }
  const relay = new Relay(
    {
      door: messagesAdapter,
      far: messagesAdapter,
      requestId: 'req_1',
      stream,
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
    client as unknown as ClientSide,
    new Observer(performance.now()),
    (result) => results.push(result),
  )
  relay.onHeaders(200, { 'content-type': 'text/event-stream' })
  return { relay, results, sent }
}

function event(type: string, members: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...members })}\n\n`
}

const answer = [
  event('message_start', { message: { id: 'msg_1', model: 'm', usage: { input_tokens: 1 } } }),
  event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
  event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'Hello' } }),
  event('content_block_stop', { index: 0 }),
  event('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 1 } }),
  event('message_stop', {}),
].join('')

describe('one upstream answer on its way to the caller', () => {
  // litellm#14315 the other way round: the whole answer went out under the upstream's text/event-stream.
  it('calls an answer JSON that was put together from a stream nobody asked for', () => {
    const { relay, results } = relayOf(false)
    relay.onData(Buffer.from(answer))
    const [result] = results
    assert.ok(result?.kind === 'done' && result.head)
    assert.equal(result.head.headers['content-type'], 'application/json')
    assert.match(String(result.final), /"text":"Hello"/)
  })
  // A client that dispatches at the blank line waited for the end of a stream that had come whole (found by
  // conformance case 97).
  for (const [name, ending] of [
    ['its blank line', answer.slice(0, -1)],
    ['any line end', answer.slice(0, -2)],
  ] as const)
    it(`ends the last event of a stream that came without ${name}`, () => {
      const { relay, results, sent } = relayOf(true)
      relay.onData(Buffer.from(ending))
      relay.onEnd()
      const [result] = results
      assert.ok(result?.kind === 'done')
      assert.equal(sent.join('') + String(result.final), answer)
    })
})
