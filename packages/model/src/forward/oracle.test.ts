/**
 * The reference pass against logits of the official code, for a tiny random V4 (testing/golden/tiny-v4).
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { memorySource } from '../checkpoint/byte-source.ts'
import { assembleCheckpoint } from '../checkpoint/checkpoint.ts'
import { readSafetensors } from '../checkpoint/safetensors.ts'
import { readConfig } from '../config/read-config.ts'
import { Model } from './model.ts'
import { predict } from './prediction.ts'
import { numericModes } from './run.ts'

const folder = new URL('../../../../testing/golden/tiny-v4/', import.meta.url)
const description: { config: unknown; mtp_lengths: number[]; sha256: string } = JSON.parse(
  readFileSync(new URL('tiny-v4-oracle.json', folder), 'utf8'),
)
const file = readFileSync(new URL('tiny-v4-oracle.safetensors', folder))
const stored = readSafetensors(memorySource(file))
const config = readConfig(description.config)
const checkpoint = assembleCheckpoint(config, stored, { prediction: true, ignorePrefixes: ['oracle.'] })

function bytesOf(name: string): Uint8Array<ArrayBuffer> {
  const tensor = stored.find((candidate) => candidate.name === name)
  assert.ok(tensor, name)
  return tensor.read()
}
const floats = (name: string) => new Float32Array(bytesOf(name).buffer)
const ids = Int32Array.from(new BigInt64Array(bytesOf('oracle.ids').buffer), Number)

function largest(logits: Float32Array): number {
  return logits.reduce((best, value, at) => (value > logits[best]! ? at : best), 0)
}

function compare(got: Float32Array, wanted: Float32Array): { maximum: number; median: number; sameChoice: number } {
  assert.equal(got.length, wanted.length)
  const differences = got.map((value, at) => Math.abs(value - wanted[at]!)).sort()
  let sameChoice = 0
  for (let at = 0; at < got.length; at += config.vocabSize) {
    const end = at + config.vocabSize
    if (largest(got.subarray(at, end)) === largest(wanted.subarray(at, end))) sameChoice++
  }
  return { maximum: differences.at(-1)!, median: differences[differences.length >> 1]!, sameChoice }
}

describe('the forward pass against the official code on a tiny random V4', () => {
  it('uses the weights whose hash was recorded with the logits', () => {
    assert.equal(createHash('sha256').update(file).digest('hex'), description.sha256)
  })

  it('agrees to 1e-3 on all 300 positions, and on every choice, without round trips', (test) => {
    const model = Model.load(checkpoint, { mode: numericModes.plain })
    const [result] = model.forward([{ state: model.newState(), ids }], { logits: 'all' })
    const { maximum, sameChoice } = compare(result!.logits, floats('oracle.logits_noquant'))
    test.diagnostic(`largest difference ${maximum.toExponential(1)}, ${sameChoice} of 300 choices`)
    assert.ok(maximum <= 1e-3, `largest difference ${maximum}`)
    assert.equal(sameChoice, 300)
  })

  it('agrees to a median of 5e-4 and on at least 298 choices with cache and index round trips', (test) => {
    const model = Model.load(checkpoint, { mode: numericModes.cache })
    const [result] = model.forward([{ state: model.newState(), ids }], { logits: 'all' })
    const { median, sameChoice } = compare(result!.logits, floats('oracle.logits_quant'))
    test.diagnostic(`median difference ${median.toExponential(1)}, ${sameChoice} of 300 choices`)
    assert.ok(median <= 5e-4, `median difference ${median}`)
    assert.ok(sameChoice >= 298, `${sameChoice} of 300 choices`)
  })

  it('agrees to 1e-4 in the prediction block for every recorded length', (test) => {
    const model = Model.load(checkpoint, { mode: numericModes.cache })
    const streams = floats('oracle.mtp_streams')
    const wanted = floats('oracle.mtp_logits')
    const width = config.hyperConnections.streams * config.hiddenSize
    for (const [at, length] of description.mtp_lengths.entries()) {
      const got = predict(
        model,
        model.newPredictionState(),
        streams.subarray(0, length * width),
        ids.subarray(0, length),
      )
      const { maximum } = compare(got, wanted.subarray(at * config.vocabSize, (at + 1) * config.vocabSize))
      test.diagnostic(`length ${length}: largest difference ${maximum.toExponential(1)}`)
      assert.ok(maximum <= 1e-4, `length ${length}: ${maximum}`)
    }
  })
})
