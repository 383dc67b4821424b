import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { BlockState, KeptBlock } from '../forward.ts'
import { BlockKeys } from './block-keys.ts'
import { DiskTier } from './disk-tier.ts'
import { MemoryTier } from './memory-tier.ts'
import { PrefixCache } from './prefix-cache.ts'

const size = 4

/** Prompts over two tokens part and join often: each list of them is a random tree of prefixes. */
const prompt = fc.record({
  tenant: fc.constantFrom('a', 'b', 'ab'),
  model: fc.constantFrom('b', '', 'm'),
  ids: fc.array(fc.integer({ min: 1, max: 2 }), { minLength: 1, maxLength: 40 }),
})
const tree = fc.array(prompt, { minLength: 1, maxLength: 12 })

type Prompt = typeof prompt extends fc.Arbitrary<infer T> ? T : never

/** A block whose bytes say which prefix it ends. */
function blockOf({ tenant, model, ids }: Prompt, end: number): BlockState {
  const text = JSON.stringify([tenant, model, ids.slice(0, end)])
  return { rows: Buffer.from(text), tail: Buffer.from(`tail ${text}`) }
}

function serve(cache: PrefixCache, request: Prompt): number {
  const keys = new BlockKeys(request, size).extend(request.ids)
  const hit = cache.find(keys, request.ids.length)
  const blocks = (hit?.tokens ?? 0) / size
  for (let at = 0; at < blocks; at++)
    assert.deepEqual(Buffer.from(hit!.rows[at]!), Buffer.from(blockOf(request, (at + 1) * size).rows))
  if (hit) assert.deepEqual(Buffer.from(hit.tail), Buffer.from(blockOf(request, hit.tokens).tail))
  for (let at = blocks; at < keys.length; at++) cache.store(keys, at, blockOf(request, (at + 1) * size))
  return hit?.tokens ?? 0
}

function common(a: readonly number[], b: readonly number[]): number {
  let length = 0
  while (length < a.length && length < b.length && a[length] === b[length]) length++
  return length
}

/** The law, said without trees: over all earlier prompts of the same tenant and model. */
function expectedHit(earlier: readonly Prompt[], request: Prompt): number {
  const longest = earlier
    .filter(({ tenant, model }) => tenant === request.tenant && model === request.model)
    .reduce((most, { ids }) => Math.max(most, Math.floor(common(ids, request.ids) / size) * size), 0)
  return Math.min(longest, Math.floor((request.ids.length - 1) / size) * size)
}

describe('the prefix cache', () => {
  it('hits exactly the whole blocks of the longest common prefix, within tenant and model, and counts them', () => {
    fc.assert(
      fc.property(tree, (requests) => {
        const cache = new PrefixCache({ memoryBytes: Infinity, blockTokens: size })
        let hits = 0
        for (const [at, request] of requests.entries()) {
          const hit = serve(cache, request)
          assert.equal(hit, expectedHit(requests.slice(0, at), request))
          hits += hit
        }
        const { hitTokens, missTokens, lookups } = cache.counters
        assert.equal(lookups, requests.length)
        assert.equal(hitTokens, hits)
        assert.equal(
          hitTokens + missTokens,
          requests.reduce((sum, { ids }) => sum + ids.length, 0),
        )
      }),
      { numRuns: 1000, seed: 4 },
    )
  })

  it('never promises more than the law, never mixes prefixes and keeps its limit when memory is short', () => {
    fc.assert(
      fc.property(tree, fc.integer({ min: 0, max: 1500 }), (requests, memoryBytes) => {
        const cache = new PrefixCache({ memoryBytes, blockTokens: size })
        for (const [at, request] of requests.entries()) {
          assert.ok(serve(cache, request) <= expectedHit(requests.slice(0, at), request))
          assert.ok(cache.counters.memoryBytes <= memoryBytes)
        }
      }),
      { numRuns: 500, seed: 5 },
    )
  })

  it('hits as exactly from disk, over restarts at any point', () => {
    const room = mkdtempSync(join(tmpdir(), 'prefix-cache-'))
    let run = 0
    try {
      fc.assert(
        fc.property(fc.array(fc.tuple(prompt, fc.boolean()), { minLength: 1, maxLength: 8 }), (steps) => {
          const directory = join(room, String(run++))
          let disk = new DiskTier(directory)
          let cache = new PrefixCache({ memoryBytes: 1000, disk, blockTokens: size })
          const requests = steps.map(([request]) => request)
          for (const [at, [request, restarts]] of steps.entries()) {
            if (restarts) {
              disk.close()
              disk = new DiskTier(directory)
              cache = new PrefixCache({ memoryBytes: 1000, disk, blockTokens: size })
            }
            assert.equal(serve(cache, request), expectedHit(requests.slice(0, at), request))
          }
          disk.close()
        }),
        { numRuns: 60, seed: 6 },
      )
    } finally {
      rmSync(room, { recursive: true, force: true })
    }
  })
})

