/**
 * What a stream used that ended without its usage: counted by the model's own tokenizer where the configuration names
 * one, prompt and thoughts and calls as well as text, at every door and without waiting; by length otherwise.
 */
import assert from 'node:assert/strict'
import { request as send } from 'node:http'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { startMockUpstream, type Answer, type MockUpstream, type Script } from '@portolan-testing/mock-upstream'
import type { LedgerRow } from '@portolan/store'
import { adapterOf, protocols, SseReader, type Protocol } from '@portolan/wire'
import { bodyFor, doorPaths, pairs } from './faults/scene.ts'
import { post, route, startFixture, type RunningGateway } from './fixture.ts'

const directory = mkdtempSync(join(tmpdir(), 'portolan-cut-'))
/** A tokenizer of words and marks, far from any estimate by length. */
const tokenizer = join(directory, 'tokenizer.json')
const broken = join(directory, 'broken.json')
const tokensOf = (text: string): number => text.match(/\w+|[^\w\s]+/g)?.length ?? 0

const promptWords = 300
const answer: Answer = {
  reasoning: 'think '.repeat(12),
  text: 'a '.repeat(40),
  toolCalls: [{ name: 'look_up', arguments: { words: 'tide '.repeat(400) } }],
  chunkCharacters: 6,
  usage: { inputTokens: 777, outputTokens: 5000 },
}
/** In the dialects that show their thoughts. */
const saying =
  (more: Answer): Script =>
  ({ protocol }) => ({ ...answer, ...more, dialect: protocol === 'messages' ? 'anthropic' : 'deepseek' })

