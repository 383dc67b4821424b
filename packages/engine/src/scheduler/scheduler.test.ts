import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { convertCheckpoint, Model, randomCheckpoint, smallConfig } from '@portolan/model'
import { PrefixCache } from '../cache/prefix-cache.ts'
import { blockTokens, type Forward } from '../forward.ts'
import { PretendForward } from '../pretend-forward.test-support.ts'
import { ReferenceForward } from '../reference-forward.ts'
import type { Job, JobEnd } from './job.ts'
import { Scheduler, type SchedulerOptions } from './scheduler.ts'

interface Outcome {
  readonly tokens: number[]
  end: JobEnd | null
}

let nextId = 0
function submit(
  scheduler: Scheduler,
  change: Partial<Job> & Pick<Job, 'promptIds'>,
): Outcome & { readonly id: number } {
  const outcome = { id: nextId++, tokens: [] as number[], end: null as JobEnd | null }
  scheduler.submit({
    id: outcome.id,
    tenant: 'one',
    maximumOutputTokens: 5,
    sampling: { temperature: 0 },
    deadlineAtMs: null,
    onToken: (id) => (outcome.tokens.push(id), false),
    onEnd: (end) => {
      assert.equal(outcome.end, null)
      outcome.end = end
    },
    ...change,
  })
  return outcome
}

function room(options: Partial<SchedulerOptions> = {}, forward: Forward = new PretendForward()) {
  const cache = new PrefixCache({ memoryBytes: 2 ** 24 })
  return { cache, scheduler: new Scheduler(forward, cache, { now: () => 0, ...options }) }
}

function drain(scheduler: Scheduler): void {
  for (let steps = 0; scheduler.step(); steps++) assert.ok(steps < 10_000)
}

const ids = (length: number, seed = 1): number[] => Array.from({ length }, (_, at) => (at * seed + 3) % 900)

