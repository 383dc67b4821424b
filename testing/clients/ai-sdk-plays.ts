/** The scenes as the AI SDK plays them; each provider of it brings its own model objects. */

import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import {
  APICallError,
  generateText,
  jsonSchema,
  Output,
  stepCountIs,
  streamText,
  tool,
  type LanguageModel,
  type ToolSet,
} from 'ai'
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
import type { Stage, Target, Theatre } from './theatre.ts'

type ProviderOptions = Parameters<typeof generateText>[0]['providerOptions']

export interface AiSdkProvider {
  name: string
  model: (stage: Stage) => LanguageModel
  targets: readonly Target[]
  providerOptions?: ProviderOptions
  /** Used instead for structured output. */
  structuredOptions?: (target: Target) => ProviderOptions
}

function tools(executed: string[]): ToolSet {
  const make = (
    name: string,
    property: string,
    type: 'string' | 'integer',
    result: (input: Record<string, unknown>) => string,
  ) =>
    tool({
      description: `The ${name} tool.`,
      inputSchema: jsonSchema<Record<string, unknown>>({
        type: 'object',
        properties: { [property]: { type } },
        required: [property],
        additionalProperties: false,
      }),
      execute: (input) => {
        executed.push(`${name} ${JSON.stringify(input)}`)
        return result(input)
      },
    })
  return {
    get_weather: make('get_weather', 'city', 'string', () => 'sunny'),
    get_time: make('get_time', 'zone', 'string', () => '12:00'),
    step: make('step', 'turn', 'integer', (input) => `result ${String(input.turn)}`),
  }
}

export function playAll(theatre: Theatre, provider: AiSdkProvider): void {
  const { providerOptions } = provider
  for (const target of provider.targets) {
    const common = (
      stage: Stage,
    ): { model: LanguageModel; maxRetries: number; system: string; providerOptions: ProviderOptions } => ({
      model: provider.model(stage),
      maxRetries: 0,
      system: 'You are a pilot.',
      providerOptions,
    })

    describe(`ai SDK (${provider.name}) -> ${theatre.door} door -> ${target.name}`, () => {
      afterEach(() => theatre.verify())

      it('gets a plain text with its usage', async () => {
        const stage = theatre.stage(target, 'plain')
        const answer = await generateText({ ...common(stage), prompt: 'Please begin.' })
        assert.equal(answer.text, 'PONG')
        assert.equal(answer.finishReason, 'stop')
        assert.equal(answer.usage.inputTokens, plainUsage.input)
        assert.equal(answer.usage.outputTokens, plainUsage.output)
      })

      it('streams text', async () => {
        const stage = theatre.stage(target, 'stream')
        const answer = streamText({ ...common(stage), prompt: 'Please begin.' })
        let text = ''
        let deltas = 0
        for await (const delta of answer.textStream) {
          text += delta
          deltas += 1
        }
        assert.equal(text, streamedText)
        assert.ok(deltas > 10, `${deltas} deltas`)
        assert.equal(await answer.finishReason, 'stop')
      })

      for (const streaming of [false, true]) {
        const run = async (stage: Stage, executed: string[]): Promise<string> => {
          const call = {
            ...common(stage),
            prompt: 'Please begin.',
            tools: tools(executed),
            stopWhen: stepCountIs(loopTurns + 2),
          }
          if (!streaming) return (await generateText(call)).text
          const answer = streamText({ ...call, onError: () => {} })
          await answer.consumeStream()
          return answer.text
        }
        const how = streaming ? 'streaming' : 'whole'

        it(`runs two parallel tool calls, ${how}`, async () => {
          const executed: string[] = []
          const text = await run(theatre.stage(target, 'parallel'), executed)
          assert.equal(text, 'Results: sunny | 12:00')
          assert.deepEqual(executed, ['get_weather {"city":"Genoa"}', 'get_time {"zone":"Europe/Rome"}'])
        })

        it(`keeps a tool loop of five turns with thinking going, ${how}`, async () => {
          const executed: string[] = []
          const text = await run(theatre.stage(target, 'loop'), executed)
          assert.equal(text, loopEnd)
          assert.equal(executed.length, loopTurns)
        })
      }

      it('shows an image', async () => {
        const stage = theatre.stage(target, 'image')
        const answer = await generateText({
          ...common(stage),
          messages: [
            {
              role: 'user',
              content: [
                { type: 'text', text: 'What is this?' },
                { type: 'image', image: Buffer.from(redPixelPng, 'base64'), mediaType: 'image/png' },
              ],
            },
          ],
        })
        assert.equal(answer.text, redPixelReport)
      })

      it('gets structured output', async () => {
        const stage = theatre.stage(target, 'structured')
        const answer = await generateText({
          ...common(stage),
          providerOptions: provider.structuredOptions?.(target) ?? providerOptions,
          prompt: 'The weather in Genoa as JSON.',
          output: Output.object({ schema: jsonSchema<typeof cityValue>(citySchema) }),
        })
        assert.deepEqual(answer.output, cityValue)
      })

      it('sees a refusal', async () => {
        const stage = theatre.stage(target, 'refusal')
        const answer = await generateText({ ...common(stage), prompt: 'Please begin.' })
        // The SDK has no refusal of its own: what matters is that it is no tool call and no exception.
        assert.ok(['content-filter', 'stop', 'other'].includes(answer.finishReason), answer.finishReason)
        assert.ok(answer.text === refusalText || answer.text === '', answer.text)
      })

      it('sees that the limit ended the answer', async () => {
        const stage = theatre.stage(target, 'maxtokens')
        const answer = await generateText({ ...common(stage), prompt: 'Please begin.', maxOutputTokens: 32 })
        assert.equal(answer.text, cutText)
        assert.equal(answer.finishReason, 'length')
      })

      it('gets an error before the stream with its status', async () => {
        for (const [scene, status] of [
          ['error400', 400],
          ['error429', 429],
          ['error500', 500],
        ] as const) {
          // A supplier's 500 may reach the client as another 5xx, never as its own fault.
          const isRight = (error: unknown): boolean =>
            APICallError.isInstance(error) &&
            (status === 500 ? Number(error.statusCode) >= 500 : error.statusCode === status)
          await assert.rejects(
            generateText({ ...common(theatre.stage(target, scene)), prompt: 'Please begin.' }),
            isRight,
          )
          let seen: unknown
          const stream = streamText({
            ...common(theatre.stage(target, scene)),
            prompt: 'Please begin.',
            onError: ({ error }) => {
              seen = error
            },
          })
          await stream.consumeStream()
          assert.ok(isRight(seen), `${scene}: ${String(seen)}`)
        }
      })

      it('gets an error in mid-stream, never an ordinary end', async () => {
        for (const scene of ['errorstream', 'cutstream'] as const) {
          let seen: unknown
          let text = ''
          const stream = streamText({
            ...common(theatre.stage(target, scene)),
            prompt: 'Please begin.',
            onError: ({ error }) => {
              seen = error
            },
          })
          try {
            for await (const part of stream.fullStream) if (part.type === 'text-delta') text += part.text
          } catch (error) {
            seen ??= error
          }
          const finish = await Promise.resolve(stream.finishReason).catch(() => 'error')
          assert.match(text, /^It begins/)
          assert.ok(seen !== undefined || finish === 'error' || finish === 'other', `${scene}: ended with ${finish}`)
        }
      })
    })
  }
}
