/** The laws of the doors, each attacked: bytes, leaving, failover, keys, recall, reload, drain. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { scripts, startMockUpstream, type MockUpstream } from '@portolan-testing/mock-upstream'
import { post, route, startFixture, type RunningGateway } from './fixture.ts'

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

describe('law of bytes', () => {
  let upstream: MockUpstream
  let running: RunningGateway
  before(async () => {
    upstream = await startMockUpstream({
      script: scripts.plainText(),
      onViolation: 'record',
      refuseUnknownFields: false,
    })
    const common = { baseUrl: upstream.url, apiKey: 'sk-upstream' }
    running = await startFixture({
      upstreams: [
        { name: 'chat', kind: 'openai-compatible', ...common },
        { name: 'messages', kind: 'anthropic-compatible', ...common },
        { name: 'responses', kind: 'openai-compatible', ...common, protocols: ['responses'] },
      ],
      models: [
        { name: 'alias', route: [{ upstream: 'chat', model: 'real-model' }], lossPolicy: 'warn', tokenizer: null },
        route('same', 'chat'),
        route('claude-x', 'messages'),
        route('resp', 'responses'),
      ],
    })
  })
  after(async () => {
    await running.close()
    await upstream.close()
  })

  it("sends the caller's body byte for byte when the model name needs no change", async () => {
    const body =
      '{ "model" : "same",\n\t"messages":[{"content":"h\\u00e9 \\ud83d\\ude00 1.0","role":"user"}], "temperature":1.0, "big":12345678901234567890,"x_unknown":{"a":[1,2,{"b":null}]} }'
    await post(running, '/v1/chat/completions', body)
    assert.equal(upstream.requests.at(-1)!.bytes.toString(), body)
  })

  it('changes nothing but the model name of an alias', async () => {
    const body = '{"messages":[{"role":"user","content":"model \\"alias\\""}],  "model":"alias","n":1e0}'
    await post(running, '/v1/chat/completions', body)
    assert.equal(upstream.requests.at(-1)!.bytes.toString(), body.replace('"model":"alias"', '"model":"real-model"'))
  })

  it('replaces the credentials and forwards no header that identifies a person', async () => {
    await post(
      running,
      '/v1/messages',
      { model: 'claude-x', max_tokens: 5, messages: [{ role: 'user', content: 'hi' }] },
      {
        'anthropic-beta': 'effort-2025-11-24,unknown-beta',
        cookie: 'a=b',
        'x-forwarded-for': '10.1.1.1',
        'x-deepseek-harness-user-id': 'u1',
      },
    )
    const { headers } = upstream.requests.at(-1)!
    assert.equal(JSON.stringify(headers).includes(running.key), false)
    assert.equal(
      headers['x-api-key'] ?? headers['authorization'],
      headers['x-api-key'] ? 'sk-upstream' : 'Bearer sk-upstream',
    )
    assert.equal(headers['anthropic-beta'], 'effort-2025-11-24,unknown-beta')
    for (const name of ['cookie', 'x-forwarded-for', 'x-deepseek-harness-user-id'])
      assert.equal(headers[name], undefined)
  })

  const streams: readonly [string, string, Record<string, unknown>, string][] = [
    [
      '/v1/chat/completions',
      'same',
      { messages: [{ role: 'user', content: 'x' }], stream_options: { include_usage: true } },
      ': hello\n\ndata: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"h\\u00e9"},"finish_reason":null}],"odd":1.0}\r\n\r\ndata: {"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata:  {"id":"1","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}\n\ndata: [DONE]\n\n',
    ],
    [
      '/v1/messages',
      'claude-x',
      { max_tokens: 5, messages: [{ role: 'user', content: 'x' }] },
      'event: message_start\ndata: {"type":"message_start","message":{"id":"u","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":1}}}\n\nevent: ping\ndata: {"type": "ping"}\n\nevent: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\nevent: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"ok"}}\n\nevent: new_event_of_2027\ndata: {"type":"new_event_of_2027"}\n\nevent: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\nevent: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":2}}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n',
    ],
    [
      '/v1/responses',
      'resp',
      { input: 'x' },
      'event: response.created\ndata: {"type":"response.created","sequence_number":0,"response":{"id":"r","object":"response","model":"m","status":"in_progress","output":[]}}\n\nevent: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":1,"item_id":"m","output_index":0,"content_index":0,"delta":"ok","obfuscation":"zz"}\n\nevent: response.completed\ndata: {"type":"response.completed","sequence_number":2,"response":{"id":"r","object":"response","model":"m","status":"completed","output":[],"usage":{"input_tokens":3,"output_tokens":1,"total_tokens":4}}}\n\n',
    ],
  ]
  for (const [path, model, body, stream] of streams)
    for (const packetBytes of [1, 7, 100_000])
      it(`gives the stream of ${path} back byte for byte in packets of ${packetBytes}`, async () => {
        const bytes = Buffer.from(stream)
        const chunks = Array.from({ length: Math.ceil(bytes.length / packetBytes) }, (_unused, i) =>
          bytes.subarray(i * packetBytes, (i + 1) * packetBytes),
        )
        upstream.setScript(() => ({ raw: { status: 200, headers: { 'content-type': 'text/event-stream' }, chunks } }))
        const { status, text } = await post(running, path, { model, stream: true, ...body })
        assert.equal(status, 200)
        assert.equal(text, stream)
        const [row] = running.rows()
        assert.equal(row!.status, 'ok')
        assert.equal(row!.usage.source, 'reported')
      })

  it('asks for the usage chunk that the meter needs, and takes it out again', async () => {
    upstream.setScript(() => ({ text: 'PONG', usage: { inputTokens: 10, outputTokens: 2 } }))
    const { text } = await post(running, '/v1/chat/completions', {
      model: 'same',
      stream: true,
      messages: [{ role: 'user', content: 'x' }],
    })
    assert.deepEqual((upstream.requests.at(-1)!.json as { stream_options: unknown }).stream_options, {
      include_usage: true,
    })
    assert.doesNotMatch(text, /"choices":\[\]/)
    assert.match(text, /data: \[DONE\]\n\n$/)
    assert.equal(running.rows()[0]!.usage.inputTokens, 10)
  })

  it("passes the upstream's own error body through", async () => {
    const body =
      '{"error":{"message":"no such tool","type":"invalid_request_error","param":"tools[0]","code":"odd_code","extra":1.0}}'
    upstream.setScript(() => ({
      raw: { status: 422, headers: { 'content-type': 'application/json' }, chunks: [body] },
    }))
    const { status, text } = await post(running, '/v1/chat/completions', {
      model: 'same',
      messages: [{ role: 'user', content: 'x' }],
    })
    assert.deepEqual([status, text], [422, body])
  })

  it('never tells a caller about our credentials', async () => {
    upstream.setScript(() => ({
      raw: { status: 401, headers: {}, chunks: ['Authentication Fails, Your api key: ****beef is invalid'] },
    }))
    const { status, text } = await post(running, '/v1/messages', {
      model: 'claude-x',
      max_tokens: 5,
      messages: [{ role: 'user', content: 'x' }],
    })
    assert.equal(status, 502)
    assert.doesNotMatch(text, /beef|sk-upstream/)
    assert.match(text, /GATEWAY_UPSTREAM_CREDENTIALS/)
  })
})

describe('law of leaving', () => {
  it('aborts the upstream within 50 ms and settles what was streamed, at every point of an answer', async () => {
    const upstream = await startMockUpstream({
      script: () => ({ text: 'x'.repeat(4000), chunkDelayMs: 5, delayMs: 30 }),
    })
    const running = await startFixture({
      upstreams: [{ name: 'chat', kind: 'openai-compatible', baseUrl: upstream.url }],
      models: [route('m', 'chat')],
    })
    try {
      for (const path of ['/v1/chat/completions', '/v1/messages', '/v1/responses'])
        for (const leaveAfterMs of [5, 60, 120]) {
          const rows = running.rows().length
          const seen = upstream.requests.length
          const body = {
            model: 'm',
            stream: true,
            max_tokens: 100,
            ...(path.endsWith('responses') ? { input: 'hi' } : { messages: [{ role: 'user', content: 'hi' }] }),
          }
          const request = httpRequest(running.url + path, {
            method: 'POST',
            headers: { authorization: `Bearer ${running.key}` },
          })
          request.on('error', () => {})
          request.on('response', (response) => response.on('error', () => {}).resume())
          request.end(JSON.stringify(body))
          while (upstream.requests.length === seen) await sleep(1)
          await sleep(leaveAfterMs)
          const leftAt = performance.now()
          request.destroy()
          while (upstream.openConnections() > 0 && performance.now() - leftAt < 1000) await sleep(1)
          const abortedMs = performance.now() - leftAt
          const settled = await running.settled(rows + 1)
          assert.ok(
            abortedMs < 50,
            `${path} after ${leaveAfterMs} ms: the upstream was let go only after ${abortedMs.toFixed(0)} ms`,
          )
          assert.equal(settled[0]!.status, 'aborted')
          if (leaveAfterMs === 120) {
            assert.equal(settled[0]!.usage.source, 'estimated')
            assert.ok(settled[0]!.usage.outputTokens! > 0)
          }
        }
    } finally {
      await running.close()
      await upstream.close()
    }
  })
})

describe('failover', () => {
  let good: MockUpstream
  let bad: MockUpstream
  let running: RunningGateway
  before(async () => {
    good = await startMockUpstream({ script: scripts.plainText('from the second') })
    bad = await startMockUpstream({ script: scripts.plainText('from the first') })
    running = await startFixture({
      upstreams: [
        { name: 'first', kind: 'openai-compatible', baseUrl: bad.url },
        { name: 'second', kind: 'openai-compatible', baseUrl: good.url },
        { name: 'nobody', kind: 'openai-compatible', baseUrl: 'http://127.0.0.1:9' },
      ],
      models: [route('m', 'first', 'second'), route('dead', 'nobody', 'second'), route('lone', 'first')],
    })
  })
  after(async () => {
    await running.close()
    await good.close()
    await bad.close()
  })
  const ask = (model: string, extra: Record<string, unknown> = {}) =>
    post(running, '/v1/chat/completions', {
      model,
      messages: [{ role: 'user', content: `q${Math.random()}` }],
      ...extra,
    })

  for (const status of [429, 500, 502, 503, 529])
    it(`goes on to the next upstream after ${status}`, async () => {
      bad.setScript(() => ({ error: { status } }))
      const { status: answered, text, headers } = await ask('m')
      assert.equal(answered, 200, text)
      assert.match(text, /from the second/)
      assert.equal(headers.get('x-portolan-upstream'), 'second')
      assert.equal(running.rows()[0]!.attempts, 2)
    })

  it('goes on when nobody listens', async () => assert.equal((await ask('dead')).status, 200))

  it('goes on when a stream fails before its first meaningful event', async () => {
    bad.setScript(() => ({ text: 'never seen', streamError: { afterEvents: 0, type: 'overloaded_error' } }))
    const { status, text } = await ask('m', { stream: true })
    assert.equal(status, 200)
    assert.match(text, /from/)
    assert.doesNotMatch(text, /never|"error"/)
  })

  it('does not repeat what the caller did wrong', async () => {
    bad.setScript(() => ({ error: { status: 400, message: 'wrong' } }))
    assert.equal((await ask('m')).status, 400)
    assert.equal(running.rows()[0]!.attempts, 1)
  })

  it('does not repeat a request that may have had an effect', async () => {
    bad.setScript(() => ({ error: { status: 500 } }))
    const { status } = await ask('m', { store: true })
    assert.equal(status, 500)
    assert.equal(running.rows()[0]!.attempts, 1)
  })

  it('never switches after the first byte', async () => {
    bad.setScript(() => ({
      text: 'one two three four five six seven',
      cut: { afterEvents: 4, how: 'close' },
      chunkDelayMs: 3,
    }))
    const { text } = await ask('m', { stream: true })
    assert.doesNotMatch(text, /from the second/)
    assert.match(text, /"error"/)
  })

  it('tells a caller of a lone upstream when to come back', async () => {
    bad.setScript(() => ({ error: { status: 429, retryAfter: 30 } }))
    const { status, headers } = await ask('lone')
    assert.deepEqual([status, headers.get('retry-after')], [429, '30'])
  })

  it('keeps a conversation with the upstream that answered it', async () => {
    const messages = [{ role: 'user', content: 'a conversation that stays' }]
    bad.setScript(() => ({ error: { status: 503 } }))
    assert.equal(
      (await post(running, '/v1/chat/completions', { model: 'm', messages })).headers.get('x-portolan-upstream'),
      'second',
    )
    bad.setScript(scripts.plainText())
    const next = [...messages, { role: 'assistant', content: 'from the second' }, { role: 'user', content: 'go on' }]
    assert.equal(
      (await post(running, '/v1/chat/completions', { model: 'm', messages: next })).headers.get('x-portolan-upstream'),
      'second',
    )
  })
})

describe('keys', () => {
  it('open every door by either header, stay in their scope and die at once', async () => {
    const upstream = await startMockUpstream({ script: scripts.plainText() })
    const running = await startFixture({
      upstreams: [{ name: 'chat', kind: 'openai-compatible', baseUrl: upstream.url }],
      models: [route('deepseek-a', 'chat'), route('other', 'chat')],
    })
    try {
      const { key, secret } = running.store.keys.createKey(
        { name: 'scoped', models: ['deepseek-*'] },
        Date.now(),
        new Uint8Array(32).fill(7),
      )
      const ask = (model: string, headers: Record<string, string>) =>
        fetch(`${running.url}/v1/messages`, {
          method: 'POST',
          headers,
          body: JSON.stringify({ model, max_tokens: 9, messages: [{ role: 'user', content: 'x' }] }),
        })
      assert.equal((await ask('deepseek-a', { 'x-api-key': secret })).status, 200)
      assert.equal((await ask('deepseek-a', { authorization: `Bearer ${secret}` })).status, 200)
      const outside = await ask('other', { 'x-api-key': secret })
      assert.equal(outside.status, 403)
      assert.equal(((await outside.json()) as { error: { type: string } }).error.type, 'permission_error')
      assert.equal((await ask('deepseek-a', { 'x-api-key': 'ptl_wrong' })).status, 401)
      running.store.keys.revokeKey(key.id, Date.now())
      assert.equal((await ask('deepseek-a', { 'x-api-key': secret })).status, 401)
    } finally {
      await running.close()
      await upstream.close()
    }
  })
})

describe('reasoning of tool turns', () => {
  it('goes back to an upstream that demands it, although the Chat client dropped it', async () => {
    const upstream = await startMockUpstream({
      script: scripts.toolLoop(5, 'get_weather', (turn) => ({ city: `city ${turn}` })),
      dialect: 'deepseek',
      reasoningPassback: 'strict',
    })
    const running = await startFixture({
      upstreams: [{ name: 'deepseek', kind: 'deepseek', baseUrl: upstream.url, apiKey: 'sk-x' }],
      models: [route('deepseek-v4-pro', 'deepseek')],
    })
    try {
      const tools = [
        {
          type: 'function',
          function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
        },
      ]
      const messages: Record<string, unknown>[] = [{ role: 'user', content: 'Go round the cities.' }]
      for (let turn = 0; turn < 8; turn++) {
        const { status, text } = await post(running, '/v1/chat/completions', {
          model: 'deepseek-v4-pro',
          messages,
          tools,
        })
        assert.equal(status, 200, text)
        const { message } = (
          JSON.parse(text) as {
            choices: {
              message: {
                content: string | null
                tool_calls?: { id: string; function: { name: string; arguments: string } }[]
              }
            }[]
          }
        ).choices[0]!
        messages.push({
          role: 'assistant',
          content: message.content,
          ...(message.tool_calls
            ? {
                tool_calls: message.tool_calls.map(({ id, function: call }) => ({
                  id,
                  type: 'function',
                  function: call,
                })),
              }
            : {}),
        })
        if (!message.tool_calls) break
        for (const call of message.tool_calls)
          messages.push({ role: 'tool', tool_call_id: call.id, content: '21 degrees' })
      }
      assert.equal(messages.at(-1)!['role'], 'assistant')
      assert.deepEqual(upstream.violations, [])
      for (const row of running.rows().slice(0, -1))
        assert.equal(row.prefixKeptBytes, row.prefixTotalBytes, row.prefixBreakCause ?? '')
    } finally {
      await running.close()
      await upstream.close()
    }
  })
})

describe('long silence', () => {
  it('is filled with keep-alives, and an error after them is said in the stream', async () => {
    const upstream = await startMockUpstream({
      script: () => ({ delayMs: 200, error: { status: 400, message: 'too late to be a status' } }),
    })
    const running = await startFixture({
      upstreams: [{ name: 'chat', kind: 'openai-compatible', baseUrl: upstream.url }],
      models: [route('m', 'chat')],
      config: { keepAliveMs: 40 },
    })
    try {
      const messages = await post(running, '/v1/messages', {
        model: 'm',
        stream: true,
        max_tokens: 5,
        messages: [{ role: 'user', content: 'x' }],
      })
      assert.equal(messages.status, 200)
      assert.match(messages.text, /^(event: ping\ndata: \{"type":"ping"\}\n\n){2,}event: error\n/)
      const chat = await post(running, '/v1/chat/completions', {
        model: 'm',
        stream: true,
        messages: [{ role: 'user', content: 'x' }],
      })
      assert.match(chat.text, /^(: keep-alive\n\n){2,}data: \{"error"/)
      const responses = await post(running, '/v1/responses', { model: 'm', stream: true, input: 'x' })
      assert.match(responses.text, /^(: keep-alive\n\n){2,}event: (error|response\.failed)/)
    } finally {
      await running.close()
      await upstream.close()
    }
  })
})

describe('a running gateway', () => {
  it('takes a new configuration for new requests and refuses a bad one whole', async () => {
    const upstream = await startMockUpstream({ script: scripts.plainText() })
    const running = await startFixture({
      upstreams: [{ name: 'chat', kind: 'openai-compatible', baseUrl: upstream.url }],
      models: [route('old', 'chat')],
    })
    try {
      const ask = async (model: string) =>
        (await post(running, '/v1/chat/completions', { model, messages: [{ role: 'user', content: 'x' }] })).status
      running.gateway.reload({ ...running.config, models: [route('new', 'chat')] })
      assert.deepEqual([await ask('new'), await ask('old')], [200, 404])
      assert.throws(
        () => running.gateway.reload({ ...running.config, models: [route('broken', 'no-such-upstream')] }),
        /no-such-upstream/,
      )
      assert.equal(await ask('new'), 200)
    } finally {
      await running.close()
      await upstream.close()
    }
  })

  it('finishes answers in flight when it drains, and takes no new ones', async () => {
    const upstream = await startMockUpstream({ script: () => ({ text: 'a slow answer', chunkDelayMs: 40 }) })
    const running = await startFixture({
      upstreams: [{ name: 'chat', kind: 'openai-compatible', baseUrl: upstream.url }],
      models: [route('m', 'chat')],
    })
    try {
      const inFlight = post(running, '/v1/chat/completions', {
        model: 'm',
        stream: true,
        messages: [{ role: 'user', content: 'x' }],
      })
      while (upstream.requests.length === 0) await sleep(1)
      const drained = running.gateway.drain()
      const { text } = await inFlight
      assert.match(text, /data: \[DONE\]\n\n$/)
      await drained
      await assert.rejects(fetch(`${running.url}/healthz`))
      assert.equal(running.rows()[0]!.status, 'ok')
    } finally {
      await running.close()
      await upstream.close()
    }
  })

  it('does not wait in its drain for connections that never asked anything (fetch opens one after an abort)', async () => {
    const running = await startFixture({ upstreams: [{ name: 'demo', kind: 'demo' }] })
    const { hostname, port } = new URL(running.url)
    const silent = connect(Number(port), hostname)
    await once(silent, 'connect')
    const startedAt = performance.now()
    await running.close()
    assert.ok(performance.now() - startedAt < 2000)
    silent.destroy()
  })

  it('answers who asks for its health, metrics and models in the dialect that asks', async () => {
    const running = await startFixture({
      upstreams: [{ name: 'demo', kind: 'demo' }],
      models: [route('deepseek-v4-pro', 'demo')],
    })
    try {
      assert.equal((await fetch(`${running.url}/healthz`)).status, 200)
      await post(running, '/v1/chat/completions', {
        model: 'deepseek-v4-pro',
        messages: [{ role: 'user', content: 'x' }],
      })
      assert.match(
        await (await fetch(`${running.url}/metrics`)).text(),
        /portolan_requests_total\{door="chat",upstream="demo",status="ok"\} 1/,
      )
      const openai = (await (
        await fetch(`${running.url}/v1/models`, { headers: { authorization: `Bearer ${running.key}` } })
      ).json()) as Record<string, unknown>
      const anthropic = (await (
        await fetch(`${running.url}/v1/models?limit=1000`, {
          headers: { 'x-api-key': running.key, 'anthropic-version': '2023-06-01' },
        })
      ).json()) as Record<string, unknown>
      assert.equal(openai['object'], 'list')
      assert.equal(anthropic['has_more'], false)
      assert.equal((await fetch(`${running.url}/v1/models`)).status, 401)
    } finally {
      await running.close()
    }
  })
})
