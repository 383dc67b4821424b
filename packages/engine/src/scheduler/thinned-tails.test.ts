/** Blocks that are kept without their tails, over the kernels: fewer bytes, the same answers, hits that are really hits. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { convertCheckpoint, randomCheckpoint, smallConfig } from '@portolan/model'
import { DiskTier } from '../cache/disk-tier.ts'
import { PrefixCache } from '../cache/prefix-cache.ts'
import { blockTokens } from '../forward.ts'
import { KernelForward } from '../kernel-forward/kernel-forward.ts'
import { Scheduler } from './scheduler.ts'

const config = smallConfig({ num_hidden_layers: 4, compress_ratios: [0, 4, 128, 48], sliding_window: 32 })
const checkpoint = convertCheckpoint(randomCheckpoint(config, 6), 'official')
const open = (tailEvery: number): Promise<KernelForward> =>
  KernelForward.open(checkpoint, 'small', { workers: 0, sequenceBytes: 2 ** 24, tailEvery })
const [whole, thin] = await Promise.all([open(1), open(4)])
after(() => Promise.all([whole.stop(), thin.stop()]))

const room = mkdtempSync(join(tmpdir(), 'thinned-tails-'))
after(() => rmSync(room, { recursive: true, force: true }))

const text = (length: number, seed: number): number[] => Array.from({ length }, (_, at) => (at * seed + 5) % 47)

let nextId = 0
function answer(forward: KernelForward, cache: PrefixCache, promptIds: readonly number[]) {
  const scheduler = new Scheduler(forward, cache, { now: () => 0 })
  const drawn: number[] = []
  let hitTokens = -1
  scheduler.submit({
    id: nextId++,
    tenant: 'one',
    promptIds,
    maximumOutputTokens: 8,
    sampling: { temperature: 0 },
    deadlineAtMs: null,
    draw: (sample) => sample((id) => id !== forward.endTokenId),
    onToken: (id) => (drawn.push(id), false),
    onEnd: (end) => (hitTokens = end.hitTokens),
  })
  for (let steps = 0; scheduler.step(); steps++) assert.ok(steps < 1000)
  return { drawn, hitBlocks: hitTokens / blockTokens }
}

/** Seven blocks and a bit; the same again; a next turn; two that part from it in its third block. */
function conversation(forward: KernelForward, cache: PrefixCache) {
  const first = text(7 * blockTokens + 40, 29)
  const opening = answer(forward, cache, first)
  const parting = first.slice(0, 3 * blockTokens + 9)
  const next = [
    first,
    [...first, ...opening.drawn, ...text(100, 11)],
    [...parting, ...text(150, 13)],
    [...parting, ...text(150, 17)],
  ].map((prompt) => answer(forward, cache, prompt))
  return [opening, ...next]
}

describe('with one tail of four kept', () => {
  it('answers are the same, and only the first prompt that parts in mid-turn hits less', () => {
    const caches = [whole, thin].map(() => new PrefixCache({ memoryBytes: 2 ** 24 }))
    const lawful = conversation(whole, caches[0]!)
    const thinned = conversation(thin, caches[1]!)
    const drawnOf = (answers: typeof lawful) => answers.map(({ drawn }) => drawn)
    assert.deepEqual(drawnOf(thinned), drawnOf(lawful))
    const hitsOf = (answers: typeof lawful) => answers.map(({ hitBlocks }) => hitBlocks)
    assert.deepEqual(hitsOf(lawful), [0, 7, 7, 3, 3])
    // The first to part there is taken up nowhere; where it parted a tail is kept from then on.
    assert.deepEqual(hitsOf(thinned), [0, 7, 7, 0, 3])
    const [more, less] = caches.map(({ counters }) => counters)
    assert.equal(less!.memoryBlocks, more!.memoryBlocks)
    assert.ok(less!.memoryBytes < 0.7 * more!.memoryBytes, `${less!.memoryBytes} of ${more!.memoryBytes} bytes`)
    assert.deepEqual([less!.hitTokens, less!.lookups], [17 * blockTokens, 5])
  })

  it('all of it is there after a restart, from disk', () => {
    const begin = new DiskTier(room)
    const expected = conversation(thin, new PrefixCache({ memoryBytes: 2 ** 24, disk: begin }))
    begin.close()
    const disk = new DiskTier(room)
    // No memory at all: every block is read from disk, rows and tails. Every prompt is one that came before.
    const cache = new PrefixCache({ memoryBytes: 0, disk })
    const again = conversation(thin, cache)
    assert.deepEqual(
      again.map(({ drawn }) => drawn),
      expected.map(({ drawn }) => drawn),
    )
    assert.deepEqual(
      again.map(({ hitBlocks }) => hitBlocks),
      [7, 7, 8, 4, 4],
    )
    disk.close()
  })
})
