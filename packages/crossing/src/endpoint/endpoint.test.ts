import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { plainRequest } from '@portolan/wire'
import { askEndpoint, type Clocked } from './endpoint.ts'

const request = plainRequest({
  from: 'chat',
  model: 'm',
  items: [{ kind: 'user', parts: [{ type: 'text', text: 'Hello.' }] }],
})

function answering(headers: Readonly<Record<string, string>>): Promise<Clocked> {
  const message = { role: 'assistant', content: 'Good day.' }
  const body = {
    id: 'c',
    object: 'chat.completion',
    model: 'm',
    choices: [{ index: 0, message, finish_reason: 'stop' }],
  }
  const ask = askEndpoint(
    { baseUrl: 'http://127.0.0.1:9', protocol: 'chat', model: 'm', apiKey: 'k', timeoutMs: 1000 },
    'warn',
    () => Promise.resolve(Response.json(body, { headers: { ...headers } })),
  )
  return ask(request)
}

describe('what became of a request on its way', () => {
  it('is told by the answer: dropped, said in words, done otherwise, each field once', async () => {
    const { changed, dropped } = await answering({
      'x-portolan-translation': 'dropped=top_k,seed,seed;instructed=response_format; stripped=billing-line',
    })
    assert.deepEqual(changed, [
      { name: 'top_k', how: 'dropped' },
      { name: 'seed', how: 'dropped' },
      { name: 'response_format', how: 'instructed' },
      { name: 'billing-line', how: 'stripped' },
    ])
    assert.deepEqual(dropped, ['top_k', 'seed'])
  })

  it('is nothing where nobody says so, whatever else stands in the header', async () => {
    assert.deepEqual((await answering({})).changed, [])
    for (const odd of ['', 'dropped', 'dropped=', '=x', '__proto__=a;toString=b', ';;,='])
      assert.deepEqual((await answering({ 'x-portolan-translation': odd })).changed, [], odd)
  })
})
