/**
 * Matrix products `out[token] = W x[token]` over panels of 16 rows, for every stored format.
 *
 * One task is a range of panels. Arguments, 32-bit words from `args`:
 *   0 weights | 4 FP8 scales | 8 rows | 12 columns, padded to 32 | 16 tokens | 20 inputs | 24 input scales
 *   28 starting sums of inputs | 32 out | 36 floats between rows of out | 40 bytes between blocks of inputs
 *
 * Inputs lie in blocks of 128 columns, [block][token][128]: rows of a power of two would fight for cache sets.
 * One token reads its weights straight from memory into registers; more tokens unpack a block once into
 * `scratch` (8 KB weights | 64 bytes scales | 64 a token) and run tiles over it. Both add in the same order.
 */
import { BYTE_UNITS, E2M1_SEVEN, E4M3_BITS, LOW_NIBBLES, ONES, ZEROS, dot4, lookup, madd } from './lanes'
import {
  BYTE_STRIDE,
  FLOAT_STRIDE,
  tile1x16,
  tile2x16,
  tile6x8,
  tileBytes1x16,
  tileBytes2x16,
  tileSeven1x16,
  tileSeven2x16,
  tilesBytes6x16,
  tilesSeven6x16,
} from './tiles'
import { unpackBf16, unpackBytes, unpackE2m1, unpackE2m1Seven, unpackE4m3, unpackScales } from './unpack'

const WORDS: usize = 0
const SCALES: usize = 8192
const INPUTS: usize = 8256
const TOTALS: usize = 8320

/** Writes the valid rows of a panel's totals. */
function finish(args: usize, panel: i32, totals: usize): void {
  const rows = load<i32>(args, 8)
  const tokens = load<i32>(args, 16)
  const stride = (<usize>load<i32>(args, 36)) << 2
  const valid = min<i32>(16, rows - panel * 16)
  let out = load<usize>(args, 32) + ((<usize>panel) << 6)
  for (let token = 0; token < tokens; token++) {
    if (valid == 16) {
      v128.store(out, v128.load(totals))
      v128.store(out, v128.load(totals, 16), 16)
      v128.store(out, v128.load(totals, 32), 32)
      v128.store(out, v128.load(totals, 48), 48)
    } else for (let row = 0; row < valid; row++) store<f32>(out + (row << 2), load<f32>(totals + (row << 2)))
    totals += 64
    out += stride
  }
}

function floats(words: usize, x: usize, tokens: i32, columns: i32, totals: usize, scales: usize): void {
  let left = tokens
  for (; left >= 6; left -= 6) {
    tile6x8(words, x, columns, totals, scales)
    tile6x8(words + 32, x, columns, totals + 32, scales + 32)
    x += 6 * FLOAT_STRIDE
    totals += 384
  }
  for (; left >= 2; left -= 2) {
    tile2x16(words, x, columns, totals, scales)
    x += 2 * FLOAT_STRIDE
    totals += 128
  }
  if (left > 0) tile1x16(words, x, columns, totals, scales)
}

function finishOne(args: usize, panel: i32, scratch: usize, t0: v128, t1: v128, t2: v128, t3: v128): void {
  const totals = scratch + TOTALS
  v128.store(totals, t0)
  v128.store(totals, t1, 16)
  v128.store(totals, t2, 32)
  v128.store(totals, t3, 48)
  finish(args, panel, totals)
}

export function productF32(args: usize, lo: i32, hi: i32, scratch: usize): void {
  const weights = load<usize>(args)
  const columns = load<i32>(args, 12)
  const tokens = load<i32>(args, 16)
  const x = load<usize>(args, 20)
  const blockBytes = <usize>load<u32>(args, 40)
  for (let panel = lo; panel < hi; panel++) {
    let from = weights + <usize>panel * <usize>columns * 64
    if (tokens == 1) {
      let t0 = f32x4.splat(0)
      let t1 = t0
      let t2 = t0
      let t3 = t0
      for (let column = 0; column < columns; column += 128) {
        let input = x + <usize>(column >> 7) * blockBytes
        const end = input + ((<usize>min(128, columns - column)) << 2)
        let a0 = f32x4.splat(0)
        let a1 = a0
        let a2 = a0
        let a3 = a0
        for (; input < end; input += 8) {
          const one = v128.load32_splat(input)
          a0 = madd(one, v128.load(from), a0)
          a1 = madd(one, v128.load(from, 16), a1)
          a2 = madd(one, v128.load(from, 32), a2)
          a3 = madd(one, v128.load(from, 48), a3)
          const two = v128.load32_splat(input, 4)
          a0 = madd(two, v128.load(from, 64), a0)
          a1 = madd(two, v128.load(from, 80), a1)
          a2 = madd(two, v128.load(from, 96), a2)
          a3 = madd(two, v128.load(from, 112), a3)
          from += 128
        }
        t0 = f32x4.add(t0, a0)
        t1 = f32x4.add(t1, a1)
        t2 = f32x4.add(t2, a2)
        t3 = f32x4.add(t3, a3)
      }
      finishOne(args, panel, scratch, t0, t1, t2, t3)
      continue
    }
    const totals = scratch + TOTALS
    memory.fill(totals, 0, (<usize>tokens) << 6)
    for (let column = 0; column < columns; column += 128) {
      const width = min(128, columns - column)
      floats(from, x + <usize>(column >> 7) * blockBytes + ((<usize>(column & 127)) << 2), tokens, width, totals, ONES)
      from += (<usize>width) << 6
    }
    finish(args, panel, totals)
  }
}

