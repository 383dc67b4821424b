/**
 * Matrix products against f64 sums over random shapes, for every format, both builds, with and without a worker.
 *
 * Exact mode: |error| <= 2^-24 * (columns / 128 + 130) * sum of |terms|: one f32 chain of at most 128 terms a
 * block, then one of blocks. Fast mode is measured in `fast-mode.test.ts`; here it must be the same integers
 * everywhere, whatever the batch.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { Kernels, type NumericMode } from './kernels.ts'
import { generator, multiply, normals } from './plain.test-support.ts'
import { quantiseInt8, type StoredMatrix } from './stored-matrix.ts'

type Format = StoredMatrix['format']
const formats: readonly Format[] = ['f32', 'bf16', 'fp8', 'fp4', 'int8']

export function randomMatrix(format: Format, rows: number, columns: number, random: () => number): StoredMatrix {
  const cells = rows * columns
  const codes = (count: number, beyond: number): Uint8Array =>
    Uint8Array.from({ length: count }, () => Math.floor(random() * beyond))
  const powers = (count: number): Float32Array =>
    Float32Array.from({ length: count }, () => 2 ** Math.floor(random() * 12 - 8))
  switch (format) {
    case 'f32':
      return { format, rows, columns, values: normals(cells, random) }
    case 'bf16':
      return {
        format,
        rows,
        columns,
        codes: Uint16Array.from(new Uint32Array(normals(cells, random).buffer), (bits) => bits >>> 16),
      }
    case 'fp8':
      return {
        format,
        rows,
        columns,
        // Codes 127 and 255 are NaN; all others occur, subnormal ones too.
        codes: codes(cells, 254).map((code) => (code >= 127 ? code + 1 : code)),
        scales: powers(Math.ceil(rows / 128) * Math.ceil(columns / 128)),
        block: [128, 128],
      }
    case 'fp4':
      return { format, rows, columns, codes: codes(cells / 2, 256), scales: powers(cells / 32) }
    default:
      return quantiseInt8(normals(cells, random), rows, columns)
  }
}

function run(
  kernels: Kernels,
  matrix: StoredMatrix,
  inputs: Float32Array,
  tokens: number,
  mode: NumericMode,
): Float32Array {
  const { arena } = kernels
  const mark = arena.mark()
  const placed = kernels.place(matrix)
  const x = arena.floats(inputs.length)
  x.set(inputs)
  const prepared = kernels.inputs(matrix.columns, tokens)
  prepared.load(x, tokens)
  const out = arena.floats(tokens * matrix.rows).fill(Number.NaN)
  kernels.multiply(placed, prepared, out, mode)
  const result = Float32Array.from(out)
  arena.release(mark)
  return result
}

for (const variant of ['relaxed-simd', 'simd'] as const) {
  describe(`matrix products, ${variant}`, () => {
    let alone: Kernels
    let together: Kernels
    before(async () => {
      alone = await Kernels.start({ bytes: 2 ** 24, variant })
      together = await Kernels.start({ bytes: 2 ** 24, variant, workers: 1 })
    })
    after(async () => {
      await alone.close()
      await together.close()
    })

    for (const format of formats) {
      it(`${format}: agrees with the plain product, batch and workers change no bit`, () => {
        const shape = fc.record({
          seed: fc.nat(),
          rows: fc.integer({ min: 1, max: 70 }),
          columns:
            format === 'fp4'
              ? fc.integer({ min: 1, max: 12 }).map((runs) => runs * 32)
              : fc.integer({ min: 1, max: 400 }),
          tokens: fc.integer({ min: 1, max: 21 }),
          size: fc.constantFrom(1e-20, 1e-3, 1, 1e4),
        })
        fc.assert(
          fc.property(shape, ({ seed, rows, columns, tokens, size }) => {
            const random = generator(seed)
            const matrix = randomMatrix(format, rows, columns, random)
            const inputs = normals(tokens * columns, random).map((value) => value * size)
            const plain = multiply(matrix, inputs, tokens)
            const bound = 2 ** -24 * (columns / 128 + 130)
            const exact = run(alone, matrix, inputs, tokens, 'exact')
            for (const [at, sum] of plain.sums.entries()) {
              const error = Math.abs(exact[at]! - sum)
              assert.ok(error <= bound * plain.magnitudes[at]! + 2 ** -140, `output ${at}: ${exact[at]} for ${sum}`)
            }
            for (const mode of ['exact', 'fast'] as const) {
              const whole = mode === 'exact' ? exact : run(alone, matrix, inputs, tokens, mode)
              assert.deepEqual(run(together, matrix, inputs, tokens, mode), whole)
              const last = run(alone, matrix, inputs.slice((tokens - 1) * columns), 1, mode)
              assert.deepEqual(last, whole.slice((tokens - 1) * rows))
            }
          }),
          { seed: 20261123, numRuns: 25 },
        )
      })

      it(`${format}: a NaN or an infinity in one input reaches that token only`, () => {
        const random = generator(7)
        const [rows, columns, tokens] = [19, 96, 7]
        const matrix = randomMatrix(format, rows, columns, random)
        const clean = normals(tokens * columns, random)
        for (const [token, value] of [
          [2, Number.NaN],
          [5, Number.POSITIVE_INFINITY],
        ] as const) {
          const inputs = clean.slice()
          inputs[token * columns + 40] = value
          const plain = multiply(matrix, inputs, tokens)
          for (const mode of ['exact', 'fast'] as const) {
            const expected = run(alone, matrix, clean, tokens, mode)
            const found = run(alone, matrix, inputs, tokens, mode)
            for (const [at, sum] of plain.sums.entries()) {
              if (Math.floor(at / rows) !== token) assert.equal(found[at], expected[at])
              else if (mode === 'exact') assert.ok(Object.is(found[at], Math.fround(sum)), `${found[at]} for ${sum}`)
              // Rounded inputs cannot hold an infinity; what comes of it is not a number.
              else assert.ok(!Number.isFinite(found[at]!))
            }
          }
        }
      })

      it(`${format}: zero and denormal inputs give zeros and denormals, not garbage`, () => {
        const random = generator(11)
        const matrix = randomMatrix(format, 18, 64, random)
        for (const value of [0, -0, 2 ** -149, 2 ** -130]) {
          const inputs = new Float32Array(64).fill(value)
          const plain = multiply(matrix, inputs, 1)
          for (const mode of ['exact', 'fast'] as const) {
            for (const [at, found] of run(alone, matrix, inputs, 1, mode).entries())
              assert.ok(Math.abs(found - plain.sums[at]!) <= 2 ** -120, `${found} for ${plain.sums[at]}`)
          }
        }
      })
    }

    it('weights that the packed layouts cannot hold stay exact in a wider one', () => {
      const random = generator(3)
      const fp8 = randomMatrix('fp8', 24, 64, random) as StoredMatrix & { format: 'fp8' }
      const fp4 = randomMatrix('fp4', 24, 64, random) as StoredMatrix & { format: 'fp4' }
      const withNan = fp8.codes.slice()
      withNan[70] = 127
      const odd: readonly StoredMatrix[] = [
        { ...fp8, codes: withNan },
        { ...fp8, scales: Float32Array.of(Number.NaN) },
        { ...fp8, scales: Float32Array.of(2 ** -120) },
        { ...fp8, block: [4, 16], scales: Float32Array.from({ length: 24 }, (_, at) => 2 ** (at % 5)) },
        { ...fp4, scales: fp4.scales.map((scale, at) => (at === 5 ? Number.NaN : scale)) },
        { ...fp4, scales: fp4.scales.map((scale, at) => (at === 5 ? 2 ** -127 : scale)) },
        { ...fp4, scales: fp4.scales.map((scale, at) => (at === 5 ? 0.3 : scale)) },
      ]
      const inputs = normals(2 * 64, random)
      for (const matrix of odd) {
        const plain = multiply(matrix, inputs, 2)
        for (const [at, found] of run(alone, matrix, inputs, 2, 'fast').entries()) {
          const sum = plain.sums[at]!
          if (Number.isNaN(sum)) assert.ok(Number.isNaN(found))
          else assert.ok(Math.abs(found - sum) <= 2 ** -17 * plain.magnitudes[at]! + 2 ** -140, `${found} for ${sum}`)
        }
      }
    })
  })
}
