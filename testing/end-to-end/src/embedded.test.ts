/** The embedded model behind all three doors: one prefix, one bill, each door in its own words. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { closeEmbeddedEngines } from '@portolan/upstream'
import { post, startFixture, type RunningGateway } from './fixture.ts'

type Json = Record<string, never>

const dataDirectory = mkdtempSync(join(tmpdir(), 'embedded-'))
const text = 'The harbour pilot reads the wind rose and marks every sandbank without hurry. '.repeat(10)
const model = 'deepseek-v4-pro'
let running: RunningGateway

before(async () => {
  running = await startFixture({ upstreams: [{ name: 'local', kind: 'embedded', model: { dataDirectory } }] })
})
after(async () => {
  await running.close()
  await closeEmbeddedEngines()
  rmSync(dataDirectory, { recursive: true, force: true })
})

async function ask(path: string, body: object): Promise<Json> {
  const answer = await post(running, path, { model, ...body })
  assert.equal(answer.status, 200, answer.text)
  return JSON.parse(answer.text) as Json
}

describe('the embedded model at every door', () => {
  it('says that it is untrained, and tells prefix hits in the words of the door and in the ledger', async () => {
    const messages = [{ role: 'user', content: text }]
    const chat = await ask('/v1/chat/completions', { messages, max_tokens: 3 })
    const { choices, usage } = chat as unknown as { choices: { message: { content: string } }[]; usage: Json }
    assert.match(choices[0]!.message.content, /^\[This model is untrained/)
    assert.equal(usage['prompt_cache_hit_tokens'], 0)

    const claude = await ask('/v1/messages', { messages, max_tokens: 3 })
    const {
      content,
      usage: claudeUsage,
      stop_reason,
    } = claude as unknown as Record<string, never> & {
      content: { text: string }[]
      usage: Json
      stop_reason: string
    }
    assert.match(content[0]!.text, /^\[This model is untrained/)
    assert.equal(stop_reason, 'max_tokens')
    const hit: number = claudeUsage['cache_read_input_tokens']!
    assert.ok(hit >= 128 && hit % 128 === 0, `${hit}`)

    const responses = await ask('/v1/responses', { input: text, max_output_tokens: 3 })
    const { usage: responsesUsage } = responses as unknown as { usage: { input_tokens_details: Json } }
    assert.equal(responsesUsage.input_tokens_details['cached_tokens'], hit)

    const rows = await running.settled(3)
    assert.deepEqual(
      rows.map((row) => row.usage.hitTokens),
      [hit, hit, 0],
    )
  })

  it('streams, and stops working when the caller leaves', async () => {
    const leaving = new AbortController()
    const response = await fetch(`${running.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${running.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: 'x' }] }),
      signal: leaving.signal,
    })
    const { value } = await response.body!.getReader().read()
    assert.match(Buffer.from(value).toString(), /^data: \{/)
    leaving.abort()
    const rows = await running.settled(4)
    assert.equal(rows[0]!.status, 'aborted')
  })

  it('gives log-probabilities of what it drew, whole and streamed alike, of text and of thoughts', async () => {
    interface Token {
      token: string
      logprob: number
      bytes: number[]
      top_logprobs: { logprob: number }[]
    }
    interface Choice {
      message: { content: string; reasoning_content?: string }
      delta: { content?: string }
      logprobs: { content?: Token[]; reasoning_content?: Token[] } | null
    }
    const messages = [{ role: 'user', content: 'How deep?' }]
    const body = { messages, max_tokens: 8, seed: 3, logprobs: true, top_logprobs: 2 }
    const { choices } = (await ask('/v1/chat/completions', body)) as unknown as { choices: Choice[] }
    const tokens = choices[0]!.logprobs!.content!
    assert.equal(tokens.length, 8)
    for (const { logprob, top_logprobs } of tokens) {
      assert.equal(top_logprobs.length, 2)
      assert.ok(
        logprob < 0 && logprob <= top_logprobs[0]!.logprob && top_logprobs[1]!.logprob <= top_logprobs[0]!.logprob,
      )
    }
    const spelled = Buffer.from(tokens.flatMap(({ bytes }) => bytes)).toString()
    assert.ok(choices[0]!.message.content.endsWith(`tokens at most.] ${spelled}`), spelled)

    const streamed = await post(running, '/v1/chat/completions', { model, ...body, stream: true })
    const chunks = streamed.text.split('\n\n').filter((line) => line.startsWith('data: {'))
    const parts = chunks.flatMap((line) => (JSON.parse(line.slice(6)) as { choices: Choice[] }).choices)
    assert.deepEqual(
      parts.flatMap(({ logprobs }) => logprobs?.content ?? []),
      tokens,
    )

    const thinking = { type: 'enabled' }
    const thought = (await ask('/v1/chat/completions', { ...body, thinking })) as unknown as { choices: Choice[] }
    assert.ok(thought.choices[0]!.logprobs!.reasoning_content!.length > 0)
  })

  it('gives n choices, whole and streamed alike, over a prompt that is computed and billed once', async () => {
    interface Choice {
      index: number
      message: { content: string }
      delta: { content?: string }
      finish_reason: string | null
      logprobs: { content?: unknown[] } | null
    }
    const messages = [{ role: 'user', content: `${text} Three ways home?` }]
    const body = { messages, max_tokens: 12, seed: 3, n: 3, logprobs: true }
    const whole = (await ask('/v1/chat/completions', body)) as unknown as { choices: Choice[]; usage: Json }
    const said = whole.choices.map(({ message }) => message.content)
    assert.equal(new Set(said).size, 3, said.join('\n'))
    assert.deepEqual(
      whole.choices.map(({ index, finish_reason, logprobs }) => [index, finish_reason, logprobs!.content!.length > 0]),
      [0, 1, 2].map((index) => [index, 'length', true]),
    )
    assert.equal(whole.usage['completion_tokens'], 36)

    const answer = await post(running, '/v1/chat/completions', {
      model,
      ...body,
      stream: true,
      stream_options: { include_usage: true },
    })
    const chunks = answer.text
      .split('\n\n')
      .filter((line) => line.startsWith('data: {'))
      .map((line) => JSON.parse(line.slice(6)) as { choices: Choice[]; usage: Json | null })
    const of = (index: number): Choice[] =>
      chunks.flatMap(({ choices }) => choices.filter((each) => each.index === index))
    assert.deepEqual(
      [0, 1, 2].map((index) =>
        of(index)
          .map(({ delta }) => delta.content ?? '')
          .join(''),
      ),
      said,
    )
    assert.ok([0, 1, 2].every((index) => of(index).at(-1)!.finish_reason === 'length'))
    const order = chunks.flatMap(({ choices }) => choices.map(({ index }) => index)).join('')
    assert.match(order, /1.*0/, 'the choices are made together, not one after the other')
    const [streamed, first] = running.rows()
    assert.equal(chunks.at(-1)!.usage!['completion_tokens'], 36)
    assert.deepEqual(
      [streamed, first].map((row) => [row!.usage.outputTokens, row!.usage.source, row!.status]),
      [
        [36, 'reported', 'ok'],
        [36, 'reported', 'ok'],
      ],
    )
    assert.ok(streamed!.usage.hitTokens! >= 128 && streamed!.usage.inputTokens === first!.usage.inputTokens)
  })

  it('refuses in the words of the door what it cannot do', async () => {
    const messages = [{ role: 'user', content: 'x' }]
    for (const [change, pattern] of [
      [{ n: 129 }, /valid range of n is \[1, 128\]/],
      [{ max_tokens: 400_000 }, /valid range of max_tokens is \[1, 393216\]/],
      [{ max_tokens: 0 }, /valid range of max_tokens is \[1, 393216\]/],
      [{ top_p: 1.5 }, /valid range of top_p is \(0, 1\]/],
      [{ logprobs: true, top_logprobs: 21 }, /valid range of top_logprobs is \[0, 20\]/],
    ] as const) {
      const answer = await post(running, '/v1/chat/completions', { model, messages, ...change })
      assert.equal(answer.status, 400, answer.text)
      assert.match(answer.text, pattern)
    }
  })

  it('continues texts and fills holes at the completions paths, whole and streamed alike, with hits on the bill', async () => {
    interface Choice {
      text: string
      index: number
      finish_reason: string | null
      logprobs: { tokens: string[]; token_logprobs: number[]; top_logprobs: object[]; text_offset: number[] } | null
    }
    const body = { prompt: text, suffix: ' and home.', max_tokens: 9, temperature: 0.5, seed: 4, logprobs: 2 }
    for (const path of ['/v1/completions', '/completions', '/beta/completions', '/beta/v1/completions']) {
      const whole = (await ask(path, body)) as unknown as { object: string; id: string; choices: Choice[]; usage: Json }
      assert.equal(whole.object, 'text_completion')
      const [choice] = whole.choices
      assert.match(choice!.text, /^\[This model is untrained/)
      assert.deepEqual([choice!.index, choice!.finish_reason], [0, 'length'])
      assert.ok((whole.usage['prompt_cache_hit_tokens']! as number) % 128 === 0)
      const { tokens, text_offset: offsets } = choice!.logprobs!
      assert.ok(tokens.length > 0 && tokens.length === offsets.length)
      assert.ok(choice!.text.slice(offsets[0]).startsWith(tokens[0]!), choice!.text)

      const answer = await post(running, path, {
        model,
        ...body,
        stream: true,
        stream_options: { include_usage: true },
      })
      const events = answer.text.split('\n\n').filter((line) => line !== '')
      assert.equal(events.at(-1), 'data: [DONE]')
      const chunks = events
        .slice(0, -1)
        .map((line) => JSON.parse(line.slice(6)) as { id: string; choices: Choice[]; usage: Json })
      const parts = chunks.flatMap(({ choices }) => choices)
      assert.equal(parts.map((part) => part.text).join(''), choice!.text)
      assert.deepEqual(
        parts.flatMap((part) => part.logprobs?.text_offset ?? []),
        offsets,
      )
      assert.equal(parts.at(-1)!.finish_reason, 'length')
      assert.equal(new Set(chunks.map(({ id }) => id)).size, 1)
      assert.equal(chunks.at(-1)!.usage['completion_tokens'], 9)
      const [row] = running.rows()
      assert.deepEqual(
        [row!.status, row!.usage.outputTokens, row!.usage.source, row!.path],
        ['ok', 9, 'reported', path],
      )
      assert.ok(row!.usage.hitTokens! >= 128, 'the second time the prompt is known')
    }
  })

  it('answers several prompts and choices in order, echoes, and stops where it is told', async () => {
    const prompts = ['def depth(', 'def wind(']
    const body = { prompt: prompts, n: 2, echo: true, max_tokens: 4, seed: 1, temperature: 0 }
    const { choices, usage } = (await ask('/v1/completions', body)) as unknown as {
      choices: { text: string; index: number }[]
      usage: Json
    }
    assert.deepEqual(
      choices.map((choice) => [choice.index, choice.text.slice(0, choice.text.indexOf('('))]),
      [
        [0, 'def depth'],
        [1, 'def depth'],
        [2, 'def wind'],
        [3, 'def wind'],
      ],
    )
    assert.equal(choices[0]!.text, choices[1]!.text, 'greedy')
    assert.equal(usage['completion_tokens'], 16)
    const spoken = (await ask('/v1/completions', {
      prompt: prompts[0],
      max_tokens: 40,
      temperature: 0,
    })) as unknown as {
      choices: { text: string; finish_reason: string }[]
    }
    const own = spoken.choices[0]!.text.split('at most.] ')[1]!
    const stop = own.slice(5, 8)
    const stopped = (await ask('/v1/completions', {
      prompt: prompts[0],
      max_tokens: 40,
      temperature: 0,
      stop,
    })) as unknown as typeof spoken
    assert.equal(stopped.choices[0]!.finish_reason, 'stop')
    assert.ok(stopped.choices[0]!.text.endsWith(own.slice(0, own.indexOf(stop))))
  })

  it('says of a text completion what is wrong with it, in DeepSeek\u2019s words where it has any', async () => {
    for (const [change, pattern] of [
      [{ max_tokens: 4097 }, /valid range of max_tokens is \[1, 4096\]/],
      [{ max_tokens: 0 }, /valid range of max_tokens/],
      [{ logprobs: 21 }, /valid range of logprobs is \[0, 20\]/],
      [{ logprobs: true }, /`logprobs` must be a whole number/],
      [{ n: 129 }, /valid range of n is \[1, 128\]/],
      [{ best_of: 3 }, /`best_of`/],
      [{ echo: true, suffix: 'x' }, /`echo` and `suffix` exclude each other/],
      [{ prompt: [] }, /`prompt` must be/],
      [{ prompt: [[1], 'x', { a: 1 }] }, /`prompt\[2\]` must be an array/],
      [{ prompt: [999_999] }, /outside of the vocabulary/],
      [{ prompt: 'x'.repeat(1_100_000) }, /maximum context length is \d+ tokens/],
      [{ temperature: 3 }, /valid range of temperature is \[0, 2\]/],
    ] as const) {
      const answer = await post(running, '/v1/completions', { model, prompt: 'x', stream: true, ...change })
      assert.equal(answer.status, 400, answer.text)
      assert.match(answer.text, pattern)
      const { error } = JSON.parse(answer.text) as { error: { message: string; param: string | null } }
      assert.equal(typeof error.message, 'string')
      const [field] = Object.keys(change)
      if ('max_tokens' in change || 'n' in change || 'temperature' in change) assert.equal(error.param, field)
    }
  })

  it('settles a text completion that its caller leaves', async () => {
    const count = running.rows().length
    const leaving = new AbortController()
    const response = await fetch(`${running.url}/v1/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${running.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model, stream: true, prompt: 'x', n: 3 }),
      signal: leaving.signal,
    })
    await response.body!.getReader().read()
    leaving.abort()
    const [row] = await running.settled(count + 1)
    assert.deepEqual([row!.status, row!.usage.source], ['aborted', 'estimated'])
    assert.ok(row!.usage.inputTokens! < 20, 'the prompt was reported before the caller left')
  })
})