export function productBf16(args: usize, lo: i32, hi: i32, scratch: usize): void {
  const weights = load<usize>(args)
  const columns = load<i32>(args, 12)
  const tokens = load<i32>(args, 16)
  const x = load<usize>(args, 20)
  const blockBytes = <usize>load<u32>(args, 40)
  const zero = i32x4.splat(0)
  for (let panel = lo; panel < hi; panel++) {
    let from = weights + <usize>panel * <usize>columns * 32
    if (tokens == 1) {
      let t0 = f32x4.splat(0)
      let t1 = t0
      let t2 = t0
      let t3 = t0
      for (let column = 0; column < columns; column += 128) {
        let input = x + <usize>(column >> 7) * blockBytes
        const end = input + ((<usize>min(128, columns - column)) << 2)
        let a0 = f32x4.splat(0)
        let a1 = a0
        let a2 = a0
        let a3 = a0
        for (; input < end; input += 4) {
          const value = v128.load32_splat(input)
          const one = v128.load(from)
          const two = v128.load(from, 16)
          a0 = madd(value, v128.shuffle<i16>(zero, one, 0, 8, 1, 9, 2, 10, 3, 11), a0)
          a1 = madd(value, v128.shuffle<i16>(zero, one, 4, 12, 5, 13, 6, 14, 7, 15), a1)
          a2 = madd(value, v128.shuffle<i16>(zero, two, 0, 8, 1, 9, 2, 10, 3, 11), a2)
          a3 = madd(value, v128.shuffle<i16>(zero, two, 4, 12, 5, 13, 6, 14, 7, 15), a3)
          from += 32
        }
        t0 = f32x4.add(t0, a0)
        t1 = f32x4.add(t1, a1)
        t2 = f32x4.add(t2, a2)
        t3 = f32x4.add(t3, a3)
      }
      finishOne(args, panel, scratch, t0, t1, t2, t3)
      continue
    }
    const totals = scratch + TOTALS
    memory.fill(totals, 0, (<usize>tokens) << 6)
    for (let column = 0; column < columns; column += 128) {
      const width = min(128, columns - column)
      unpackBf16(from, scratch + WORDS, width)
      floats(
        scratch + WORDS,
        x + <usize>(column >> 7) * blockBytes + ((<usize>(column & 127)) << 2),
        tokens,
        width,
        totals,
        ONES,
      )
      from += (<usize>width) << 5
    }
    finish(args, panel, totals)
  }
}

