/** The interface: choosing a build, memory, stages, workers, and what is refused. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { KernelError, type KernelErrorCode } from './errors.ts'
import { Kernels } from './kernels.ts'
import { generator, normals } from './plain.test-support.ts'
import { chooseVariant, supports } from './variants.ts'

function refuses(code: KernelErrorCode, action: () => unknown): void {
  assert.throws(action, (error) => error instanceof KernelError && error.code === code)
}

describe('kernels', () => {
  it('choose relaxed SIMD where a probe module validates, and plain SIMD otherwise', () => {
    assert.ok(supports('simd'))
    assert.equal(chooseVariant('auto'), supports('relaxed-simd') ? 'relaxed-simd' : 'simd')
    assert.equal(chooseVariant('simd'), 'simd')
  })

  it('give memory back to a mark and refuse more than there is', async () => {
    const kernels = await Kernels.start({ bytes: 2 ** 20 })
    const { arena } = kernels
    const mark = arena.mark()
    const free = arena.freeBytes
    const first = arena.floats(1000)
    assert.equal(first.byteOffset % 64, 0)
    refuses('KERNELS_OUT_OF_MEMORY', () => arena.floats(2 ** 20))
    arena.release(mark)
    assert.equal(arena.freeBytes, free)
    await kernels.close()
    await assert.rejects(Kernels.start({ bytes: 2 ** 33 }), { code: 'KERNELS_OUT_OF_MEMORY' })
  })

  it('a stage runs many products together, with the results of each alone', async () => {
    const kernels = await Kernels.start({ bytes: 2 ** 24, workers: 2 })
    const { arena } = kernels
    const random = generator(1)
    const [rows, columns, tokens] = [40, 64, 3]
    const x = arena.floats(tokens * columns)
    x.set(normals(x.length, random))
    const inputs = kernels.inputs(columns, tokens)
    inputs.load(x, tokens)
    const matrices = Array.from({ length: 700 }, () =>
      kernels.place({ format: 'f32', rows, columns, values: normals(rows * columns, random) }),
    )
    const together = matrices.map(() => arena.floats(tokens * rows))
    // More than one table of jobs: the stage is cut where the table is full.
    kernels.stage(() => {
      for (const [at, matrix] of matrices.entries()) kernels.multiply(matrix, inputs, together[at]!, 'exact')
    })
    const alone = arena.floats(tokens * rows)
    for (const [at, matrix] of matrices.entries()) {
      kernels.multiply(matrix, inputs, alone, 'exact')
      assert.deepEqual(together[at], alone)
    }
    await kernels.close()
  })

  it('two thousand small stages on three threads lose no task', async () => {
    const kernels = await Kernels.start({ bytes: 2 ** 22, workers: 2 })
    const values = kernels.arena.floats(96 * 8)
    for (let turn = 1; turn <= 2000; turn++) {
      values.fill(turn)
      kernels.normalise(values, 96, 8, null, 0)
      assert.ok(values.every((value) => Math.abs(value - 1) < 1e-6))
    }
    await kernels.close()
  })

  it('inputs are taken again when loaded again, and none at all is fine', async () => {
    const kernels = await Kernels.start({ bytes: 2 ** 20 })
    const matrix = kernels.place({ format: 'f32', rows: 1, columns: 3, values: Float32Array.of(1, 2, 3) })
    const x = kernels.arena.floats(3)
    const out = kernels.arena.floats(1)
    const inputs = kernels.inputs(3, 1)
    x.set([1, 1, 1])
    inputs.load(x, 1)
    kernels.multiply(matrix, inputs, out, 'exact')
    assert.equal(out[0], 6)
    x.set([0, 0, 2])
    inputs.load(x, 1)
    kernels.multiply(matrix, inputs, out, 'exact')
    assert.equal(out[0], 6)
    inputs.load(x, 0)
    out[0] = 5
    kernels.multiply(matrix, inputs, out, 'exact')
    assert.equal(out[0], 5)
    await kernels.close()
  })

  it('outputs may lie in wider rows, and nothing beside them is touched', async () => {
    const kernels = await Kernels.start({ bytes: 2 ** 20 })
    const matrix = kernels.place({ format: 'f32', rows: 2, columns: 1, values: Float32Array.of(2, 3) })
    const x = kernels.arena.floats(2)
    x.set([1, 10])
    const inputs = kernels.inputs(1, 2)
    inputs.load(x, 2)
    const out = kernels.arena.floats(8).fill(-1)
    kernels.multiply(matrix, inputs, out, 'exact', 4)
    assert.deepEqual([...out], [2, 3, -1, -1, 20, 30, -1, -1])
    await kernels.close()
  })

  it('shapes and arrays that do not fit are refused by name', async () => {
    const kernels = await Kernels.start({ bytes: 2 ** 20 })
    const { arena } = kernels
    const matrix = kernels.place({ format: 'f32', rows: 2, columns: 4, values: new Float32Array(8) })
    const inputs = kernels.inputs(4, 2)
    refuses('KERNELS_FOREIGN_ARRAY', () => inputs.load(new Float32Array(4), 1))
    refuses('KERNELS_SHAPE', () => inputs.load(arena.floats(4), 2))
    refuses('KERNELS_SHAPE', () => inputs.load(arena.floats(12), 3))
    inputs.load(arena.floats(8), 2)
    refuses('KERNELS_SHAPE', () => kernels.multiply(matrix, inputs, arena.floats(3), 'exact'))
    refuses('KERNELS_SHAPE', () => kernels.multiply(matrix, kernels.inputs(8, 1), arena.floats(4), 'exact'))
    refuses('KERNELS_SHAPE', () => kernels.place({ format: 'f32', rows: 2, columns: 4, values: new Float32Array(7) }))
    refuses('KERNELS_SHAPE', () =>
      kernels.place({ format: 'fp4', rows: 2, columns: 48, codes: new Uint8Array(48), scales: new Float32Array(3) }),
    )
    const list = arena.integers(1)
    refuses('KERNELS_SHAPE', () =>
      kernels.attend(arena.floats(16), 1, 1, 16, 0, list, arena.integers(1).fill(0), arena.floats(1), arena.floats(16)),
    )
    await kernels.close()
    refuses('KERNELS_CLOSED', () => kernels.normalise(arena.floats(4), 1, 4, null, 0))
  })

  it('an address outside of the memory is an error, and the next call works', async () => {
    for (const workers of [0, 1]) {
      const kernels = await Kernels.start({ bytes: 2 ** 20, workers })
      const { arena } = kernels
      const list = arena.integers(1).fill(-64)
      const ends = arena.integers(1).fill(1)
      const row = arena.floats(16).fill(1)
      const out = arena.floats(16)
      const attend = (): void =>
        kernels.attend(arena.floats(16), 1, 1, 16, 0, list, ends, arena.floats(1).fill(-100), out)
      refuses('KERNELS_TRAP', attend)
      list[0] = row.byteOffset
      attend()
      assert.equal(out[3], 1)
      await kernels.close()
    }
  })
})
