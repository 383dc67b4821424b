/**
 * The official SDKs against the engine inside the gateway. Its model is untrained, so what is proven is form: forced
 * calls parse and fit their schemas, loops go on with their results, structured answers fit, hits are told.
 */

import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { startGateway } from './gateway.ts'
import { citySchema } from './scenes.ts'

const gateway = await startGateway({
  upstreams: { local: { kind: 'embedded' } },
  models: { m: { route: ['local'] } },
})
after(() => gateway.close())

const openai = new OpenAI({ apiKey: gateway.key, baseURL: `${gateway.url}/v1`, maxRetries: 0, timeout: 60_000 })
const anthropic = new Anthropic({ apiKey: gateway.key, baseURL: gateway.url, maxRetries: 0, timeout: 60_000 })
const model = 'm'
const turns = 3
const prompt = `Look the cities up, one by one. ${'Mind the coast and the wind. '.repeat(20)}`
const description = 'Keeps a city.'

function checkCity(value: unknown): void {
  assert.ok(typeof value === 'object' && value !== null)
  assert.deepEqual(Object.keys(value), ['city', 'degrees'])
  const { city, degrees } = value as Record<string, unknown>
  assert.ok(typeof city === 'string' && typeof degrees === 'number', JSON.stringify(value))
}

