/**
 * What enters a cache: rounding to E4M3, packing of attention and index rows, pooling of groups of tokens.
 *
 * Scales are powers of two: exponent of `amax * (1 / largest value of the format)`, rounded up. A task is a range
 * of rows, in `poolGroups` of channels by four.
 */
import { E4M3_ROUNDING, E4M3_VALUES, UE8M0_VALUES, exp4, madd } from './lanes'

/** Byte of the scale of a block. */
function scaleByte(amax: f32, inverse: f32, least: f32): i32 {
  const pattern = reinterpret<u32>(max<f32>(amax, least) * inverse)
  return min<i32>(254, <i32>((pattern >> 23) & 255) + (pattern & 0x7fffff ? 1 : 0))
}

/** NaN counts for nothing, as in a comparison. */
function largest(from: usize, count: i32): f32 {
  const signs = v128.load(E4M3_ROUNDING)
  let amax = f32x4.splat(0)
  // A second chain, because each waits for itself.
  let other = amax
  let at = 0
  for (; at + 8 <= count; at += 8) {
    amax = f32x4.pmax(amax, v128.andnot(v128.load(from + (at << 2)), signs))
    other = f32x4.pmax(other, v128.andnot(v128.load(from + (at << 2), 16), signs))
  }
  if (at + 4 <= count) {
    amax = f32x4.pmax(amax, v128.andnot(v128.load(from + (at << 2)), signs))
    at += 4
  }
  amax = f32x4.pmax(amax, other)
  let most: f32 = 0
  for (let lane = 0; lane < 4; lane++) {
    const value =
      lane == 0
        ? f32x4.extract_lane(amax, 0)
        : lane == 1
          ? f32x4.extract_lane(amax, 1)
          : lane == 2
            ? f32x4.extract_lane(amax, 2)
            : f32x4.extract_lane(amax, 3)
    if (value > most) most = value
  }
  for (; at < count; at++) {
    const value = abs<f32>(load<f32>(from + (at << 2)))
    if (value > most) most = value
  }
  return most
}

const E4M3_INVERSE: f32 = 1.0 / 448.0
const E4M3_LEAST: f32 = 1e-4
const E2M1_INVERSE: f32 = 1.0 / 6.0
/** 6 * 2^-126. */
const E2M1_LEAST: f32 = 7.052966104933725e-38

/** Code of the nearest E4M3 value, ties to even, 448 at most. */
function e4m3(value: f32): i32 {
  const bits = reinterpret<u32>(value)
  const sign = <i32>(bits >> 24) & 128
  const magnitude = bits & 0x7fffffff
  if (magnitude > 0x7f800000) return 127
  const size = reinterpret<f32>(magnitude)
  if (size >= 448) return sign | 126
  if (size < 0.015625) return sign | <i32>nearest<f32>(size * 512)
  return sign | ((<i32>((magnitude + 0x7ffff + ((magnitude >> 20) & 1)) >> 20) - 960) & 127)
}

/** E4M3 round trip: 0 values | 4 floats between rows | 8 first dimension | 12 dimensions | 16 block. In place. */
export function roundRows(args: usize, lo: i32, hi: i32, _scratch: usize): void {
  const stride = (<usize>load<i32>(args, 4)) << 2
  const dims = load<i32>(args, 12)
  const block = load<i32>(args, 16)
  const signs = v128.load(E4M3_ROUNDING)
  const top = v128.load(E4M3_ROUNDING, 16)
  const small = v128.load(E4M3_ROUNDING, 32)
  // Adding and subtracting 1.5 * 2^14 rounds to multiples of 2^-9.
  const magic = v128.load(E4M3_ROUNDING, 48)
  const half = v128.load(E4M3_ROUNDING, 64)
  const one = v128.load(E4M3_ROUNDING, 80)
  const kept = v128.load(E4M3_ROUNDING, 96)
  for (let row = lo; row < hi; row++) {
    const start = load<usize>(args) + <usize>row * stride + ((<usize>load<i32>(args, 8)) << 2)
    for (let from = 0; from < dims; from += block) {
      const count = min(block, dims - from)
      const at = start + ((<usize>from) << 2)
      const byte = scaleByte(largest(at, count), E4M3_INVERSE, E4M3_LEAST)
      const scale = load<f32>(UE8M0_VALUES + ((<usize>byte) << 2))
      const down = f32x4.splat(1 / scale)
      const up = f32x4.splat(scale)
      let dim = 0
      for (; dim + 4 <= count; dim += 4) {
        const place = at + ((<usize>dim) << 2)
        const value = f32x4.mul(v128.load(place), down)
        const size = v128.andnot(value, signs)
        const odd = v128.and(i32x4.shr_u(size, 20), one)
        const normal = v128.and(i32x4.add(i32x4.add(size, half), odd), kept)
        const tiny = f32x4.sub(f32x4.add(size, magic), magic)
        const rounded = f32x4.pmin(v128.bitselect(tiny, normal, f32x4.lt(size, small)), top)
        // A NaN stays one.
        const result = v128.bitselect(rounded, size, f32x4.eq(size, size))
        v128.store(place, f32x4.mul(v128.or(result, v128.and(value, signs)), up))
      }
      for (; dim < count; dim++) {
        const place = at + ((<usize>dim) << 2)
        const value = load<f32>(place) / scale
        if (value != value) continue
        store<f32>(place, load<f32>(E4M3_VALUES + ((<usize>e4m3(value)) << 2)) * scale)
      }
    }
  }
}

