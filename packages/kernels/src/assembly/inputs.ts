/**
 * Inputs of matrix products as the kernels want them: padded floats, or integers with scales.
 *
 * Arguments: 0 from [tokens, columns] | 4 columns | 8 padded columns | 12 to | 16 scales [tokens, blocks of 128]
 *   20 starting sums [tokens, runs of 32] | 24 factor (f32) | 28 form: 0 seven bits, 1 eight bits | 32 tokens
 * `to` is [blocks of 128][tokens][128]. One task is a range of tokens. Padding is zero.
 */
import { ROUNDER } from './lanes'

export function padFloats(args: usize, lo: i32, hi: i32, _scratch: usize): void {
  const columns = load<i32>(args, 4)
  const padded = load<i32>(args, 8)
  const factor = load<f32>(args, 24)
  const tokens = load<i32>(args, 32)
  for (let token = lo; token < hi; token++) {
    const from = load<usize>(args) + <usize>token * <usize>columns * 4
    const factors = f32x4.splat(factor)
    for (let start = 0; start < padded; start += 128) {
      const to = load<usize>(args, 12) + ((<usize>((start >> 7) * tokens + token)) << 9)
      const end = min(start + 128, padded)
      const filled = min(end, columns)
      let column = start
      for (; column + 4 <= filled; column += 4)
        v128.store(to + ((<usize>(column - start)) << 2), f32x4.mul(factors, v128.load(from + ((<usize>column) << 2))))
      for (; column < filled; column++)
        store<f32>(to + ((<usize>(column - start)) << 2), factor * load<f32>(from + ((<usize>column) << 2)))
      for (; column < end; column++) store<f32>(to + ((<usize>(column - start)) << 2), 0)
    }
  }
}

/** Four floats times `factors`, to the nearest integers: 1.5 * 2^23 leaves them no other bits, and is then taken off. */
function roundFour(from: usize, factors: v128, rounder: v128): v128 {
  return i32x4.sub(f32x4.add(f32x4.mul(factors, v128.load(from)), rounder), rounder)
}

/** Sixteen floats times `factors`, below 2^22, to the nearest integers, as bytes. */
function quantiseSixteen(from: usize, factors: v128, rounder: v128): v128 {
  const one = i16x8.narrow_i32x4_s(roundFour(from, factors, rounder), roundFour(from + 16, factors, rounder))
  const two = i16x8.narrow_i32x4_s(roundFour(from + 32, factors, rounder), roundFour(from + 48, factors, rounder))
  return i8x16.narrow_i16x8_s(one, two)
}

/** The largest of the four lanes. */
function maxBits(v: v128): u32 {
  const pairs = i32x4.max_u(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1))
  return max<u32>(i32x4.extract_lane(pairs, 0), i32x4.extract_lane(pairs, 1))
}

/**
 * Seven bits: round(x * 63 / largest) + 64, scale = largest / 63.
 * Eight bits: round(x * 127 / largest) in the order of columns 0 2 4 6 1 3 5 7 of every eight, scale =
 * largest / 254 (the weights are doubled codes), starting sum = -12 * sum of the 32 (they are offset by 12).
 * A block with a NaN or an infinity gets the scale NaN, and with it every product.
 */
export function quantiseInputs(args: usize, lo: i32, hi: i32, _scratch: usize): void {
  const columns = load<i32>(args, 4)
  const padded = load<i32>(args, 8)
  const blocks = (padded + 127) >> 7
  const runs = padded >> 5
  const eight = load<i32>(args, 28) == 1
  const tokens = load<i32>(args, 32)
  const limit: f32 = eight ? 127 : 63
  const rounder = v128.load(ROUNDER)
  for (let token = lo; token < hi; token++) {
    const from = load<usize>(args) + <usize>token * <usize>columns * 4
    const scales = load<usize>(args, 16) + <usize>token * <usize>blocks * 4
    const sums = load<usize>(args, 20) + <usize>token * <usize>runs * 4
    for (let block = 0; block < blocks; block++) {
      const start = block << 7
      // Minus the start, since columns count from the first of all.
      const to = load<usize>(args, 12) + ((<usize>(block * tokens + token)) << 7) - <usize>start
      const end = min(start + 128, padded)
      const filled = min(end, columns)
      let largest: f32 = 0
      let finite = true
      let column = start
      // Without their signs the bits of floats are in the order of the floats, NaN above all.
      let most = i32x4.splat(0)
      for (; column + 4 <= filled; column += 4)
        most = i32x4.max_u(most, i32x4.shl(v128.load(from + ((<usize>column) << 2)), 1))
      largest = reinterpret<f32>(maxBits(most) >> 1)
      // Written so that a NaN stays.
      for (; column < filled; column++) largest = max<f32>(largest, abs<f32>(load<f32>(from + ((<usize>column) << 2))))
      if (!(largest < Infinity)) finite = false
      const scale = largest / limit
      // A largest value whose quotient is not a number of f32 counts as zero.
      const factor: f32 = finite && scale > 0 ? 1 / scale : 0
      const usable = factor > 0 && factor < Infinity
      store<f32>(scales + ((<usize>block) << 2), finite ? (usable ? (eight ? scale * 0.5 : scale) : 0) : NaN)
      for (let run = start; run < end; run += 32) {
        let sum = 0
        if (usable && run + 32 <= columns) {
          const factors = f32x4.splat(factor)
          const one = quantiseSixteen(from + ((<usize>run) << 2), factors, rounder)
          const two = quantiseSixteen(from + ((<usize>run) << 2) + 64, factors, rounder)
          const at = to + <usize>run
          if (eight) {
            v128.store(at, v128.shuffle<i8>(one, one, 0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15))
            v128.store(at, v128.shuffle<i8>(two, two, 0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15), 16)
            const quads = i32x4.extadd_pairwise_i16x8_s(
              i16x8.add(i16x8.extadd_pairwise_i8x16_s(one), i16x8.extadd_pairwise_i8x16_s(two)),
            )
            sum = i32x4.extract_lane(quads, 0) + i32x4.extract_lane(quads, 1)
            sum += i32x4.extract_lane(quads, 2) + i32x4.extract_lane(quads, 3)
            store<i32>(sums + ((<usize>(run >> 5)) << 2), -12 * sum)
          } else {
            v128.store(at, i8x16.add(one, i8x16.splat(64)))
            v128.store(at, i8x16.add(two, i8x16.splat(64)), 16)
          }
          continue
        }
        for (let at = 0; at < 32; at++) {
          const column = run + at
          let q = 0
          if (usable && column < columns) {
            q = <i32>nearest<f32>(max<f32>(-limit, min<f32>(limit, load<f32>(from + ((<usize>column) << 2)) * factor)))
          }
          sum += q
          if (eight) store<i8>(to + <usize>(run + (at & 24) + ((at & 1) << 2) + ((at & 7) >> 1)), <i8>q)
          else store<i8>(to + <usize>column, <i8>(q + 64))
        }
        if (eight) store<i32>(sums + ((<usize>(run >> 5)) << 2), -12 * sum)
      }
    }
  }
}
