/** The official OpenAI SDK at the Chat Completions door. */

import assert from 'node:assert/strict'
import { after, afterEach, describe, it } from 'node:test'
import OpenAI from 'openai'
import {
  citySchema,
  cityValue,
  cutText,
  loopEnd,
  loopTurns,
  plainUsage,
  redPixelPng,
  redPixelReport,
  refusalText,
  streamedText,
} from './scenes.ts'
import { direct, openTheatre, type Stage } from './theatre.ts'

type Message = OpenAI.Chat.ChatCompletionMessageParam
type Tool = OpenAI.Chat.ChatCompletionTool

const theatre = await openTheatre('chat')
after(() => theatre.close())

function clientOf(stage: Stage): OpenAI {
  return new OpenAI({ apiKey: stage.key, baseURL: `${stage.baseUrl}/v1`, maxRetries: 0, timeout: 20_000 })
}

function tool(name: string, property: string, type = 'string'): Tool {
  const parameters = { type: 'object', properties: { [property]: { type } }, required: [property] }
  return { type: 'function', function: { name, description: `The ${name} tool.`, parameters } }
}

const weatherTools = [tool('get_weather', 'city'), tool('get_time', 'zone')]
const stepTool = [tool('step', 'turn', 'integer')]
const hello: Message[] = [{ role: 'user', content: 'Please begin.' }]

function callsOf(message: OpenAI.Chat.ChatCompletionMessage): { id: string; name: string; arguments: unknown }[] {
  return (message.tool_calls ?? []).map((call) => {
    assert.equal(call.type, 'function')
    return call.type === 'function'
      ? { id: call.id, name: call.function.name, arguments: JSON.parse(call.function.arguments) as unknown }
      : { id: '', name: '', arguments: undefined }
  })
}

/** A stream gathered the way agents do it: every delta field is appended, reasoning included. */
async function gather(
  stream: AsyncIterable<OpenAI.Chat.ChatCompletionChunk>,
): Promise<{ message: OpenAI.Chat.ChatCompletionMessage; finish: string | null }> {
  let finish: string | null = null
  const texts: Record<string, string> = {}
  const details: unknown[] = []
  const calls: { id: string; type: 'function'; function: { name: string; arguments: string } }[] = []
  for await (const chunk of stream) {
    const choice = chunk.choices[0]
    if (!choice) continue
    finish = choice.finish_reason ?? finish
    for (const [key, value] of Object.entries(choice.delta)) {
      if (key !== 'role' && typeof value === 'string') texts[key] = (texts[key] ?? '') + value
      if (key === 'reasoning_details' && Array.isArray(value)) details.push(...value)
    }
    for (const part of choice.delta.tool_calls ?? []) {
      const call = (calls[part.index] ??= { id: '', type: 'function', function: { name: '', arguments: '' } })
      call.id = part.id ?? call.id
      call.function.name += part.function?.name ?? ''
      call.function.arguments += part.function?.arguments ?? ''
    }
  }
  const { content = '', refusal, ...others } = texts
  return {
    finish,
    message: {
      role: 'assistant',
      content,
      refusal: refusal ?? null,
      ...others,
      ...(details.length > 0 ? { reasoning_details: details } : {}),
      ...(calls.length > 0 ? { tool_calls: calls } : {}),
    },
  }
}

