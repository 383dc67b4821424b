/** The cache simulator of the meter against the engine that it bills: the same hits, to the token (acceptance check 19). */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededRandom } from '@portolan/crossing'
import { blockTokens, PrefixCache, ReferenceForward, Scheduler, type JobEnd } from '@portolan/engine'
import { CacheSimulator } from '@portolan/meter'
import { convertCheckpoint, Model, randomCheckpoint, smallConfig } from '@portolan/model'

const config = smallConfig({ num_hidden_layers: 3, compress_ratios: [0, 4, 128] })
const vocabularySize = 48
const model = Model.load(convertCheckpoint(randomCheckpoint(config, 8), 'official'), { storage: 'packed' })

describe('hits that the simulator expects of the embedded engine', () => {
  it('are those that the engine counts, for conversations that go on, part, repeat and belong to others', () => {
    const cache = new PrefixCache({ memoryBytes: Infinity })
    const scheduler = new Scheduler(new ReferenceForward(model, 'small'), cache, { now: () => 0 })
    const simulator = new CacheSimulator({
      kind: 'automatic',
      minTokens: blockTokens,
      stepTokens: blockTokens,
      lifetimeMs: null,
      keepsAnswers: true,
    })
    const random = seededRandom(19)
    const below = (bound: number): number => Math.floor(random() * bound)
    const conversations: number[][] = []
    let [simulated, counted] = [0, 0]
    for (let at = 0; at < 24; at++) {
      const tenant = `tenant ${below(2)}`
      const parent = conversations[below(conversations.length + 1)] ?? []
      const kept = below(3) === 0 ? below(parent.length + 1) : parent.length
      const added = Array.from({ length: 1 + below(150) }, () => below(vocabularySize))
      const prompt = [...parent.slice(0, kept), ...added]
      const { drawn, end } = answered(scheduler, tenant, prompt)
      // The last drawn token was never put through the model, so it is in nobody's cache.
      const answer = drawn.slice(0, -1).map((id) => ({ id: String(id), tokens: 1 }))
      const { hitTokens } = simulator.next({
        atMs: at,
        scope: tenant,
        segments: prompt.map((id) => ({ id: String(id), tokens: 1 })),
        outputTokens: drawn.length,
        answer,
      })
      assert.equal(hitTokens, end.hitTokens, `request ${at}, ${prompt.length} tokens`)
      simulated += hitTokens
      counted = cache.counters.hitTokens
      conversations.push([...prompt, ...drawn.slice(0, -1)])
    }
    assert.equal(simulated, counted)
    assert.ok(simulated >= 20 * blockTokens, `${simulated} tokens hit`)
  })
})

function answered(
  scheduler: Scheduler,
  tenant: string,
  promptIds: readonly number[],
): { readonly drawn: readonly number[]; readonly end: JobEnd } {
  const drawn: number[] = []
  let end: JobEnd | null = null
  scheduler.submit({
    id: promptIds.length,
    tenant,
    promptIds,
    maximumOutputTokens: 6,
    sampling: { temperature: 0 },
    deadlineAtMs: null,
    onToken: (id) => (drawn.push(id), false),
    onEnd: (ended) => {
      end = ended
    },
  })
  for (let steps = 0; scheduler.step(); steps++) assert.ok(steps < 10_000)
  return { drawn, end: end! }
}
