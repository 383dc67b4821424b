/**
 * Attention, indexer, choice, normalisation, rotation, gating and streams against plain f64 versions.
 *
 * Tolerances, f32 units in the last place being 2^-24: attention 2^-17 of the largest row value (scores of
 * several hundred dimensions go through an exponential); everything else 2^-20 relative or better.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { Kernels } from './kernels.ts'
import {
  attend,
  attentionRowBytes,
  decodeAttentionRow,
  decodeIndexRow,
  generator,
  normals,
  sinkhorn,
} from './plain.test-support.ts'

const options = { seed: 20261123, numRuns: 20 }

function near(found: number, wanted: number, tolerance: number): void {
  if (Number.isNaN(wanted)) assert.ok(Number.isNaN(found), `${found} for NaN`)
  else assert.ok(Math.abs(found - wanted) <= tolerance, `${found} for ${wanted}, beyond ${tolerance}`)
}

for (const [variant, workers] of [
  ['relaxed-simd', 1],
  ['simd', 0],
] as const) {
  describe(`row kernels, ${variant}, ${workers} workers`, () => {
    let kernels: Kernels
    before(async () => {
      kernels = await Kernels.start({ bytes: 2 ** 24, variant, workers })
    })
    after(() => kernels.close())

    /** Runs `body` and gives its memory back. */
    function scoped(body: () => void): void {
      const mark = kernels.arena.mark()
      try {
        body()
      } finally {
        kernels.arena.release(mark)
      }
    }

    function floats(values: ArrayLike<number>): Float32Array {
      const array = kernels.arena.floats(values.length)
      array.set(values)
      return array
    }

    const attention = fc.record({
      seed: fc.nat(),
      tokens: fc.integer({ min: 1, max: 4 }),
      heads: fc.integer({ min: 1, max: 9 }),
      shape: fc.constantFrom<readonly [number, number]>(
        [32, 8],
        [512, 64],
        [48, 16],
        [20, 4],
        [72, 8],
        [16, 0],
        [33, 0],
      ),
      most: fc.integer({ min: 1, max: 50 }),
      size: fc.constantFrom(0.1, 1, 20),
    })

    it('attention decodes packed or plain rows and weighs them with a sink', () => {
      fc.assert(
        fc.property(attention, ({ seed, tokens, heads, shape: [width, rotating], most, size }) =>
          scoped(() => {
            const random = generator(seed)
            const { arena } = kernels
            const rowBytes = rotating === 0 ? width * 4 : attentionRowBytes(width, rotating)
            const counts = Array.from({ length: tokens }, () => 1 + Math.floor(random() * most))
            const total = counts.reduce((sum, count) => sum + count, 0)
            const stored = arena.bytes(60 * rowBytes)
            const plainRows: Float64Array[] = []
            for (let row = 0; row < 60; row++) {
              const bytes = stored.subarray(row * rowBytes, (row + 1) * rowBytes)
              if (rotating === 0) {
                const values = normals(width, random)
                bytes.set(new Uint8Array(values.buffer))
                plainRows.push(Float64Array.from(values))
                continue
              }
              const plain = width - rotating
              for (let at = 0; at < plain; at++) bytes[at] = Math.floor(random() * 127) + (random() < 0.5 ? 128 : 0)
              const upper = new Uint16Array(normals(rotating, random).buffer).filter((_, at) => at % 2 === 1)
              bytes.set(new Uint8Array(upper.buffer), plain)
              for (let at = plain + 2 * rotating; at < rowBytes; at++) bytes[at] = 118 + Math.floor(random() * 4)
              plainRows.push(decodeAttentionRow(bytes.slice(), width, rotating))
            }
            const chosen = Array.from({ length: total }, () => Math.floor(random() * 60))
            const list = arena.integers(total)
            list.set(chosen.map((row) => stored.byteOffset + row * rowBytes))
            const ends = arena.integers(tokens)
            let end = 0
            for (const [token, count] of counts.entries()) ends[token] = end += count
            const queries = floats(normals(tokens * heads * width, random).map((value) => value * size))
            const sinks = floats(normals(heads, random))
            const out = arena.floats(tokens * heads * width)
            kernels.attend(queries, tokens, heads, width, rotating, list, ends, sinks, out)
            let first = 0
            for (const [token, count] of counts.entries()) {
              const rows = chosen.slice(first, first + count).map((row) => plainRows[row]!)
              first += count
              for (let head = 0; head < heads; head++) {
                const start = (token * heads + head) * width
                const wanted = attend(queries.slice(start, start + width), rows, sinks[head]!)
                // A score's own error grows with its terms; the exponential turns it into a relative one.
                const scoreError = 2 ** -21 * (1 + size * wanted.size * Math.sqrt(width))
                for (let dim = 0; dim < width; dim++)
                  near(out[start + dim]!, wanted.out[dim]!, wanted.size * (2 ** -19 + scoreError))
              }
            }
          }),
        ),
        options,
      )
    })

    it('attention: a NaN row reaches the tokens that list it, a hidden row reaches none', () =>
      scoped(() => {
        const { arena } = kernels
        const rows = floats(normals(3 * 16, generator(1)))
        rows[16] = Number.NaN
        const list = arena.integers(3)
        list.set([rows.byteOffset, rows.byteOffset + 64, rows.byteOffset + 128])
        const ends = arena.integers(2)
        ends.set([1, 3])
        const out = arena.floats(2 * 16)
        kernels.attend(floats(normals(32, generator(2))), 2, 1, 16, 0, list, ends, floats([0.5]), out)
        assert.ok(out.subarray(0, 16).every(Number.isFinite))
        assert.ok(out.subarray(16).every(Number.isNaN))
      }))

    it('attention: a large sink takes everything, a small one nothing', () =>
      scoped(() => {
        const { arena } = kernels
        const row = floats(new Float32Array(16).fill(3))
        const list = arena.integers(1)
        list[0] = row.byteOffset
        const ends = arena.integers(1)
        ends[0] = 1
        const out = arena.floats(32)
        kernels.attend(
          floats(new Float32Array(32)),
          1,
          2,
          16,
          0,
          list,
          ends,
          floats([300, Number.NEGATIVE_INFINITY]),
          out,
        )
        assert.ok(out.subarray(0, 16).every((value) => value === 0))
        assert.ok(out.subarray(16).every((value) => value === 3))
      }))

    it('indexer scores are those of the decoded rows', () => {
      const shape = fc.record({
        seed: fc.nat(),
        heads: fc.integer({ min: 1, max: 20 }),
        dims: fc.constantFrom(32, 64, 128),
        count: fc.integer({ min: 1, max: 70 }),
        listed: fc.boolean(),
      })
      fc.assert(
        fc.property(shape, ({ seed, heads, dims, count, listed }) =>
          scoped(() => {
            const random = generator(seed)
            const { arena } = kernels
            const rowBytes = dims / 2 + dims / 32
            const pack = (vectors: number): Uint8Array => {
              const bytes = arena.bytes(vectors * rowBytes)
              for (let at = 0; at < bytes.length; at++)
                bytes[at] = at % rowBytes < dims / 2 ? Math.floor(random() * 256) : 120 + Math.floor(random() * 10)
              return bytes
            }
            const [queries, rows] = [pack(heads), pack(count)]
            const weights = floats(normals(heads, random))
            const list = arena.integers(count)
            for (let row = 0; row < count; row++) list[row] = rows.byteOffset + row * rowBytes
            const out = arena.floats(count)
            kernels.indexScores(queries, weights, heads, dims, listed ? list : rows, count, out)
            const part = (bytes: Uint8Array, at: number): Float64Array =>
              decodeIndexRow(bytes.slice(at * rowBytes, (at + 1) * rowBytes), dims)
            for (let row = 0; row < count; row++) {
              const key = part(rows, row)
              let score = 0
              let size = 0
              for (let head = 0; head < heads; head++) {
                const product = part(queries, head).reduce((sum, value, dim) => sum + value * key[dim]!, 0)
                score += weights[head]! * Math.max(0, product)
                size += Math.abs(weights[head]! * product)
              }
              near(out[row]!, score, 2 ** -19 * size)
            }
          }),
        ),
        options,
      )
    })

    it('the best scores are chosen, ties to the lower index, NaN last', () => {
      const value = fc.oneof(
        fc.constantFrom(0, -0, 1, -1, 2 ** -149, Infinity, -Infinity, Number.NaN),
        fc.float({ noNaN: true }),
      )
      fc.assert(
        fc.property(
          fc.array(value, { minLength: 1, maxLength: 60 }),
          fc.integer({ min: 0, max: 70 }),
          (scores, wanted) =>
            scoped(() => {
              const out = kernels.arena.integers(70).fill(-1)
              kernels.chooseBest(floats(scores), scores.length, wanted, out)
              const key = (at: number): number => (Number.isNaN(scores[at]) ? -Infinity : Math.fround(scores[at]!))
              const order = scores.map((_, at) => at)
              order.sort(
                (a, b) =>
                  Number(Number.isNaN(scores[a])) - Number(Number.isNaN(scores[b])) || compare(key(b), key(a)) || a - b,
              )
              const expected = order.slice(0, wanted).sort((a, b) => a - b)
              assert.deepEqual([...out.subarray(0, expected.length)], expected)
              assert.equal(out[expected.length] ?? -1, -1)
            }),
        ),
        options,
      )
    })

    const grid = fc.record({
      seed: fc.nat(),
      rows: fc.integer({ min: 1, max: 9 }),
      width: fc.integer({ min: 1, max: 150 }),
    })

    it('normalisation', () => {
      fc.assert(
        fc.property(grid, fc.boolean(), fc.constantFrom(1e-18, 1, 1e18), ({ seed, rows, width }, weighted, size) =>
          scoped(() => {
            const random = generator(seed)
            const values = normals(rows * width, random).map((value) => value * size)
            const weight = weighted ? floats(normals(width, random)) : null
            const found = floats(values)
            kernels.normalise(found, rows, width, weight, 1e-6)
            for (let row = 0; row < rows; row++) {
              const line = values.subarray(row * width, (row + 1) * width)
              const factor =
                1 / Math.sqrt(line.reduce((sum, value) => sum + value * value, 0) / width + Math.fround(1e-6))
              for (let dim = 0; dim < width; dim++) {
                const wanted = line[dim]! * factor * (weight?.[dim] ?? 1)
                near(found[row * width + dim]!, wanted, Math.abs(wanted) * 2 ** -21 + 2 ** -140)
              }
            }
          }),
        ),
        options,
      )
    })

    it('rotation, and back', () => {
      fc.assert(
        fc.property(grid, fc.integer({ min: 1, max: 3 }), ({ seed, rows, width }, perTable) =>
          scoped(() => {
            const random = generator(seed)
            const dims = 2 * Math.floor(width / 3)
            const first = width - dims
            const angles = normals((Math.ceil(rows / perTable) * dims) / 2, random)
            const table = floats([...angles].flatMap((angle) => [Math.cos(angle), Math.sin(angle)]))
            const values = normals(rows * width, random)
            const found = floats(values)
            kernels.rotate(found, rows, width, first, dims, table, perTable, 1)
            for (let row = 0; row < rows; row++) {
              const turn = Math.floor(row / perTable) * (dims / 2)
              for (let dim = 0; dim < width; dim++) {
                const at = row * width + dim
                if (dim < first) {
                  assert.equal(found[at], values[at])
                  continue
                }
                const pair = (dim - first) >> 1
                const [a, b] = [values[row * width + first + 2 * pair]!, values[row * width + first + 2 * pair + 1]!]
                const angle = angles[turn + pair]!
                const wanted =
                  (dim - first) % 2 === 0
                    ? a * Math.cos(angle) - b * Math.sin(angle)
                    : a * Math.sin(angle) + b * Math.cos(angle)
                near(found[at]!, wanted, 2 ** -21 * (Math.abs(a) + Math.abs(b)))
              }
            }
            kernels.rotate(found, rows, width, first, dims, table, perTable, -1)
            for (const [at, value] of found.entries()) near(value, values[at]!, 2 ** -19 * 6)
          }),
        ),
        options,
      )
    })

    it('softmax with and without sinks', () => {
      fc.assert(
        fc.property(grid, fc.boolean(), fc.constantFrom(1, 60), ({ seed, rows, width }, sunk, size) =>
          scoped(() => {
            const random = generator(seed)
            const values = normals(rows * width, random).map((value) => value * size)
            if (width > 2) values[1] = -Infinity
            const sinks = sunk ? floats(normals(rows, random)) : null
            const found = floats(values)
            kernels.softmax(found, rows, width, sinks)
            for (let row = 0; row < rows; row++) {
              const line = [...values.subarray(row * width, (row + 1) * width)]
              const largest = Math.max(...line)
              const sum = line.reduce(
                (total, value) => total + Math.exp(value - largest),
                sinks === null ? 0 : Math.exp(sinks[row]! - largest),
              )
              for (const [at, value] of line.entries()) {
                const wanted = Math.exp(value - largest) / sum
                // The difference is rounded to f32 before it becomes an exponent.
                const rounding = Math.min(1, Math.abs(value - largest) * 2 ** -24)
                near(found[row * width + at]!, wanted, wanted * (2 ** -20 + rounding) + 2 ** -120)
              }
            }
          }),
        ),
        options,
      )
    })

    it('gated experts', () => {
      fc.assert(
        fc.property(grid, fc.boolean(), fc.constantFrom(0.01, 1, 50, 1e30), ({ seed, rows, width }, weighted, size) =>
          scoped(() => {
            const random = generator(seed)
            const gates = normals(rows * width, random).map((value) => value * size)
            const ups = normals(rows * width, random).map((value) => value * size)
            const weights = weighted ? floats(normals(rows, random)) : null
            const found = floats(gates)
            kernels.gate(found, floats(ups), rows, width, weights, 10)
            for (const [at, value] of found.entries()) {
              const a = Math.min(gates[at]!, 10)
              const b = Math.min(10, Math.max(-10, ups[at]!))
              const wanted = ((weights?.[Math.floor(at / width)] ?? 1) * a * b) / (1 + Math.exp(-a))
              near(value, wanted, Math.abs(wanted) * 2 ** -20 + 2 ** -110)
            }
          }),
        ),
        options,
      )
    })

    it('experts add to their tokens in order', () =>
      scoped(() => {
        const random = generator(5)
        const [width, rows, tokens] = [131, 6, 3]
        const start = normals(tokens * width, random)
        const results = normals(rows * width, random)
        const indices = kernels.arena.integers(rows)
        indices.set([0, 2, 2, 1, 0, 2])
        const out = floats(start)
        kernels.addRows(out, floats(results), width, indices, rows)
        const wanted = start.slice()
        for (const [row, token] of indices.entries())
          for (let dim = 0; dim < width; dim++) wanted[token * width + dim]! += results[row * width + dim]!
        assert.deepEqual(Float32Array.from(out), wanted)
      }))

    it('Sinkhorn ends nearly doubly stochastic, as the plain one does', () => {
      fc.assert(
        fc.property(
          fc.nat(),
          fc.integer({ min: 1, max: 6 }),
          fc.integer({ min: 1, max: 5 }),
          fc.constantFrom(0.1, 5, 200),
          (seed, size, count, spread) =>
            scoped(() => {
              const logits = normals(count * size * size, generator(seed)).map((value) => value * spread)
              const found = floats(logits)
              kernels.sinkhorn(found, count, size, 20, 1e-6)
              for (let at = 0; at < count; at++) {
                const wanted = Float64Array.from(logits.subarray(at * size * size, (at + 1) * size * size))
                sinkhorn(wanted, size, 20, Math.fround(1e-6))
                for (const [cell, value] of wanted.entries())
                  near(found[at * size * size + cell]!, value, value * 2 ** -22 + 1e-12)
              }
            }),
        ),
        options,
      )
    })

    it('streams collapse and spread', () => {
      fc.assert(
        fc.property(grid, fc.integer({ min: 1, max: 5 }), ({ seed, rows, width }, count) =>
          scoped(() => {
            const random = generator(seed)
            const values = normals(rows * count * width, random)
            const weights = normals(rows * count, random)
            const comb = normals(rows * count * count, random)
            const output = normals(rows * width, random)
            const streams = floats(values)
            const out = kernels.arena.floats(rows * width)
            const placedWeights = floats(weights)
            kernels.collapse(streams, placedWeights, out, rows, count, width)
            kernels.spread(streams, floats(output), placedWeights, floats(comb), rows, count, width)
            for (let row = 0; row < rows; row++)
              for (let dim = 0; dim < width; dim++) {
                const before = Array.from(
                  { length: count },
                  (_, stream) => values[(row * count + stream) * width + dim]!,
                )
                const own = before.map((_, stream) => weights[row * count + stream]!)
                near(
                  out[row * width + dim]!,
                  before.reduce((sum, value, at) => sum + own[at]! * value, 0),
                  2 ** -18,
                )
                for (let target = 0; target < count; target++) {
                  const wanted = before.reduce(
                    (sum, value, source) => sum + comb[(row * count + source) * count + target]! * value,
                    own[target]! * output[row * width + dim]!,
                  )
                  near(streams[(row * count + target) * width + dim]!, wanted, 2 ** -18)
                }
              }
          }),
        ),
        options,
      )
    })
  })
}

function compare(one: number, other: number): number {
  return one === other ? 0 : one < other ? -1 : 1
}
