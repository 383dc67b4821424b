import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import type { BlockState, KeptBlock } from '../forward.ts'
import { DiskTier } from './disk-tier.ts'

const room = mkdtempSync(join(tmpdir(), 'disk-tier-'))
after(() => rmSync(room, { recursive: true, force: true }))
let rooms = 0
const newRoom = (): string => join(room, String(rooms++))

const keyOf = (number: number): string => createHash('sha256').update(String(number)).digest('hex')
const blockOf = (number: number, rows = 300, tail = 200): BlockState => ({
  rows: new Uint8Array(rows).map((_, at) => number * 7 + at),
  tail: new Uint8Array(tail).map((_, at) => number * 13 + at),
})
const same = (block: KeptBlock | null, number: number): boolean =>
  block !== null &&
  Buffer.compare(block.rows, blockOf(number).rows) === 0 &&
  Buffer.compare(block.tail!, blockOf(number).tail) === 0

function filled(count: number, directory = newRoom()): string {
  const tier = new DiskTier(directory)
  for (let number = 0; number < count; number++) tier.put(keyOf(number), blockOf(number))
  tier.close()
  return directory
}

describe('blocks on disk', () => {
  it('are there again after a restart, also when the index was lost', () => {
    const directory = filled(20)
    for (const losesIndex of [false, true]) {
      if (losesIndex) rmSync(join(directory, 'index'))
      const tier = new DiskTier(directory)
      assert.equal(tier.blocks, 20)
      for (let number = 0; number < 20; number++) assert.ok(same(tier.get(keyOf(number)), number))
      assert.equal(tier.get(keyOf(99)), null)
      tier.close()
    }
  })

  it('may come without their tails, and get them later', () => {
    const directory = newRoom()
    const first = new DiskTier(directory)
    for (const number of [1, 2]) first.put(keyOf(number), { ...blockOf(number), tail: null })
    assert.deepEqual(first.get(keyOf(1)), { rows: Buffer.from(blockOf(1).rows), tail: null })
    first.put(keyOf(2), blockOf(2))
    // A tail that is there is never lost again.
    first.put(keyOf(2), { ...blockOf(2), tail: null })
    first.close()
    for (const losesIndex of [false, true]) {
      if (losesIndex) rmSync(join(directory, 'index'))
      const tier = new DiskTier(directory)
      assert.deepEqual([tier.hasTail(keyOf(1)), tier.hasTail(keyOf(2)), tier.blocks], [false, true, 2])
      assert.equal(tier.get(keyOf(1))!.tail, null)
      assert.ok(same(tier.get(keyOf(2)), 2))
      assert.deepEqual(tier.verify().damaged, 0)
      tier.close()
    }
  })

  it('that a crash cut anywhere are missing, and everything before them is whole', () => {
    const directory = filled(4)
    const segment = join(directory, 'segment-00000001.kv')
    const copy = join(room, 'whole.kv')
    copyFileSync(segment, copy)
    for (let size = statSync(copy).size; size >= 0; size -= 37) {
      copyFileSync(copy, segment)
      truncateSync(segment, size)
      const tier = new DiskTier(directory)
      const whole = Math.floor(size / 564)
      for (let number = 0; number < 4; number++)
        assert.equal(same(tier.get(keyOf(number)), number), number < whole, `block ${number} of ${size} bytes`)
      // What is written after such a crash is kept like anything else.
      tier.put(keyOf(50), blockOf(50))
      tier.close()
      const again = new DiskTier(directory, { readOnly: true })
      assert.ok(same(again.get(keyOf(50)), 50))
      again.close()
      for (const name of readdirSync(directory)) rmSync(join(directory, name))
      filled(4, directory)
    }
  })

  it('survive an index entry cut anywhere', () => {
    for (const cut of [1, 20, 63]) {
      const directory = filled(3)
      truncateSync(join(directory, 'index'), 3 * 64 - cut)
      const tier = new DiskTier(directory)
      assert.deepEqual([tier.has(keyOf(0)), tier.has(keyOf(1)), tier.has(keyOf(2))], [true, true, false])
      tier.put(keyOf(3), blockOf(3))
      tier.close()
      const again = new DiskTier(directory)
      assert.ok(same(again.get(keyOf(1)), 1) && same(again.get(keyOf(3)), 3))
      again.close()
    }
  })

  it('with a flipped bit are a miss, are counted, and are found by verify', () => {
    const directory = filled(5)
    const path = join(directory, 'segment-00000001.kv')
    const bytes = readFileSync(path)
    bytes[2 * 564 + 100]! ^= 4
    writeFileSync(path, bytes)
    const tier = new DiskTier(directory)
    assert.deepEqual(tier.verify(), { blocks: 4, bytes: 4 * 564, damaged: 1 })
    assert.equal(tier.get(keyOf(2)), null)
    assert.equal(tier.damaged, 1)
    tier.close()
  })

  it('stay under the cap, the oldest segment leaving first', () => {
    const directory = newRoom()
    const tier = new DiskTier(directory, { limitBytes: 20_000, segmentBytes: 2000 })
    for (let number = 0; number < 100; number++) {
      tier.put(keyOf(number), blockOf(number))
      assert.ok(tier.bytes <= 20_000)
    }
    assert.equal(tier.has(keyOf(0)), false)
    assert.ok(same(tier.get(keyOf(99)), 99))
    assert.equal(tier.blocks + tier.evicted, 100)
    const kept = tier.blocks
    tier.close()
    const again = new DiskTier(directory, { limitBytes: 20_000, segmentBytes: 2000 })
    assert.equal(again.blocks, kept)
    again.clear()
    assert.deepEqual([again.blocks, again.bytes], [0, 0])
    again.put(keyOf(1), blockOf(1))
    assert.ok(same(again.get(keyOf(1)), 1))
    again.close()
  })

  it('are never touched in a folder that holds anything else', () => {
    const directory = newRoom()
    filled(1, directory)
    writeFileSync(join(directory, 'thesis.txt'), 'mine')
    assert.throws(() => new DiskTier(directory), { code: 'ENGINE_CACHE_UNREADABLE' })
  })

  it('survive kill -9 in the middle of writing, and the dead writer holds nobody up', async () => {
    const directory = newRoom()
    const program = `
      import { DiskTier } from ${JSON.stringify(new URL('./disk-tier.ts', import.meta.url).href)}
      import { createHash } from 'node:crypto'
      const tier = new DiskTier(${JSON.stringify(directory)})
      for (let number = 0; number < 2000; number++) {
        const rows = new Uint8Array(300).map((_, at) => number * 7 + at)
        const tail = new Uint8Array(200).map((_, at) => number * 13 + at)
        tier.put(createHash('sha256').update(String(number)).digest('hex'), { rows, tail })
        if (number === 200) process.stdout.write('writing')
      }
      setInterval(() => {}, 1000)`
    const child = spawn(
      process.execPath,
      [...process.execArgv.filter((each) => each.startsWith('--conditions')), '--input-type=module', '-e', program],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    await new Promise((resolve) => child.stdout.once('data', resolve))
    assert.throws(() => new DiskTier(directory), { code: 'ENGINE_CACHE_IN_USE' })
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
    const tier = new DiskTier(directory)
    assert.ok(tier.blocks > 200)
    const { blocks } = tier
    for (let number = 0; number < blocks; number++) assert.ok(same(tier.get(keyOf(number)), number), `block ${number}`)
    tier.close()
  })
})