describe('the scheduler', () => {
  it('gives every job the answer that it gets alone, whatever runs beside it and however small the budget', () => {
    const prompts = [ids(1), ids(127), ids(128, 2), ids(129, 3), ids(300, 2), ids(300, 5), ids(64)]
    const alone = prompts.map((promptIds) => {
      const { scheduler } = room()
      const outcome = submit(scheduler, { promptIds })
      drain(scheduler)
      return outcome.tokens
    })
    for (const tokenBudget of [1, 2, 7, 160, 4096]) {
      const forward = new PretendForward()
      const { scheduler } = room({ tokenBudget, maximumRunning: 4 }, forward)
      const outcomes = prompts.map((promptIds, at) => submit(scheduler, { promptIds, tenant: `t${at % 3}` }))
      drain(scheduler)
      assert.deepEqual(
        outcomes.map((outcome) => outcome.tokens),
        alone,
      )
      for (const pass of forward.passes)
        assert.ok(pass.reduce((sum, piece) => sum + piece.ids.length, 0) <= tokenBudget)
    }
  })

  it('takes up what it knows: the second time only the rest is computed, and the answer is the same', () => {
    const { scheduler, cache } = room()
    const first = submit(scheduler, { promptIds: ids(300), maximumOutputTokens: 100 })
    drain(scheduler)
    const before = scheduler.counters.computedTokens
    const second = submit(scheduler, { promptIds: ids(300), maximumOutputTokens: 100 })
    drain(scheduler)
    assert.deepEqual(second.tokens, first.tokens)
    assert.deepEqual([first.end!.hitTokens, second.end!.hitTokens], [0, 256])
    assert.equal(before - (scheduler.counters.computedTokens - before), 256)
    // The answer is prompt of the next turn: 300 + 100 tokens are three blocks.
    const third = submit(scheduler, { promptIds: [...ids(300), ...first.tokens, 5] })
    drain(scheduler)
    assert.equal(third.end!.hitTokens, 384)
    const stranger = submit(scheduler, { promptIds: ids(300), tenant: 'two' })
    drain(scheduler)
    assert.equal(stranger.end!.hitTokens, 0)
    assert.equal(cache.counters.hitTokens, 256 + 384)
  })

  it('lets answers go on while a long prompt is read', () => {
    const forward = new PretendForward()
    const { scheduler } = room({ tokenBudget: 32 }, forward)
    const short = submit(scheduler, { promptIds: [1], maximumOutputTokens: 20 })
    scheduler.step()
    submit(scheduler, { promptIds: ids(2000), tenant: 'two' })
    for (let step = 0; step < 19; step++) scheduler.step()
    assert.equal(short.end?.cause, 'length')
    assert.ok(scheduler.counters.computedTokens > 19 * 25)
  })

  it('serves one question of a second key before the hundredth of the first', () => {
    const { scheduler } = room({ maximumRunning: 2 })
    const many = Array.from({ length: 100 }, () => submit(scheduler, { promptIds: ids(50) }))
    scheduler.step()
    const one = submit(scheduler, { promptIds: ids(50), tenant: 'two' })
    for (let step = 0; one.end === null; step++) assert.ok(scheduler.step() && step < 20)
    assert.ok(many.filter((each) => each.end !== null).length <= 6)
    drain(scheduler)
    assert.ok(many.every((each) => each.end?.cause === 'length'))
  })

  it('ends a cancelled job before the next pass, queued or running', () => {
    const forward = new PretendForward()
    const { scheduler } = room({ maximumRunning: 1 }, forward)
    const running = submit(scheduler, { promptIds: ids(1000), maximumOutputTokens: 1000 })
    const queued = submit(scheduler, { promptIds: ids(10) })
    scheduler.step()
    scheduler.cancel(running.id)
    scheduler.cancel(queued.id)
    const passes = forward.passes.length
    assert.equal(scheduler.step(), false)
    assert.equal(forward.passes.length, passes)
    assert.deepEqual([running.end?.cause, queued.end?.cause], ['cancelled', 'cancelled'])
  })

  it('ends jobs at their deadline, and refuses what would wait behind a full queue', () => {
    let now = 0
    const { scheduler } = room({ now: () => now, maximumRunning: 1, maximumQueued: 1 })
    const late = submit(scheduler, { promptIds: ids(10), deadlineAtMs: 100, maximumOutputTokens: 1000 })
    scheduler.step()
    const waiting = submit(scheduler, { promptIds: ids(10), deadlineAtMs: 50 })
    assert.throws(() => submit(scheduler, { promptIds: ids(10) }), { code: 'ENGINE_BUSY', kind: 'rate-limit' })
    now = 60
    scheduler.step()
    assert.deepEqual([late.end, waiting.end?.cause], [null, 'deadline'])
    now = 100
    scheduler.step()
    assert.equal(late.end!.cause, 'deadline')
    assert.equal(scheduler.counters.refused, 1)
  })

  it('says when to come again: after as long as answers lately took to end', () => {
    let now = 0
    const { scheduler } = room({ now: () => now, maximumRunning: 1, maximumQueued: 1 })
    for (let at = 0; at < 30; at++) {
      submit(scheduler, { promptIds: ids(3), maximumOutputTokens: 1 })
      now += 5000
      scheduler.step()
    }
    submit(scheduler, { promptIds: ids(3) })
    assert.throws(
      () => submit(scheduler, { promptIds: ids(3) }),
      ({ retryAfterMs }: { retryAfterMs: number }) => retryAfterMs > 4000 && retryAfterMs <= 5000,
    )
  })

  it('shares the blocks of a prefix: eight answers over one prompt hold it once', () => {
    const forward = new PretendForward({ shares: 'in-cache' })
    const { scheduler, cache } = room({ tokenBudget: 4096 }, forward)
    submit(scheduler, { promptIds: ids(1000), maximumOutputTokens: 0 })
    drain(scheduler)
    assert.deepEqual([cache.counters.heldBytes, scheduler.counters.sequenceBytes], [0, 0])
    const eight = Array.from({ length: 8 }, () => submit(scheduler, { promptIds: ids(1000), maximumOutputTokens: 20 }))
    for (let step = 0; step < 5; step++) scheduler.step()
    const { heldBytes, memoryBytes, memoryBlocks } = cache.counters
    assert.equal(memoryBlocks, 7)
    assert.equal(heldBytes, memoryBytes)
    assert.equal(scheduler.counters.sequenceBytes, heldBytes + 8 * 12)
    drain(scheduler)
    assert.ok(eight.every(({ end }) => end!.hitTokens === 896))
    assert.deepEqual([cache.counters.heldBytes, forward.alive.size], [0, 0])
  })

  it('puts a long job down for a key that has had less, and both answer as if alone', () => {
    const alone = room()
    const expected = [ids(700), ids(40, 2)].map((promptIds, at) => {
      const outcome = submit(alone.scheduler, { promptIds, maximumOutputTokens: 900, tenant: `${at}` })
      drain(alone.scheduler)
      return outcome.tokens
    })
    const forward = new PretendForward({ shares: 'in-cache' })
    const { scheduler, cache } = room({ maximumRunning: 1, patienceTokens: 300 }, forward)
    const progress: number[] = []
    let starts = 0
    const long = submit(scheduler, {
      promptIds: ids(700),
      maximumOutputTokens: 900,
      onPrefill: (tokens) => progress.push(tokens),
      onStart: () => starts++,
    })
    scheduler.step()
    const other = submit(scheduler, { promptIds: ids(40, 2), maximumOutputTokens: 900, tenant: 'two' })
    drain(scheduler)
    assert.deepEqual([long.tokens, other.tokens], expected)
    const { preemptions, recomputedTokens, computedTokens } = scheduler.counters
    assert.ok(preemptions >= 3, `${preemptions} preemptions`)
    assert.ok(recomputedTokens <= preemptions * (blockTokens - 1))
    assert.equal(computedTokens, 700 + 40 + 2 * 899 + recomputedTokens)
    // One prompt, one bill, progress that never goes back.
    assert.deepEqual([starts, long.end!.hitTokens, cache.counters.lookups], [1, 0, 2])
    assert.deepEqual(
      progress,
      progress.toSorted((a, b) => a - b),
    )
    assert.ok(other.end!.outputTokens === 900 && long.end!.outputTokens === 900)
  })

  it('puts jobs down when memory is short, lets one always run, and ends them all', () => {
    const forward = new PretendForward({ shares: 'in-cache' })
    const { scheduler } = room({ sequenceBytes: 200 }, forward)
    const many = Array.from({ length: 6 }, (_, at) =>
      submit(scheduler, { promptIds: ids(900, at + 1), maximumOutputTokens: 300, tenant: `t${at}` }),
    )
    let most = 0
    for (let steps = 0; scheduler.step(); steps++) {
      most = Math.max(most, scheduler.counters.sequenceBytes)
      assert.ok(steps < 10_000)
    }
    assert.ok(many.every(({ end }) => end?.cause === 'length'))
    // A pass may end one block in each of two sequences before anybody can be put down.
    assert.ok(most <= 200 + 2 * 24, `${most} bytes`)
  })

  it('puts jobs down, and fails none, when the forward pass itself has no more room; only who is alone too large fails', () => {
    for (const shares of [null, 'in-cache', 'in-forward'] as const) {
      const forward = new PretendForward({ shares, roomTokens: 1000 })
      const { scheduler, cache } = room({}, forward)
      const again = room()
      const prompts = [ids(400), ids(400, 2), ids(400, 3), [...ids(384), 5, 6], [...ids(256, 2), 7]]
      const outcomes = prompts.map((promptIds, at) =>
        submit(scheduler, { promptIds, maximumOutputTokens: 150, tenant: `t${at % 2}` }),
      )
      const huge = submit(scheduler, { promptIds: ids(900, 7), maximumOutputTokens: 200 })
      drain(scheduler)
      for (const [at, promptIds] of prompts.entries()) {
        const alone = submit(again.scheduler, { promptIds, maximumOutputTokens: 150, tenant: 'alone' })
        drain(again.scheduler)
        assert.equal(outcomes[at]!.end!.cause, 'length')
        assert.deepEqual(outcomes[at]!.tokens, alone.tokens)
      }
      assert.deepEqual([huge.end!.cause, (huge.end!.error as { code?: string }).code], ['failed', 'ENGINE_MEMORY'])
      assert.ok(scheduler.counters.preemptions > 0)
      const { lookups, hitTokens, missTokens, heldBytes } = cache.counters
      assert.deepEqual([lookups, heldBytes, forward.alive.size], [6, 0, 0])
      assert.equal(
        hitTokens + missTokens,
        [...prompts, ids(900)].reduce((sum, { length }) => sum + length, 0),
      )
    }
  })

  it('ends a job that is put down when it is cancelled or late, with what it has written', () => {
    let now = 0
    const { scheduler } = room({ maximumRunning: 1, patienceTokens: 50, now: () => now })
    const first = submit(scheduler, { promptIds: ids(10), maximumOutputTokens: 2000, deadlineAtMs: 100 })
    for (let step = 0; step < 300; step++) scheduler.step()
    const second = submit(scheduler, { promptIds: ids(1000), maximumOutputTokens: 2000, tenant: 'two' })
    for (let step = 0; scheduler.counters.preemptions === 0; step++) assert.ok(scheduler.step() && step < 1000)
    assert.deepEqual([first.end, second.end], [null, null])
    now = 100
    scheduler.step()
    assert.equal(first.end!.cause, 'deadline')
    assert.equal(first.end!.outputTokens, first.tokens.length)
    assert.ok(first.tokens.length >= 300)
  })

  it('refuses what does not fit into the context with both numbers', () => {
    const { scheduler } = room()
    assert.throws(() => submit(scheduler, { promptIds: ids(9999), maximumOutputTokens: 2 }), {
      code: 'ENGINE_CONTEXT',
      message: /maximum context length is 10000 tokens.*10001 tokens \(9999 in the messages, 2 in the completion\)/,
    })
    assert.throws(() => submit(scheduler, { promptIds: [1000] }), { code: 'ENGINE_REQUEST' })
    assert.throws(() => submit(scheduler, { promptIds: [] }), { code: 'ENGINE_REQUEST' })
  })

  it('fails those who were computed together, and nobody else', () => {
    const forward = new PretendForward()
    forward.failsAt = 2
    const { scheduler } = room({ maximumRunning: 2 }, forward)
    const outcomes = [1, 2, 3].map(() => submit(scheduler, { promptIds: ids(10) }))
    drain(scheduler)
    assert.deepEqual(
      outcomes.map((outcome) => outcome.end?.cause),
      ['failed', 'failed', 'length'],
    )
    assert.match(outcomes[0]!.end!.error!.message, /on fire/)
  })

  it('ends at the end token, and warms the cache without writing when nothing may be written', () => {
    const { scheduler } = room()
    const ended = submit(scheduler, { promptIds: [1], draw: (sample) => sample((id) => id === 999) })
    const warmed = submit(scheduler, { promptIds: ids(256), maximumOutputTokens: 0 })
    drain(scheduler)
    assert.deepEqual([ended.end?.cause, ended.tokens], ['stop', [999]])
    assert.deepEqual([warmed.end?.cause, warmed.tokens], ['length', []])
    const next = submit(scheduler, { promptIds: ids(257) })
    drain(scheduler)
    assert.equal(next.end!.hitTokens, 256)
  })
})

