/**
 * Laws of the forward pass, over random small models: schedules, heads, groups, windows, hash layers, top-k
 * smaller than the visible rows, numeric modes and row formats.
 *
 * The bound of every law here is zero: the reference sums nothing across tokens, so the same token gives the
 * same bits however its prompt arrived. Other engines shipped each of these broken (state of a ragged chunk,
 * rows of one query visible to another, restore without the open group), which is why they are laws.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { convertCheckpoint } from '../checkpoint/convert.ts'
import { randomCheckpoint } from '../checkpoint/random-checkpoint.ts'
import { smallConfig } from '../config/small-configs.ts'
import { Model } from './model.ts'
import { predict } from './prediction.ts'
import { numericModes } from './run.ts'
import type { SequenceState } from './state.ts'

const vocabulary = 48

const modelArbitrary = fc
  .record({
    ratios: fc.array(fc.constantFrom(0, 4, 8, 12, 3), { minLength: 2, maxLength: 4 }),
    hashLayers: fc.integer({ min: 0, max: 2 }),
    groups: fc.integer({ min: 1, max: 3 }),
    headsPerGroup: fc.integer({ min: 1, max: 3 }),
    window: fc.integer({ min: 1, max: 12 }),
    topK: fc.integer({ min: 1, max: 5 }),
    streams: fc.integer({ min: 1, max: 4 }),
    perToken: fc.integer({ min: 1, max: 4 }),
    seed: fc.integer({ min: 1, max: 1_000_000 }),
    setting: fc.constantFrom('plain', 'cache', 'official', 'packed'),
  })
  .map(({ ratios, hashLayers, groups, headsPerGroup, window, topK, streams, perToken, seed, setting }) => {
    const config = smallConfig({
      vocab_size: vocabulary,
      num_hidden_layers: ratios.length,
      compress_ratios: ratios,
      num_hash_layers: hashLayers,
      num_attention_heads: groups * headsPerGroup,
      o_groups: groups,
      sliding_window: window,
      index_topk: topK,
      hc_mult: streams,
      n_routed_experts: 4,
      num_experts_per_tok: perToken,
    })
    const floats = randomCheckpoint(config, seed)
    const quantised = setting === 'official' || setting === 'packed'
    return Model.load(quantised ? convertCheckpoint(floats, 'official') : floats, {
      mode: numericModes[setting],
      storage: setting === 'packed' ? 'packed' : 'f32',
    })
  })

const promptArbitrary = fc.array(fc.integer({ min: 0, max: vocabulary - 1 }), { minLength: 2, maxLength: 40 })

function allLogits(model: Model, ids: readonly number[], state: SequenceState = model.newState()): Float32Array {
  return model.forward([{ state, ids }], { logits: 'all' })[0]!.logits
}

function joined(pieces: readonly Float32Array[]): Float32Array {
  return Float32Array.from(pieces.flatMap((piece) => [...piece]))
}

/** Fixed seed: the same cases on every machine. */
const settings = { seed: 20_260_424, numRuns: 9 } as const

