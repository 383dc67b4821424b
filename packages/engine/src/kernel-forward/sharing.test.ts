/** Blocks that several sequences read: kept once, and the same bits as if everybody had their own. */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import fc from 'fast-check'
import { convertCheckpoint, randomCheckpoint, smallConfig } from '@portolan/model'
import { PrefixCache } from '../cache/prefix-cache.ts'
import { blockTokens, type BlockState, type Forward, type ForwardSequence } from '../forward.ts'
import { Scheduler } from '../scheduler/scheduler.ts'
import { BlockMemory, type HeldBlock } from './block-memory.ts'
import { KernelForward } from './kernel-forward.ts'
import { PageMemory } from './page-memory.ts'

/** All layer kinds, one ratio that does not divide the block, and the indexer choosing. */
const checkpoint = convertCheckpoint(
  randomCheckpoint(
    smallConfig({ num_hidden_layers: 5, compress_ratios: [0, 4, 128, 4, 48], sliding_window: 32, index_topk: 8 }),
    5,
  ),
  'official',
)
const forward = await KernelForward.open(checkpoint, 'small', { workers: 0, sequenceBytes: 2 ** 25 })
after(() => forward.stop())

const prefix = Array.from({ length: 3 * blockTokens }, (_, at) => (at * 29 + 7) % 48)

function decode(sequence: ForwardSequence, ids: readonly number[]): Float32Array[] {
  return ids.map((id) => forward.advance([{ sequence, ids: [id], wantsLogits: true }])[0]!)
}

/** The prefix computed block by block; with `shares` each block is shared as the cache would have it. */
function compute(shares: boolean): { readonly sequence: ForwardSequence; readonly blocks: readonly BlockState[] } {
  const sequence = forward.open()
  const blocks: BlockState[] = []
  for (let from = 0; from < prefix.length; from += blockTokens) {
    forward.advance([{ sequence, ids: prefix.slice(from, from + blockTokens), wantsLogits: false }])
    blocks.push(forward.capture(sequence))
    if (shares) forward.share(sequence, blocks.at(-1)!.rows)
  }
  return { sequence, blocks }
}

const resume = (blocks: readonly BlockState[]): ForwardSequence =>
  forward.resume(
    blocks.map(({ rows }) => rows),
    blocks.at(-1)!.tail,
  )
/** The same bytes in arrays of their own, which nobody can take for the same block. */
const copied = (blocks: readonly BlockState[]): BlockState[] =>
  blocks.map(({ rows, tail }) => ({ rows: rows.slice(), tail }))