describe('a stream that broke off', () => {
  let upstream: MockUpstream
  let running: RunningGateway
  before(async () => {
    const wordLevel = { type: 'WordLevel', vocab: { '[UNK]': 0, word: 1 }, unk_token: '[UNK]' }
    const file = {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: [],
      normalizer: null,
      pre_tokenizer: { type: 'Whitespace' },
      post_processor: null,
      decoder: null,
      model: wordLevel,
    }
    writeFileSync(tokenizer, JSON.stringify(file))
    writeFileSync(broken, '{"model": 7}')
    upstream = await startMockUpstream({ script: () => answer, refuseUnknownFields: false })
    const far = { baseUrl: upstream.url, apiKey: 'k' }
    running = await startFixture({
      upstreams: [
        { name: 'chat', kind: 'openai-compatible', ...far },
        { name: 'messages', kind: 'anthropic-compatible', ...far },
        { name: 'responses', kind: 'openai-compatible', ...far, protocols: ['responses'] },
      ],
      models: [
        ...protocols.map((protocol) => ({ ...route(`to-${protocol}`, protocol), tokenizer })),
        route('nameless', 'chat'),
        { ...route('missing', 'chat'), tokenizer: join(directory, 'none.json') },
        { ...route('broken', 'chat'), tokenizer: broken },
      ],
    })
    const { counters } = running.gateway.parts
    for (let waitedMs = 0; waitedMs < 2000 && counters.ready(tokenizer) === null; waitedMs++)
      await new Promise((resolve) => setTimeout(resolve, 1))
  })
  after(async () => {
    await running.close()
    await upstream.close()
    rmSync(directory, { recursive: true })
  })

  const prompt = 'word '.repeat(promptWords)

  async function rowOf(work: () => Promise<unknown>): Promise<LedgerRow> {
    const known = running.rows().length
    await work()
    return (await running.settled(known + 1))[0]!
  }

  /** What a caller heard, block by block, in tokens. */
  function heard(door: Protocol, text: string): { thought: number; said: number } {
    const sse = new SseReader()
    const reader = adapterOf(door).createStreamReader()
    const blocks = new Map<number, { thought: boolean; text: string }>()
    const add = (key: number, thought: boolean, more: string): void => {
      const block = blocks.get(key)
      if (block === undefined) blocks.set(key, { thought, text: more })
      else block.text += more
    }
    const messages = [...sse.push(Buffer.from(text)), ...sse.end()]
    for (const event of messages.flatMap((message) => [...reader.push(message)]))
      if (event.type === 'text-delta' || event.type === 'reasoning-delta')
        add(event.key, event.type === 'reasoning-delta', event.text)
      else if (event.type === 'tool-call-start') add(event.key, false, event.name)
      else if (event.type === 'tool-call-delta') add(event.key, false, event.argumentsDelta)
    const sum = (thought: boolean): number =>
      [...blocks.values()].reduce((total, block) => total + (block.thought === thought ? tokensOf(block.text) : 0), 0)
    return { thought: sum(true), said: sum(false) }
  }

  for (const [door, far] of pairs)
    it(`is counted with its thoughts and calls: ${door} to ${far}`, async () => {
      upstream.setScript(saying({ cut: { afterEvents: 80, how: 'finish' } }))
      let text = ''
      const row = await rowOf(async () => {
        text = (await post(running, doorPaths[door], bodyFor(door, `to-${far}`, true, prompt))).text
      })
      const { usage } = row
      const { thought, said } = heard(door, text)
      assert.equal(row.status, 'cut')
      assert.ok(thought >= 12 && said > 60, `${thought} tokens of thoughts, ${said} of text and call`)
      assert.deepEqual(
        [usage.source, usage.outputTokens, usage.reasoningTokens],
        ['estimated', thought + said, thought],
      )
      assert.match(usage.estimatedBy ?? '', /^tokenizer sha256:[0-9a-f]{12}$/)
      // Messages says the prompt in its first event; the others would have said it in their last.
      if (far === 'messages') assert.equal(usage.inputTokens, 777)
      else
        assert.ok(usage.inputTokens! >= promptWords && usage.inputTokens! <= promptWords + 20, `${usage.inputTokens}`)
      assert.equal(usage.hitTokens! + usage.missTokens! + usage.writtenTokens!, usage.inputTokens)
    })

  for (const door of protocols)
    it(`is counted where the caller left: ${door}`, async () => {
      upstream.setScript(saying({ chunkDelayMs: 2 }))
      let text = ''
      const row = await rowOf(async () => {
        const request = send(running.url + doorPaths[door], {
          method: 'POST',
          agent: false,
          headers: { authorization: `Bearer ${running.key}`, 'content-type': 'application/json' },
        })
        await new Promise<void>((resolve) => {
          request.on('error', () => resolve())
          request.on('response', (response) => {
            response.on('error', () => {})
            response.on('close', resolve)
            response.on('data', (chunk: Buffer) => {
              text += chunk.toString()
              const { thought, said } = heard(door, text)
              if (thought + said > 30) request.destroy()
            })
          })
          request.end(JSON.stringify(bodyFor(door, `to-${door}`, true, prompt)))
        })
      })
      const { thought, said } = heard(door, text)
      assert.equal(row.status, 'aborted')
      // What was under way when it left is counted as well, and the call that never began is not.
      assert.ok(row.usage.outputTokens! >= thought + said && row.usage.outputTokens! < 400, `${row.usage.outputTokens}`)
    })

  it('is estimated by its length without a tokenizer, or with one that cannot be used, and says which', async () => {
    upstream.setScript(saying({ cut: { afterEvents: 80, how: 'finish' } }))
    const usageOf = async (model: string) =>
      (await rowOf(() => post(running, doorPaths.chat, bodyFor('chat', model, true, prompt)))).usage
    const byLength = await usageOf('nameless')
    assert.deepEqual([byLength.source, byLength.estimatedBy, byLength.reasoningTokens], ['estimated', 'length', null])
    for (const model of ['missing', 'broken'])
      assert.deepEqual(
        { ...(await usageOf(model)), inputTokens: null, missTokens: null },
        {
          ...byLength,
          inputTokens: null,
          missTokens: null,
          estimatedBy: 'length, because the tokenizer cannot be used',
        },
      )
  })

  // A completion that broke off was estimated by the bytes of its stream, forty for each word of this one.
  it('is counted by its text where it is a text completion', async () => {
    const chunk = (text: string, index = 0): string =>
      `data: ${JSON.stringify({ id: 'c', object: 'text_completion', model: 'm', choices: [{ index, text, finish_reason: null }] })}\n\n`
    const chunks = Array.from({ length: 120 }, (_, at) => chunk(at % 2 === 0 ? 'wo' : 'rd ', 0) + chunk('tide ', 1))
    upstream.setScript(() => ({ raw: { headers: { 'content-type': 'text/event-stream' }, chunks } }))
    const body = (model: string) => ({ model, prompt, stream: true, n: 2, max_tokens: 500 })
    const counted = (await rowOf(() => post(running, '/v1/completions', body('to-chat')))).usage
    assert.deepEqual([counted.source, counted.outputTokens], ['estimated', 60 + 120])
    assert.match(counted.estimatedBy ?? '', /^tokenizer/)
    assert.ok(counted.inputTokens! >= promptWords && counted.inputTokens! < promptWords + 50, `${counted.inputTokens}`)
    const byLength = (await rowOf(() => post(running, '/v1/completions', body('nameless')))).usage
    assert.deepEqual([byLength.estimatedBy, byLength.outputTokens], ['length', Math.ceil((60 * 5 + 120 * 5) / 3.6)])
  })

  it('and a whole answer without usage are counted alike', async () => {
    const content = 'word '.repeat(500)
    upstream.setScript(() => ({
      raw: {
        headers: { 'content-type': 'application/json' },
        chunks: [
          JSON.stringify({
            id: 'c',
            object: 'chat.completion',
            created: 1,
            model: 'to-chat',
            choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
          }),
        ],
      },
    }))
    for (const door of ['chat', 'messages'] as const) {
      const row = await rowOf(() => post(running, doorPaths[door], bodyFor(door, 'to-chat', false, prompt)))
      assert.deepEqual([row.status, row.usage.source, row.usage.outputTokens], ['ok', 'estimated', 500])
      assert.match(row.usage.estimatedBy ?? '', /^tokenizer/)
    }
  })
})
