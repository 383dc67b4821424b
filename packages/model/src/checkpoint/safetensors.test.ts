import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { memorySource, openFile } from './byte-source.ts'
import { encodeSafetensors, memoryTensor, readSafetensors } from './safetensors.ts'

const folder = mkdtempSync(join(tmpdir(), 'portolan-safetensors-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** A file with any header, true or not. */
function fileWith(header: unknown, dataBytes: number, claimedLength?: number): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header))
  const out = new Uint8Array(8 + json.length + dataBytes)
  new DataView(out.buffer).setBigUint64(0, BigInt(claimedLength ?? json.length), true)
  out.set(json, 8)
  return out
}

const f32 = (shape: number[], begin: number, end: number) => ({ dtype: 'F32', shape, data_offsets: [begin, end] })

describe('safetensors reader', () => {
  it('reads back what the writer wrote, by position and in part', () => {
    const bytes = encodeSafetensors([
      memoryTensor('a', 'F32', [2], new Uint8Array(new Float32Array([1, 2]).buffer)),
      memoryTensor('b', 'F8_E8M0', [3], new Uint8Array([126, 127, 128])),
    ])
    const [a, b] = readSafetensors(memorySource(bytes))
    assert.deepEqual(new Float32Array(a!.read().buffer), new Float32Array([1, 2]))
    assert.deepEqual([...b!.read(1, 2)], [127, 128])
    assert.equal(b!.dtype, 'F8_E8M0')
  })

  it('reads tensors beyond 4 GiB without reading what lies before them', () => {
    // A sparse file: five gibibytes of hole cost no disk and no memory.
    const far = 5 * 2 ** 30
    const path = join(folder, 'far.safetensors')
    const head = fileWith(
      { hole: { dtype: 'U8', shape: [far], data_offsets: [0, far] }, end: f32([1], far, far + 4) },
      0,
    )
    const descriptor = openSync(path, 'w')
    writeSync(descriptor, head)
    closeSync(descriptor)
    truncateSync(path, head.length + far)
    const append = openSync(path, 'r+')
    writeSync(append, new Uint8Array(new Float32Array([42]).buffer), 0, 4, head.length + far)
    closeSync(append)
    const source = openFile(path, 'far.safetensors')
    const end = readSafetensors(source).find((tensor) => tensor.name === 'end')!
    assert.equal(new Float32Array(end.read().buffer)[0], 42)
    source.close()
  })

  const lies: [what: string, file: Uint8Array, code: string, message: RegExp][] = [
    ['a file shorter than a header length', new Uint8Array(5), 'MODEL_FILE_TRUNCATED', /5 bytes/],
    ['a header cut off', fileWith({}, 0, 500), 'MODEL_FILE_TRUNCATED', /needed/],
    ['a header length of nearly 2^64', new Uint8Array(8).fill(255), 'MODEL_HEADER', /above the limit/],
    ['a header that is not JSON', fileWith('{"a":', 0), 'MODEL_HEADER', /not JSON/],
    ['a header that is a list', fileWith([], 0), 'MODEL_HEADER', /not an object/],
    ['an entry that is null', fileWith({ a: null }, 0), 'MODEL_HEADER', /entry of a/],
    [
      'an unknown dtype',
      fileWith({ a: { dtype: 'F7', shape: [1], data_offsets: [0, 1] } }, 1),
      'MODEL_HEADER',
      /unknown dtype "F7"/,
    ],
    [
      'a dtype named after an object method',
      fileWith({ a: { dtype: 'toString', shape: [1], data_offsets: [0, 1] } }, 1),
      'MODEL_HEADER',
      /unknown dtype/,
    ],
    ['a negative size', fileWith({ a: f32([-1], 0, 4) }, 4), 'MODEL_HEADER', /not a list of sizes/],
    [
      'a shape whose product overflows',
      fileWith({ a: f32([2 ** 40, 2 ** 40], 0, 4) }, 4),
      'MODEL_HEADER',
      /range holds 4/,
    ],
    [
      'a shape larger than its range',
      fileWith({ a: f32([3], 0, 8) }, 8),
      'MODEL_HEADER',
      /12 bytes, but its range holds 8/,
    ],
    ['offsets that run backwards', fileWith({ a: f32([1], 4, 0) }, 4), 'MODEL_HEADER', /not a byte range/],
    ['offsets that are missing', fileWith({ a: { dtype: 'F32', shape: [1] } }, 4), 'MODEL_HEADER', /no pair/],
    ['data cut off', fileWith({ a: f32([4], 0, 16) }, 12), 'MODEL_FILE_TRUNCATED', /the file holds 12/],
    [
      'overlapping tensors',
      fileWith({ a: f32([2], 0, 8), b: f32([2], 4, 12) }, 12),
      'MODEL_TENSOR_OVERLAP',
      /b overlaps a/,
    ],
    [
      'a hole between tensors',
      fileWith({ a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12),
      'MODEL_TENSOR_OVERLAP',
      /b leaves a hole after a/,
    ],
    ['bytes after the last tensor', fileWith({ a: f32([1], 0, 4) }, 12), 'MODEL_TENSOR_OVERLAP', /8 bytes after a/],
  ]
  for (const [what, file, code, message] of lies) {
    it(`refuses ${what}`, () => {
      assert.throws(() => readSafetensors(memorySource(file, 'x.safetensors')), { code, message })
    })
  }

  it('reports a file that shrank after it was opened', () => {
    const path = join(folder, 'shrinking.safetensors')
    const descriptor = openSync(path, 'w')
    writeSync(descriptor, fileWith({ a: f32([256], 0, 1024) }, 1024))
    closeSync(descriptor)
    const source = openFile(path, 'shrinking.safetensors')
    const [tensor] = readSafetensors(source)
    truncateSync(path, 100)
    assert.throws(() => tensor!.read(), { code: 'MODEL_FILE_TRUNCATED' })
    source.close()
  })
})
