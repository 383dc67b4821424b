/**
 * Indexer: scores of packed index rows and the choice of the best.
 *
 * indexScores, a task is a range of tiles of 16 rows. Queries and rows are both packed (E2M1 nibbles, one
 * UE8M0 per 32), so the products of a run of 32 are integers and exact:
 *   0 queries [heads] packed | 4 head weights [heads] | 8 heads | 12 dimensions, a multiple of 32 | 16 rows
 *   20 row addresses [count], or bytes are consecutive from word 16 when this is 0 | 24 count | 28 out [count]
 *   32 rows of a page, a multiple of 16: word 20 holds addresses of pages; 0 without pages
 * Scratch: rows as 0..24 in steps of four columns by 16 rows [dimensions / 4, 64 bytes] | scales [runs, 16]
 *   | one query: bytes, scales, starting sums.
 * chooseBest, one task: 0 scores | 4 count | 8 how many | 12 out, ascending. Scratch: 65536 counts.
 */
import { E2M1_SEVEN, E2M1_SIGNED, LOW_NIBBLES, UE8M0_VALUES, dot4, lookup, madd } from './lanes'

export function indexScores(args: usize, lo: i32, hi: i32, scratch: usize): void {
  const heads = load<i32>(args, 8)
  const dims = load<i32>(args, 12)
  const list = load<usize>(args, 20)
  const count = load<i32>(args, 24)
  const pageRows = load<i32>(args, 32)
  const runs = dims >> 5
  const rowBytes = <usize>((dims >> 1) + runs)
  const seven = v128.load(E2M1_SEVEN)
  const signed = v128.load(E2M1_SIGNED)
  const low = v128.load(LOW_NIBBLES)
  const zero = i32x4.splat(0)
  const words = scratch
  const scales = words + ((<usize>dims) << 4)
  const query = scales + ((<usize>runs) << 6)
  const queryBytes = <usize>dims + ((<usize>runs) << 3)
  // Queries of all heads as signed bytes in the order of the rows' steps: even columns of eight, then odd ones.
  for (let head = 0; head < heads; head++) {
    const from = load<usize>(args) + <usize>head * rowBytes
    const to = query + <usize>head * queryBytes
    for (let run = 0; run < runs; run++) {
      const codes = v128.load(from + ((<usize>run) << 4))
      const even = lookup(signed, v128.and(codes, low))
      const odd = lookup(signed, v128.and(i16x8.shr_u(codes, 4), low))
      const at = to + ((<usize>run) << 5)
      v128.store(at, v128.shuffle<i32>(even, odd, 0, 4, 1, 5))
      v128.store(at, v128.shuffle<i32>(even, odd, 2, 6, 3, 7), 16)
      const pairs = i16x8.add(
        i16x8.add(i16x8.extend_low_i8x16_s(even), i16x8.extend_high_i8x16_s(even)),
        i16x8.add(i16x8.extend_low_i8x16_s(odd), i16x8.extend_high_i8x16_s(odd)),
      )
      const quads = i32x4.extadd_pairwise_i16x8_s(pairs)
      const sum =
        i32x4.extract_lane(quads, 0) +
        i32x4.extract_lane(quads, 1) +
        i32x4.extract_lane(quads, 2) +
        i32x4.extract_lane(quads, 3)
      const side = to + <usize>dims + ((<usize>run) << 3)
      // Both sides are doubled codes: a quarter.
      store<f32>(side, 0.25 * load<f32>(UE8M0_VALUES + ((<usize>load<u8>(from + <usize>(dims >> 1) + run)) << 2)))
      store<i32>(side, -12 * sum, 4)
    }
  }
  for (let tile = lo; tile < hi; tile++) {
    const first = tile << 4
    const filled = min(16, count - first)
    for (let lane = 0; lane < 16; lane++) {
      const row = first + min(lane, filled - 1)
      const from =
        list == 0
          ? load<usize>(args, 16) + <usize>row * rowBytes
          : pageRows == 0
            ? load<usize>(list + ((<usize>row) << 2))
            : load<usize>(list + ((<usize>(row / pageRows)) << 2)) + <usize>(row % pageRows) * rowBytes
      // Nibbles are laid out now and looked up below, four rows to a vector.
      const to = words + ((<usize>lane) << 2)
      for (let step = 0; step < dims >> 3; step++)
        store<u32>(to + ((<usize>step) << 7), load<u32>(from + ((<usize>step) << 2)))
      for (let run = 0; run < runs; run++)
        store<f32>(
          scales + ((<usize>run) << 6) + ((<usize>lane) << 2),
          load<f32>(UE8M0_VALUES + ((<usize>load<u8>(from + <usize>(dims >> 1) + run)) << 2)),
        )
    }
    for (let step = words; step < scales; step += 128) {
      for (let group: usize = 0; group < 64; group += 16) {
        const codes = v128.load(step + group)
        v128.store(step + group, lookup(seven, v128.and(codes, low)))
        v128.store(step + group, lookup(seven, v128.and(i16x8.shr_u(codes, 4), low)), 64)
      }
    }
    let s0 = f32x4.splat(0)
    let s1 = s0
    let s2 = s0
    let s3 = s0
    for (let head = 0; head < heads; head++) {
      let q = query + <usize>head * queryBytes
      let side = q + <usize>dims
      let p = words
      let scale = scales
      let t0 = f32x4.splat(0)
      let t1 = t0
      let t2 = t0
      let t3 = t0
      for (let run = 0; run < runs; run++) {
        let a0 = v128.load32_splat(side, 4)
        let a1 = a0
        let a2 = a0
        let a3 = a0
        const end = q + 32
        for (; q < end; q += 4) {
          const value = v128.load32_splat(q)
          a0 = dot4(value, v128.load(p), a0)
          a1 = dot4(value, v128.load(p, 16), a1)
          a2 = dot4(value, v128.load(p, 32), a2)
          a3 = dot4(value, v128.load(p, 48), a3)
          p += 64
        }
        const unit = v128.load32_splat(side)
        t0 = madd(f32x4.convert_i32x4_s(a0), f32x4.mul(v128.load(scale), unit), t0)
        t1 = madd(f32x4.convert_i32x4_s(a1), f32x4.mul(v128.load(scale, 16), unit), t1)
        t2 = madd(f32x4.convert_i32x4_s(a2), f32x4.mul(v128.load(scale, 32), unit), t2)
        t3 = madd(f32x4.convert_i32x4_s(a3), f32x4.mul(v128.load(scale, 48), unit), t3)
        scale += 64
        side += 8
      }
      const weight = v128.load32_splat(load<usize>(args, 4) + ((<usize>head) << 2))
      s0 = madd(weight, f32x4.max(t0, zero), s0)
      s1 = madd(weight, f32x4.max(t1, zero), s1)
      s2 = madd(weight, f32x4.max(t2, zero), s2)
      s3 = madd(weight, f32x4.max(t3, zero), s3)
    }
    const out = load<usize>(args, 28) + ((<usize>first) << 2)
    if (filled == 16) {
      v128.store(out, s0)
      v128.store(out, s1, 16)
      v128.store(out, s2, 32)
      v128.store(out, s3, 48)
    } else {
      v128.store(words, s0)
      v128.store(words, s1, 16)
      v128.store(words, s2, 32)
      v128.store(words, s3, 48)
      memory.copy(out, words, (<usize>filled) << 2)
    }
  }
}

