/**
 * The forward pass over the kernels against the plain model, which is held to the official code's logits by its
 * own tests (testing/golden/tiny-v4: 4 layers of all kinds, 300 tokens).
 *
 * Exact mode keeps the bounds of the plain model. Where cache rows, index vectors and inputs are rounded to 8 and 4
 * bits, a sum that differs in its last bit can fall on the other side of a rounding, so there the median and the
 * choices are held, not the largest difference.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, describe, it } from 'node:test'
import {
  assembleCheckpoint,
  convertCheckpoint,
  memorySource,
  Model,
  numericModes,
  randomCheckpoint,
  readConfig,
  readSafetensors,
  smallConfig,
  type Checkpoint,
  type NumericMode,
  type RowStorage,
} from '@portolan/model'
import { blockTokens, type BlockState, type ForwardSequence } from '../forward.ts'
import { KernelForward, type KernelForwardOptions } from './kernel-forward.ts'

const open: KernelForward[] = []
after(() => Promise.all(open.map((forward) => forward.stop())))

async function kernels(checkpoint: Checkpoint, options: KernelForwardOptions): Promise<KernelForward> {
  const forward = await KernelForward.open(checkpoint, 'small', { workers: 0, sequenceBytes: 2 ** 25, ...options })
  open.push(forward)
  return forward
}

const folder = new URL('../../../../testing/golden/tiny-v4/', import.meta.url)
const stored = readSafetensors(memorySource(readFileSync(new URL('tiny-v4-oracle.safetensors', folder))))
const described: { config: unknown } = JSON.parse(readFileSync(new URL('tiny-v4-oracle.json', folder), 'utf8'))
const oracle = assembleCheckpoint(readConfig(described.config), stored, {
  prediction: true,
  ignorePrefixes: ['oracle.'],
})
const bytesOf = (name: string) => stored.find((tensor) => tensor.name === name)!.read()
const oracleFloats = (name: string) => new Float32Array(bytesOf(name).buffer)
const oracleIds = Array.from(new BigInt64Array(bytesOf('oracle.ids').buffer), Number)

/** Small, all layer kinds, one ratio that does not divide the block; official quantisation. */
const mixed = convertCheckpoint(
  randomCheckpoint(
    smallConfig({ num_hidden_layers: 5, compress_ratios: [0, 4, 128, 4, 48], sliding_window: 32, index_topk: 8 }),
    3,
  ),
  'official',
)
const ids = Array.from({ length: 3 * blockTokens + 40 }, (_, at) => (at * 29 + 7) % 48)

const largest = (logits: Float32Array) => logits.reduce((best, value, at) => (value > logits[best]! ? at : best), 0)

function compare(found: readonly Float32Array[], wanted: Float32Array) {
  const vocabulary = found[0]!.length
  const differences: number[] = []
  let sameChoice = 0
  for (const [at, logits] of found.entries()) {
    const other = wanted.subarray(at * vocabulary, (at + 1) * vocabulary)
    for (const [id, value] of logits.entries()) differences.push(Math.abs(value - other[id]!))
    if (largest(logits) === largest(other)) sameChoice++
  }
  differences.sort((one, other) => one - other)
  return { maximum: differences.at(-1)!, median: differences[differences.length >> 1]!, sameChoice }
}

function decode(forward: KernelForward, sequence: ForwardSequence, tokens: readonly number[]): Float32Array[] {
  return tokens.map((id) => forward.advance([{ sequence, ids: [id], wantsLogits: true }])[0]!)
}

function plainLogits(checkpoint: Checkpoint, mode: NumericMode, storage: RowStorage, tokens: number[]): Float32Array {
  const model = Model.load(checkpoint, { mode, storage })
  return model.forward([{ state: model.newState(), ids: tokens }], { logits: 'all' })[0]!.logits
}