describe('the scheduler over the model', () => {
  it('writes the same answers in a batch of eight as alone, and from the cache as without', () => {
    const config = smallConfig({ num_hidden_layers: 3, compress_ratios: [0, 4, 128] })
    const model = Model.load(convertCheckpoint(randomCheckpoint(config, 8), 'official'), { storage: 'packed' })
    const forward = new ReferenceForward(model, 'small')
    const prompts = Array.from({ length: 8 }, (_, at) =>
      Array.from({ length: 130 + at }, (__, token) => (token * (1 + (at % 2))) % 48),
    )
    const write = (scheduler: Scheduler, promptIds: readonly number[], at: number): Outcome =>
      submit(scheduler, { promptIds, maximumOutputTokens: 6, sampling: { temperature: 1, seed: at } })
    const together = room({}, forward)
    const batch = prompts.map((promptIds, at) => write(together.scheduler, promptIds, at))
    drain(together.scheduler)
    for (const [at, promptIds] of prompts.entries()) {
      const again = write(together.scheduler, promptIds, at)
      drain(together.scheduler)
      assert.equal(again.end!.hitTokens, 128)
      assert.deepEqual(again.tokens, batch[at]!.tokens)
      if (at % 5 > 0) continue
      const alone = room({}, forward)
      const single = write(alone.scheduler, promptIds, at)
      drain(alone.scheduler)
      assert.equal(single.end!.hitTokens, 0)
      assert.deepEqual(single.tokens, batch[at]!.tokens)
    }
  })

  it('writes the same answers when jobs are put down again and again as when they are not', () => {
    const config = smallConfig({ num_hidden_layers: 3, compress_ratios: [0, 4, 128] })
    const model = Model.load(convertCheckpoint(randomCheckpoint(config, 8), 'official'), { storage: 'packed' })
    const forward = new ReferenceForward(model, 'small')
    const write = (scheduler: Scheduler): Outcome[] =>
      Array.from({ length: 3 }, (_, at) =>
        submit(scheduler, {
          promptIds: ids(150).map((id) => (id * (at + 1)) % 48),
          maximumOutputTokens: 200,
          sampling: { temperature: 1, seed: at, frequencyPenalty: 0.5 },
          draw: (sample) => sample((id) => id !== forward.endTokenId),
          tenant: `t${at}`,
        }),
      )
    const calm = room({}, forward)
    const expected = write(calm.scheduler)
    drain(calm.scheduler)
    const busy = room({ maximumRunning: 1, patienceTokens: 100 }, forward)
    const outcomes = write(busy.scheduler)
    drain(busy.scheduler)
    assert.ok(busy.scheduler.counters.preemptions >= 2, `${busy.scheduler.counters.preemptions} preemptions`)
    assert.equal(calm.scheduler.counters.preemptions, 0)
    assert.deepEqual(
      outcomes.map((outcome) => outcome.tokens),
      expected.map((outcome) => outcome.tokens),
    )
  })
})
