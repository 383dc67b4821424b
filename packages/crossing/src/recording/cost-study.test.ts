import { describe, it } from 'node:test'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { bundledPricesUrl, loadPriceBook, priceRequest, simulateCache, type CacheRule } from '@portolan/meter'
import type { Exchange } from '../records/index.ts'
import { promptShape } from './prompt-shape.ts'
import { Random } from './redaction/random.test-support.ts'
import { chatAnswer, RecordingRoom, startMs } from './recorder.test-support.ts'
import { timelineOf } from './timeline.ts'

const book = loadPriceBook(readFileSync(bundledPricesUrl, 'utf8'))

/** Three vendors' published rules: automatic in steps with a minimum, explicit marks, automatic in small blocks. */
const vendors: readonly { vendor: string; model: string; rule: CacheRule }[] = [
  {
    vendor: 'openai',
    model: 'gpt-5.5',
    rule: { kind: 'automatic', minTokens: 1024, stepTokens: 128, lifetimeMs: 600_000, keepsAnswers: true },
  },
  { vendor: 'anthropic', model: 'claude-opus-4-8', rule: { kind: 'marked', minTokens: 1024, lookbackSegments: 20 } },
  {
    vendor: 'deepseek',
    model: 'deepseek-v4-pro',
    rule: { kind: 'automatic', minTokens: 64, stepTokens: 64, lifetimeMs: null, keepsAnswers: true },
  },
]

function study(exchanges: readonly Exchange[]): { cost: bigint[]; hit: number[] } {
  const timeline = timelineOf(exchanges, ({ recordingId }) => recordingId)
  const costs = vendors.map(({ vendor, model, rule }) => {
    const usages = simulateCache(
      rule,
      timeline.map(({ request }) => request),
    )
    const hit = usages.reduce((sum, usage) => sum + usage.hitTokens!, 0)
    const cost = usages.reduce((sum, usage, i) => {
      const { totalNanos, unpriced } = priceRequest(
        usage,
        book,
        { vendor, model, currency: 'USD' },
        timeline[i]!.request.atMs,
      )
      assert.equal(unpriced, null, unpriced?.message)
      return sum + totalNanos!
    }, 0n)
    return { cost, hit }
  })
  return { cost: costs.map(({ cost }) => cost), hit: costs.map(({ hit }) => hit) }
}

describe('a cost study without content (check 5)', () => {
  it('from hashes alone agrees to the nano with the one from the full recording, for three vendor rules', () => {
    const random = new Random(5)
    const traffic: { body: Record<string, unknown>; answer: string; atMs: number; tokens: number }[] = []
    for (let talk = 0; talk < 12; talk++) {
      const tools =
        talk % 2 === 0
          ? [
              {
                type: 'function',
                function: { name: `tool_${talk % 3}`, description: random.token(3000), parameters: { type: 'object' } },
              },
            ]
          : undefined
      const messages: Record<string, unknown>[] = [
        { role: 'system', content: 'You are careful. '.repeat(200 + (talk % 4) * 200) },
      ]
      for (let turn = 0; turn < 8; turn++) {
        const last = [
          { type: 'text', text: random.token(400 + random.below(3000)), cache_control: { type: 'ephemeral' } },
        ]
        messages.push({ role: 'user', content: last })
        const text = random.token(50 + random.below(900))
        const body = { ...(tools ? { tools } : {}), messages: structuredClone(messages) }
        traffic.push({
          body,
          answer: text,
          atMs: startMs + turn * 90_000 + talk * 1700 + (turn > 4 ? 600_000 : 0),
          tokens: Math.round(JSON.stringify(body).length / 3.7),
        })
        // The mark moves on: earlier messages go back to plain text.
        messages[messages.length - 1] = { role: 'user', content: last[0]!.text }
        messages.push({ role: 'assistant', content: text })
      }
    }
    traffic.sort((a, b) => a.atMs - b.atMs)
    const rooms = [new RecordingRoom(), new RecordingRoom()]
    try {
      const [hashes, full] = rooms.map((room, index) => {
        const { id } = room.start(index === 0 ? 'hashes' : 'full')
        room.recorder.record(
          traffic.map(({ body, answer, atMs, tokens }) => {
            const made = room.captured(id, body, chatAnswer({ content: answer }))
            return {
              ...made,
              row: {
                ...made.row,
                startedAtMs: atMs,
                usage: {
                  ...made.row.usage,
                  inputTokens: tokens,
                  missTokens: tokens,
                  outputTokens: Math.round(answer.length / 4),
                },
              },
            }
          }),
        )
        return [...room.recordings.sessions(id)].flatMap((session) => room.recordings.exchanges(session.id))
      })
      assert.ok(hashes!.every((exchange) => exchange.content === null && exchange.prompt !== null))
      // The full recording's study is made from its words, not from the hashes beside them.
      const key = Buffer.alloc(32, 77)
      const fromWords = full!.map((exchange) => ({
        ...exchange,
        prompt: promptShape(key, exchange.content!.request, exchange.content!.response),
      }))
      const one = study(hashes!)
      const other = study(fromWords)
      assert.deepEqual(one, other)
      assert.ok(
        one.hit.every((hit) => hit > 10_000),
        `hits: ${one.hit.join(', ')}`,
      )
      assert.equal(new Set(one.cost).size, 3)
    } finally {
      for (const room of rooms) room.close()
    }
  })
})
