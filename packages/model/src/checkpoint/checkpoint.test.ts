import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import type { ModelConfig } from '../config/model-config.ts'
import { publishedShape } from '../config/shapes.ts'
import { smallConfig } from '../config/small-configs.ts'
import { Model } from '../forward/model.ts'
import { loadWeights } from '../forward/weights.ts'
import { assembleCheckpoint, openCheckpoint, readMatrix, readTable, type Checkpoint } from './checkpoint.ts'
import { convertCheckpoint, toTransformersTensors } from './convert.ts'
import { describeCheckpoint, verifyCheckpoint } from './describe.ts'
import { decodeMatrix } from './matrix.ts'
import { randomCheckpoint } from './random-checkpoint.ts'
import { memoryTensor, type StoredTensor } from './safetensors.ts'
import { toOfficialName, toTransformersName } from './tensor-names.ts'
import { countParameters, planMainTensors } from './tensor-plan.ts'
import { writeCheckpoint } from './write-checkpoint.ts'

const folder = mkdtempSync(join(tmpdir(), 'portolan-checkpoint-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const config = smallConfig()
const floats = randomCheckpoint(config, 7)
const official = convertCheckpoint(floats, 'official')

function logitsOf(checkpoint: Checkpoint): Float32Array {
  const model = Model.load(checkpoint)
  return model.prefill(model.newState(), [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5])
}

/** Reassembles `official` with some tensors replaced, dropped (null) or added. */
function changed(changes: Record<string, StoredTensor | null>): () => Checkpoint {
  const tensors = new Map(official.tensors)
  for (const [name, tensor] of Object.entries(changes)) {
    if (tensor === null) tensors.delete(name)
    else tensors.set(name, tensor)
  }
  return () => assembleCheckpoint(config, tensors.values())
}

describe('tensor plan', () => {
  it('adds up to the published parameter counts of Flash and Pro', () => {
    // An independent recount from the published shapes leaves out router biases and the final stream collapse.
    const leftOut = (config: ModelConfig) =>
      planMainTensors(config)
        .filter(({ name }) => name.endsWith('gate.bias') || name.startsWith('hc_head_'))
        .reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0)
    const flash = publishedShape('flash')
    assert.equal(countParameters(flash).total - leftOut(flash), 284_332_164_690)
    assert.equal((countParameters(flash).active / 1e9).toFixed(2), '13.27')
    const pro = publishedShape('pro')
    assert.equal(countParameters(pro).total - leftOut(pro), 1_572_997_064_798)
    assert.equal((countParameters(pro).active / 1e9).toFixed(2), '48.85')
  })
})

describe('tensor names', () => {
  it('maps every official name but experts to transformers and back', () => {
    for (const { name } of planMainTensors(config)) {
      const other = toTransformersName(name)
      if (/ffn\.experts\./.test(name)) assert.equal(other, null)
      else assert.equal(toOfficialName(other!), name)
    }
    assert.equal(toTransformersName('layers.2.attn.wq_a.scale'), 'model.layers.2.self_attn.q_a_proj.weight_scale_inv')
    assert.equal(toOfficialName('model.layers.2.self_attn.q_a_proj.weight_scale_inv'), 'layers.2.attn.wq_a.scale')
  })

  it('accepts the spellings of early versions and of the official converter', () => {
    const spellings: [string, string][] = [
      ['model.layers.1.self_attn.q_norm.weight', 'layers.1.attn.q_norm.weight'],
      ['model.layers.1.self_attn.compressor.indexer.weights_proj.weight', 'layers.1.attn.indexer.weights_proj.weight'],
      ['model.layers.1.self_attn.wq_b.weight_scale_inv', 'layers.1.attn.wq_b.scale'],
      ['model.layers.1.mlp.gate.e_score_correction_bias', 'layers.1.ffn.gate.bias'],
      ['model.layers.1.mlp.experts.5.up_proj.weight', 'layers.1.ffn.experts.5.w3.weight'],
      ['layers.1.attn_hc.scale', 'layers.1.hc_attn_scale'],
      ['layers.1.hc_attn_scale', 'layers.1.hc_attn_scale'],
      ['mtp.0.enorm.weight', 'mtp.0.enorm.weight'],
    ]
    for (const [spelled, name] of spellings) assert.equal(toOfficialName(spelled), name)
  })

  it('gives the same logits from the transformers layout, experts split out of the fused tensors', () => {
    const other = assembleCheckpoint(config, toTransformersTensors(floats, 'f32'))
    assert.deepEqual(logitsOf(other), logitsOf(floats))
  })
})

describe('checkpoint folder', () => {
  it('keeps every byte through write, read and write, in one file or in shards', () => {
    for (const maximumShardBytes of [2 ** 30, 20_000]) {
      const first = join(folder, `first-${maximumShardBytes}`)
      const second = join(folder, `second-${maximumShardBytes}`)
      const files = writeCheckpoint(first, floats, { maximumShardBytes })
      const read = openCheckpoint(first)
      assert.deepEqual(writeCheckpoint(second, read, { maximumShardBytes }), files)
      read.close()
      assert.equal(files.length > 2, maximumShardBytes < 2 ** 30)
      for (const file of files)
        assert.deepEqual(readFileSync(join(second, file)), readFileSync(join(first, file)), file)
    }
  })

  it('keeps every byte even when the weights are decoded to floats in between', () => {
    const direct = join(folder, 'direct')
    const roundabout = join(folder, 'roundabout')
    const files = writeCheckpoint(direct, floats)
    writeCheckpoint(roundabout, convertCheckpoint(convertCheckpoint(official, 'f32'), 'official'))
    for (const file of files)
      assert.deepEqual(readFileSync(join(roundabout, file)), readFileSync(join(direct, file)), file)
  })

  it('stores linears as FP8, experts as FP4, norms as BF16 and tables as I64', () => {
    const dtype = (name: string) => official.tensors.get(name)?.dtype
    assert.equal(dtype('layers.1.attn.wq_b.weight'), 'F8_E4M3')
    assert.equal(dtype('layers.1.attn.wq_b.scale'), 'F8_E8M0')
    assert.equal(dtype('layers.1.ffn.experts.0.w1.weight'), 'I8')
    assert.deepEqual(official.tensors.get('layers.1.ffn.experts.0.w1.weight')?.shape, [32, 16])
    assert.equal(dtype('layers.1.attn.compressor.wkv.weight'), 'BF16')
    assert.equal(dtype('layers.1.hc_attn_fn'), 'F32')
    assert.equal(dtype('layers.0.ffn.gate.tid2eid'), 'I64')
  })

  it('gives the same logits from files as from memory', () => {
    const directory = join(folder, 'logits')
    writeCheckpoint(directory, official, { maximumShardBytes: 50_000 })
    const opened = openCheckpoint(directory)
    assert.deepEqual(logitsOf(opened), logitsOf(official))
    opened.close()
  })

  it('runs with a bound on resident experts', () => {
    const model = Model.load(official, { residentExperts: 2 })
    assert.deepEqual(model.prefill(model.newState(), [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]), logitsOf(official))
  })

  it('takes experts in FP8 with block scales, as base checkpoints store them', () => {
    const [name, scale] = ['layers.1.ffn.experts.0.w1.weight', 'layers.1.ffn.experts.0.w1.scale']
    const codes = new Uint8Array(32 * 32).fill(0x38)
    const base = changed({
      [name]: memoryTensor(name, 'F8_E4M3', [32, 32], codes),
      [scale]: memoryTensor(scale, 'F8_E8M0', [1, 1], new Uint8Array([128])),
    })()
    assert.ok(decodeMatrix(readMatrix(base, name)).every((value) => value === 2))
  })

  it('accepts I32 router tables', () => {
    const name = 'layers.0.ffn.gate.tid2eid'
    const table = readTable(official, name)
    const narrow = changed({ [name]: memoryTensor(name, 'I32', [48, 2], new Uint8Array(table.buffer)) })()
    assert.deepEqual(readTable(narrow, name), table)
    assert.equal(convertCheckpoint(narrow, 'official').tensors.get(name)?.dtype, 'I64')
  })
})

describe('describing a checkpoint', () => {
  it('counts stored bytes by part and number format, scales included', () => {
    const { layers, totalBytes, bytesByDataType, bytesByPart, bytesPerToken } = describeCheckpoint(official)
    assert.deepEqual(layers, { window: 1, sparse: 2, heavy: 1, hashRouted: 1 })
    const sum = [...official.tensors.values()].reduce((total, tensor) => total + tensor.byteLength, 0)
    assert.equal(totalBytes, sum)
    assert.equal(
      Object.values(bytesByDataType).reduce((total, bytes) => total + bytes, 0),
      sum,
    )
    // 4 layers, 6 experts, 3 matrices of 32 x 32 in FP4 with one scale per 32.
    assert.equal(bytesByPart['routed-expert'], 4 * 6 * 3 * (512 + 32))
    assert.equal(bytesPerToken, sum - 4 * 4 * 3 * (512 + 32) - 48 * 32 * 2)
  })
})

describe('a checkpoint that lies', () => {
  const weight = 'layers.1.attn.wq_b.weight'
  const scale = 'layers.1.attn.wq_b.scale'

  it('is refused for a missing tensor and for a missing scale', () => {
    assert.throws(changed({ 'norm.weight': null }), { code: 'MODEL_TENSOR_MISSING', message: /norm\.weight/ })
    assert.throws(changed({ [scale]: null }), { code: 'MODEL_TENSOR_MISSING', message: /wq_b\.scale/ })
  })

  it('is refused for a surplus tensor, and for two tensors that stand for one', () => {
    const surplus = memoryTensor('layers.0.attn.wq_c.weight', 'F32', [1], new Uint8Array(4))
    assert.throws(changed({ surplus }), { code: 'MODEL_TENSOR_SURPLUS', message: /wq_c/ })
    const twice = memoryTensor('model.norm.weight', 'F32', [32], new Uint8Array(128))
    assert.throws(changed({ twice }), { code: 'MODEL_TENSOR_SURPLUS', message: /norm\.weight/ })
  })

  it('is refused for a wrong shape, naming both shapes', () => {
    const wrong = memoryTensor('norm.weight', 'BF16', [31], new Uint8Array(62))
    assert.throws(changed({ 'norm.weight': wrong }), { code: 'MODEL_TENSOR_SHAPE', message: /\[31\].*\[32\]/ })
    const wrongScale = memoryTensor(scale, 'F8_E8M0', [2, 2], new Uint8Array(4))
    assert.throws(changed({ [scale]: wrongScale }), { code: 'MODEL_TENSOR_SHAPE', message: /wq_b\.scale/ })
  })

  it('is refused for a number format its place does not allow', () => {
    const wrong = memoryTensor('norm.weight', 'I8', [32], new Uint8Array(32))
    assert.throws(changed({ 'norm.weight': wrong }), { code: 'MODEL_TENSOR_DTYPE', message: /I8.*BF16/ })
  })

  it('is refused for a NaN scale and for NaN codes when they are read', () => {
    const bad = changed({ [scale]: memoryTensor(scale, 'F8_E8M0', [1, 1], new Uint8Array([255])) })()
    assert.throws(() => readMatrix(bad, weight), { code: 'MODEL_SCALE', message: /NaN at position 0/ })
    const codes = official.tensors.get(weight)!.read()
    codes[17] = 0xff
    const nan = changed({ [weight]: memoryTensor(weight, 'F8_E4M3', [128, 32], codes) })()
    assert.throws(() => readMatrix(nan, weight), { code: 'MODEL_TENSOR_VALUE', message: /position 17/ })
  })

  it('is found out by a full check even where no token has been yet', () => {
    verifyCheckpoint(official)
    const expert = 'layers.3.ffn.experts.5.w2.scale'
    const bad = changed({ [expert]: memoryTensor(expert, 'F8_E8M0', [32, 1], new Uint8Array(32).fill(255)) })()
    assert.throws(() => verifyCheckpoint(bad), { code: 'MODEL_SCALE', message: /experts\.5\.w2\.scale/ })
    const half = memoryTensor('norm.weight', 'BF16', [32], new Uint8Array(64).fill(255))
    assert.throws(() => verifyCheckpoint(changed({ 'norm.weight': half })()), {
      code: 'MODEL_TENSOR_VALUE',
      message: /NaN at position 0/,
    })
    const embed = memoryTensor('embed.weight', 'BF16', [48, 32], new Uint8Array(48 * 32 * 2).fill(255))
    assert.throws(() => verifyCheckpoint(changed({ 'embed.weight': embed })()), {
      code: 'MODEL_TENSOR_VALUE',
      message: /embed/,
    })
  })

  it('is refused for a router table that names an expert twice in a row, or one that does not exist', () => {
    const name = 'layers.0.ffn.gate.tid2eid'
    const table = BigInt64Array.from(readTable(official, name), BigInt)
    for (const [value, message] of [
      [table[10]!, /row 5 names expert/],
      [6n, /from 0 to 5/],
      [-1n, /from 0 to 5/],
      [1n << 40n, /beyond 32 bits/],
    ] as const) {
      const broken = table.slice()
      broken[11] = value
      const bad = changed({ [name]: memoryTensor(name, 'I64', [48, 2], new Uint8Array(broken.buffer)) })()
      assert.throws(() => loadWeights(bad), { code: 'MODEL_TENSOR_VALUE', message })
    }
  })

  it('is refused when index and shards disagree, or the index points outside the folder', () => {
    const directory = join(folder, 'lying-index')
    const indexFile = join(directory, 'model.safetensors.index.json')
    writeCheckpoint(directory, floats, { maximumShardBytes: 50_000 })
    const index: { weight_map: Record<string, string> } = JSON.parse(readFileSync(indexFile, 'utf8'))
    const rewritten = (change: (map: Record<string, string>) => void) => {
      const weight_map = { ...index.weight_map }
      change(weight_map)
      writeFileSync(indexFile, JSON.stringify({ weight_map }))
      return () => openCheckpoint(directory)
    }
    const [first, second] = [...new Set(Object.values(index.weight_map))]
    assert.throws(
      rewritten((map) => (map['embed.weight'] = second!)),
      { code: 'MODEL_INDEX', message: /embed\.weight/ },
    )
    assert.throws(
      rewritten((map) => delete map['embed.weight']),
      { code: 'MODEL_INDEX', message: /embed\.weight/ },
    )
    assert.throws(
      rewritten((map) => (map['ghost'] = first!)),
      { code: 'MODEL_INDEX', message: /ghost/ },
    )
    assert.throws(
      rewritten((map) => (map['ghost'] = '../../secret.safetensors')),
      { code: 'MODEL_INDEX', message: /not a file of the folder/ },
    )
    assert.throws(
      rewritten((map) => (map['ghost'] = 'model-00099-of-00099.safetensors')),
      { code: 'MODEL_FILE_MISSING' },
    )
    writeFileSync(indexFile, '{"weight_map": 3')
    assert.throws(() => openCheckpoint(directory), { code: 'MODEL_INDEX' })
  })

  it('is refused when files are missing altogether', () => {
    assert.throws(() => openCheckpoint(join(folder, 'nowhere')), {
      code: 'MODEL_FILE_MISSING',
      message: /config\.json/,
    })
    const empty = join(folder, 'logits-empty')
    writeCheckpoint(empty, floats)
    rmSync(join(empty, 'model.safetensors'))
    assert.throws(() => openCheckpoint(empty), { code: 'MODEL_FILE_MISSING', message: /safetensors/ })
    mkdirSync(join(empty, 'model.safetensors'))
    assert.throws(() => openCheckpoint(empty), { code: 'MODEL_FILE_MISSING', message: /not a regular file/ })
  })
})
