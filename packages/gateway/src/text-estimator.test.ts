import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Tokenizer } from '@huggingface/tokenizers'
import { TextEstimator, type Encoder } from './text-estimator.ts'

const words = new Tokenizer(
  {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: 'Whitespace' },
    post_processor: null,
    decoder: null,
    model: { type: 'WordLevel', vocab: { '[UNK]': 0 }, unk_token: '[UNK]' },
  },
  {},
)

/** Clocks that stand still until they are moved; each character counted is a microsecond of work. */
function estimator() {
  const clocks = { time: 0, work: 0 }
  let encoded = 0
  const tokenizer: Encoder = {
    encode: (text, options) => {
      clocks.work += text.length / 1000
      encoded += text.length
      return words.encode(text, options)
    },
  }
  const made = new TextEstimator(tokenizer, 'abc', { timeMs: () => clocks.time, workMs: () => clocks.work })
  return { made, clocks, encoded: () => encoded }
}

describe('an estimate by a tokenizer', () => {
  it('is exact for texts that are not long, each counted by itself', () => {
    const { made } = estimator()
    assert.deepEqual(made.estimate(['one two', 'three']), { tokens: 3, sampled: false })
    assert.deepEqual(made.estimate(['word '.repeat(3276)]), { tokens: 3276, sampled: false })
    assert.deepEqual(made.estimate([]), { tokens: 0, sampled: false })
  })

  it('of a long text is near its count, from pieces of all of it, at the price of a short one', () => {
    const { made, encoded } = estimator()
    // Long words, then short ones: the beginning alone would be off by half.
    const text = 'abcdefghi '.repeat(30_000) + 'a '.repeat(150_000)
    const { tokens, sampled } = made.estimate([text])
    assert.ok(sampled && Math.abs(tokens / 180_000 - 1) < 0.05, `${tokens} of 180000`)
    assert.ok(encoded() <= 16_384)
  })

  it('of a text whose end was not kept takes the beginning for the rest', () => {
    const { made } = estimator()
    assert.deepEqual(made.estimate(['word '.repeat(200)], 10_000), { tokens: 2000, sampled: true })
  })

  it('takes a tenth of the time at most: of five hundred streams that break at once most go by density', () => {
    const { made, clocks } = estimator()
    const text = 'word '.repeat(3200)
    const counts = Array.from({ length: 500 }, () => made.estimate([text]))
    assert.ok(clocks.work < 130, `${clocks.work} ms of work`)
    for (const { tokens } of counts) assert.equal(tokens, 3200)
    assert.ok(counts.at(-1)!.sampled && !made.affordable)
    clocks.time += 1000
    assert.deepEqual(made.estimate(['one two']), { tokens: 2, sampled: false })
  })

  it('has a usual density before anything was counted', () => {
    assert.deepEqual(estimator().made.byDensity(3600), { tokens: 1000, sampled: true })
  })
})
