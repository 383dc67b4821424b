/** The official Anthropic SDK at the Messages door. It speaks version 2026-10-21 unless told otherwise. */

import assert from 'node:assert/strict'
import { after, afterEach, describe, it } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
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
import { openTheatre, type Stage } from './theatre.ts'

const theatre = await openTheatre('messages')
after(() => theatre.close())

function clientOf(stage: Stage, headers: Record<string, string> = {}): Anthropic {
  return new Anthropic({
    apiKey: stage.key,
    baseURL: stage.baseUrl,
    maxRetries: 0,
    timeout: 20_000,
    defaultHeaders: headers,
  })
}

function tool(name: string, property: string, type = 'string'): Anthropic.Tool {
  return {
    name,
    description: `The ${name} tool.`,
    input_schema: { type: 'object', properties: { [property]: { type } }, required: [property] },
  }
}

const weatherTools = [tool('get_weather', 'city'), tool('get_time', 'zone')]
const stepTool = [tool('step', 'turn', 'integer')]
const hello: Anthropic.MessageParam[] = [{ role: 'user', content: 'Please begin.' }]
const system: Anthropic.TextBlockParam[] = [
  { type: 'text', text: 'You are a pilot.', cache_control: { type: 'ephemeral' } },
]

function textOf(message: Anthropic.Message): string {
  return message.content.map((block) => (block.type === 'text' ? block.text : '')).join('')
}

function callsOf(message: Anthropic.Message): Anthropic.ToolUseBlock[] {
  return message.content.filter((block) => block.type === 'tool_use')
}