describe('the kernels against the official code, token by token', () => {
  it('agree to 1e-3 on all 300 positions, and on every choice, without round trips', async (test) => {
    const forward = await kernels(oracle, { mode: numericModes.plain, storage: 'f32' })
    const { maximum, sameChoice } = compare(
      decode(forward, forward.open(), oracleIds),
      oracleFloats('oracle.logits_noquant'),
    )
    test.diagnostic(`largest difference ${maximum.toExponential(1)}, ${sameChoice} of 300 choices`)
    assert.ok(maximum <= 1e-3, `largest difference ${maximum}`)
    assert.equal(sameChoice, 300)
  })

  it('agree to a median of 5e-4 and on at least 298 choices with cache and index round trips', async (test) => {
    const forward = await kernels(oracle, { mode: numericModes.cache, storage: 'f32' })
    const { median, sameChoice } = compare(
      decode(forward, forward.open(), oracleIds),
      oracleFloats('oracle.logits_quant'),
    )
    test.diagnostic(`median difference ${median.toExponential(1)}, ${sameChoice} of 300 choices`)
    assert.ok(median <= 5e-4, `median difference ${median}`)
    assert.ok(sameChoice >= 298, `${sameChoice} of 300 choices`)
  })
})

describe('the kernels against the plain model', () => {
  for (const variant of ['relaxed-simd', 'simd'] as const)
    it(`agree with packed rows and every round trip to a median of 5e-4 and on 298 of 300 choices, ${variant}`, async (test) => {
      const forward = await kernels(oracle, { variant })
      const wanted = plainLogits(oracle, numericModes.packed, 'packed', oracleIds)
      const { maximum, median, sameChoice } = compare(decode(forward, forward.open(), oracleIds), wanted)
      test.diagnostic(`median ${median.toExponential(1)}, largest ${maximum.toFixed(2)}, ${sameChoice} choices`)
      assert.ok(median <= 5e-4 && sameChoice >= 298, `median ${median}, ${sameChoice} choices`)
    })

  it('agree on FP8 and FP4 weights; fast mode differs by what eight-bit inputs cost', async (test) => {
    const exact = await kernels(mixed, {})
    const fast = await kernels(mixed, { precision: 'fast' })
    const wanted = plainLogits(mixed, numericModes.packed, 'packed', ids)
    const one = compare(decode(exact, exact.open(), ids), wanted)
    const other = compare(decode(fast, fast.open(), ids), wanted)
    for (const [name, { median, maximum, sameChoice }] of Object.entries({ exact: one, fast: other }))
      test.diagnostic(
        `${name}: median ${median.toExponential(1)}, largest ${maximum.toFixed(2)}, ${sameChoice} of ${ids.length}`,
      )
    assert.ok(one.median <= 5e-4 && one.sameChoice >= 0.98 * ids.length)
    // An untrained model of 32 dimensions has many near ties; what matters is that nothing breaks.
    assert.ok(other.median <= 0.15 && other.sameChoice >= 0.75 * ids.length)
  })
})

