/** The official OpenAI SDK at the Responses door, stateless as agents use it: `store: false` and full replay. */

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
import { openTheatre, type Stage } from './theatre.ts'

type Item = OpenAI.Responses.ResponseInputItem

const theatre = await openTheatre('responses')
after(() => theatre.close())

function clientOf(stage: Stage): OpenAI {
  return new OpenAI({ apiKey: stage.key, baseURL: `${stage.baseUrl}/v1`, maxRetries: 0, timeout: 20_000 })
}

function tool(name: string, property: string, type = 'string'): OpenAI.Responses.FunctionTool {
  const parameters = { type: 'object', properties: { [property]: { type } }, required: [property] }
  return { type: 'function', name, description: `The ${name} tool.`, parameters, strict: false }
}

const weatherTools = [tool('get_weather', 'city'), tool('get_time', 'zone')]
const stepTool = [tool('step', 'turn', 'integer')]
const hello: Item[] = [{ role: 'user', content: 'Please begin.' }]

function callsOf(answer: OpenAI.Responses.Response): OpenAI.Responses.ResponseFunctionToolCall[] {
  return answer.output.filter((item) => item.type === 'function_call')
}

function refusalOf(answer: OpenAI.Responses.Response): string {
  return answer.output
    .flatMap((item) => (item.type === 'message' ? item.content : []))
    .map((part) => (part.type === 'refusal' ? part.refusal : ''))
    .join('')
}

