import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { scripts, startMockUpstream, type MockUpstream } from '@portolan-testing/mock-upstream'
import {
  adapterOf,
  protocols,
  ResponseAssembler,
  SseReader,
  type CanonicalResponse,
  type Protocol,
} from '@portolan/wire'
import { post, route, startFixture, type RunningGateway } from './fixture.ts'

const paths: Readonly<Record<Protocol, string>> = {
  chat: '/v1/chat/completions',
  messages: '/v1/messages',
  responses: '/v1/responses',
}

function request(door: Protocol, model: string, stream: boolean, text = 'Say PONG.'): Record<string, unknown> {
  const tool = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }
  switch (door) {
    case 'chat':
      return {
        model,
        stream,
        messages: [
          { role: 'system', content: 'Be terse.' },
          { role: 'user', content: text },
        ],
        tools: [
          { type: 'function', function: { name: 'get_weather', description: 'Weather of a city.', parameters: tool } },
        ],
        ...(stream ? { stream_options: { include_usage: true } } : {}),
      }
    case 'messages':
      return {
        model,
        stream,
        max_tokens: 1000,
        system: 'Be terse.',
        messages: [{ role: 'user', content: text }],
        tools: [{ name: 'get_weather', description: 'Weather of a city.', input_schema: tool }],
      }
    case 'responses':
      return {
        model,
        stream,
        instructions: 'Be terse.',
        input: text,
        store: false,
        tools: [
          { type: 'function', name: 'get_weather', description: 'Weather of a city.', parameters: tool, strict: false },
        ],
      }
  }
}

/** Reads an answer of any door back into the canonical form, through the door's own protocol. */
function read(door: Protocol, stream: boolean, text: string): CanonicalResponse {
  const adapter = adapterOf(door)
  if (!stream) return adapter.toCanonicalResponse(JSON.parse(text), text)
  const reader = adapter.createStreamReader()
  const sse = new SseReader()
  const assembler = new ResponseAssembler()
  for (const message of [...sse.push(Buffer.from(text)), ...sse.end()])
    for (const event of reader.push(message)) assembler.push(event)
  for (const event of reader.end()) assembler.push(event)
  assert.equal(assembler.error, null, `the stream ended with an error: ${JSON.stringify(assembler.error)}`)
  return assembler.response()!
}

function visible(response: CanonicalResponse): {
  text: string
  reasoning: string
  calls: [string, string][]
  stop: string
} {
  return {
    text: response.items
      .flatMap((item) => (item.kind === 'assistant-text' ? item.parts.map((part) => part.text) : []))
      .join(''),
    reasoning: response.items
      .flatMap((item) => (item.kind === 'reasoning' ? [item.text ?? item.summary.join('')] : []))
      .join(''),
    calls: response.items.flatMap((item) =>
      item.kind === 'tool-call' ? [[item.name, item.argumentsText] as [string, string]] : [],
    ),
    stop: response.stop,
  }
}