for (const precision of ['exact', 'fast'] as const)
  describe(`${precision}: what else is computed changes no bit`, () => {
    it('a prompt in any pieces is the prompt token by token', async () => {
      const forward = await kernels(mixed, { precision })
      const whole = decode(forward, forward.open(), ids)
      for (const cuts of [[128, 256, 384], [1, 30, 133, 260, 300], []]) {
        const sequence = forward.open()
        let last: Float32Array | null = null
        let from = 0
        for (const to of [...cuts, ids.length]) {
          last = forward.advance([{ sequence, ids: ids.slice(from, to), wantsLogits: true }])[0]!
          assert.deepEqual(last, whole[to - 1])
          from = to
        }
      }
    })

    it('eight sequences together are eight alone, with one thread and with two', async () => {
      const forward = await kernels(mixed, { precision, workers: 1 })
      const prompts = Array.from({ length: 8 }, (_, at) => ids.slice(at * 3, at * 3 + 20 + at * 17))
      const alone = prompts.map((prompt) => {
        const sequence = forward.open()
        forward.advance([{ sequence, ids: prompt, wantsLogits: false }])
        return decode(forward, sequence, [1, 2, 3])
      })
      const sequences = prompts.map(() => forward.open())
      // Some read while others write.
      forward.advance(
        prompts.map((prompt, at) => ({ sequence: sequences[at]!, ids: prompt.slice(0, 15), wantsLogits: false })),
      )
      forward.advance(
        prompts.map((prompt, at) => ({ sequence: sequences[at]!, ids: prompt.slice(15), wantsLogits: false })),
      )
      for (const [step, id] of [1, 2, 3].entries()) {
        const together = forward.advance(sequences.map((sequence) => ({ sequence, ids: [id], wantsLogits: true })))
        for (const [at, logits] of together.entries()) assert.deepEqual(logits, alone[at]![step])
      }
    })

    it('put down and taken up again from blocks, it goes on with the same bits', async () => {
      const forward = await kernels(mixed, { precision })
      const whole = forward.open()
      const blocks: BlockState[] = []
      for (let at = 0; at < 3; at++) {
        const piece = ids.slice(at * blockTokens, (at + 1) * blockTokens)
        forward.advance([{ sequence: whole, ids: piece, wantsLogits: false }])
        blocks.push(forward.capture(whole))
      }
      const rows = blocks.map((block) => block.rows)
      const uninterrupted = decode(forward, whole, ids.slice(3 * blockTokens))
      forward.close(whole)
      const earlier = forward.resume(rows.slice(0, 2), blocks[1]!.tail)
      assert.deepEqual(decode(forward, earlier, ids.slice(2 * blockTokens)).slice(blockTokens), uninterrupted)
      const resumed = forward.resume(rows, blocks[2]!.tail)
      assert.deepEqual(decode(forward, resumed, ids.slice(3 * blockTokens)), uninterrupted)
      const held = forward.lentBytes
      assert.throws(() => forward.resume(rows, blocks[2]!.tail.subarray(1)), { code: 'ENGINE_FAILED' })
      assert.throws(() => forward.resume([rows[0]!, rows[0]!.subarray(4)], blocks[1]!.tail), { code: 'ENGINE_FAILED' })
      assert.equal(forward.lentBytes, held)
    })
  })

describe('memory of sequences', () => {
  it('comes back when a sequence is closed, and is clean for the next', async () => {
    const forward = await kernels(mixed, {})
    const first = forward.open()
    const logits = decode(forward, first, ids)
    assert.ok(forward.lentBytes === forward.ownBytes(first) && forward.lentBytes > 0)
    forward.close(first)
    forward.close(first)
    assert.equal(forward.lentBytes, 0)
    assert.throws(() => decode(forward, first, [1]), { code: 'ENGINE_FAILED' })
    assert.deepEqual(decode(forward, forward.open(), ids), logits)
  })

  it('that is full refuses before anything has changed', async () => {
    const forward = await kernels(mixed, { sequenceBytes: 2 ** 18 })
    const sequence = forward.open()
    decode(forward, sequence, ids.slice(0, 50))
    const others: ForwardSequence[] = []
    assert.throws(
      () => {
        for (;;) others.push(forward.open())
      },
      { code: 'ENGINE_MEMORY' },
    )
    assert.ok(others.length > 0)
    for (const other of others) forward.close(other)
    assert.equal(decode(forward, sequence, ids.slice(50, 60)).length, 10)
  })

  it('refuses tokens that do not exist, and a sequence twice in a pass', async () => {
    const forward = await kernels(mixed, {})
    const sequence = forward.open()
    assert.throws(() => decode(forward, sequence, [48]), { code: 'MODEL_TOKEN' })
    const piece = { sequence, ids: [1], wantsLogits: true }
    assert.throws(() => forward.advance([piece, piece]), { code: 'MODEL_STATE' })
    assert.equal(sequence.position, 0)
  })
})
