/** A schema that an upstream can only be asked for in words: its answer is read, never altered, and said to fit or not. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { startMockUpstream } from '@portolan-testing/mock-upstream'
import { post, route, startFixture } from './fixture.ts'

const schema = { type: 'object', properties: { depth: { type: 'number' } }, required: ['depth'] }
const fitting = '{"depth":12}'
const asked = 'x-portolan-translation'

/** Knows the one schema of this file. */
const schemas = {
  fits(_schema: unknown, text: string): Promise<boolean | null> {
    if (text === 'slow') return new Promise(() => {})
    try {
      return Promise.resolve(typeof (JSON.parse(text) as { depth?: unknown }).depth === 'number')
    } catch {
      return Promise.resolve(false)
    }
  },
}

const doors = [
  {
    path: '/v1/chat/completions',
    field: 'response_format',
    body: {
      messages: [{ role: 'user', content: 'How deep?' }],
      response_format: { type: 'json_schema', json_schema: { name: 'd', strict: true, schema } },
    },
  },
  {
    path: '/v1/messages',
    field: 'output_config.format',
    body: {
      max_tokens: 50,
      messages: [{ role: 'user', content: 'How deep?' }],
      output_config: { format: { type: 'json_schema', schema } },
    },
  },
  {
    path: '/v1/responses',
    field: 'text.format',
    body: { input: 'How deep?', text: { format: { type: 'json_schema', name: 'd', strict: true, schema } } },
  },
] as const

async function withAnswer(text: string, work: (ask: Ask) => Promise<void>): Promise<void> {
  const upstream = await startMockUpstream({ script: () => ({ text }) })
  const running = await startFixture({
    // Its Chat address has JSON mode and no schemas.
    upstreams: [{ name: 'm', kind: 'deepseek', baseUrl: upstream.url, apiKey: 'k', protocols: ['chat'] }],
    models: [route('m', 'm')],
    schemas,
  })
  try {
    await work(async (door, stream) => {
      const answer = await post(running, door.path, { model: 'm', ...door.body, stream })
      assert.equal(answer.status, 200, answer.text)
      const [row] = await running.settled(1)
      return { text: answer.text, header: answer.headers.get(asked), row: row!.translation }
    })
  } finally {
    await running.close()
    await upstream.close()
  }
}

type Ask = (
  door: (typeof doors)[number],
  stream: boolean,
) => Promise<{ readonly text: string; readonly header: string | null; readonly row: string | null }>

describe('an answer by a schema that was asked for in words', () => {
  it('that does not fit comes as it is, and the header or a comment, and the row, say so at every door', async () => {
    await withAnswer('Twelve fathoms.', async (ask) => {
      for (const door of doors) {
        const whole = await ask(door, false)
        assert.match(whole.text, /Twelve fathoms\./)
        assert.match(whole.header ?? '', new RegExp(`instructed=${door.field}.*;unmet=${door.field}$`))
        assert.equal(whole.row, whole.header)
        const streamed = await ask(door, true)
        assert.doesNotMatch(streamed.header ?? '', /unmet/)
        assert.match(streamed.text, new RegExp(`\\n: ${asked}: .*;unmet=${door.field}\\n\\n`))
        assert.match(streamed.row ?? '', new RegExp(`;unmet=${door.field}$`))
      }
    })
  })

  it('that fits is not spoken of', async () => {
    await withAnswer(fitting, async (ask) => {
      for (const door of doors)
        for (const stream of [false, true]) {
          const { text, header, row } = await ask(door, stream)
          assert.match(header ?? '', new RegExp(`instructed=${door.field}`))
          assert.doesNotMatch(`${header} ${row} ${text}`, /unmet/)
        }
    })
  })

  it('that cannot be told in time is not waited for', async () => {
    await withAnswer('slow', async (ask) => {
      const startedAt = performance.now()
      assert.doesNotMatch((await ask(doors[0], false)).header ?? '', /unmet/)
      assert.ok(performance.now() - startedAt < 2000)
    })
  })
})