/**
 * Attention rows: E4M3 codes | BF16 rotating dimensions | one scale per 64 codes | zeros to a multiple of 8.
 * 0 values [rows, width] | 4 width | 8 rotating | 12 addresses [rows]
 */
export function packAttention(args: usize, lo: i32, hi: i32, _scratch: usize): void {
  const width = load<i32>(args, 4)
  const rotating = load<i32>(args, 8)
  const plain = width - rotating
  for (let row = lo; row < hi; row++) {
    const from = load<usize>(args) + <usize>row * <usize>width * 4
    const to = load<usize>(load<usize>(args, 12) + ((<usize>row) << 2))
    const scales = to + <usize>(plain + 2 * rotating)
    let blocks = 0
    for (let start = 0; start < plain; start += 64) {
      const count = min(64, plain - start)
      const byte = scaleByte(largest(from + ((<usize>start) << 2), count), E4M3_INVERSE, E4M3_LEAST)
      const scale = load<f32>(UE8M0_VALUES + ((<usize>byte) << 2))
      store<u8>(scales + blocks, <u8>byte)
      for (let dim = start; dim < start + count; dim++)
        store<u8>(to + dim, <u8>e4m3(load<f32>(from + ((<usize>dim) << 2)) / scale))
      blocks++
    }
    for (let dim = 0; dim < rotating; dim++) {
      const bits = load<u32>(from + ((<usize>(plain + dim)) << 2))
      const code = (bits & 0x7fffffff) > 0x7f800000 ? (bits >> 16) | 64 : (bits + 0x7fff + ((bits >> 16) & 1)) >> 16
      store<u16>(to + plain + ((<usize>dim) << 1), <u16>code)
    }
    for (let at = plain + 2 * rotating + blocks; at & 7; at++) store<u8>(to + at, 0)
  }
}

/** Walsh-Hadamard transform in natural order, lengths kept: 0 values | 4 dimensions, a power of two. In place. */
export function transformRows(args: usize, lo: i32, hi: i32, _scratch: usize): void {
  const dims = load<i32>(args, 4)
  const factor = 1 / sqrt<f64>(<f64>dims)
  for (let row = lo; row < hi; row++) {
    const values = load<usize>(args) + <usize>row * <usize>dims * 4
    for (let half = 1; half < dims; half <<= 1) {
      for (let start = 0; start < dims; start += 2 * half) {
        let at = values + ((<usize>start) << 2)
        const step = (<usize>half) << 2
        const end = at + step
        if (half >= 4) {
          for (; at < end; at += 16) {
            const a = v128.load(at)
            const b = v128.load(at + step)
            v128.store(at, f32x4.add(a, b))
            v128.store(at + step, f32x4.sub(a, b))
          }
        } else {
          for (; at < end; at += 4) {
            const a = load<f32>(at)
            const b = load<f32>(at + step)
            store<f32>(at, a + b)
            store<f32>(at + step, a - b)
          }
        }
      }
    }
    for (let dim = 0; dim < dims; dim++) {
      const at = values + ((<usize>dim) << 2)
      store<f32>(at, <f32>(<f64>load<f32>(at) * factor))
    }
  }
}

/** Code of the nearest E2M1 value, ties to even, 6 at most. */
function e2m1(value: f32): u32 {
  const sign: u32 = (reinterpret<u32>(value) >> 28) & 8
  const size = abs<f32>(value)
  if (size < 2) return sign | <u32>nearest<f32>(size * 2)
  if (size < 4) return sign | (<u32>nearest<f32>(size) + 2)
  if (size < 6) return sign | (<u32>nearest<f32>(size * 0.5) + 4)
  return sign | 7
}

/**
 * Index rows: E2M1 nibbles, even dimensions low | one scale per 32.
 * 0 values [rows, dims] | 4 dims | 8 addresses [rows], or 0 | 12 without addresses: where rows go one after another
 */
