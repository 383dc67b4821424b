import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { CanonicalEvent } from '../canonical/event.ts'
import { noUsage } from '../canonical/usage.ts'
import { WireError } from '../errors.ts'
import { TextCompletionCollector, TextCompletionStreamWriter } from './answer.ts'
import { readTextCompletion } from './request.ts'

const asked = { model: 'm', prompt: 'p' }

describe('a request for a text completion', () => {
  it('takes one text, one list of token ids, or several of either', () => {
    const prompts = (prompt: unknown) => readTextCompletion({ ...asked, prompt }).prompts
    assert.deepEqual(prompts('a'), ['a'])
    assert.deepEqual(prompts([1, 2]), [[1, 2]])
    assert.deepEqual(prompts(['a', [3]]), ['a', [3]])
    for (const bad of [undefined, null, 7, [], [[1.5]], ['a', {}], [-1]]) assert.throws(() => prompts(bad), WireError)
  })

  it('reads what is said, ignores what it does not know, and leaves the rest unsaid', () => {
    const request = readTextCompletion({
      ...asked,
      suffix: '',
      stop: 'x',
      logprobs: 0,
      user_id: 'u',
      stream: true,
      stream_options: { include_usage: true },
      prompt_cache_key: 'k',
    })
    assert.deepEqual(
      [
        request.suffix,
        request.stop,
        request.topLogprobs,
        request.endUser,
        request.includeUsage,
        request.maxOutputTokens,
      ],
      [null, ['x'], 0, 'u', true, null],
    )
  })

  it('is refused by name where something would be lost or is said twice', () => {
    for (const [change, field] of [
      [{ best_of: 2 }, 'best_of'],
      [{ echo: true, suffix: 's' }, 'echo'],
      [{ echo: true, logprobs: 1 }, 'logprobs'],
      [{ echo: true, prompt: [1] }, 'echo'],
      [{ stop: [1] }, 'stop[0]'],
    ] as const)
      assert.throws(
        () => readTextCompletion({ ...asked, ...change }),
        (error) => error instanceof WireError && error.field === field,
      )
  })
})

const token = (text: string) => {
  const bytes = [...Buffer.from(text)]
  return { token: text, logprob: -1, bytes, top_logprobs: [{ token: text, logprob: -1, bytes }] }
}
const usage = { ...noUsage, inputTokens: 3, hitTokens: 0, outputTokens: 5 }

describe('an answer to a text completion', () => {
  const request = readTextCompletion({
    ...asked,
    prompt: ['\u{1f30a} = '],
    n: 2,
    stream_options: { include_usage: true },
  })
  const events: CanonicalEvent[] = [
    { type: 'response-start', id: 'x', model: 'served', createdSec: 1, usage: null },
    { type: 'text-start', key: 0, refusal: false, choice: 0 },
    { type: 'text-start', key: 1, refusal: false, choice: 1 },
    { type: 'text-delta', key: 0, text: '(mark) ' },
    { type: 'text-delta', key: 1, text: 'b', logprobs: { content: [token('b')] } },
    { type: 'text-delta', key: 0, text: 'a', logprobs: { content: [token('a')] } },
    { type: 'text-delta', key: 0, text: 'c', logprobs: { content: [token('c')] } },
    { type: 'choice-end', choice: 1, stop: 'length' },
    { type: 'choice-end', choice: 0, stop: 'stop-sequence' },
    { type: 'response-end', stop: 'stop-sequence', stopSequence: 'z', refusalExplanation: null, usage },
  ]

  interface Body {
    choices: { text: string; index: number; finish_reason: string | null; logprobs: { text_offset: number[] } | null }[]
    usage: Record<string, number> | null
  }

  function both(change: Partial<typeof request>): { whole: Body; chunks: Body[]; stream: string } {
    const context = { request: { ...request, ...change }, requestId: 'r', createdSec: 9 }
    const collector = new TextCompletionCollector(context)
    const writer = new TextCompletionStreamWriter(context)
    assert.equal(collector.body(), null)
    const stream = events.map((event) => writer.write(event)).join('')
    for (const event of events) collector.push(event)
    const chunks = stream
      .split('\n\n')
      .filter((line) => line.startsWith('data: {'))
      .map((line) => JSON.parse(line.slice(6)) as Body)
    return { whole: collector.body() as unknown as Body, chunks, stream }
  }

  it('says the same whole and streamed, choice by choice, with one usage and one end', () => {
    const { whole, chunks, stream } = both({})
    assert.deepEqual(
      whole.choices.map(({ text, finish_reason: finish }) => [text, finish]),
      [
        ['(mark) ac', 'stop'],
        ['b', 'length'],
      ],
    )
    for (const { index, text, finish_reason: finish } of whole.choices) {
      const own = chunks.flatMap(({ choices }) => choices).filter((choice) => choice.index === index)
      assert.equal(own.map((choice) => choice.text).join(''), text)
      assert.equal(own.at(-1)!.finish_reason, finish)
    }
    assert.deepEqual(
      chunks.map((chunk) => chunk.usage?.['completion_tokens'] ?? null),
      [...Array<null>(chunks.length - 1).fill(null), 5],
    )
    assert.match(stream, /\[DONE\]\n\n$/)
  })

  it('counts the offsets of tokens in code points, an echo and whatever is not the model\u2019s included', () => {
    // Echo and log-probabilities exclude each other at the door; the count of an echo is the writer's all the same.
    const { whole, chunks } = both({ echo: true, topLogprobs: 1 })
    assert.equal(whole.choices[0]!.text, '\u{1f30a} = (mark) ac')
    assert.deepEqual(whole.choices[0]!.logprobs!.text_offset, [11, 12])
    const streamed = chunks
      .flatMap(({ choices }) => choices)
      .filter(({ index }) => index === 0)
      .flatMap(({ logprobs }) => logprobs?.text_offset ?? [])
    assert.deepEqual(streamed, [11, 12])
  })

  it('ends in an error without [DONE], and then says nothing more', () => {
    const writer = new TextCompletionStreamWriter({ request, requestId: 'r', createdSec: 9 })
    const text = writer.write({ type: 'error', kind: 'internal', message: 'broken', code: null })
    assert.match(text, /^data: \{"error":\{"message":"broken"/)
    assert.equal(writer.write(events.at(-1)!), '')
  })
})