describe('a prefix that many sequences read', () => {
  it('is kept once: each more costs its window, open groups and the block it writes', (test) => {
    const { sequence: first, blocks } = compute(true)
    const alone = forward.lentBytes
    const others = Array.from({ length: 7 }, () => resume(blocks))
    const fixed = forward.ownBytes(others[0]!)
    assert.equal(forward.lentBytes - alone, 7 * fixed)
    assert.equal(forward.sharedBytes, alone - fixed)
    const unshared = Array.from({ length: 7 }, () => resume(copied(blocks)))
    const unsharedBytes = forward.lentBytes - alone - 7 * fixed
    assert.equal(unsharedBytes, 7 * (fixed + forward.sharedBytes / 8))
    test.diagnostic(`seven more take ${7 * fixed} bytes, unshared ${unsharedBytes}`)
    for (const each of [first, ...others, ...unshared]) forward.close(each)
    assert.deepEqual([forward.lentBytes, forward.sharedBytes], [0, 0])
  })

  it('gives each the bits that it gets alone, while others write, leave and come', () => {
    const continuations = [0, 1, 2, 3].map((seed) =>
      Array.from({ length: blockTokens + 20 }, (_, at) => (at * 7 + seed * 11) % 48),
    )
    const { sequence: own, blocks } = compute(false)
    forward.close(own)
    const expected = continuations.map((ids) => {
      const sequence = resume(copied(blocks))
      const logits = decode(sequence, ids)
      forward.close(sequence)
      return logits
    })
    const { sequence: first, blocks: shared } = compute(true)
    const sequences = [first, ...continuations.slice(1).map(() => resume(shared))]
    for (let at = 0; at < blockTokens + 20; at++) {
      // The one that computed the prefix leaves, and others take the memory that it leaves behind.
      if (at === 30) forward.close(sequences.shift()!)
      if (at === 40) compute(false)
      const running = continuations.slice(continuations.length - sequences.length)
      const pieces = sequences.map((sequence, which) => ({ sequence, ids: [running[which]![at]!], wantsLogits: true }))
      for (const [which, logits] of forward.advance(pieces).entries())
        assert.deepEqual(logits, expected[continuations.length - sequences.length + which]![at])
    }
  })

  it('is joined again by two who computed it beside each other, and the second copy comes free', () => {
    const before = forward.lentBytes
    const { sequence: one, blocks } = compute(true)
    const once = forward.lentBytes - before
    const two = forward.open()
    for (const [at, { rows }] of blocks.entries()) {
      const ids = prefix.slice(at * blockTokens, (at + 1) * blockTokens)
      forward.advance([{ sequence: two, ids, wantsLogits: false }])
      assert.deepEqual(forward.capture(two).rows, rows)
      forward.share(two, rows)
    }
    assert.equal(forward.lentBytes - before - once, forward.ownBytes(two))
    assert.deepEqual(decode(two, [1, 2, 3]), decode(one, [1, 2, 3]))
    for (const each of [one, two]) forward.close(each)
    assert.equal(forward.lentBytes, before)
  })

  it('is kept once by the scheduler, whose answers are those of a forward pass that shares nothing', (test) => {
    const answer = (over: Forward) => {
      const scheduler = new Scheduler(over, new PrefixCache({ memoryBytes: 2 ** 26 }), { now: () => 0 })
      const answers = Array.from({ length: 6 }, (): number[] => [])
      let most = 0
      for (const [id, drawn] of answers.entries())
        scheduler.submit({
          id,
          tenant: 'one',
          promptIds: [...prefix, id, id + 1],
          maximumOutputTokens: 30,
          sampling: { temperature: 0 },
          deadlineAtMs: null,
          onToken: (token) => (drawn.push(token), false),
          onEnd: ({ cause, error }) => assert.notEqual(cause, 'failed', String(error)),
        })
      const begin = forward.lentBytes
      while (scheduler.step()) most = Math.max(most, forward.lentBytes - begin)
      assert.equal(forward.lentBytes, begin)
      return { answers, most }
    }
    const together = answer(forward)
    const apart = answer({
      identity: forward.identity,
      vocabularySize: forward.vocabularySize,
      maximumPositions: forward.maximumPositions,
      endTokenId: forward.endTokenId,
      open: () => forward.open(),
      advance: (pieces) => forward.advance(pieces),
      capture: (sequence) => forward.capture(sequence),
      resume: (rows, tail) =>
        forward.resume(
          rows.map((each) => each.slice()),
          tail,
        ),
      close: (sequence) => forward.close(sequence),
    })
    assert.deepEqual(together.answers, apart.answers)
    test.diagnostic(`six answers over three blocks: ${together.most} bytes at most, unshared ${apart.most}`)
    assert.ok(together.most < apart.most)
  })
})

describe('memory of shared blocks', () => {
  it('is given to nobody while it is read, and all comes back, over any order of readers', () => {
    const blockBytes = 128
    const act = fc.record({
      kind: fc.constantFrom('take' as const, 'publish' as const, 'join' as const, 'give' as const),
      which: fc.nat({ max: 1000 }),
    })
    fc.assert(
      fc.property(fc.array(act, { maxLength: 80 }), (acts) => {
        const memory = new PageMemory(64, 2 ** 20)
        const blocks = new BlockMemory(memory, blockBytes)
        const rows = Array.from({ length: 5 }, () => new Uint8Array(1))
        // What each reader holds, and the memory's content: who wrote it.
        const held: { readonly block: HeldBlock; readonly writer: number }[] = []
        const writers = new Map<number, number>()
        for (const [writer, { kind, which }] of acts.entries()) {
          const some = held.length === 0 ? null : held[which % held.length]!
          if (kind === 'take') {
            const block = blocks.take()
            writers.set(block.at, writer)
            held.push({ block, writer })
          } else if (kind === 'publish' && some !== null) blocks.publish(rows[which % 5]!, some.block)
          else if (kind === 'join') {
            const block = blocks.join(rows[which % 5]!)
            if (block !== null) held.push({ block, writer: writers.get(block.at)! })
          } else if (kind === 'give' && some !== null) blocks.give(held.splice(held.indexOf(some), 1)[0]!.block)
          for (const { block, writer: own } of held) assert.equal(writers.get(block.at), own)
          const distinct = new Set(held.map(({ block }) => block))
          assert.equal(memory.lentBytes, distinct.size * blockBytes)
          const shared = [...distinct].filter(({ isShared }) => isShared)
          assert.equal(blocks.sharedBytes, shared.length * blockBytes)
        }
        for (const { block } of held) blocks.give(block)
        assert.deepEqual([memory.lentBytes, blocks.sharedBytes], [0, 0])
      }),
      { numRuns: 300, seed: 12 },
    )
  })
})
