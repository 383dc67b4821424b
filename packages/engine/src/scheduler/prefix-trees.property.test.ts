/**
 * Hits and misses against the law, over random trees of conversations:
 *
 *   hit = floor(common prefix / 128) * 128, common with any earlier conversation of the same tenant,
 *         and short of the prompt's last token
 *
 * where every block keeps its tail. Where one of n does, a prompt is taken up at the last block of what is known that has
 * one: the n-th ones, the ends of prompts and answers, and the places where two have parted before. So a prompt that
 * continues or repeats another hits what the law says, and one that is the first to part from another up to n - 1
 * blocks less.
 *
 * `PORTOLAN_PREFIX_TREES=10000 npm test -- prefix-trees` is the proof in full (minutes); the default is a sample.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { PrefixCache } from '../cache/prefix-cache.ts'
import { blockTokens } from '../forward.ts'
import { PretendForward } from '../pretend-forward.test-support.ts'
import type { JobEnd } from './job.ts'
import { Scheduler } from './scheduler.ts'

const trees = Number(process.env['PORTOLAN_PREFIX_TREES'] ?? 150)
const vocabularySize = 32

/** One request: it continues an earlier conversation (of whichever tenant), cut at some token, or none. */
const request = fc.record({
  tenant: fc.integer({ min: 0, max: 2 }),
  parent: fc.option(fc.nat({ max: 20 }), { freq: 6 }),
  /** Of the parent's tokens, in thousandths; above 1000: all of them. */
  kept: fc.integer({ min: 0, max: 1500 }),
  added: fc.integer({ min: 1, max: 300 }),
  seed: fc.integer({ min: 0, max: 3 }),
  outputTokens: fc.integer({ min: 0, max: 40 }),
})
const tree = fc.array(request, { minLength: 2, maxLength: 14 })
type Request = typeof request extends fc.Arbitrary<infer T> ? T : never

interface Conversation {
  readonly tenant: number
  /** Prompt and answer. */
  readonly ids: readonly number[]
  /** How many of them went through the model: a last token that was drawn did not. */
  readonly computedTokens: number
}

function promptOf({ parent, kept, added, seed }: Request, earlier: readonly Conversation[]): number[] {
  const whole = parent === null || earlier.length === 0 ? [] : earlier[parent % earlier.length]!.ids
  const prefix = whole.slice(0, Math.ceil((whole.length * Math.min(kept, 1000)) / 1000))
  return [...prefix, ...Array.from({ length: added }, (_, at) => (seed + at * (seed + 1)) % (vocabularySize - 1))]
}

function commonTokens(prompt: readonly number[], { ids, computedTokens }: Conversation): number {
  let length = 0
  while (length < prompt.length && length < computedTokens && prompt[length] === ids[length]) length++
  return length
}

function lawfulHit(prompt: readonly number[], tenant: number, earlier: readonly Conversation[]): number {
  const common = earlier
    .filter((conversation) => conversation.tenant === tenant)
    .reduce((most, conversation) => Math.max(most, commonTokens(prompt, conversation)), 0)
  return Math.floor(Math.min(common, prompt.length - 1) / blockTokens) * blockTokens
}

let nextId = 0
function submit(scheduler: Scheduler, tenant: number, promptIds: readonly number[], maximumOutputTokens: number) {
  const drawn: number[] = []
  const outcome = { drawn, end: null as JobEnd | null }
  scheduler.submit({
    id: nextId++,
    tenant: `tenant ${tenant}`,
    promptIds,
    maximumOutputTokens,
    sampling: { temperature: 0 },
    deadlineAtMs: null,
    onToken: (id) => (drawn.push(id), false),
    onEnd: (end) => {
      outcome.end = end
    },
  })
  return outcome
}

function run(scheduler: Scheduler, tenant: number, promptIds: readonly number[], maximumOutputTokens: number) {
  const outcome = submit(scheduler, tenant, promptIds, maximumOutputTokens)
  drain(scheduler)
  return outcome
}