for (const target of theatre.targets) {
  describe(`anthropic SDK -> Messages door -> ${target.name}`, () => {
    afterEach(() => theatre.verify())

    it('gets a plain text with its usage', async () => {
      const stage = theatre.stage(target, 'plain')
      const answer = await clientOf(stage).messages.create({
        model: stage.model,
        max_tokens: 100,
        system,
        messages: hello,
      })
      assert.equal(textOf(answer), 'PONG')
      assert.equal(answer.stop_reason, 'end_turn')
      assert.equal(answer.usage.input_tokens, plainUsage.input - plainUsage.cached)
      assert.equal(answer.usage.cache_read_input_tokens, plainUsage.cached)
      assert.equal(answer.usage.output_tokens, plainUsage.output)
    })

    it('may speak the older version with sampling', async () => {
      const stage = theatre.stage(target, 'plain')
      const body = { model: stage.model, max_tokens: 100, messages: hello, temperature: 0.5 }
      const answer = await clientOf(stage, { 'anthropic-version': '2023-06-01' }).messages.create(body)
      assert.equal(textOf(answer), 'PONG')
    })

    it('streams text with usage at the end', async () => {
      const stage = theatre.stage(target, 'stream')
      const stream = clientOf(stage).messages.stream({ model: stage.model, max_tokens: 500, messages: hello })
      let text = ''
      let deltas = 0
      stream.on('text', (delta) => {
        text += delta
        deltas += 1
      })
      const final = await stream.finalMessage()
      assert.equal(text, streamedText)
      assert.equal(textOf(final), streamedText)
      assert.ok(deltas > 10, `${deltas} deltas`)
      assert.equal(final.usage.output_tokens, 96)
    })

    for (const streaming of [false, true]) {
      const turn = (
        stage: Stage,
        messages: Anthropic.MessageParam[],
        tools: Anthropic.Tool[],
        thinking: Anthropic.ThinkingConfigParam = { type: 'adaptive' },
      ): Promise<Anthropic.Message> => {
        const body = { model: stage.model, max_tokens: 4000, system, messages, tools, thinking }
        const client = clientOf(stage)
        return streaming ? client.messages.stream(body).finalMessage() : client.messages.create(body)
      }
      const how = streaming ? 'streaming' : 'whole'

      it(`gets two parallel tool calls, ${how}`, async () => {
        const stage = theatre.stage(target, 'parallel')
        const messages = [...hello]
        const said = await turn(stage, messages, weatherTools)
        assert.equal(said.stop_reason, 'tool_use')
        const calls = callsOf(said)
        assert.deepEqual(
          calls.map(({ name, input }) => [name, input]),
          [
            ['get_weather', { city: 'Genoa' }],
            ['get_time', { zone: 'Europe/Rome' }],
          ],
        )
        messages.push({ role: 'assistant', content: said.content })
        messages.push({
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: calls[0]?.id ?? '', content: 'sunny' },
            { type: 'tool_result', tool_use_id: calls[1]?.id ?? '', content: [{ type: 'text', text: '12:00' }] },
          ],
        })
        const last = await turn(stage, messages, weatherTools)
        assert.equal(textOf(last), 'Results: sunny | 12:00')
      })

      for (const display of ['summarized', 'omitted'] as const) {
        it(`keeps a tool loop of five turns going, thinking ${display}, ${how}`, async () => {
          const stage = theatre.stage(target, 'loop')
          const messages = [...hello]
          for (let step = 1; step <= loopTurns; step += 1) {
            const said = await turn(stage, messages, stepTool, { type: 'adaptive', display })
            const [call] = callsOf(said)
            assert.deepEqual(call?.input, { turn: step })
            messages.push({ role: 'assistant', content: said.content })
            messages.push({
              role: 'user',
              content: [{ type: 'tool_result', tool_use_id: call?.id ?? '', content: `result ${step}` }],
            })
          }
          const last = await turn(stage, messages, stepTool)
          assert.equal(textOf(last), loopEnd)
          const results = stage
            .seen()
            .at(-1)
            ?.view.turns.flatMap((one) => one.toolResults.map((result) => result.text))
          assert.deepEqual(results, ['result 1', 'result 2', 'result 3', 'result 4', 'result 5'])
        })
      }
    }

    it('tells a failed tool from one that worked', async () => {
      const stage = theatre.stage(target, 'parallel')
      const client = clientOf(stage)
      const body = { model: stage.model, max_tokens: 1000, tools: weatherTools }
      const said = await client.messages.create({ ...body, messages: hello })
      const [first, second] = callsOf(said)
      await client.messages.create({
        ...body,
        messages: [
          ...hello,
          { role: 'assistant', content: said.content },
          {
            role: 'user',
            content: [
              // In the order in which they ended, as agents send them.
              { type: 'tool_result', tool_use_id: second?.id ?? '', content: '12:00' },
              { type: 'tool_result', tool_use_id: first?.id ?? '', content: 'no such city', is_error: true },
              { type: 'text', text: 'Go on.' },
            ],
          },
        ],
      })
      const results =
        stage
          .seen()
          .at(-1)
          ?.view.turns.flatMap((one) => one.toolResults) ?? []
      const failed = results.find((result) => result.text.includes('no such city'))
      const carried = target.protocol === 'messages' && target.dialect === 'anthropic'
      assert.ok(failed?.isError || /error/i.test(failed?.text ?? '') || carried, `told as ${JSON.stringify(failed)}`)
    })

    it('shows an image', async () => {
      const stage = theatre.stage(target, 'image')
      const answer = await clientOf(stage).messages.create({
        model: stage.model,
        max_tokens: 100,
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'What is this?' },
              { type: 'image', source: { type: 'base64', media_type: 'image/png', data: redPixelPng } },
            ],
          },
        ],
      })
      assert.equal(textOf(answer), redPixelReport)
    })

    it('gets structured output', async () => {
      const stage = theatre.stage(target, 'structured')
      const answer = await clientOf(stage).messages.create({
        model: stage.model,
        max_tokens: 200,
        messages: [{ role: 'user', content: 'The weather in Genoa as JSON.' }],
        output_config: { format: { type: 'json_schema', schema: citySchema } },
      })
      assert.deepEqual(JSON.parse(textOf(answer)), cityValue)
    })

    it('sees a refusal', async () => {
      const stage = theatre.stage(target, 'refusal')
      const answer = await clientOf(stage).messages.create({ model: stage.model, max_tokens: 100, messages: hello })
      const told = answer.stop_details?.explanation ?? textOf(answer)
      assert.equal(told, refusalText)
      // The DeepSeek service has no refusal on this protocol: it says it in plain text.
      if (target.name !== 'deepseek-messages') assert.equal(answer.stop_reason, 'refusal')
    })

    it('sees that max_tokens ended the answer', async () => {
      const stage = theatre.stage(target, 'maxtokens')
      const answer = await clientOf(stage).messages.create({ model: stage.model, max_tokens: 32, messages: hello })
      assert.equal(textOf(answer), cutText)
      assert.equal(answer.stop_reason, 'max_tokens')
      assert.equal(stage.seen()[0]?.view.maxTokens, 32)
    })

    it('gets an error before the stream as the right exception', async () => {
      for (const stream of [false, true]) {
        const ask = (stage: Stage): Promise<unknown> =>
          clientOf(stage).messages.create({ model: stage.model, max_tokens: 100, messages: hello, stream })
        await assert.rejects(
          ask(theatre.stage(target, 'error400')),
          (error) => error instanceof Anthropic.BadRequestError && /refuses this on purpose/.test(error.message),
        )
        await assert.rejects(
          ask(theatre.stage(target, 'error429')),
          (error) => error instanceof Anthropic.RateLimitError && error.headers?.get('retry-after') === '1',
        )
        await assert.rejects(ask(theatre.stage(target, 'error500')), Anthropic.InternalServerError)
      }
    })

    it('gets an error in mid-stream as an exception, never as an end', async () => {
      for (const scene of ['errorstream', 'cutstream'] as const) {
        const stage = theatre.stage(target, scene)
        let text = ''
        await assert.rejects(async () => {
          const stream = clientOf(stage).messages.stream({ model: stage.model, max_tokens: 100, messages: hello })
          stream.on('text', (delta) => (text += delta))
          await stream.finalMessage()
        }, `${scene} after "${text}"`)
        assert.match(text, /^It begins/)
      }
    })
  })
}