describe('every door in front of every protocol', () => {
  let upstream: MockUpstream
  let running: RunningGateway
  before(async () => {
    upstream = await startMockUpstream({ script: scripts.plainText(), refuseUnknownFields: false })
    const common = { baseUrl: upstream.url, apiKey: 'sk-upstream' }
    running = await startFixture({
      upstreams: [
        { name: 'chat', kind: 'openai', ...common, protocols: ['chat'] },
        { name: 'messages', kind: 'anthropic', ...common },
        { name: 'responses', kind: 'openai', ...common, protocols: ['responses'] },
      ],
      models: protocols.map((protocol) => route(`gpt-${protocol}`, protocol)),
    })
  })
  after(async () => {
    await running.close()
    await upstream.close()
  })

  for (const door of protocols)
    for (const far of protocols)
      for (const stream of [false, true]) {
        const name = `${door} to ${far}, ${stream ? 'streamed' : 'whole'}`
        it(`${name}: text arrives with its usage, and one row is settled`, async () => {
          upstream.setScript(() => ({
            text: 'PONG, said the wall.',
            usage: { inputTokens: 1200, cachedTokens: 1024, outputTokens: 9, reasoningTokens: 0 },
          }))
          const count = running.rows().length
          const { status, text } = await post(running, paths[door], request(door, `gpt-${far}`, stream))
          assert.equal(status, 200, text)
          const response = read(door, stream, text)
          assert.deepEqual(visible(response), { text: 'PONG, said the wall.', reasoning: '', calls: [], stop: 'end' })
          assert.equal(response.usage.inputTokens, 1200)
          assert.equal(response.usage.hitTokens, 1024)
          assert.equal(response.usage.outputTokens, 9)
          const [row, ...others] = running.rows()
          assert.equal(others.length, count)
          assert.deepEqual(
            [
              row!.status,
              row!.usage.inputTokens,
              row!.usage.hitTokens,
              row!.usage.missTokens,
              row!.usage.outputTokens,
              row!.usage.source,
              row!.door,
              row!.upstreamProtocol,
            ],
            ['ok', 1200, 1024, 176, 9, 'reported', door, far],
          )
          assert.deepEqual(upstream.violations, [])
        })

        it(`${name}: two parallel tool calls keep their arguments`, async () => {
          upstream.setScript(() => ({
            text: 'Two cities.',
            toolCalls: [
              { name: 'get_weather', arguments: { city: 'Genoa', note: 'quay "7"' } },
              { name: 'get_weather', arguments: { city: 'Ōsaka' } },
            ],
            interleaveToolCalls: true,
          }))
          const { status, text } = await post(running, paths[door], request(door, `gpt-${far}`, stream))
          assert.equal(status, 200, text)
          const { calls, stop } = visible(read(door, stream, text))
          assert.deepEqual(
            calls.map(([tool, args]) => [tool, JSON.parse(args)]),
            [
              ['get_weather', { city: 'Genoa', note: 'quay "7"' }],
              ['get_weather', { city: 'Ōsaka' }],
            ],
          )
          assert.equal(stop, 'tool-call')
          assert.deepEqual(upstream.violations, [])
        })

        it(`${name}: an upstream error before the first byte is an error of the door`, async () => {
          upstream.setScript(() => ({ error: { status: 400, message: 'temperature is out of range' } }))
          const { status, text } = await post(running, paths[door], request(door, `gpt-${far}`, stream))
          assert.equal(status, 400, text)
          const body = JSON.parse(text)
          assert.match(body.error.message, /temperature is out of range/)
          assert.equal(body.error.type, 'invalid_request_error')
          if (door === 'messages') assert.equal(body.type, 'error')
        })
      }

  for (const door of protocols)
    for (const far of protocols)
      it(`${door} to ${far}: an error in the middle of a stream is said in the stream, once`, async () => {
        upstream.setScript(() => ({
          text: 'A long answer that will not be finished by anyone.',
          streamError: { afterEvents: 5, message: 'ran out of coal' },
        }))
        const { status, text } = await post(running, paths[door], request(door, `gpt-${far}`, true))
        assert.equal(status, 200)
        const terminal = {
          chat: /data: \{"error"|\[DONE\]/g,
          messages: /event: (error|message_stop)/g,
          responses: /event: (error|response\.(failed|completed|incomplete))/g,
        }[door]
        const ends = text.match(terminal) ?? []
        assert.equal(ends.length, 1, text)
        assert.match(ends[0], /error|failed/)
        const [row] = running.rows()
        assert.equal(row!.status, 'error')
      })

  for (const door of protocols)
    for (const far of protocols)
      it(`${door} to ${far}: an upstream that dies inside its stream ends it with an error of the door`, async () => {
        for (const how of ['reset', 'close', 'finish'] as const) {
          // A pause between events: a reset destroys what the kernel has received and nobody has read.
          upstream.setScript(() => ({
            text: 'A long answer that will not be finished by anyone.',
            cut: { afterEvents: 5, how },
            chunkDelayMs: 3,
          }))
          const { text } = await post(running, paths[door], request(door, `gpt-${far}`, true))
          const errors =
            text.match(
              door === 'chat'
                ? /data: \{"error"/g
                : door === 'messages'
                  ? /event: error/g
                  : /event: (error|response\.failed)/g,
            ) ?? []
          assert.equal(errors.length, 1, `${how}: ${text}`)
          assert.doesNotMatch(text, /\[DONE\]|message_stop|response\.completed/)
          const [row] = running.rows()
          assert.equal(row!.status, 'cut')
          assert.equal(row!.usage.source, 'estimated')
          assert.ok(row!.usage.outputTokens! > 0)
        }
      })

  // Alternatives of tokens whose own probability nobody asked for: vendors refuse them, a translation once lost them.
  it("top_logprobs without logprobs is refused by name where it is translated, and the vendor's to refuse where it is not", async () => {
    upstream.setScript(() => ({ text: 'PONG' }))
    const sent = upstream.requests.length
    const ask = (far: Protocol) =>
      post(running, paths.chat, { ...request('chat', `gpt-${far}`, false), top_logprobs: 2 })
    for (const far of ['messages', 'responses'] as const) {
      const { status, text } = await ask(far)
      const { error } = JSON.parse(text) as { error: { param: string; type: string } }
      assert.deepEqual([status, error.param, error.type], [400, 'top_logprobs', 'invalid_request_error'], text)
    }
    assert.equal(upstream.requests.length, sent)
    await ask('chat')
    assert.equal((upstream.requests[sent]!.json as { top_logprobs: number }).top_logprobs, 2)
  })
})