function drain(scheduler: Scheduler): void {
  for (let steps = 0; scheduler.step(); steps++) assert.ok(steps < 100_000)
}

describe(`in ${trees} random trees of conversations`, () => {
  it('with one tail of n kept, prompts are taken up at the last one, lawfully where they continue or part again', () => {
    let late = 0
    let lawful = 0
    fc.assert(
      fc.property(
        tree,
        fc.integer({ min: 1, max: 5 }),
        fc.constantFrom(null, 'in-forward' as const),
        (requests, tailEvery, shares) => {
          const forward = new PretendForward({ vocabularySize, tailEvery, shares })
          const cache = new PrefixCache({ memoryBytes: Infinity })
          const scheduler = new Scheduler(forward, cache, { now: () => 0 })
          const earlier: Conversation[] = []
          const tails = new Set<string>()
          const nameOf = (tenant: number, ids: readonly number[], tokens: number): string =>
            `${tenant}: ${ids.slice(0, Math.floor(tokens / blockTokens) * blockTokens).join(' ')}`
          let hitTokens = 0
          /** Answers, and notes which tails are kept from now on; how far the law would have gone, and how far it went. */
          const answer = (tenant: number, prompt: readonly number[], outputTokens: number) => {
            const law = lawfulHit(prompt, tenant, earlier)
            const { drawn, end } = run(scheduler, tenant, prompt, outputTokens)
            assert.deepEqual(drawn, pretended(prompt, outputTokens))
            let hit = law
            while (hit > 0 && !tails.has(nameOf(tenant, prompt, hit))) hit -= blockTokens
            assert.equal(end!.hitTokens, hit)
            assert.ok(law - hit < tailEvery * blockTokens, `${law - hit} tokens of ${tailEvery} blocks computed again`)
            hitTokens += hit
            assert.equal(cache.counters.hitTokens, hitTokens)
            const ids = [...prompt, ...drawn]
            const computedTokens = prompt.length + Math.max(0, drawn.length - 1)
            for (const tokens of [law, prompt.length - 1, prompt.length, computedTokens])
              tails.add(nameOf(tenant, ids, tokens))
            for (let blocks = tailEvery; blocks * blockTokens <= computedTokens; blocks += tailEvery)
              tails.add(nameOf(tenant, ids, blocks * blockTokens))
            earlier.push({ tenant, ids, computedTokens })
            return { law, hit, computed: ids.slice(0, computedTokens) }
          }
          for (const each of requests) {
            const prompt = promptOf(each, earlier)
            const { law, hit, computed } = answer(each.tenant, prompt, each.outputTokens)
            if (hit < law) late++
            else if ((law / blockTokens) % tailEvery !== 0) lawful++
            // The same prompt again, and one that goes on where the answer ended, hit what the law says.
            for (const again of [prompt, [...computed, 1]]) {
              const repeated = answer(each.tenant, again, 0)
              assert.equal(repeated.hit, repeated.law)
            }
          }
        },
      ),
      { numRuns: trees, seed: 130 },
    )
    assert.ok(
      late > trees / 10 && lawful > trees / 10,
      `${late} taken up late, ${lawful} where only an end had its tail`,
    )
  })

  it('every hit is what the law says, every counter the sum of the hits, every answer as without a cache', () => {
    let hits = 0
    let partings = 0
    fc.assert(
      fc.property(tree, (requests) => {
        const forward = new PretendForward({ vocabularySize })
        const cache = new PrefixCache({ memoryBytes: Infinity })
        const scheduler = new Scheduler(forward, cache, { now: () => 0 })
        const earlier: Conversation[] = []
        let hitTokens = 0
        let promptTokens = 0
        for (const each of requests) {
          const prompt = promptOf(each, earlier)
          const expected = lawfulHit(prompt, each.tenant, earlier)
          const outcome = submit(scheduler, each.tenant, prompt, each.outputTokens)
          const computedBefore = scheduler.counters.computedTokens
          drain(scheduler)
          const { drawn, end } = outcome
          assert.equal(end!.hitTokens, expected)
          if (expected > 0) hits++
          if (lawfulHit(prompt, each.tenant ^ 1, earlier) > expected) partings++
          hitTokens += expected
          promptTokens += prompt.length
          assert.equal(cache.counters.hitTokens, hitTokens)
          assert.equal(cache.counters.missTokens, promptTokens - hitTokens)
          const computedTokens = prompt.length + Math.max(0, drawn.length - 1)
          assert.equal(scheduler.counters.computedTokens - computedBefore, computedTokens - expected)
          assert.deepEqual(drawn, pretended(prompt, each.outputTokens))
          earlier.push({ tenant: each.tenant, ids: [...prompt, ...drawn], computedTokens })
        }
        assert.equal(cache.counters.lookups, requests.length)
      }),
      { numRuns: trees, seed: 128 },
    )
    assert.ok(hits > trees && partings > trees / 10, `${hits} hits, ${partings} that another tenant would have had`)
  })

  it('requests that run at once, share blocks and are put down for each other hit no more, and answer the same', () => {
    let preemptions = 0
    const room = fc.record({
      atOnce: fc.integer({ min: 1, max: 6 }),
      tailEvery: fc.constantFrom(1, 3),
      shares: fc.constantFrom(null, 'in-cache' as const, 'in-forward' as const),
      maximumRunning: fc.integer({ min: 1, max: 4 }),
      sequenceBytes: fc.constantFrom(Infinity, 60, 30, 0),
      patienceTokens: fc.constantFrom(64, 300),
      // With a cache that keeps nothing, two jobs once took turns without end, each losing all it had.
      memoryBytes: fc.constantFrom(4000, 40, 0),
    })
    fc.assert(
      fc.property(tree, room, (requests, { atOnce, shares, tailEvery, memoryBytes, ...limits }) => {
        const cache = new PrefixCache({ memoryBytes })
        const forward = new PretendForward({ vocabularySize, shares, tailEvery })
        const scheduler = new Scheduler(forward, cache, { now: () => 0, tokenBudget: 96, ...limits })
        const earlier: Conversation[] = []
        let hitTokens = 0
        for (let from = 0; from < requests.length; from += atOnce) {
          const running = requests.slice(from, from + atOnce).map((each) => {
            const prompt = promptOf(each, earlier)
            return { each, prompt, outcome: submit(scheduler, each.tenant, prompt, each.outputTokens) }
          })
          drain(scheduler)
          const beside = running.map(({ each, prompt, outcome: { drawn } }) => ({
            tenant: each.tenant,
            ids: [...prompt, ...drawn],
            computedTokens: prompt.length + Math.max(0, drawn.length - 1),
          }))
          for (const { each, prompt, outcome } of running) {
            assert.deepEqual(outcome.drawn, pretended(prompt, each.outputTokens))
            assert.ok(outcome.end!.hitTokens <= lawfulHit(prompt, each.tenant, [...earlier, ...beside]))
            hitTokens += outcome.end!.hitTokens
          }
          earlier.push(...beside)
        }
        assert.equal(cache.counters.hitTokens, hitTokens)
        assert.deepEqual([cache.counters.heldBytes, forward.alive.size], [0, 0])
        preemptions += scheduler.counters.preemptions
      }),
      { numRuns: trees, seed: 129 },
    )
    assert.ok(preemptions > trees / 2, `${preemptions} preemptions`)
  })
})

/** The answer that a pretended model gives, without any cache. */
function pretended(prompt: readonly number[], tokens: number): number[] {
  const forward = new PretendForward({ vocabularySize })
  const sequence = forward.open()
  const drawn: number[] = []
  let logits: Float32Array | null = null
  const take = (ids: readonly number[]): void => {
    for (const id of ids) logits = forward.advance([{ sequence, ids: [id], wantsLogits: true }])[0]!
  }
  take(prompt)
  for (let at = 0; at < tokens; at++) {
    const next: number = logits!.indexOf(10)
    drawn.push(next)
    take([next])
  }
  return drawn
}