/** Inputs come multiplied by 2^64, scales by 2^56: products of codes times 2^-120 would be denormal. */
export function productE4m3(args: usize, lo: i32, hi: i32, scratch: usize): void {
  const weights = load<usize>(args)
  const columns = load<i32>(args, 12)
  const tokens = load<i32>(args, 16)
  const x = load<usize>(args, 20)
  const blockBytes = <usize>load<u32>(args, 40)
  const blocks = (columns + 127) >> 7
  const bits = v128.load(E4M3_BITS)
  const zero = i32x4.splat(0)
  for (let panel = lo; panel < hi; panel++) {
    let from = weights + <usize>panel * <usize>columns * 16
    let scaleAt = load<usize>(args, 4) + <usize>panel * <usize>blocks * 4
    if (tokens == 1) {
      let t0 = f32x4.splat(0)
      let t1 = t0
      let t2 = t0
      let t3 = t0
      for (let column = 0; column < columns; column += 128) {
        let input = x + <usize>(column >> 7) * blockBytes
        const end = input + ((<usize>min(128, columns - column)) << 2)
        let a0 = f32x4.splat(0)
        let a1 = a0
        let a2 = a0
        let a3 = a0
        for (; input < end; input += 4) {
          const value = v128.load32_splat(input)
          const codes = v128.load(from)
          const one = v128.and(i16x8.shl(i16x8.extend_low_i8x16_s(codes), 4), bits)
          const two = v128.and(i16x8.shl(i16x8.extend_high_i8x16_s(codes), 4), bits)
          a0 = madd(value, v128.shuffle<i16>(zero, one, 0, 8, 1, 9, 2, 10, 3, 11), a0)
          a1 = madd(value, v128.shuffle<i16>(zero, one, 4, 12, 5, 13, 6, 14, 7, 15), a1)
          a2 = madd(value, v128.shuffle<i16>(zero, two, 0, 8, 1, 9, 2, 10, 3, 11), a2)
          a3 = madd(value, v128.shuffle<i16>(zero, two, 4, 12, 5, 13, 6, 14, 7, 15), a3)
          from += 16
        }
        const scale = v128.load32_splat(scaleAt)
        t0 = madd(a0, scale, t0)
        t1 = madd(a1, scale, t1)
        t2 = madd(a2, scale, t2)
        t3 = madd(a3, scale, t3)
        scaleAt += 4
      }
      finishOne(args, panel, scratch, t0, t1, t2, t3)
      continue
    }
    const totals = scratch + TOTALS
    const scales = scratch + SCALES
    memory.fill(totals, 0, (<usize>tokens) << 6)
    for (let column = 0; column < columns; column += 128) {
      const width = min(128, columns - column)
      const scale = v128.load32_splat(scaleAt)
      for (let at: usize = 0; at < 64; at += 16) v128.store(scales + at, scale)
      unpackE4m3(from, scratch + WORDS, width)
      floats(
        scratch + WORDS,
        x + <usize>(column >> 7) * blockBytes + ((<usize>(column & 127)) << 2),
        tokens,
        width,
        totals,
        scales,
      )
      from += (<usize>width) << 4
      scaleAt += 4
    }
    finish(args, panel, totals)
  }
}

/** FP4 with exact inputs. A panel is a sequence of 32-column blocks: 16 scale bytes, 256 bytes of codes. */
export function productE2m1(args: usize, lo: i32, hi: i32, scratch: usize): void {
  const weights = load<usize>(args)
  const columns = load<i32>(args, 12)
  const tokens = load<i32>(args, 16)
  const x = load<usize>(args, 20)
  const blockBytes = <usize>load<u32>(args, 40)
  const totals = scratch + TOTALS
  const unit = f32x4.splat(<f32>(1.0 / 33554432.0))
  for (let panel = lo; panel < hi; panel++) {
    let from = weights + <usize>panel * <usize>(columns >> 5) * 272
    memory.fill(totals, 0, (<usize>tokens) << 6)
    for (let column = 0; column < columns; column += 32) {
      unpackScales(from, scratch + SCALES, unit)
      unpackE2m1(from + 16, scratch + WORDS, 32)
      floats(
        scratch + WORDS,
        x + <usize>(column >> 7) * blockBytes + ((<usize>(column & 127)) << 2),
        tokens,
        32,
        totals,
        scratch + SCALES,
      )
      from += 272
    }
    finish(args, panel, totals)
  }
}

/** Bytes with exact inputs. A panel block of up to 128 columns: 16 starting sums, 16 scales, codes. */
export function productBytes(args: usize, lo: i32, hi: i32, scratch: usize): void {
  const weights = load<usize>(args)
  const columns = load<i32>(args, 12)
  const tokens = load<i32>(args, 16)
  const x = load<usize>(args, 20)
  const blockBytes = <usize>load<u32>(args, 40)
  const totals = scratch + TOTALS
  const scales = scratch + SCALES
  const unit = v128.load(BYTE_UNITS)
  const panelBytes = <usize>columns * 16 + <usize>((columns + 127) >> 7) * 128
  for (let panel = lo; panel < hi; panel++) {
    let from = weights + <usize>panel * panelBytes
    memory.fill(totals, 0, (<usize>tokens) << 6)
    for (let column = 0; column < columns; column += 128) {
      const width = min(128, columns - column)
      for (let at: usize = 0; at < 64; at += 16) v128.store(scales + at, f32x4.mul(unit, v128.load(from + 64 + at)))
      unpackBytes(from + 128, scratch + WORDS, width)
      floats(
        scratch + WORDS,
        x + <usize>(column >> 7) * blockBytes + ((<usize>(column & 127)) << 2),
        tokens,
        width,
        totals,
        scales,
      )
      from += 128 + ((<usize>width) << 4)
    }
    finish(args, panel, totals)
  }
}