describe('laws of the forward pass', () => {
  it('gives the same logits however a prompt is cut into chunks', () => {
    fc.assert(
      fc.property(
        modelArbitrary,
        promptArbitrary,
        fc.array(fc.integer({ min: 1, max: 13 }), { maxLength: 8 }),
        (model, ids, sizes) => {
          const whole = allLogits(model, ids)
          assert.ok(whole.every((value) => Number.isFinite(value)))
          const state = model.newState()
          const pieces: Float32Array[] = []
          for (let at = 0, turn = 0; at < ids.length; turn++) {
            const end = Math.min(ids.length, at + (sizes[turn] ?? 1))
            pieces.push(allLogits(model, ids.slice(at, end), state))
            at = end
          }
          assert.deepEqual(joined(pieces), whole)
        },
      ),
      settings,
    )
  })

  it('continues from a snapshot taken anywhere as if nothing had happened, and leaves the original alone', () => {
    fc.assert(
      fc.property(
        modelArbitrary,
        promptArbitrary,
        fc.nat(),
        fc.integer({ min: 0, max: vocabulary - 1 }),
        (model, ids, cut, other) => {
          const at = 1 + (cut % (ids.length - 1))
          const state = model.newState()
          model.prefill(state, ids.slice(0, at))
          // Through a structured clone, as a snapshot travels to a worker or a file.
          const snapshot = structuredClone(state.snapshot())
          const expected = allLogits(model, ids.slice(at), state)

          const restored = model.newState()
          model.prefill(restored, [other, other, other])
          restored.restore(snapshot)
          assert.deepEqual(restored.snapshot(), snapshot)
          const fork = restored.fork()
          model.prefill(fork, [other, other, other, other, other])
          assert.deepEqual(allLogits(model, ids.slice(at), restored), expected)
        },
      ),
      settings,
    )
  })

  it('restores exactly at every position of a prompt longer than two heavy groups', () => {
    const model = Model.load(randomCheckpoint(smallConfig({ compress_ratios: [8, 4, 0, 8] }), 5))
    const ids = Array.from({ length: 21 }, (_, at) => (at * 7) % vocabulary)
    const whole = allLogits(model, ids)
    const state = model.newState()
    for (let at = 0; at < ids.length; at++) {
      const fresh = model.newState()
      fresh.restore(state.snapshot())
      assert.deepEqual(joined([allLogits(model, ids.slice(at), fresh)]), whole.slice(at * vocabulary))
      model.decode(state, ids[at]!)
    }
  })

  it('takes a prompt longer than its own chunks in one call', () => {
    const model = Model.load(randomCheckpoint(smallConfig({ num_hidden_layers: 2, compress_ratios: [4, 8] }), 5))
    const ids = Array.from({ length: 600 }, (_, at) => (at * 5) % vocabulary)
    const heard: number[] = []
    const state = model.newState()
    const last = model.prefill(state, ids, (done) => heard.push(done))
    assert.deepEqual(heard, [256, 512, 600])
    assert.equal(state.position, 600)
    assert.deepEqual(last, allLogits(model, ids).slice(-vocabulary))
  })

  it('gives a sequence the same logits alone and beside any others', () => {
    fc.assert(
      fc.property(
        modelArbitrary,
        fc.array(promptArbitrary, { minLength: 2, maxLength: 4 }),
        fc.nat(),
        (model, prompts, cut) => {
          const alone = prompts.map((ids) => allLogits(model, ids))
          // Some sequences have a past already, so positions differ within the batch.
          const segments = prompts.map((ids, which) => {
            const at = which % 2 === 0 ? 0 : cut % ids.length
            const state = model.newState()
            if (at > 0) model.prefill(state, ids.slice(0, at))
            return { state, ids: ids.slice(at), skipped: at }
          })
          const results = model.forward(segments, { logits: 'all' })
          for (const [which, { logits }] of results.entries()) {
            assert.deepEqual(logits, alone[which]!.slice(segments[which]!.skipped * vocabulary))
          }
        },
      ),
      settings,
    )
  })

  it('never holds a compressed row before the token that completes its group, and always from then on', () => {
    fc.assert(
      fc.property(modelArbitrary, promptArbitrary, (model, ids) => {
        const state = model.newState()
        for (const id of ids) {
          model.decode(state, id)
          for (const [at, layer] of state.layers.entries()) {
            const ratio = model.config.layers[at]!.compressor?.ratio
            const complete = ratio === undefined ? undefined : Math.floor(state.position / ratio)
            assert.equal(layer.compressed?.rows.count, complete)
            assert.equal(layer.index?.rows.count, layer.index === null ? undefined : complete)
          }
        }
      }),
      settings,
    )
  })

  it('lets no token see a later one', () => {
    fc.assert(
      fc.property(modelArbitrary, promptArbitrary, fc.nat(), (model, ids, cut) => {
        const at = 1 + (cut % (ids.length - 1))
        const changed = ids.map((id, position) => (position < at ? id : (id + 1) % vocabulary))
        assert.deepEqual(
          allLogits(model, changed).slice(0, at * vocabulary),
          allLogits(model, ids).slice(0, at * vocabulary),
        )
      }),
      settings,
    )
  })

  it('starts every sequence clean, even after one shorter than a group', () => {
    fc.assert(
      fc.property(modelArbitrary, promptArbitrary, (model, ids) => {
        const untouched = model.newState().snapshot()
        const expected = allLogits(model, ids)
        model.prefill(model.newState(), ids.slice(0, 2))
        assert.deepEqual(model.newState().snapshot(), untouched)
        assert.deepEqual(allLogits(model, ids), expected)
      }),
      settings,
    )
  })

  it('predicts the same in one piece and token by token', () => {
    const config = smallConfig({ num_nextn_predict_layers: 1, compress_ratios: [0, 4, 8, 4, 0] })
    const model = Model.load(randomCheckpoint(config, 11))
    const ids = [5, 9, 13, 2, 40, 7, 7, 31, 8, 4, 22]
    const [result] = model.forward([{ state: model.newState(), ids }], { streams: true })
    const width = config.hyperConnections.streams * config.hiddenSize
    const whole = predict(model, model.newPredictionState(), result!.streams, ids)
    const state = model.newPredictionState()
    let last = new Float32Array(0)
    for (const [at, id] of ids.entries()) {
      last = Float32Array.from(predict(model, state, result!.streams.slice(at * width, (at + 1) * width), [id]))
    }
    assert.deepEqual(last, whole)
  })
})

