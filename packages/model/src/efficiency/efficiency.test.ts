import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { publishedShape } from '../config/shapes.ts'
import { layerBytes, newLayerState } from '../forward/state.ts'
import type { Work } from '../forward/tally.ts'
import { groupedQueryBytesPerToken, v32BytesPerToken, v32Operations } from './baselines.ts'
import { fillRows, measureSequence } from './measure.ts'
import { measureEfficiency, millionTokens, renderEfficiency } from './report.ts'
import { weigh, weightedShare, weightings } from './weightings.ts'

/** Beyond the top-k every count is linear in the length, so two short contexts give the long one. */
function operationsAtMillion(shape: 'flash' | 'pro'): Map<Work, number> {
  const config = publishedShape(shape)
  const [near, far] = [8192, 16_384]
  const one = measureSequence(config, near).operations
  const other = measureSequence(config, far).operations
  return new Map(
    [...other].map(([work, count]) => [
      work,
      count + ((count - one.get(work)!) * (millionTokens - far)) / (far - near),
    ]),
  )
}

describe('cache bytes, from filled cache objects', () => {
  it('are 3.685 GB for Flash and 5.276 GB for Pro at a million tokens: 7 % and 10 % of V3.2, 2 % of 8-head attention', () => {
    const expected = { flash: [3514, 0.0731, 0.02], pro: [5031, 0.1047, 0.0201] } as const
    for (const shape of ['flash', 'pro'] as const) {
      const { layers } = publishedShape(shape)
      const perLayer = { window: 0, sparse: 0, heavy: 0 }
      for (const kind of ['sparse', 'heavy'] as const) {
        const plan = layers.find((layer) => layer.attention === kind)!
        const state = newLayerState(publishedShape(shape), plan, 'packed')
        const rows = millionTokens / plan.compressor!.ratio
        fillRows(state.compressed!.rows, rows)
        if (state.index !== null) fillRows(state.index.rows, rows)
        const bytes = layerBytes(state)
        assert.equal(bytes.rows + bytes.indexRows, rows * (kind === 'sparse' ? 584 + 68 : 584))
        perLayer[kind] = bytes.rows + bytes.indexRows
      }
      const perToken = layers.reduce((sum, layer) => sum + perLayer[layer.attention], 0) / millionTokens
      const [bytes, ofV32, ofGrouped] = expected[shape]
      assert.equal(Math.round(perToken), bytes)
      assert.ok(Math.abs(perToken / v32BytesPerToken() - ofV32) < 1e-4)
      assert.ok(Math.abs(perToken / groupedQueryBytesPerToken(layers.length) - ofGrouped) < 1e-4)
    }
  })
})

describe('operations, counted by the kernels', () => {
  const baseline = v32Operations(millionTokens)
  const atMillion = { flash: operationsAtMillion('flash'), pro: operationsAtMillion('pro') }

  it('are 140, 303 and 1158 GFLOP a token at a million for Flash, Pro and V3.2', () => {
    assert.equal((weigh(atMillion.flash, {}) / 1e9).toFixed(1), '140.3')
    assert.equal((weigh(atMillion.pro, {}) / 1e9).toFixed(1), '303.2')
    assert.equal((weigh(baseline, {}) / 1e9).toFixed(1), '1157.7')
  })

  it('give the published 27 % and 10 % of V3.2 under weighting E, and 26 % and 12 % unweighted', () => {
    const share = (key: string, shape: 'flash' | 'pro') => {
      const weighting = weightings.find((candidate) => candidate.key === key)!
      return Math.round(weightedShare(weighting, atMillion[shape], baseline) * 100)
    }
    assert.deepEqual([share('E', 'pro'), share('E', 'flash')], [27, 10])
    assert.deepEqual([share('A', 'pro'), share('A', 'flash')], [26, 12])
  })

  it('agree with the equations layer by layer', () => {
    const config = publishedShape('flash')
    const { kinds } = measureSequence(config, 16_384)
    const sparse = kinds.find((kind) => kind.attention === 'sparse')!
    assert.equal(sparse.layers, 21)
    assert.equal(sparse.operations.get('index-score'), 2 * 64 * 128 * 4096)
    assert.equal(sparse.operations.get('attention-sparse'), 4 * 64 * 512 * 512)
    assert.equal(sparse.operations.get('attention-window'), 4 * 64 * 512 * 128)
    assert.equal(sparse.operations.get('compressor'), 4 * 4096 * 1024)
    assert.equal(sparse.operations.get('expert'), 6 * 6 * 4096 * 2048)
    const heavy = kinds.find((kind) => kind.attention === 'heavy')!
    assert.equal(heavy.operations.get('attention-heavy'), 4 * 64 * 512 * 128)
    assert.equal(heavy.operations.get('index-score'), undefined)
  })
})

describe('the efficiency page', () => {
  it('shows bytes, operations, every weighting and every length it was given', () => {
    const [flash, pro] = [measureEfficiency('flash', 8192), measureEfficiency('pro', 8192)]
    const page = renderEfficiency(flash, pro, [[flash, pro]])
    for (const { rule } of weightings) assert.ok(page.includes(rule))
    assert.match(page, /\| bytes per token of context \| 3514 \| 5031 \| 48,068 \|/)
    assert.match(page, /sparse \(CSA\), 1 row per 4 tokens \| 21 \| 2,048/)
    assert.equal(page.match(/^\| 8,192 \|/gm)?.length, 2)
    assert.doesNotMatch(page, /NaN|undefined/)
  })
})