/** Bits of a float in an order in which larger is better; both zeros alike, NaN below everything. */
function rank(at: usize): u32 {
  const bits = load<u32>(at)
  if ((bits & 0x7fffffff) > 0x7f800000) return 0
  if (bits == 0x80000000) return 0x80000000
  return bits >> 31 ? ~bits : bits | 0x80000000
}

/** Histograms of the upper and of the lower 16 bits find the last rank that is taken; ties go to lower indices. */
export function chooseBest(args: usize, _lo: i32, _hi: i32, histogram: usize): void {
  const scores = load<usize>(args)
  const count = load<i32>(args, 4)
  const wanted = load<i32>(args, 8)
  let out = load<usize>(args, 12)
  if (wanted >= count) {
    for (let index = 0; index < count; index++) store<i32>(out + ((<usize>index) << 2), index)
    return
  }
  if (wanted <= 0) return
  memory.fill(histogram, 0, 262144)
  for (let index = 0; index < count; index++) {
    const bin = histogram + ((<usize>(rank(scores + ((<usize>index) << 2)) >> 16)) << 2)
    store<i32>(bin, load<i32>(bin) + 1)
  }
  let left = wanted
  let upper: i32 = 65535
  for (; load<i32>(histogram + ((<usize>upper) << 2)) < left; upper--)
    left -= load<i32>(histogram + ((<usize>upper) << 2))
  memory.fill(histogram, 0, 262144)
  for (let index = 0; index < count; index++) {
    const value = rank(scores + ((<usize>index) << 2))
    if (<i32>(value >> 16) != upper) continue
    const bin = histogram + ((<usize>(value & 0xffff)) << 2)
    store<i32>(bin, load<i32>(bin) + 1)
  }
  let lower: i32 = 65535
  for (; load<i32>(histogram + ((<usize>lower) << 2)) < left; lower--)
    left -= load<i32>(histogram + ((<usize>lower) << 2))
  const edge = ((<u32>upper) << 16) | <u32>lower
  for (let index = 0; index < count; index++) {
    const value = rank(scores + ((<usize>index) << 2))
    if (value < edge) continue
    if (value == edge) {
      if (left == 0) continue
      left--
    }
    store<i32>(out, index)
    out += 4
  }
}
