import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { convertCheckpoint, Model, randomCheckpoint, smallConfig, type RowStorage } from '@portolan/model'
import { blockTokens, type BlockState, type ForwardSequence } from './forward.ts'
import { ReferenceForward } from './reference-forward.ts'

const config = smallConfig({ num_hidden_layers: 5, compress_ratios: [0, 4, 128, 4, 48], sliding_window: 32 })
const checkpoint = convertCheckpoint(randomCheckpoint(config, 3), 'official')
const ids = Array.from({ length: 3 * blockTokens + 40 }, (_, at) => (at * 29 + 7) % 48)

function run(forward: ReferenceForward, sequence: ForwardSequence, from: number): Float32Array[] {
  return ids.slice(from).map((id) => forward.advance([{ sequence, ids: [id], wantsLogits: true }])[0]!)
}

describe('a sequence put down and taken up again', () => {
  for (const storage of ['f32', 'packed'] satisfies RowStorage[])
    it(`goes on with the same bits, rows kept ${storage}; a ratio that does not divide the block included`, () => {
      const forward = new ReferenceForward(Model.load(checkpoint, { storage }), 'small')
      const whole = forward.open()
      const blocks: BlockState[] = []
      for (let at = 0; at < 3; at++) {
        forward.advance([
          { sequence: whole, ids: ids.slice(at * blockTokens, (at + 1) * blockTokens), wantsLogits: false },
        ])
        blocks.push(forward.capture(whole))
      }
      const uninterrupted = run(forward, whole, 3 * blockTokens)
      const rows = blocks.map((block) => block.rows)
      const resumed = forward.resume(rows, blocks.at(-1)!.tail)
      assert.equal(resumed.position, 3 * blockTokens)
      assert.deepEqual(run(forward, resumed, 3 * blockTokens), uninterrupted)
      // From an earlier block, computing what lies between.
      const earlier = forward.resume(rows.slice(0, 2), blocks[1]!.tail)
      assert.deepEqual(run(forward, earlier, 2 * blockTokens).slice(blockTokens), uninterrupted)
      assert.throws(() => forward.resume(rows.slice(0, 2), blocks[1]!.tail.subarray(1)), { code: 'ENGINE_FAILED' })
      assert.throws(() => forward.resume([rows[0]!, rows[0]!.subarray(4)], blocks[1]!.tail), { code: 'ENGINE_FAILED' })
    })
})

describe('sequences that share their blocks', () => {
  it('read one copy of the rows, keep nothing of them themselves, and write the same bits', () => {
    const forward = new ReferenceForward(Model.load(checkpoint, { storage: 'packed' }), 'small')
    const [alone, sharing] = [forward.open(), forward.open()]
    const blocks: BlockState[] = []
    for (let at = 0; at < 3; at++) {
      const piece = { ids: ids.slice(at * blockTokens, (at + 1) * blockTokens), wantsLogits: false }
      forward.advance([
        { sequence: alone, ...piece },
        { sequence: sharing, ...piece },
      ])
      blocks.push(forward.capture(sharing))
      forward.share(sharing, blocks[at]!.rows)
      assert.deepEqual(forward.capture(sharing), blocks[at])
    }
    const rows = blocks.map((block) => block.rows)
    const resumed = forward.resume(rows, blocks[2]!.tail)
    const fresh = forward.open()
    assert.equal(forward.ownBytes(resumed), forward.ownBytes(fresh))
    assert.ok(forward.ownBytes(sharing) < forward.ownBytes(alone))
    const expected = run(forward, alone, 3 * blockTokens)
    assert.deepEqual(run(forward, sharing, 3 * blockTokens), expected)
    assert.deepEqual(run(forward, resumed, 3 * blockTokens), expected)
    // The rows are read where they lie: whoever frees them too early is found out.
    const betrayed = forward.resume(rows, blocks[2]!.tail)
    for (const block of rows) block.fill(1)
    assert.notDeepEqual(run(forward, betrayed, 3 * blockTokens), expected)
  })

  it('refuses rows of another size', () => {
    const forward = new ReferenceForward(Model.load(checkpoint, { storage: 'packed' }), 'small')
    const sequence = forward.open()
    forward.advance([{ sequence, ids: ids.slice(0, blockTokens), wantsLogits: false }])
    const { rows } = forward.capture(sequence)
    assert.throws(() => forward.share(sequence, rows.subarray(1)), /MODEL_STATE|size|multiple/)
  })
})