for (const target of theatre.targets) {
  describe(`openai SDK -> Responses door -> ${target.name}`, () => {
    afterEach(() => theatre.verify())

    it('gets a plain text with its usage', async () => {
      const stage = theatre.stage(target, 'plain')
      const answer = await clientOf(stage).responses.create({
        model: stage.model,
        instructions: 'You are a pilot.',
        input: 'Please begin.',
      })
      assert.equal(answer.output_text, 'PONG')
      assert.equal(answer.status, 'completed')
      assert.equal(answer.usage?.input_tokens, plainUsage.input)
      assert.equal(answer.usage.input_tokens_details.cached_tokens, plainUsage.cached)
      assert.equal(answer.usage.output_tokens, plainUsage.output)
    })

    it('streams text with usage at the end', async () => {
      const stage = theatre.stage(target, 'stream')
      const stream = clientOf(stage).responses.stream({ model: stage.model, input: hello })
      let text = ''
      let deltas = 0
      stream.on('response.output_text.delta', (event) => {
        text += event.delta
        deltas += 1
      })
      const final = await stream.finalResponse()
      assert.equal(text, streamedText)
      assert.equal(final.output_text, streamedText)
      assert.ok(deltas > 10, `${deltas} deltas`)
      assert.equal(final.usage?.output_tokens, 96)
    })

    for (const streaming of [false, true]) {
      const turn = (
        stage: Stage,
        input: Item[],
        tools: OpenAI.Responses.FunctionTool[],
      ): Promise<OpenAI.Responses.Response> => {
        const body = {
          model: stage.model,
          input,
          tools,
          store: false,
          include: ['reasoning.encrypted_content' as const],
          reasoning: { effort: 'high' as const, summary: 'auto' as const },
        }
        const client = clientOf(stage)
        return streaming ? client.responses.stream(body).finalResponse() : client.responses.create(body)
      }
      const how = streaming ? 'streaming' : 'whole'

      it(`gets two parallel tool calls, ${how}`, async () => {
        const stage = theatre.stage(target, 'parallel')
        const input = [...hello]
        const said = await turn(stage, input, weatherTools)
        const calls = callsOf(said)
        assert.deepEqual(
          calls.map((call) => [call.name, JSON.parse(call.arguments)]),
          [
            ['get_weather', { city: 'Genoa' }],
            ['get_time', { zone: 'Europe/Rome' }],
          ],
        )
        input.push(...said.output.map(toInput))
        input.push({ type: 'function_call_output', call_id: calls[0]?.call_id ?? '', output: 'sunny' })
        input.push({ type: 'function_call_output', call_id: calls[1]?.call_id ?? '', output: '12:00' })
        const last = await turn(stage, input, weatherTools)
        assert.equal(last.output_text, 'Results: sunny | 12:00')
      })

      it(`keeps a tool loop of five turns with thinking going, ${how}`, async () => {
        const stage = theatre.stage(target, 'loop')
        const input = [...hello]
        for (let step = 1; step <= loopTurns; step += 1) {
          const said = await turn(stage, input, stepTool)
          const [call] = callsOf(said)
          assert.deepEqual(JSON.parse(call?.arguments ?? ''), { turn: step })
          input.push(...said.output.map(toInput))
          input.push({ type: 'function_call_output', call_id: call?.call_id ?? '', output: `result ${step}` })
        }
        const last = await turn(stage, input, stepTool)
        assert.equal(last.output_text, loopEnd)
        const results = stage
          .seen()
          .at(-1)
          ?.view.turns.flatMap((one) => one.toolResults.map((result) => result.text))
        assert.deepEqual(results, ['result 1', 'result 2', 'result 3', 'result 4', 'result 5'])
      })
    }

    it('shows an image', async () => {
      const stage = theatre.stage(target, 'image')
      const answer = await clientOf(stage).responses.create({
        model: stage.model,
        input: [
          {
            role: 'user',
            content: [
              { type: 'input_text', text: 'What is this?' },
              { type: 'input_image', image_url: `data:image/png;base64,${redPixelPng}`, detail: 'auto' },
            ],
          },
        ],
      })
      assert.equal(answer.output_text, redPixelReport)
    })

    it('gets structured output', async () => {
      const stage = theatre.stage(target, 'structured')
      const answer = await clientOf(stage).responses.create({
        model: stage.model,
        input: 'The weather in Genoa as JSON.',
        text: { format: { type: 'json_schema', name: 'city', strict: true, schema: citySchema } },
      })
      assert.deepEqual(JSON.parse(answer.output_text), cityValue)
    })

    it('sees a refusal', async () => {
      const stage = theatre.stage(target, 'refusal')
      const answer = await clientOf(stage).responses.create({ model: stage.model, input: hello })
      const refusal = refusalOf(answer)
      assert.equal(refusal || answer.output_text, refusalText)
      // A filter is told by the reason of an incomplete answer; DeepSeek's Messages service has plain text only.
      const filtered = answer.incomplete_details?.reason === 'content_filter'
      if (target.name !== 'deepseek-messages') assert.ok(refusal !== '' || filtered, JSON.stringify(answer.output))
    })

    it('sees that max_output_tokens ended the answer', async () => {
      const stage = theatre.stage(target, 'maxtokens')
      const answer = await clientOf(stage).responses.create({
        model: stage.model,
        input: hello,
        max_output_tokens: 32,
      })
      assert.equal(answer.output_text, cutText)
      assert.equal(answer.status, 'incomplete')
      assert.equal(answer.incomplete_details?.reason, 'max_output_tokens')
      assert.equal(stage.seen()[0]?.view.maxTokens, 32)
    })

    it('gets an error before the stream as the right exception', async () => {
      for (const stream of [false, true]) {
        const ask = (stage: Stage): Promise<unknown> =>
          clientOf(stage).responses.create({ model: stage.model, input: hello, stream })
        await assert.rejects(
          ask(theatre.stage(target, 'error400')),
          (error) => error instanceof OpenAI.BadRequestError && /refuses this on purpose/.test(error.message),
        )
        await assert.rejects(
          ask(theatre.stage(target, 'error429')),
          (error) => error instanceof OpenAI.RateLimitError && error.headers?.get('retry-after') === '1',
        )
        await assert.rejects(ask(theatre.stage(target, 'error500')), OpenAI.InternalServerError)
      }
    })

    it('gets an error in mid-stream as a failure, never as an end', async () => {
      for (const scene of ['errorstream', 'cutstream'] as const) {
        const stage = theatre.stage(target, scene)
        const heard: string[] = []
        let thrown = false
        try {
          const stream = await clientOf(stage).responses.create({ model: stage.model, input: hello, stream: true })
          for await (const event of stream) heard.push(event.type)
        } catch {
          thrown = true
        }
        assert.ok(!heard.includes('response.completed') && !heard.includes('response.incomplete'), heard.join(' '))
        assert.ok(
          thrown || heard.at(-1) === 'response.failed' || heard.at(-1) === 'error',
          `${scene}: ${heard.join(' ')}`,
        )
      }
    })
  })
}

/** What comes out goes back in; the SDK's helper objects carry parsed copies that are not sent. */
function toInput(item: OpenAI.Responses.ResponseOutputItem): Item {
  const { parsed_arguments: _parsed, ...rest } = item as typeof item & { parsed_arguments?: unknown }
  const copy = structuredClone(rest) as Item & { content?: unknown }
  if ('content' in copy && Array.isArray(copy.content)) {
    for (const part of copy.content as { parsed?: unknown }[]) delete part.parsed
  }
  return copy
}
