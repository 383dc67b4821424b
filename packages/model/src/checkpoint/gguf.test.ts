import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { smallConfig } from '../config/small-configs.ts'
import { readFloats } from './checkpoint.ts'
import { convertCheckpoint } from './convert.ts'
import { toGgufName, writeGguf } from './gguf.ts'
import { randomCheckpoint } from './random-checkpoint.ts'
import { planMainTensors } from './tensor-plan.ts'

const folder = mkdtempSync(join(tmpdir(), 'portolan-gguf-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const config = smallConfig({ compress_ratios: [0, 4, 128, 4] })
const checkpoint = randomCheckpoint(config, 4)

interface ReadTensor {
  dimensions: number[]
  type: number
  offset: number
}

/** A reader of its own: enough of GGUF to see what was written. */
function readGguf(path: string): { fields: Map<string, unknown>; tensors: Map<string, ReadTensor>; data: Buffer } {
  const file = readFileSync(path)
  let at = 4
  const u32 = () => file.readUInt32LE((at += 4) - 4)
  const u64 = () => Number(file.readBigUInt64LE((at += 8) - 8))
  const text = () => {
    const length = u64()
    return file.toString('utf8', at, (at += length))
  }
  const value = (type: number): unknown => {
    if (type === 4) return u32()
    if (type === 5) return file.readInt32LE((at += 4) - 4)
    if (type === 6) return file.readFloatLE((at += 4) - 4)
    if (type === 7) return file[at++] === 1
    if (type === 8) return text()
    assert.equal(type, 9)
    const of = u32()
    return Array.from({ length: u64() }, () => value(of))
  }
  assert.equal(file.toString('latin1', 0, 4), 'GGUF')
  assert.equal(u32(), 3)
  const [tensorCount, fieldCount] = [u64(), u64()]
  const fields = new Map(Array.from({ length: fieldCount }, () => [text(), value(u32())] as const))
  const tensors = new Map<string, ReadTensor>()
  for (let count = 0; count < tensorCount; count++) {
    const name = text()
    const dimensions = Array.from({ length: u32() }, u64)
    tensors.set(name, { dimensions, type: u32(), offset: u64() })
  }
  return { fields, tensors, data: file.subarray(Math.ceil(at / 32) * 32) }
}

function floatsAt(gguf: ReturnType<typeof readGguf>, name: string): Float32Array {
  const { dimensions, offset } = gguf.tensors.get(name)!
  const count = dimensions.reduce((product, size) => product * size, 1)
  return new Float32Array(Uint8Array.from(gguf.data.subarray(offset, offset + 4 * count)).buffer)
}

describe('GGUF export', () => {
  const path = join(folder, 'model.gguf')
  writeGguf(path, checkpoint, { name: 'random' })
  const gguf = readGguf(path)

  it('names the architecture and every size a reader needs', () => {
    const field = (name: string) => gguf.fields.get(`deepseek4.${name}`)
    assert.equal(gguf.fields.get('general.architecture'), 'deepseek4')
    assert.deepEqual(field('attention.compress_ratios'), [0, 4, 128, 4])
    assert.equal(field('attention.compress_rope_freq_base'), 160_000)
    assert.equal(field('hash_layer_count'), 1)
    assert.equal(field('expert_gating_func'), 4)
    assert.deepEqual(field('swiglu_clamp_exp'), [10, 10, 10, 10])
    assert.equal(field('rope.scaling.type'), 'yarn')
    assert.equal(gguf.fields.get('tokenizer.ggml.model'), 'none')
  })

  it('holds every tensor of the model once, dimensions fastest first, data aligned', () => {
    const plan = planMainTensors(config).filter(({ name }) => toGgufName(name) !== null)
    assert.equal(gguf.tensors.size, plan.length + 3 * config.layers.length)
    for (const { name, shape } of plan) {
      const tensor = gguf.tensors.get(toGgufName(name)!)
      assert.deepEqual(tensor?.dimensions, [...shape].reverse(), name)
      assert.equal(tensor.offset % 32, 0)
    }
    assert.deepEqual(gguf.tensors.get('blk.1.ffn_down_exps.weight')?.dimensions, [32, 32, 6])
    assert.equal(gguf.tensors.get('blk.0.ffn_gate_tid2eid.weight')?.type, 26)
  })

  it('holds the weights unchanged, experts one after another', () => {
    assert.deepEqual(floatsAt(gguf, 'blk.1.attn_q_b.weight'), readFloats(checkpoint, 'layers.1.attn.wq_b.weight'))
    const third = floatsAt(gguf, 'blk.2.ffn_up_exps.weight').slice(2 * 32 * 32, 3 * 32 * 32)
    assert.deepEqual(third, readFloats(checkpoint, 'layers.2.ffn.experts.2.w3.weight'))
  })

  it('writes FP8 and FP4 weights to BF16 without loss', () => {
    const quantised = join(folder, 'bf16.gguf')
    const official = convertCheckpoint(checkpoint, 'official')
    writeGguf(quantised, official, { weights: 'bf16' })
    const written = readGguf(quantised)
    const { offset } = written.tensors.get('blk.1.ffn_gate_exps.weight')!
    const decoded = readFloats(convertCheckpoint(official, 'f32'), 'layers.1.ffn.experts.0.w1.weight')
    for (const [at, value] of decoded.subarray(0, 64).entries()) {
      const bits = new Uint32Array([written.data.readUInt16LE(offset + 2 * at) << 16])
      assert.equal(new Float32Array(bits.buffer)[0], value)
    }
  })

  it('refuses what the format cannot say', () => {
    const refused = (overrides: Record<string, unknown>) => () => {
      const odd = smallConfig({ compress_ratios: [0, 4, 128, 4], ...overrides })
      writeGguf(join(folder, 'odd.gguf'), randomCheckpoint(odd, 1))
    }
    assert.throws(refused({ compress_ratios: [0, 4, 8, 4] }), { code: 'MODEL_NOT_SUPPORTED', message: /not 8/ })
    assert.throws(refused({ hc_mult: 2 }), { code: 'MODEL_NOT_SUPPORTED', message: /four/ })
    assert.throws(() => writeGguf(path, checkpoint, { vocabulary: { tokens: ['a'], merges: [], types: [1] } }), {
      code: 'MODEL_TENSOR_SHAPE',
    })
  })
})
