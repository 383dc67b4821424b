import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { EngineEvent, GenerationRequest } from '@portolan/engine'
import { generateSamples, Totals, type SampleEvent } from './samples.ts'

const request: GenerationRequest = {
  tenant: 't',
  prompt: { mode: 'chat', messages: [] },
  maximumOutputTokens: 4,
  stops: [],
  sampling: { seed: 5 },
  constraint: null,
  deadlineMs: null,
}
const ended = { type: 'ended', finish: 'stop', stopString: null, rawCalls: null } as const
const counts = { promptTokens: 300, hitTokens: 128, outputTokens: 4, reasoningTokens: 1 }
const broken: EngineEvent = { type: 'failed', code: 'X', kind: 'internal', message: 'broken' }

/** An engine that says what it was asked for, and what each request brings. */
function engine(says: (order: number) => readonly EngineEvent[]) {
  const log: string[] = []
  let count = 0
  return {
    log,
    async *generate({ sampling }: GenerationRequest, signal: AbortSignal | null): AsyncGenerator<EngineEvent> {
      const order = count++
      log.push(`begin ${sampling.seed}`)
      for (const event of says(order)) {
        await new Promise((resolve) => setImmediate(resolve))
        if (signal?.aborted) break
        log.push(event.type)
        yield event
      }
    },
  }
}

async function collect(events: AsyncIterable<SampleEvent>): Promise<SampleEvent[]> {
  const all: SampleEvent[] = []
  for await (const event of events) all.push(event)
  return all
}

const reading: EngineEvent[] = [
  { type: 'started', promptTokens: 300, hitTokens: 128 },
  { type: 'progress', doneTokens: 256, promptTokens: 300 },
  { type: 'progress', doneTokens: 300, promptTokens: 300 },
]

describe('several answers to one prompt', () => {
  it('begin when the first has read the prompt, each with a seed of its own', async () => {
    const asked = engine(() => [...reading, { ...ended, ...counts }])
    const events = await collect(generateSamples(asked, [request], 3, null))
    assert.deepEqual(asked.log.slice(0, 5), ['begin 5', 'started', 'progress', 'progress', asked.log[4]])
    const seeds = asked.log.filter((line) => line.startsWith('begin'))
    assert.equal(new Set(seeds).size, 3)
    assert.ok(asked.log.indexOf(seeds[1]!) === 4, 'not before')
    assert.deepEqual(
      [0, 1, 2].map((choice) => events.filter((event) => event.choice === choice).length),
      [4, 4, 4],
    )
  })

  it('end with the first failure, and the others are cancelled', async () => {
    const asked = engine((order) => [
      ...reading,
      ...(order === 1 ? [broken] : Array<EngineEvent>(50).fill(reading[1]!)),
    ])
    const events = await collect(generateSamples(asked, [request], 3, null))
    assert.deepEqual(events.at(-1), { choice: 1, event: broken })
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.ok(asked.log.length < 60, `${asked.log.length} events after the failure`)
  })

  it('are one bill: every prompt once, and all that was written', async () => {
    const asked = engine(() => [...reading, { ...ended, ...counts }])
    const totals = new Totals(2)
    for (const { choice, event } of await collect(generateSamples(asked, [request, request], 2, null)))
      if (event.type === 'ended') totals.add(choice, event)
    const { inputTokens, hitTokens, outputTokens, reasoningTokens } = totals.usage
    assert.deepEqual([inputTokens, hitTokens, outputTokens, reasoningTokens], [600, 256, 16, 4])
  })
})