/** Bytes against inputs of 7 bits with zero point 64, one scale a token and 128 columns. */
export function productBytesFast(args: usize, lo: i32, hi: i32, scratch: usize): void {
  const weights = load<usize>(args)
  const columns = load<i32>(args, 12)
  const tokens = load<i32>(args, 16)
  const x = load<usize>(args, 20)
  const blockBytes = <usize>load<u32>(args, 40)
  const blocks = (columns + 127) >> 7
  const panelBytes = <usize>columns * 16 + <usize>blocks * 128
  const totals = scratch + TOTALS
  for (let panel = lo; panel < hi; panel++) {
    let from = weights + <usize>panel * panelBytes
    if (tokens == 1) {
      let t0 = f32x4.splat(0)
      let t1 = t0
      let t2 = t0
      let t3 = t0
      let unitAt = load<usize>(args, 24)
      for (let column = 0; column < columns; column += 128) {
        let input = x + <usize>(column >> 7) * blockBytes
        const end = input + <usize>min(128, columns - column)
        let a0 = v128.load(from)
        let a1 = v128.load(from, 16)
        let a2 = v128.load(from, 32)
        let a3 = v128.load(from, 48)
        const head = from
        from += 128
        for (; input < end; input += 8) {
          const one = v128.load32_splat(input)
          a0 = dot4(v128.load(from), one, a0)
          a1 = dot4(v128.load(from, 16), one, a1)
          a2 = dot4(v128.load(from, 32), one, a2)
          a3 = dot4(v128.load(from, 48), one, a3)
          const two = v128.load32_splat(input, 4)
          a0 = dot4(v128.load(from, 64), two, a0)
          a1 = dot4(v128.load(from, 80), two, a1)
          a2 = dot4(v128.load(from, 96), two, a2)
          a3 = dot4(v128.load(from, 112), two, a3)
          from += 128
        }
        const unit = v128.load32_splat(unitAt)
        unitAt += 4
        t0 = madd(f32x4.convert_i32x4_s(a0), f32x4.mul(v128.load(head, 64), unit), t0)
        t1 = madd(f32x4.convert_i32x4_s(a1), f32x4.mul(v128.load(head, 80), unit), t1)
        t2 = madd(f32x4.convert_i32x4_s(a2), f32x4.mul(v128.load(head, 96), unit), t2)
        t3 = madd(f32x4.convert_i32x4_s(a3), f32x4.mul(v128.load(head, 112), unit), t3)
      }
      finishOne(args, panel, scratch, t0, t1, t2, t3)
      continue
    }
    const inputs = scratch + INPUTS
    store<u32>(inputs, 0, 4)
    store<usize>(inputs, ZEROS, 8)
    store<u32>(inputs, (<u32>blocks) << 2, 16)
    memory.fill(totals, 0, (<usize>tokens) << 6)
    for (let column = 0; column < columns; column += 128) {
      const width = min(128, columns - column)
      const units = load<usize>(args, 24) + ((<usize>(column >> 7)) << 2)
      const codes = from + 128
      const quads = width >> 2
      let input = x + <usize>(column >> 7) * blockBytes
      let total = totals
      const sixes = tokens / 6
      tilesBytes6x16(codes, input, sixes, quads, total, from, units, (<usize>blocks) << 2)
      let token = 6 * sixes
      input += <usize>token * BYTE_STRIDE
      total += (<usize>token) << 6
      for (; token + 2 <= tokens; token += 2) {
        store<usize>(inputs, units + <usize>(token * blocks) * 4, 20)
        tileBytes2x16(codes, input, quads, total, from + 64, from, inputs)
        input += 2 * BYTE_STRIDE
        total += 128
      }
      if (token < tokens) {
        store<usize>(inputs, units + <usize>(token * blocks) * 4, 20)
        tileBytes1x16(codes, input, quads, total, from + 64, from, inputs)
      }
      from += 128 + ((<usize>width) << 4)
    }
    finish(args, panel, totals)
  }
}

