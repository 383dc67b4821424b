import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { scripts, startMockUpstream, type MockUpstream, type MockUpstreamOptions } from './index.ts'

interface Told {
  status: number
  headers: Headers
  text: string
  json: any // oxlint-disable-line typescript/no-explicit-any -- answers of four vendors, judged by the assertions
}

function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Told> {
  return tell(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

async function tell(url: string, init: RequestInit = {}): Promise<Told> {
  const response = await fetch(url, init)
  const text = await response.text()
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    json = undefined
  }
  return { status: response.status, headers: response.headers, text, json }
}

function events(text: string): { event: string | undefined; data: string }[] {
  return text
    .split('\n\n')
    .filter((block) => block !== '' && !block.startsWith(':'))
    .map((block) => ({
      event: /^event: (.*)$/m.exec(block)?.[1],
      data: /^data: (.*)$/m.exec(block)?.[1] ?? '',
    }))
}

const anthropicVersion = { 'anthropic-version': '2026-10-21' }

function chat(extra: object = {}): object {
  return { model: 'm', messages: [{ role: 'user', content: 'hi' }], ...extra }
}

function messages(extra: object = {}): object {
  return { ...chat(), max_tokens: 99, ...extra }
}

describe('mock upstream', () => {
  let upstream: MockUpstream
  let url: string
  const restart = async (options: MockUpstreamOptions): Promise<void> => {
    await upstream?.close()
    upstream = await startMockUpstream(options)
    url = upstream.url
  }
  before(() => restart({ script: scripts.plainText() }))
  after(() => upstream.close())

  it('answers the same script on all doors and prefixes', async () => {
    await restart({ script: scripts.plainText('PONG') })
    for (const path of ['/v1/chat/completions', '/chat/completions', '/beta/chat/completions']) {
      const told = await post(url + path, chat())
      assert.equal(told.json.choices[0].message.content, 'PONG')
    }
    for (const path of ['/v1/messages?beta=true', '/anthropic/v1/messages']) {
      const told = await post(url + path, messages(), anthropicVersion)
      assert.equal(told.json.content[0].text, 'PONG')
    }
    for (const path of ['/v1/responses', '/responses']) {
      const told = await post(url + path, { model: 'm', input: 'hi' })
      assert.equal(told.json.output[0].content[0].text, 'PONG')
    }
    const old = await post(`${url}/v1/completions`, { model: 'm', prompt: 'hi' })
    assert.equal(old.json.choices[0].text, 'PONG')
    assert.deepEqual(upstream.violations, [])
    assert.equal(upstream.requests.length, 8)
  })

  it('lists models in the dialect that asks, shows a balance and counts tokens', async () => {
    await restart({ script: scripts.plainText(), models: ['one', 'two'] })
    assert.equal((await tell(`${url}/v1/models`)).json.object, 'list')
    assert.equal((await tell(`${url}/v1/models`, { headers: anthropicVersion })).json.last_id, 'two')
    assert.equal((await tell(`${url}/user/balance`)).json.is_available, true)
    const count = await post(`${url}/v1/messages/count_tokens`, chat(), anthropicVersion)
    assert.ok(count.json.input_tokens > 0)
  })

  it('streams DeepSeek chat as observed: empty first thought, null siblings, usage on the finish chunk', async () => {
    await restart({ script: scripts.reasoned('Hmm', 'Yes'), dialect: 'deepseek' })
    const told = await post(`${url}/chat/completions`, chat({ stream: true, stream_options: { include_usage: true } }))
    const list = events(told.text)
    assert.ok(list.every((one) => one.event === undefined))
    assert.equal(list.at(-1)?.data, '[DONE]')
    const chunks = list.slice(0, -1).map((one) => JSON.parse(one.data))
    assert.deepEqual(chunks[0].choices[0].delta, { role: 'assistant', content: null, reasoning_content: '' })
    assert.deepEqual(chunks[1].choices[0].delta, { content: null, reasoning_content: 'Hmm' })
    assert.deepEqual(chunks[2].choices[0].delta, { content: 'Yes', reasoning_content: null })
    assert.equal(chunks[3].choices[0].finish_reason, 'stop')
    assert.ok(chunks[3].usage.total_tokens > 0)
    assert.equal(chunks.length, 4)
  })

  it('interleaves two parallel calls on Chat and keeps blocks apart on Messages', async () => {
    await restart({ script: scripts.parallelTools() })
    const tools = [{ type: 'function', function: { name: 'get_weather' } }]
    const told = await post(`${url}/v1/chat/completions`, chat({ stream: true, tools }))
    const order = events(told.text)
      .slice(0, -1)
      .flatMap((one) => JSON.parse(one.data).choices[0]?.delta.tool_calls ?? [])
      .map((call: { index: number }) => call.index)
    assert.deepEqual(order.slice(0, 4), [0, 1, 0, 1])

    const streamed = await post(`${url}/v1/messages`, messages({ stream: true }), anthropicVersion)
    let open: number | undefined
    for (const { event, data } of events(streamed.text)) {
      const parsed = JSON.parse(data)
      assert.equal(parsed.type, event)
      if (event === 'content_block_start') {
        assert.equal(open, undefined)
        open = parsed.index
      } else if (event === 'content_block_delta') assert.equal(parsed.index, open)
      else if (event === 'content_block_stop') open = undefined
    }
    assert.match(streamed.text, /"stop_reason":"tool_use"/)
  })

  it('numbers Responses events without gaps and repeats the output at the end', async () => {
    await restart({ script: () => ({ reasoning: 'Hmm', text: 'Yes', toolCalls: [{ name: 'f', arguments: {} }] }) })
    const told = await post(`${url}/v1/responses`, {
      model: 'm',
      input: 'hi',
      stream: true,
      include: ['reasoning.encrypted_content'],
    })
    const list = events(told.text).map((one) => JSON.parse(one.data))
    assert.deepEqual(
      list.map((one) => one.sequence_number),
      list.map((_, i) => i),
    )
    const last = list.at(-1)
    assert.equal(last.type, 'response.completed')
    assert.deepEqual(
      last.response.output.map((item: { type: string }) => item.type),
      ['reasoning', 'message', 'function_call'],
    )
    assert.ok(last.response.output[0].encrypted_content)
    assert.ok(!told.text.includes('[DONE]'))
  })

  it("refuses a DeepSeek tool turn whose reasoning did not come back, in the vendor's words", async () => {
    await restart({ script: scripts.toolLoop(2), dialect: 'deepseek' })
    const first = await post(`${url}/chat/completions`, chat())
    const said = first.json.choices[0].message
    const result = { role: 'tool', tool_call_id: said.tool_calls[0].id, content: 'ok' }
    const history = [{ role: 'user', content: 'hi' }, said, result]
    assert.equal((await post(`${url}/chat/completions`, chat({ messages: history }))).status, 200)
    assert.deepEqual(upstream.violations, [])

    const { reasoning_content: _, ...forgetful } = said
    const refused = await post(`${url}/chat/completions`, chat({ messages: [history[0], forgetful, result] }))
    assert.equal(refused.status, 400)
    assert.equal(
      refused.json.error.message,
      'The reasoning_content in the thinking mode must be passed back to the API.',
    )

    const altered = { ...said, reasoning_content: `${said.reasoning_content} ` }
    assert.equal((await post(`${url}/chat/completions`, chat({ messages: [history[0], altered, result] }))).status, 400)
    assert.equal(upstream.violations.length, 2)
  })

  it('refuses a forged signature on Messages and accepts its own', async () => {
    await restart({ script: scripts.toolLoop(2) })
    const thinking = { type: 'adaptive' }
    const first = await post(`${url}/v1/messages`, messages({ thinking }), anthropicVersion)
    const content = first.json.content
    const call = content.find((block: { type: string }) => block.type === 'tool_use')
    const turn = (blocks: unknown): object =>
      messages({
        thinking,
        messages: [
          { role: 'user', content: 'hi' },
          { role: 'assistant', content: blocks },
          { role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: 'ok' }] },
        ],
      })
    const params = content.map(({ citations: _c, caller: _d, ...block }: Record<string, unknown>) => block)
    const accepted = await post(`${url}/v1/messages`, turn(params), anthropicVersion)
    assert.equal(accepted.status, 200, accepted.text)
    const forged = params.map((block: { type: string }) =>
      block.type === 'thinking' ? { ...block, signature: 'Zm9yZ2Vk' } : block,
    )
    const refused = await post(`${url}/v1/messages`, turn(forged), anthropicVersion)
    assert.equal(refused.status, 400)
    assert.match(refused.json.error.message, /Invalid `signature`/)
  })

  const refusals: [
    name: string,
    path: string,
    body: object,
    headers: Record<string, string>,
    message: RegExp,
    dialect?: 'deepseek',
  ][] = [
    [
      'sampling on the new Messages version',
      '/v1/messages',
      messages({ temperature: 1 }),
      anthropicVersion,
      /temperature: not supported/,
    ],
    ['a missing anthropic-version', '/v1/messages', messages(), {}, /anthropic-version/],
    ['a missing max_tokens', '/v1/messages', chat(), anthropicVersion, /max_tokens/],
    [
      'empty text blocks',
      '/v1/messages',
      messages({ messages: [{ role: 'user', content: [{ type: 'text', text: '' }] }] }),
      anthropicVersion,
      /non-empty/,
    ],
    [
      'five cache marks',
      '/v1/messages',
      messages({
        system: Array.from({ length: 5 }, () => ({ type: 'text', text: 'x', cache_control: { type: 'ephemeral' } })),
      }),
      anthropicVersion,
      /maximum of 4/,
    ],
    [
      'a tool_use without result',
      '/v1/messages',
      messages({
        messages: [
          { role: 'user', content: 'a' },
          { role: 'assistant', content: [{ type: 'tool_use', id: 't1', name: 'f', input: {} }] },
          { role: 'user', content: 'b' },
        ],
      }),
      anthropicVersion,
      /without `tool_result`/,
    ],
    [
      'an unanswered tool call',
      '/v1/chat/completions',
      chat({
        messages: [
          { role: 'user', content: 'a' },
          {
            role: 'assistant',
            content: null,
            tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
          },
          { role: 'user', content: 'b' },
        ],
      }),
      {},
      /did not have response messages: c/,
    ],
    [
      'an unknown tool_call_id',
      '/v1/chat/completions',
      chat({
        messages: [
          { role: 'user', content: 'a' },
          { role: 'tool', tool_call_id: 'x', content: 'b' },
        ],
      }),
      {},
      /must be a response/,
    ],
    ['five stop sequences at OpenAI', '/v1/chat/completions', chat({ stop: ['a', 'b', 'c', 'd', 'e'] }), {}, /stop/],
    [
      'unknown fields at OpenAI',
      '/v1/chat/completions',
      chat({ top_k: 4 }),
      {},
      /Unrecognized request argument supplied: top_k/,
    ],
    [
      'a developer role at DeepSeek',
      '/chat/completions',
      chat({ messages: [{ role: 'developer', content: 'a' }] }),
      {},
      /unknown variant `developer`/,
      'deepseek',
    ],
    [
      'json_schema at DeepSeek',
      '/chat/completions',
      chat({ response_format: { type: 'json_schema', json_schema: { name: 'n', schema: {} } } }),
      {},
      /response_format type is unavailable/,
      'deepseek',
    ],
    [
      'forced tools while DeepSeek thinks',
      '/chat/completions',
      chat({ tools: [{ type: 'function', function: { name: 'f' } }], tool_choice: 'required' }),
      {},
      /Thinking mode does not support/,
      'deepseek',
    ],
    [
      'null content at DeepSeek',
      '/chat/completions',
      chat({
        messages: [
          { role: 'user', content: 'a' },
          {
            role: 'assistant',
            content: null,
            tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
            reasoning_content: 'r',
          },
          { role: 'tool', tool_call_id: 'c', content: 'x' },
        ],
      }),
      {},
      /content or tool_calls must be set/,
      'deepseek',
    ],
    [
      'an output without its call on Responses',
      '/v1/responses',
      { model: 'm', input: [{ type: 'function_call_output', call_id: 'c', output: 'x' }] },
      {},
      /No tool call found/,
    ],
    [
      'Chat-shaped tools on Responses',
      '/v1/responses',
      { model: 'm', input: 'x', tools: [{ type: 'function', function: { name: 'f' } }] },
      {},
      /tools\.0/,
    ],
    [
      'a strict schema that is open',
      '/v1/responses',
      {
        model: 'm',
        input: 'x',
        text: {
          format: {
            type: 'json_schema',
            name: 'n',
            strict: true,
            schema: { type: 'object', properties: { a: { type: 'string' } } },
          },
        },
      },
      {},
      /additionalProperties/,
    ],
  ]
  for (const [name, path, body, headers, message, dialect] of refusals) {
    it(`refuses ${name}`, async () => {
      await restart({ script: scripts.plainText(), dialect, refuseNullContent: true })
      const told = await post(url + path, body, headers)
      assert.equal(told.status, 400)
      assert.match(told.json.error.message, message)
      assert.equal(upstream.violations.length, 1)
    })
  }

  it('fails before the first byte with retry-after, and recovers', async () => {
    await restart({ script: scripts.failing(429, { retryAfter: 2, times: 1 }) })
    const first = await post(`${url}/v1/messages`, messages(), anthropicVersion)
    assert.equal(first.status, 429)
    assert.equal(first.headers.get('retry-after'), '2')
    assert.equal(first.json.error.type, 'rate_limit_error')
    assert.equal((await post(`${url}/v1/messages`, messages(), anthropicVersion)).status, 200)
  })

  it('says an error in mid-stream in each protocol', async () => {
    await restart({ script: scripts.failingInStream(3) })
    const told = await post(`${url}/v1/messages`, messages({ stream: true }), anthropicVersion)
    assert.equal(events(told.text).at(-1)?.event, 'error')
    const chatTold = await post(`${url}/v1/chat/completions`, chat({ stream: true }))
    assert.ok(JSON.parse(events(chatTold.text).at(-1)?.data ?? '').error)
    assert.ok(!chatTold.text.includes('[DONE]'))
    const responses = await post(`${url}/v1/responses`, { model: 'm', input: 'x', stream: true })
    assert.equal(events(responses.text).at(-1)?.event, 'error')
  })

  it('cuts a connection in mid-stream', async () => {
    await restart({ script: scripts.cutInStream(2, 'reset') })
    await assert.rejects(post(`${url}/v1/chat/completions`, chat({ stream: true })))
    await upstream.requests[0]?.settled
    assert.equal(upstream.requests[0]?.outcome, 'cut')
  })

  it('notices when the client leaves, and says when', async () => {
    await restart({ script: scripts.streamed(100, 5) })
    const leaving = new AbortController()
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify(chat({ stream: true })),
      signal: leaving.signal,
    })
    await response.body?.getReader().read()
    const leftAtMs = performance.now()
    leaving.abort()
    await upstream.requests[0]?.settled
    assert.equal(upstream.requests[0]?.outcome, 'aborted')
    assert.ok((upstream.requests[0]?.abortedAtMs ?? Infinity) - leftAtMs < 500)
  })

  it("sends keep-alives in the dialect's form while it waits", async () => {
    const waiting = { text: 'x', pingsBeforeFirst: 2, prefillMs: 6 }
    await restart({ script: () => waiting })
    assert.match((await post(`${url}/v1/messages`, messages({ stream: true }), anthropicVersion)).text, /^event: ping/)
    await restart({ script: () => waiting, dialect: 'deepseek' })
    assert.match((await post(`${url}/chat/completions`, chat({ stream: true }))).text, /^: keep-alive\n\n: keep-alive/)
    assert.match((await post(`${url}/chat/completions`, chat())).text, /^\n\n\{/)
  })

  it('refuses wrong keys as each vendor does', async () => {
    await restart({ script: scripts.plainText(), apiKeys: ['right'], dialect: 'deepseek' })
    assert.equal((await post(`${url}/chat/completions`, chat())).text, 'Authentication Fails (governor)')
    assert.equal((await post(`${url}/chat/completions`, chat(), { authorization: 'Bearer wrong' })).status, 401)
    assert.equal((await post(`${url}/chat/completions`, chat(), { authorization: 'Bearer right' })).status, 200)
  })

  it('reports the image it got, whatever the protocol', async () => {
    await restart({ script: scripts.imageReport() })
    const data = Buffer.from('not really a png').toString('base64')
    const chatTold = await post(
      `${url}/v1/chat/completions`,
      chat({
        messages: [
          { role: 'user', content: [{ type: 'image_url', image_url: { url: `data:image/png;base64,${data}` } }] },
        ],
      }),
    )
    assert.equal(chatTold.json.choices[0].message.content, 'image/png of 16 bytes')
    const told = await post(
      `${url}/v1/messages`,
      messages({
        messages: [
          { role: 'user', content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data } }] },
        ],
      }),
      anthropicVersion,
    )
    assert.equal(told.json.content[0].text, 'image/png of 16 bytes')
    const responses = await post(`${url}/v1/responses`, {
      model: 'm',
      input: [{ role: 'user', content: [{ type: 'input_image', image_url: `data:image/png;base64,${data}` }] }],
    })
    assert.equal(responses.json.output[0].content[0].text, 'image/png of 16 bytes')
  })

  it('plays the scene that the path begins with', async () => {
    await restart({ script: scripts.plainText('default'), scenes: { other: scripts.plainText('scene') } })
    assert.match((await post(`${url}/other/v1/messages`, messages(), anthropicVersion)).text, /scene/)
    assert.match((await post(`${url}/v1/messages`, messages(), anthropicVersion)).text, /default/)
    assert.deepEqual([upstream.requests[0]?.scene, upstream.requests[0]?.path], ['other', '/v1/messages'])
  })

  it('survives bodies that are not JSON and paths nobody knows', async () => {
    await restart({ script: scripts.plainText() })
    assert.equal((await post(`${url}/v1/chat/completions`, '{"mod')).status, 400)
    assert.equal((await post(`${url}/v1/nowhere`, {})).status, 404)
  })
})