describe('the embedded engine', () => {
  it('runs a tool loop of the OpenAI SDK at the Chat door, streamed', async () => {
    const tools: OpenAI.Chat.ChatCompletionTool[] = [
      { type: 'function', function: { name: 'keep', description, strict: true, parameters: { ...citySchema } } },
    ]
    const messages: OpenAI.Chat.ChatCompletionMessageParam[] = [{ role: 'user', content: prompt }]
    let hits = 0
    for (let turn = 0; turn < turns; turn++) {
      const runner = openai.chat.completions.stream({
        model,
        messages,
        tools,
        tool_choice: { type: 'function', function: { name: 'keep' } },
        parallel_tool_calls: false,
        stream_options: { include_usage: true },
      })
      const completion = await runner.finalChatCompletion()
      const [choice] = completion.choices
      assert.equal(choice?.finish_reason, 'tool_calls')
      const [call, ...more] = choice.message.tool_calls ?? []
      assert.ok(call?.type === 'function' && more.length === 0)
      checkCity(JSON.parse(call.function.arguments))
      messages.push(choice.message, { role: 'tool', tool_call_id: call.id, content: 'kept' })
      hits = completion.usage?.prompt_tokens_details?.cached_tokens ?? 0
    }
    assert.ok(hits >= 128, `${hits} tokens hit in the last turn`)
  })

  it('runs a tool loop of the Anthropic SDK at the Messages door, with a thought before each call', async () => {
    const messages: Anthropic.MessageParam[] = [{ role: 'user', content: prompt }]
    let hits = 0
    for (let turn = 0; turn < turns; turn++) {
      const message = await anthropic.messages
        .stream({
          model,
          max_tokens: 2000,
          messages,
          thinking: { type: 'enabled', budget_tokens: 1024 },
          tools: [{ name: 'keep', description, input_schema: { ...citySchema, required: [...citySchema.required] } }],
          tool_choice: { type: 'any', disable_parallel_tool_use: true },
        })
        .finalMessage()
      assert.equal(message.stop_reason, 'tool_use')
      assert.deepEqual(
        message.content.map(({ type }) => type),
        ['thinking', 'tool_use'],
      )
      const call = message.content.find((block) => block.type === 'tool_use')
      checkCity(call?.input)
      messages.push(
        { role: 'assistant', content: message.content },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: call?.id ?? '', content: 'kept' }] },
      )
      hits = message.usage.cache_read_input_tokens ?? 0
    }
    assert.ok(hits >= 128, `${hits} tokens hit in the last turn`)
  })

  it('runs a tool loop of the OpenAI SDK at the Responses door', async () => {
    const input: OpenAI.Responses.ResponseInput = [{ role: 'user', content: prompt }]
    let hits = 0
    for (let turn = 0; turn < turns; turn++) {
      const response = await openai.responses.create({
        model,
        input,
        store: false,
        tools: [{ type: 'function', name: 'keep', description, strict: true, parameters: { ...citySchema } }],
        tool_choice: 'required',
        parallel_tool_calls: false,
      })
      const calls = response.output.filter((item) => item.type === 'function_call')
      assert.equal(calls.length, 1)
      for (const call of calls) {
        checkCity(JSON.parse(call.arguments))
        input.push(call, { type: 'function_call_output', call_id: call.call_id, output: 'kept' })
      }
      hits = response.usage?.input_tokens_details.cached_tokens ?? 0
    }
    assert.ok(hits >= 128, `${hits} tokens hit in the last turn`)
  })

  it('answers by schema at every door', async () => {
    const schema = { ...citySchema }
    const chat = await openai.chat.completions.create({
      model,
      messages: [{ role: 'user', content: prompt }],
      response_format: { type: 'json_schema', json_schema: { name: 'city', strict: true, schema } },
    })
    checkCity(JSON.parse(chat.choices[0]?.message.content ?? ''))
    const response = await openai.responses.create({
      model,
      input: prompt,
      text: { format: { type: 'json_schema', name: 'city', strict: true, schema } },
    })
    checkCity(JSON.parse(response.output_text))
    const message = await anthropic.messages.create({
      model,
      max_tokens: 500,
      messages: [{ role: 'user', content: prompt }],
      output_config: { format: { type: 'json_schema', schema } },
    })
    const [block] = message.content
    checkCity(JSON.parse(block?.type === 'text' ? block.text : ''))
  })

  it('names the keyword of a strict schema that it cannot hold to', async () => {
    const schema = { type: 'object', properties: { a: { type: 'string', not: { pattern: '^$' } } } }
    await assert.rejects(
      openai.chat.completions.create({
        model,
        messages: [{ role: 'user', content: prompt }],
        response_format: { type: 'json_schema', json_schema: { name: 'a', strict: true, schema } },
      }),
      (error) =>
        error instanceof OpenAI.BadRequestError &&
        /"not" of a schema with "pattern" at #\/properties\/a/.test(error.message),
    )
  })

  it('continues texts and fills holes for the OpenAI SDK, whole and streamed', async () => {
    for (const baseURL of [`${gateway.url}/v1`, `${gateway.url}/beta`]) {
      const client = new OpenAI({ apiKey: gateway.key, baseURL, maxRetries: 0, timeout: 60_000 })
      const body = {
        model,
        prompt: `def depth(bay):\n    # ${prompt}\n    return `,
        suffix: '\n',
        max_tokens: 12,
        seed: 5,
      }
      const whole = await client.completions.create({ ...body, logprobs: 1 })
      assert.equal(whole.object, 'text_completion')
      const [choice] = whole.choices
      assert.equal(choice?.finish_reason, 'length')
      assert.ok((choice.logprobs?.tokens?.length ?? 0) > 0)
      let text = ''
      let finish: string | null = null
      let tokens = 0
      const stream = await client.completions.create({ ...body, stream: true, stream_options: { include_usage: true } })
      for await (const chunk of stream) {
        text += chunk.choices[0]?.text ?? ''
        finish = chunk.choices[0]?.finish_reason ?? finish
        tokens = chunk.usage?.completion_tokens ?? tokens
      }
      assert.deepEqual([text, finish, tokens], [choice.text, 'length', 12])
      const again = await client.completions.create(body)
      assert.ok((again.usage?.prompt_tokens_details?.cached_tokens ?? 0) >= 128)
      await assert.rejects(client.completions.create({ ...body, max_tokens: 5000 }), /valid range of max_tokens/)
    }
  })

  it('gives several choices to the OpenAI SDK, whole and streamed', async () => {
    const body = { model, messages: [{ role: 'user' as const, content: prompt }], n: 3, max_tokens: 8, seed: 5 }
    const whole = await openai.chat.completions.create(body)
    const said = whole.choices.map(({ message }) => message.content)
    assert.equal(new Set(said).size, 3)
    const streamed = await openai.chat.completions.stream(body).finalChatCompletion()
    assert.deepEqual(
      streamed.choices.map(({ message }) => message.content),
      said,
    )
  })
})