describe('row formats', () => {
  it('lose nothing: packed and f32 rows give the same logits when rows are rounded to what both can hold', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000_000 }), promptArbitrary, (seed, ids) => {
        const checkpoint = convertCheckpoint(randomCheckpoint(smallConfig(), seed), 'official')
        const wide = Model.load(checkpoint, { mode: numericModes.packed, storage: 'f32' })
        const packed = Model.load(checkpoint, { storage: 'packed' })
        assert.deepEqual(allLogits(packed, ids), allLogits(wide, ids))
      }),
      settings,
    )
  })

  it('refuse to hold rows that were not rounded', () => {
    const checkpoint = randomCheckpoint(smallConfig(), 3)
    assert.throws(() => Model.load(checkpoint, { mode: numericModes.plain, storage: 'packed' }), {
      code: 'MODEL_STATE',
    })
  })
})

describe('bad input', () => {
  const model = Model.load(randomCheckpoint(smallConfig({ max_position_embeddings: 16 }), 2))

  it('is refused before any state changes', () => {
    const state = model.newState()
    for (const id of [-1, 48, 1.5, Number.NaN]) assert.throws(() => model.decode(state, id), { code: 'MODEL_TOKEN' })
    assert.throws(() => model.prefill(state, []), { code: 'MODEL_TOKEN' })
    assert.throws(
      () =>
        model.prefill(
          state,
          Array.from({ length: 17 }, () => 1),
        ),
      { code: 'MODEL_CONTEXT' },
    )
    assert.throws(
      () =>
        model.forward([
          { state, ids: [1] },
          { state, ids: [2] },
        ]),
      { code: 'MODEL_STATE' },
    )
    assert.deepEqual(state.snapshot(), model.newState().snapshot())
  })

  it('includes snapshots of another shape and snapshots that contradict themselves', () => {
    const state = model.newState()
    model.prefill(state, [1, 2, 3, 4, 5])
    const snapshot = state.snapshot()
    const other = Model.load(randomCheckpoint(smallConfig({ sliding_window: 9 }), 2)).newState()
    assert.throws(() => other.restore(snapshot), { code: 'MODEL_STATE' })
    assert.throws(() => model.newState().restore({ ...snapshot, position: 9 }), { code: 'MODEL_STATE' })
    const cut = { ...snapshot, layers: snapshot.layers.map((layer) => ({ ...layer, window: layer.window.slice(1) })) }
    assert.throws(() => model.newState().restore(cut), { code: 'MODEL_STATE' })
  })
})