for (const target of theatre.targets) {
  describe(`openai SDK -> Chat door -> ${target.name}`, () => {
    afterEach(() => theatre.verify())

    it('gets a plain text with its usage', async () => {
      const stage = theatre.stage(target, 'plain')
      const answer = await clientOf(stage).chat.completions.create({ model: stage.model, messages: hello })
      assert.equal(answer.choices[0]?.message.content, 'PONG')
      assert.equal(answer.choices[0].finish_reason, 'stop')
      assert.equal(answer.usage?.prompt_tokens, plainUsage.input)
      assert.equal(answer.usage.prompt_tokens_details?.cached_tokens, plainUsage.cached)
      assert.equal(answer.usage.completion_tokens, plainUsage.output)
    })

    it('streams text with usage at the end', async () => {
      const stage = theatre.stage(target, 'stream')
      const stream = clientOf(stage).chat.completions.stream({
        model: stage.model,
        messages: hello,
        stream_options: { include_usage: true },
      })
      let text = ''
      let deltas = 0
      stream.on('content', (delta) => {
        text += delta
        deltas += 1
      })
      const final = await stream.finalChatCompletion()
      assert.equal(text, streamedText)
      assert.equal(final.choices[0]?.message.content, streamedText)
      assert.ok(deltas > 10, `${deltas} deltas`)
      assert.equal(final.usage?.completion_tokens, 96)
    })

    for (const streaming of [false, true]) {
      const turn = async (
        stage: Stage,
        messages: Message[],
        tools: Tool[],
      ): Promise<OpenAI.Chat.ChatCompletionMessage> => {
        const client = clientOf(stage)
        const body = { model: stage.model, messages, tools }
        if (streaming) {
          const { message, finish } = await gather(await client.chat.completions.create({ ...body, stream: true }))
          assert.equal(finish, message.tool_calls ? 'tool_calls' : 'stop')
          return message
        }
        const answer = await client.chat.completions.create(body)
        const message = answer.choices[0]?.message
        assert.ok(message)
        assert.equal(answer.choices[0]?.finish_reason, message.tool_calls ? 'tool_calls' : 'stop')
        return message
      }
      const how = streaming ? 'streaming' : 'whole'

      it(`gets two parallel tool calls, ${how}`, async () => {
        const stage = theatre.stage(target, 'parallel')
        const messages = [...hello]
        const said = await turn(stage, messages, weatherTools)
        const calls = callsOf(said)
        assert.deepEqual(
          calls.map(({ name, arguments: given }) => [name, given]),
          [
            ['get_weather', { city: 'Genoa' }],
            ['get_time', { zone: 'Europe/Rome' }],
          ],
        )
        messages.push(said, { role: 'tool', tool_call_id: calls[0]?.id ?? '', content: 'sunny' })
        messages.push({ role: 'tool', tool_call_id: calls[1]?.id ?? '', content: '12:00' })
        const last = await turn(stage, messages, weatherTools)
        assert.equal(last.content, 'Results: sunny | 12:00')
      })

      it(`keeps a tool loop of five turns with thinking going, ${how}`, async () => {
        const stage = theatre.stage(target, 'loop')
        const messages = [...hello]
        for (let step = 1; step <= loopTurns; step += 1) {
          const said = await turn(stage, messages, stepTool)
          const [call] = callsOf(said)
          assert.deepEqual(call?.arguments, { turn: step })
          messages.push(said, { role: 'tool', tool_call_id: call?.id ?? '', content: `result ${step}` })
        }
        const last = await turn(stage, messages, stepTool)
        assert.equal(last.content, loopEnd)
        const results = stage
          .seen()
          .at(-1)
          ?.view.turns.flatMap((one) => one.toolResults.map((result) => result.text))
        assert.deepEqual(results, ['result 1', 'result 2', 'result 3', 'result 4', 'result 5'])
      })
    }

    if (!direct) {
      it('keeps a tool loop going for a client that forgets all reasoning', async () => {
        // The usual SDK loop keeps only role, content and tool_calls (langchainjs#10883); the gateway must remember.
        const stage = theatre.stage(target, 'loop')
        const client = clientOf(stage)
        const messages = [...hello]
        for (let step = 1; step <= loopTurns; step += 1) {
          const answer = await client.chat.completions.create({ model: stage.model, messages, tools: stepTool })
          const said = answer.choices[0]?.message
          const id = said?.tool_calls?.[0]?.id ?? ''
          messages.push({ role: 'assistant', content: said?.content ?? null, tool_calls: said?.tool_calls })
          messages.push({ role: 'tool', tool_call_id: id, content: `result ${step}` })
        }
        const last = await client.chat.completions.create({ model: stage.model, messages, tools: stepTool })
        assert.equal(last.choices[0]?.message.content, loopEnd)
      })
    }

    it('shows an image', async () => {
      const stage = theatre.stage(target, 'image')
      const answer = await clientOf(stage).chat.completions.create({
        model: stage.model,
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'What is this?' },
              { type: 'image_url', image_url: { url: `data:image/png;base64,${redPixelPng}` } },
            ],
          },
        ],
      })
      assert.equal(answer.choices[0]?.message.content, redPixelReport)
    })

    it('gets structured output', async () => {
      const stage = theatre.stage(target, 'structured')
      // DeepSeek's own Chat service has JSON mode only; through the gateway the schema is carried.
      const response_format =
        direct && target.dialect === 'deepseek'
          ? ({ type: 'json_object' } as const)
          : ({ type: 'json_schema', json_schema: { name: 'city', strict: true, schema: citySchema } } as const)
      const answer = await clientOf(stage).chat.completions.create({
        model: stage.model,
        messages: [{ role: 'user', content: 'The weather in Genoa as JSON.' }],
        response_format,
      })
      assert.deepEqual(JSON.parse(answer.choices[0]?.message.content ?? ''), cityValue)
    })

    it('sees a refusal', async () => {
      const stage = theatre.stage(target, 'refusal')
      const answer = await clientOf(stage).chat.completions.create({ model: stage.model, messages: hello })
      const choice = answer.choices[0]
      assert.ok(choice)
      if (target.protocol === 'messages' && target.dialect === 'deepseek') {
        // That service has no refusal: it says it in plain text.
        assert.equal(choice.message.content, refusalText)
        return
      }
      assert.equal(choice.message.refusal ?? choice.message.content, refusalText)
      assert.ok(choice.message.refusal || choice.finish_reason === 'content_filter')
    })

    it('sees that max_tokens ended the answer', async () => {
      const stage = theatre.stage(target, 'maxtokens')
      const answer = await clientOf(stage).chat.completions.create({
        model: stage.model,
        messages: hello,
        max_completion_tokens: direct ? undefined : 32,
        max_tokens: direct ? 32 : undefined,
      })
      assert.equal(answer.choices[0]?.message.content, cutText)
      assert.equal(answer.choices[0].finish_reason, 'length')
      assert.equal(stage.seen()[0]?.view.maxTokens, 32)
    })

    it('gets an error before the stream as the right exception', async () => {
      for (const stream of [false, true]) {
        const refused = theatre.stage(target, 'error400')
        await assert.rejects(
          clientOf(refused).chat.completions.create({ model: refused.model, messages: hello, stream }),
          (error) => error instanceof OpenAI.BadRequestError && /refuses this on purpose/.test(error.message),
        )
        const limited = theatre.stage(target, 'error429')
        await assert.rejects(
          clientOf(limited).chat.completions.create({ model: limited.model, messages: hello, stream }),
          (error) => error instanceof OpenAI.RateLimitError && error.headers?.get('retry-after') === '1',
        )
        const broken = theatre.stage(target, 'error500')
        await assert.rejects(
          clientOf(broken).chat.completions.create({ model: broken.model, messages: hello, stream }),
          OpenAI.InternalServerError,
        )
      }
    })

    it('gets an error in mid-stream as an exception, never as an end', async () => {
      for (const scene of ['errorstream', 'cutstream'] as const) {
        const stage = theatre.stage(target, scene)
        let text = ''
        await assert.rejects(async () => {
          const stream = await clientOf(stage).chat.completions.create({
            model: stage.model,
            messages: hello,
            stream: true,
          })
          for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
        }, `${scene} after "${text}"`)
        assert.match(text, /^It begins/)
      }
    })
  })
}