/** FP4 against inputs of 8 bits, one scale a token and 128 columns, one starting sum a token and 32 columns. */
export function productE2m1Fast(args: usize, lo: i32, hi: i32, scratch: usize): void {
  const weights = load<usize>(args)
  const columns = load<i32>(args, 12)
  const tokens = load<i32>(args, 16)
  const x = load<usize>(args, 20)
  const blockBytes = <usize>load<u32>(args, 40)
  const blocks = (columns + 127) >> 7
  const runs = columns >> 5
  const totals = scratch + TOTALS
  const low = v128.load(LOW_NIBBLES)
  const table = v128.load(E2M1_SEVEN)
  for (let panel = lo; panel < hi; panel++) {
    let from = weights + <usize>panel * <usize>runs * 272
    if (tokens == 1) {
      let t0 = f32x4.splat(0)
      let t1 = t0
      let t2 = t0
      let t3 = t0
      let startAt = load<usize>(args, 28)
      const unitsAt = load<usize>(args, 24)
      for (let run = 0; run < runs; run++) {
        let a0 = v128.load32_splat(startAt)
        let a1 = a0
        let a2 = a0
        let a3 = a0
        startAt += 4
        const scales = v128.load(from)
        let input = x + <usize>(run >> 2) * blockBytes + <usize>((run & 3) << 5)
        const end = input + 32
        for (; input < end; input += 8) {
          const even = v128.load32_splat(input)
          const odd = v128.load32_splat(input, 4)
          const c0 = v128.load(from, 16)
          const c1 = v128.load(from, 32)
          const c2 = v128.load(from, 48)
          const c3 = v128.load(from, 64)
          a0 = dot4(even, lookup(table, v128.and(c0, low)), a0)
          a1 = dot4(even, lookup(table, v128.and(c1, low)), a1)
          a2 = dot4(even, lookup(table, v128.and(c2, low)), a2)
          a3 = dot4(even, lookup(table, v128.and(c3, low)), a3)
          a0 = dot4(odd, lookup(table, v128.and(i16x8.shr_u(c0, 4), low)), a0)
          a1 = dot4(odd, lookup(table, v128.and(i16x8.shr_u(c1, 4), low)), a1)
          a2 = dot4(odd, lookup(table, v128.and(i16x8.shr_u(c2, 4), low)), a2)
          a3 = dot4(odd, lookup(table, v128.and(i16x8.shr_u(c3, 4), low)), a3)
          from += 64
        }
        from += 16
        const unit = v128.load32_splat(unitsAt + ((<usize>(run >> 2)) << 2))
        const s0 = i16x8.extend_low_i8x16_u(scales)
        const s1 = i16x8.extend_high_i8x16_u(scales)
        t0 = madd(f32x4.convert_i32x4_s(a0), f32x4.mul(i32x4.shl(i32x4.extend_low_i16x8_u(s0), 23), unit), t0)
        t1 = madd(f32x4.convert_i32x4_s(a1), f32x4.mul(i32x4.shl(i32x4.extend_high_i16x8_u(s0), 23), unit), t1)
        t2 = madd(f32x4.convert_i32x4_s(a2), f32x4.mul(i32x4.shl(i32x4.extend_low_i16x8_u(s1), 23), unit), t2)
        t3 = madd(f32x4.convert_i32x4_s(a3), f32x4.mul(i32x4.shl(i32x4.extend_high_i16x8_u(s1), 23), unit), t3)
      }
      finishOne(args, panel, scratch, t0, t1, t2, t3)
      continue
    }
    const words = scratch + WORDS
    const scales = scratch + SCALES
    const inputs = scratch + INPUTS
    const one = v128.load(ONES)
    store<u32>(inputs, (<u32>runs) << 2, 4)
    store<u32>(inputs, (<u32>blocks) << 2, 16)
    memory.fill(totals, 0, (<usize>tokens) << 6)
    for (let run = 0; run < runs; run++) {
      unpackScales(from, scales, one)
      unpackE2m1Seven(from + 16, words, 32)
      const units = load<usize>(args, 24) + ((<usize>(run >> 2)) << 2)
      const starts = load<usize>(args, 28) + ((<usize>run) << 2)
      let input = x + <usize>(run >> 2) * blockBytes + <usize>((run & 3) << 5)
      let total = totals
      const sixes = tokens / 6
      tilesSeven6x16(words, input, sixes, 8, total, scales, starts, (<usize>runs) << 2, units, (<usize>blocks) << 2)
      let token = 6 * sixes
      input += <usize>token * BYTE_STRIDE
      total += (<usize>token) << 6
      for (; token + 2 <= tokens; token += 2) {
        store<usize>(inputs, starts + <usize>(token * runs) * 4, 8)
        store<usize>(inputs, units + <usize>(token * blocks) * 4, 20)
        tileSeven2x16(words, input, 8, total, scales, ZEROS, inputs)
        input += 2 * BYTE_STRIDE
        total += 128
      }
      if (token < tokens) {
        store<usize>(inputs, starts + <usize>(token * runs) * 4, 8)
        store<usize>(inputs, units + <usize>(token * blocks) * 4, 20)
        tileSeven1x16(words, input, 8, total, scales, ZEROS, inputs)
      }
      from += 272
    }
    finish(args, panel, totals)
  }
}