export function packIndex(args: usize, lo: i32, hi: i32, _scratch: usize): void {
  const dims = load<i32>(args, 4)
  const list = load<usize>(args, 8)
  const runs = dims >> 5
  const bytes = <usize>((dims >> 1) + runs)
  for (let row = lo; row < hi; row++) {
    const from = load<usize>(args) + <usize>row * <usize>dims * 4
    const to = list == 0 ? load<usize>(args, 12) + <usize>row * bytes : load<usize>(list + ((<usize>row) << 2))
    for (let run = 0; run < runs; run++) {
      const at = from + ((<usize>run) << 7)
      const byte = scaleByte(largest(at, 32), E2M1_INVERSE, E2M1_LEAST)
      const scale = load<f32>(UE8M0_VALUES + ((<usize>byte) << 2))
      store<u8>(to + (dims >> 1) + run, <u8>byte)
      for (let pair = 0; pair < 16; pair++) {
        const low = e2m1(load<f32>(at + ((<usize>pair) << 3)) / scale)
        const high = e2m1(load<f32>(at + ((<usize>pair) << 3), 4) / scale)
        store<u8>(to + (run << 4) + pair, <u8>(low | (high << 4)))
      }
    }
  }
}

/**
 * Feeds tokens of one sequence to a compressor; each group of `ratio` tokens gives a row.
 *   0 values [tokens, width] | 4 gates | 8 state | 12 bias [ratio, width] | 16 ratio | 20 groups overlap (0, 1)
 *   24 row dimensions, a multiple of 4 | 28 position of the first token | 32 tokens | 36 out [rows, row dimensions]
 * width is the row dimensions, twice that when groups overlap. State: values and gates of the open group
 * [ratio, width], then stream A of the group before, values and gates [ratio, row dimensions].
 */
export function poolGroups(args: usize, lo: i32, hi: i32, _scratch: usize): void {
  const ratio = load<i32>(args, 16)
  const overlaps = load<i32>(args, 20) != 0
  const rowBytes = (<usize>load<i32>(args, 24)) << 2
  const widthBytes = overlaps ? rowBytes * 2 : rowBytes
  const tokens = load<i32>(args, 32)
  const own: usize = overlaps ? rowBytes : 0
  for (let unit = lo; unit < hi; unit++) {
    const at = (<usize>unit) << 4
    const values = load<usize>(args, 8) + at
    const gates = values + <usize>ratio * widthBytes
    const oldValues = gates + <usize>ratio * widthBytes
    const oldGates = oldValues + <usize>ratio * rowBytes
    const bias = load<usize>(args, 12) + at
    let newValues = load<usize>(args) + at
    let newGates = load<usize>(args, 4) + at
    let out = load<usize>(args, 36) + at
    let slot = load<i32>(args, 28) % ratio
    for (let token = 0; token < tokens; token++) {
      const place = <usize>slot * widthBytes
      v128.store(values + place, v128.load(newValues))
      v128.store(gates + place, f32x4.add(v128.load(newGates), v128.load(bias + place)))
      if (overlaps) {
        v128.store(values + place + rowBytes, v128.load(newValues + rowBytes))
        v128.store(
          gates + place + rowBytes,
          f32x4.add(v128.load(newGates + rowBytes), v128.load(bias + place + rowBytes)),
        )
      }
      newValues += widthBytes
      newGates += widthBytes
      if (++slot < ratio) continue
      slot = 0
      let most = f32x4.splat(-Infinity)
      for (let each = 0; each < ratio; each++) {
        most = f32x4.max(most, v128.load(gates + <usize>each * widthBytes + own))
        if (overlaps) most = f32x4.max(most, v128.load(oldGates + <usize>each * rowBytes))
      }
      let weights = f32x4.splat(0)
      let sum = f32x4.splat(0)
      if (overlaps) {
        for (let each = 0; each < ratio; each++) {
          const from = <usize>each * rowBytes
          const weight = exp4(f32x4.sub(v128.load(oldGates + from), most))
          weights = f32x4.add(weights, weight)
          sum = madd(weight, v128.load(oldValues + from), sum)
        }
      }
      for (let each = 0; each < ratio; each++) {
        const from = <usize>each * widthBytes
        const weight = exp4(f32x4.sub(v128.load(gates + from + own), most))
        weights = f32x4.add(weights, weight)
        sum = madd(weight, v128.load(values + from + own), sum)
        if (overlaps) {
          v128.store(oldValues + <usize>each * rowBytes, v128.load(values + from))
          v128.store(oldGates + <usize>each * rowBytes, v128.load(gates + from))
        }
      }
      v128.store(out, f32x4.div(sum, weights))
      out += rowBytes
    }
  }
}