describe('memory', () => {
  it('counts every block once, never lets go of one that is held, and keeps its limit with all others', () => {
    const chain = (tree: number): string[] => Array.from({ length: 6 }, (_, at) => `${at < 2 ? 'root' : tree} ${at}`)
    const step = fc.record({
      act: fc.constantFrom('begin', 'grow', 'end', 'add', 'use'),
      tree: fc.integer({ min: 0, max: 2 }),
      who: fc.nat({ max: 5 }),
      bytes: fc.integer({ min: 1, max: 30 }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 0, max: 120 }), (steps, limit) => {
        const tier = new MemoryTier(limit)
        const made = new Map<string, BlockState>()
        const block = (key: string, bytes: number): BlockState => {
          const known = made.get(key) ?? { rows: new Uint8Array(bytes), tail: new Uint8Array(1) }
          made.set(key, known)
          return known
        }
        const readers: { readonly keys: string[]; readonly blocks: KeptBlock[] }[] = []
        const holdNext = ({ keys, blocks }: (typeof readers)[number], bytes: number): void => {
          const at = blocks.length
          if (at < keys.length) blocks.push(tier.hold(keys[at]!, keys[at - 1] ?? null, block(keys[at]!, bytes)))
        }
        for (const { act, tree, who, bytes } of steps) {
          const reader = readers[who % Math.max(1, readers.length)]
          const keys = chain(tree)
          if (act === 'begin') readers.push({ keys, blocks: [] })
          else if (act === 'grow' && reader) holdNext(reader, bytes)
          else if (act === 'end' && reader) {
            tier.release(reader.keys.slice(0, reader.blocks.length))
            readers.splice(readers.indexOf(reader), 1)
          } else if (act === 'add') tier.add(keys[who]!, keys[who - 1] ?? null, block(keys[who]!, bytes))
          else if (act === 'use') tier.touch(keys[who]!)
          const held = new Map(readers.flatMap((each) => each.blocks.map((one, at) => [each.keys[at]!, one])))
          for (const [key, one] of held) assert.equal(tier.get(key), one)
          const sum = (blocks: Iterable<KeptBlock>): number =>
            [...blocks].reduce((all, one) => all + one.rows.length + one.tail!.length, 0)
          assert.equal(tier.heldBytes, sum(held.values()))
          const here = [...made].filter(([key]) => tier.has(key))
          assert.equal(tier.bytes, sum(here.map(([, one]) => one)))
          assert.equal(tier.blocks, here.length)
          assert.ok(tier.bytes <= Math.max(limit, tier.heldBytes))
          // Whatever is here can be reached from its beginning.
          for (const [key] of here)
            for (const each of [0, 1, 2].map(chain)) {
              const at = each.indexOf(key)
              if (at > 0 && each.slice(0, at).some((before) => !tier.has(before))) assert.fail(`${key} is out of reach`)
            }
        }
      }),
      { numRuns: 400, seed: 8 },
    )
  })

  it('lets go of the least recently used prefix from its end, never of a block that another continues', () => {
    const tier = new MemoryTier(60)
    const block: BlockState = { rows: new Uint8Array(10), tail: new Uint8Array(0) }
    for (const [key, parent] of [
      ['a1', null],
      ['a2', 'a1'],
      ['b1', null],
      ['b2', 'b1'],
      ['a3', 'a2'],
      ['b3', 'b2'],
    ] as const)
      tier.add(key, parent, block)
    tier.touch('a3')
    tier.add('c1', null, block)
    assert.deepEqual(
      ['a1', 'a2', 'a3', 'b1', 'b2', 'b3', 'c1'].filter((key) => tier.has(key)),
      ['a1', 'a2', 'a3', 'b1', 'b2', 'c1'],
    )
    tier.add('c2', 'c1', block)
    assert.equal(tier.has('b2'), false)
    assert.equal(tier.has('b1'), true)
  })
})
