/**
 * Inner tiles of the matrix products: a few tokens by 8 or 16 rows of one panel block.
 *
 * A panel block holds 16 rows side by side, 64 bytes a step: 16 floats of one column, or 16 rows of four
 * bytes. Every output has one chain of additions, column by column within a block and block by block, so it
 * is the same bits for one token and for many. Written out because accumulators must live in registers: 12
 * of them, two of weights and one of input fill the sixteen of x86.
 */
import { dot4, madd } from './lanes'

/** From one token's inputs of a block of 128 columns to the next one's. Known here, they cost no instruction of their own. */
export const FLOAT_STRIDE: usize = 512
export const BYTE_STRIDE: usize = 128

/** 6 tokens by 8 rows over `steps` columns: total = total + scale * sum. */
export function tile6x8(w: usize, x: usize, steps: i32, total: usize, scale: usize): void {
  let a00 = f32x4.splat(0)
  let a01 = f32x4.splat(0)
  let a10 = f32x4.splat(0)
  let a11 = f32x4.splat(0)
  let a20 = f32x4.splat(0)
  let a21 = f32x4.splat(0)
  let a30 = f32x4.splat(0)
  let a31 = f32x4.splat(0)
  let a40 = f32x4.splat(0)
  let a41 = f32x4.splat(0)
  let a50 = f32x4.splat(0)
  let a51 = f32x4.splat(0)
  const end = w + 64 * <usize>steps
  for (let p = w; p < end; p += 64) {
    const w0 = v128.load(p, 0)
    const w1 = v128.load(p, 16)
    const s0 = v128.load32_splat(x)
    a00 = madd(s0, w0, a00)
    a01 = madd(s0, w1, a01)
    const s1 = v128.load32_splat(x, FLOAT_STRIDE)
    a10 = madd(s1, w0, a10)
    a11 = madd(s1, w1, a11)
    const s2 = v128.load32_splat(x, 2 * FLOAT_STRIDE)
    a20 = madd(s2, w0, a20)
    a21 = madd(s2, w1, a21)
    const s3 = v128.load32_splat(x, 3 * FLOAT_STRIDE)
    a30 = madd(s3, w0, a30)
    a31 = madd(s3, w1, a31)
    const s4 = v128.load32_splat(x, 4 * FLOAT_STRIDE)
    a40 = madd(s4, w0, a40)
    a41 = madd(s4, w1, a41)
    const s5 = v128.load32_splat(x, 5 * FLOAT_STRIDE)
    a50 = madd(s5, w0, a50)
    a51 = madd(s5, w1, a51)
    x += 4
  }
  const m0 = v128.load(scale, 0)
  const m1 = v128.load(scale, 16)
  v128.store(total, madd(a00, m0, v128.load(total, 0)), 0)
  v128.store(total, madd(a01, m1, v128.load(total, 16)), 16)
  v128.store(total, madd(a10, m0, v128.load(total, 64)), 64)
  v128.store(total, madd(a11, m1, v128.load(total, 80)), 80)
  v128.store(total, madd(a20, m0, v128.load(total, 128)), 128)
  v128.store(total, madd(a21, m1, v128.load(total, 144)), 144)
  v128.store(total, madd(a30, m0, v128.load(total, 192)), 192)
  v128.store(total, madd(a31, m1, v128.load(total, 208)), 208)
  v128.store(total, madd(a40, m0, v128.load(total, 256)), 256)
  v128.store(total, madd(a41, m1, v128.load(total, 272)), 272)
  v128.store(total, madd(a50, m0, v128.load(total, 320)), 320)
  v128.store(total, madd(a51, m1, v128.load(total, 336)), 336)
}

/** 2 tokens by 16 rows over `steps` columns: total = total + scale * sum. */
export function tile2x16(w: usize, x: usize, steps: i32, total: usize, scale: usize): void {
  let a00 = f32x4.splat(0)
  let a01 = f32x4.splat(0)
  let a02 = f32x4.splat(0)
  let a03 = f32x4.splat(0)
  let a10 = f32x4.splat(0)
  let a11 = f32x4.splat(0)
  let a12 = f32x4.splat(0)
  let a13 = f32x4.splat(0)
  const end = w + 64 * <usize>steps
  for (let p = w; p < end; p += 64) {
    const w0 = v128.load(p, 0)
    const w1 = v128.load(p, 16)
    const w2 = v128.load(p, 32)
    const w3 = v128.load(p, 48)
    const s0 = v128.load32_splat(x)
    a00 = madd(s0, w0, a00)
    a01 = madd(s0, w1, a01)
    a02 = madd(s0, w2, a02)
    a03 = madd(s0, w3, a03)
    const s1 = v128.load32_splat(x, FLOAT_STRIDE)
    a10 = madd(s1, w0, a10)
    a11 = madd(s1, w1, a11)
    a12 = madd(s1, w2, a12)
    a13 = madd(s1, w3, a13)
    x += 4
  }
  const m0 = v128.load(scale, 0)
  const m1 = v128.load(scale, 16)
  const m2 = v128.load(scale, 32)
  const m3 = v128.load(scale, 48)
  v128.store(total, madd(a00, m0, v128.load(total, 0)), 0)
  v128.store(total, madd(a01, m1, v128.load(total, 16)), 16)
  v128.store(total, madd(a02, m2, v128.load(total, 32)), 32)
  v128.store(total, madd(a03, m3, v128.load(total, 48)), 48)
  v128.store(total, madd(a10, m0, v128.load(total, 64)), 64)
  v128.store(total, madd(a11, m1, v128.load(total, 80)), 80)
  v128.store(total, madd(a12, m2, v128.load(total, 96)), 96)
  v128.store(total, madd(a13, m3, v128.load(total, 112)), 112)
}

/** 1 tokens by 16 rows over `steps` columns: total = total + scale * sum. */
export function tile1x16(w: usize, x: usize, steps: i32, total: usize, scale: usize): void {
  let a00 = f32x4.splat(0)
  let a01 = f32x4.splat(0)
  let a02 = f32x4.splat(0)
  let a03 = f32x4.splat(0)
  const end = w + 64 * <usize>steps
  for (let p = w; p < end; p += 64) {
    const w0 = v128.load(p, 0)
    const w1 = v128.load(p, 16)
    const w2 = v128.load(p, 32)
    const w3 = v128.load(p, 48)
    const s0 = v128.load32_splat(x)
    a00 = madd(s0, w0, a00)
    a01 = madd(s0, w1, a01)
    a02 = madd(s0, w2, a02)
    a03 = madd(s0, w3, a03)
    x += 4
  }
  const m0 = v128.load(scale, 0)
  const m1 = v128.load(scale, 16)
  const m2 = v128.load(scale, 32)
  const m3 = v128.load(scale, 48)
  v128.store(total, madd(a00, m0, v128.load(total, 0)), 0)
  v128.store(total, madd(a01, m1, v128.load(total, 16)), 16)
  v128.store(total, madd(a02, m2, v128.load(total, 32)), 32)
  v128.store(total, madd(a03, m3, v128.load(total, 48)), 48)
}

/**
 * Integer tiles. Weights signed and inputs in 0..127, or the other way round (`Seven` in the name: weights in
 * 0..24). `start` holds 16 starting sums, one a row; `inputs`, of the tiles of few tokens, points at
 *   { -, bytes between the tokens' starting sums, address of the first, -, bytes between scales, address }
 */

/**
 * Sixes of tokens by 16 rows over `steps` quads of columns, integer products; both halves of the rows in turn.
 *
 * @param starts 16 starting sums, then 16 scales @param unitAt the first token's scale @param unit bytes to the next one's
 */
export function tilesBytes6x16(
  w: usize,
  x: usize,
  sixes: i32,
  steps: i32,
  total: usize,
  starts: usize,
  unitAt: usize,
  unit: usize,
): void {
  const length = (<usize>steps) << 2
  for (; sixes > 0; sixes--) {
    for (let half: usize = 0; half < 64; half += 32) {
      let a00 = v128.load(starts + half, 0)
      let a01 = v128.load(starts + half, 16)
      let a10 = a00
      let a11 = a01
      let a20 = a00
      let a21 = a01
      let a30 = a00
      let a31 = a01
      let a40 = a00
      let a41 = a01
      let a50 = a00
      let a51 = a01
      let p = w + half
      const end = x + length
      for (let at = x; at < end; at += 4) {
        const w0 = v128.load(p, 0)
        const w1 = v128.load(p, 16)
        const s0 = v128.load32_splat(at)
        a00 = dot4(w0, s0, a00)
        a01 = dot4(w1, s0, a01)
        const s1 = v128.load32_splat(at, BYTE_STRIDE)
        a10 = dot4(w0, s1, a10)
        a11 = dot4(w1, s1, a11)
        const s2 = v128.load32_splat(at, 2 * BYTE_STRIDE)
        a20 = dot4(w0, s2, a20)
        a21 = dot4(w1, s2, a21)
        const s3 = v128.load32_splat(at, 3 * BYTE_STRIDE)
        a30 = dot4(w0, s3, a30)
        a31 = dot4(w1, s3, a31)
        const s4 = v128.load32_splat(at, 4 * BYTE_STRIDE)
        a40 = dot4(w0, s4, a40)
        a41 = dot4(w1, s4, a41)
        const s5 = v128.load32_splat(at, 5 * BYTE_STRIDE)
        a50 = dot4(w0, s5, a50)
        a51 = dot4(w1, s5, a51)
        p += 64
      }
      const to = total + half
      const m0 = v128.load(starts + half, 64)
      const m1 = v128.load(starts + half, 80)
      const u0 = v128.load32_splat(unitAt)
      v128.store(to, madd(f32x4.convert_i32x4_s(a00), f32x4.mul(m0, u0), v128.load(to, 0)), 0)
      v128.store(to, madd(f32x4.convert_i32x4_s(a01), f32x4.mul(m1, u0), v128.load(to, 16)), 16)
      const u1 = v128.load32_splat(unitAt + unit)
      v128.store(to, madd(f32x4.convert_i32x4_s(a10), f32x4.mul(m0, u1), v128.load(to, 64)), 64)
      v128.store(to, madd(f32x4.convert_i32x4_s(a11), f32x4.mul(m1, u1), v128.load(to, 80)), 80)
      const u2 = v128.load32_splat(unitAt + 2 * unit)
      v128.store(to, madd(f32x4.convert_i32x4_s(a20), f32x4.mul(m0, u2), v128.load(to, 128)), 128)
      v128.store(to, madd(f32x4.convert_i32x4_s(a21), f32x4.mul(m1, u2), v128.load(to, 144)), 144)
      const u3 = v128.load32_splat(unitAt + 3 * unit)
      v128.store(to, madd(f32x4.convert_i32x4_s(a30), f32x4.mul(m0, u3), v128.load(to, 192)), 192)
      v128.store(to, madd(f32x4.convert_i32x4_s(a31), f32x4.mul(m1, u3), v128.load(to, 208)), 208)
      const u4 = v128.load32_splat(unitAt + 4 * unit)
      v128.store(to, madd(f32x4.convert_i32x4_s(a40), f32x4.mul(m0, u4), v128.load(to, 256)), 256)
      v128.store(to, madd(f32x4.convert_i32x4_s(a41), f32x4.mul(m1, u4), v128.load(to, 272)), 272)
      const u5 = v128.load32_splat(unitAt + 5 * unit)
      v128.store(to, madd(f32x4.convert_i32x4_s(a50), f32x4.mul(m0, u5), v128.load(to, 320)), 320)
      v128.store(to, madd(f32x4.convert_i32x4_s(a51), f32x4.mul(m1, u5), v128.load(to, 336)), 336)
    }
    x += 6 * BYTE_STRIDE
    total += 384
    unitAt += 6 * unit
  }
}

/** 2 tokens by 16 rows over `steps` quads of columns, integer products. */
export function tileBytes2x16(
  w: usize,
  x: usize,
  steps: i32,
  total: usize,
  scale: usize,
  start: usize,
  inputs: usize,
): void {
  const shift = load<u32>(inputs, 4)
  const shiftAt = load<usize>(inputs, 8)
  const c0 = v128.load32_splat(shiftAt)
  let a00 = i32x4.add(v128.load(start, 0), c0)
  let a01 = i32x4.add(v128.load(start, 16), c0)
  let a02 = i32x4.add(v128.load(start, 32), c0)
  let a03 = i32x4.add(v128.load(start, 48), c0)
  const c1 = v128.load32_splat(shiftAt + shift)
  let a10 = i32x4.add(v128.load(start, 0), c1)
  let a11 = i32x4.add(v128.load(start, 16), c1)
  let a12 = i32x4.add(v128.load(start, 32), c1)
  let a13 = i32x4.add(v128.load(start, 48), c1)
  const end = w + 64 * <usize>steps
  for (let p = w; p < end; p += 64) {
    const w0 = v128.load(p, 0)
    const w1 = v128.load(p, 16)
    const w2 = v128.load(p, 32)
    const w3 = v128.load(p, 48)
    const s0 = v128.load32_splat(x)
    a00 = dot4(w0, s0, a00)
    a01 = dot4(w1, s0, a01)
    a02 = dot4(w2, s0, a02)
    a03 = dot4(w3, s0, a03)
    const s1 = v128.load32_splat(x, BYTE_STRIDE)
    a10 = dot4(w0, s1, a10)
    a11 = dot4(w1, s1, a11)
    a12 = dot4(w2, s1, a12)
    a13 = dot4(w3, s1, a13)
    x += 4
  }
  const m0 = v128.load(scale, 0)
  const m1 = v128.load(scale, 16)
  const m2 = v128.load(scale, 32)
  const m3 = v128.load(scale, 48)
  const unit = load<u32>(inputs, 16)
  const unitAt = load<usize>(inputs, 20)
  const u0 = v128.load32_splat(unitAt)
  v128.store(total, madd(f32x4.convert_i32x4_s(a00), f32x4.mul(m0, u0), v128.load(total, 0)), 0)
  v128.store(total, madd(f32x4.convert_i32x4_s(a01), f32x4.mul(m1, u0), v128.load(total, 16)), 16)
  v128.store(total, madd(f32x4.convert_i32x4_s(a02), f32x4.mul(m2, u0), v128.load(total, 32)), 32)
  v128.store(total, madd(f32x4.convert_i32x4_s(a03), f32x4.mul(m3, u0), v128.load(total, 48)), 48)
  const u1 = v128.load32_splat(unitAt + unit)
  v128.store(total, madd(f32x4.convert_i32x4_s(a10), f32x4.mul(m0, u1), v128.load(total, 64)), 64)
  v128.store(total, madd(f32x4.convert_i32x4_s(a11), f32x4.mul(m1, u1), v128.load(total, 80)), 80)
  v128.store(total, madd(f32x4.convert_i32x4_s(a12), f32x4.mul(m2, u1), v128.load(total, 96)), 96)
  v128.store(total, madd(f32x4.convert_i32x4_s(a13), f32x4.mul(m3, u1), v128.load(total, 112)), 112)
}

/** 1 tokens by 16 rows over `steps` quads of columns, integer products. */
export function tileBytes1x16(
  w: usize,
  x: usize,
  steps: i32,
  total: usize,
  scale: usize,
  start: usize,
  inputs: usize,
): void {
  const shiftAt = load<usize>(inputs, 8)
  const c0 = v128.load32_splat(shiftAt)
  let a00 = i32x4.add(v128.load(start, 0), c0)
  let a01 = i32x4.add(v128.load(start, 16), c0)
  let a02 = i32x4.add(v128.load(start, 32), c0)
  let a03 = i32x4.add(v128.load(start, 48), c0)
  const end = w + 64 * <usize>steps
  for (let p = w; p < end; p += 64) {
    const w0 = v128.load(p, 0)
    const w1 = v128.load(p, 16)
    const w2 = v128.load(p, 32)
    const w3 = v128.load(p, 48)
    const s0 = v128.load32_splat(x)
    a00 = dot4(w0, s0, a00)
    a01 = dot4(w1, s0, a01)
    a02 = dot4(w2, s0, a02)
    a03 = dot4(w3, s0, a03)
    x += 4
  }
  const m0 = v128.load(scale, 0)
  const m1 = v128.load(scale, 16)
  const m2 = v128.load(scale, 32)
  const m3 = v128.load(scale, 48)
  const unitAt = load<usize>(inputs, 20)
  const u0 = v128.load32_splat(unitAt)
  v128.store(total, madd(f32x4.convert_i32x4_s(a00), f32x4.mul(m0, u0), v128.load(total, 0)), 0)
  v128.store(total, madd(f32x4.convert_i32x4_s(a01), f32x4.mul(m1, u0), v128.load(total, 16)), 16)
  v128.store(total, madd(f32x4.convert_i32x4_s(a02), f32x4.mul(m2, u0), v128.load(total, 32)), 32)
  v128.store(total, madd(f32x4.convert_i32x4_s(a03), f32x4.mul(m3, u0), v128.load(total, 48)), 48)
}

/**
 * The same with weights of seven bits: starting sums are the tokens', 16 scales the rows'.
 *
 * @param shiftAt the first token's starting sum @param shift bytes to the next one's
 */
export function tilesSeven6x16(
  w: usize,
  x: usize,
  sixes: i32,
  steps: i32,
  total: usize,
  scales: usize,
  shiftAt: usize,
  shift: usize,
  unitAt: usize,
  unit: usize,
): void {
  const length = (<usize>steps) << 2
  for (; sixes > 0; sixes--) {
    for (let half: usize = 0; half < 64; half += 32) {
      let a00 = v128.load32_splat(shiftAt)
      let a01 = a00
      let a10 = v128.load32_splat(shiftAt + shift)
      let a11 = a10
      let a20 = v128.load32_splat(shiftAt + 2 * shift)
      let a21 = a20
      let a30 = v128.load32_splat(shiftAt + 3 * shift)
      let a31 = a30
      let a40 = v128.load32_splat(shiftAt + 4 * shift)
      let a41 = a40
      let a50 = v128.load32_splat(shiftAt + 5 * shift)
      let a51 = a50
      let p = w + half
      const end = x + length
      for (let at = x; at < end; at += 4) {
        const w0 = v128.load(p, 0)
        const w1 = v128.load(p, 16)
        const s0 = v128.load32_splat(at)
        a00 = dot4(s0, w0, a00)
        a01 = dot4(s0, w1, a01)
        const s1 = v128.load32_splat(at, BYTE_STRIDE)
        a10 = dot4(s1, w0, a10)
        a11 = dot4(s1, w1, a11)
        const s2 = v128.load32_splat(at, 2 * BYTE_STRIDE)
        a20 = dot4(s2, w0, a20)
        a21 = dot4(s2, w1, a21)
        const s3 = v128.load32_splat(at, 3 * BYTE_STRIDE)
        a30 = dot4(s3, w0, a30)
        a31 = dot4(s3, w1, a31)
        const s4 = v128.load32_splat(at, 4 * BYTE_STRIDE)
        a40 = dot4(s4, w0, a40)
        a41 = dot4(s4, w1, a41)
        const s5 = v128.load32_splat(at, 5 * BYTE_STRIDE)
        a50 = dot4(s5, w0, a50)
        a51 = dot4(s5, w1, a51)
        p += 64
      }
      const to = total + half
      const m0 = v128.load(scales + half, 0)
      const m1 = v128.load(scales + half, 16)
      const u0 = v128.load32_splat(unitAt)
      v128.store(to, madd(f32x4.convert_i32x4_s(a00), f32x4.mul(m0, u0), v128.load(to, 0)), 0)
      v128.store(to, madd(f32x4.convert_i32x4_s(a01), f32x4.mul(m1, u0), v128.load(to, 16)), 16)
      const u1 = v128.load32_splat(unitAt + unit)
      v128.store(to, madd(f32x4.convert_i32x4_s(a10), f32x4.mul(m0, u1), v128.load(to, 64)), 64)
      v128.store(to, madd(f32x4.convert_i32x4_s(a11), f32x4.mul(m1, u1), v128.load(to, 80)), 80)
      const u2 = v128.load32_splat(unitAt + 2 * unit)
      v128.store(to, madd(f32x4.convert_i32x4_s(a20), f32x4.mul(m0, u2), v128.load(to, 128)), 128)
      v128.store(to, madd(f32x4.convert_i32x4_s(a21), f32x4.mul(m1, u2), v128.load(to, 144)), 144)
      const u3 = v128.load32_splat(unitAt + 3 * unit)
      v128.store(to, madd(f32x4.convert_i32x4_s(a30), f32x4.mul(m0, u3), v128.load(to, 192)), 192)
      v128.store(to, madd(f32x4.convert_i32x4_s(a31), f32x4.mul(m1, u3), v128.load(to, 208)), 208)
      const u4 = v128.load32_splat(unitAt + 4 * unit)
      v128.store(to, madd(f32x4.convert_i32x4_s(a40), f32x4.mul(m0, u4), v128.load(to, 256)), 256)
      v128.store(to, madd(f32x4.convert_i32x4_s(a41), f32x4.mul(m1, u4), v128.load(to, 272)), 272)
      const u5 = v128.load32_splat(unitAt + 5 * unit)
      v128.store(to, madd(f32x4.convert_i32x4_s(a50), f32x4.mul(m0, u5), v128.load(to, 320)), 320)
      v128.store(to, madd(f32x4.convert_i32x4_s(a51), f32x4.mul(m1, u5), v128.load(to, 336)), 336)
    }
    x += 6 * BYTE_STRIDE
    total += 384
    shiftAt += 6 * shift
    unitAt += 6 * unit
  }
}

/** 2 tokens by 16 rows over `steps` quads of columns, integer products. */
export function tileSeven2x16(
  w: usize,
  x: usize,
  steps: i32,
  total: usize,
  scale: usize,
  start: usize,
  inputs: usize,
): void {
  const shift = load<u32>(inputs, 4)
  const shiftAt = load<usize>(inputs, 8)
  const c0 = v128.load32_splat(shiftAt)
  let a00 = i32x4.add(v128.load(start, 0), c0)
  let a01 = i32x4.add(v128.load(start, 16), c0)
  let a02 = i32x4.add(v128.load(start, 32), c0)
  let a03 = i32x4.add(v128.load(start, 48), c0)
  const c1 = v128.load32_splat(shiftAt + shift)
  let a10 = i32x4.add(v128.load(start, 0), c1)
  let a11 = i32x4.add(v128.load(start, 16), c1)
  let a12 = i32x4.add(v128.load(start, 32), c1)
  let a13 = i32x4.add(v128.load(start, 48), c1)
  const end = w + 64 * <usize>steps
  for (let p = w; p < end; p += 64) {
    const w0 = v128.load(p, 0)
    const w1 = v128.load(p, 16)
    const w2 = v128.load(p, 32)
    const w3 = v128.load(p, 48)
    const s0 = v128.load32_splat(x)
    a00 = dot4(s0, w0, a00)
    a01 = dot4(s0, w1, a01)
    a02 = dot4(s0, w2, a02)
    a03 = dot4(s0, w3, a03)
    const s1 = v128.load32_splat(x, BYTE_STRIDE)
    a10 = dot4(s1, w0, a10)
    a11 = dot4(s1, w1, a11)
    a12 = dot4(s1, w2, a12)
    a13 = dot4(s1, w3, a13)
    x += 4
  }
  const m0 = v128.load(scale, 0)
  const m1 = v128.load(scale, 16)
  const m2 = v128.load(scale, 32)
  const m3 = v128.load(scale, 48)
  const unit = load<u32>(inputs, 16)
  const unitAt = load<usize>(inputs, 20)
  const u0 = v128.load32_splat(unitAt)
  v128.store(total, madd(f32x4.convert_i32x4_s(a00), f32x4.mul(m0, u0), v128.load(total, 0)), 0)
  v128.store(total, madd(f32x4.convert_i32x4_s(a01), f32x4.mul(m1, u0), v128.load(total, 16)), 16)
  v128.store(total, madd(f32x4.convert_i32x4_s(a02), f32x4.mul(m2, u0), v128.load(total, 32)), 32)
  v128.store(total, madd(f32x4.convert_i32x4_s(a03), f32x4.mul(m3, u0), v128.load(total, 48)), 48)
  const u1 = v128.load32_splat(unitAt + unit)
  v128.store(total, madd(f32x4.convert_i32x4_s(a10), f32x4.mul(m0, u1), v128.load(total, 64)), 64)
  v128.store(total, madd(f32x4.convert_i32x4_s(a11), f32x4.mul(m1, u1), v128.load(total, 80)), 80)
  v128.store(total, madd(f32x4.convert_i32x4_s(a12), f32x4.mul(m2, u1), v128.load(total, 96)), 96)
  v128.store(total, madd(f32x4.convert_i32x4_s(a13), f32x4.mul(m3, u1), v128.load(total, 112)), 112)
}

/** 1 tokens by 16 rows over `steps` quads of columns, integer products. */
export function tileSeven1x16(
  w: usize,
  x: usize,
  steps: i32,
  total: usize,
  scale: usize,
  start: usize,
  inputs: usize,
): void {
  const shiftAt = load<usize>(inputs, 8)
  const c0 = v128.load32_splat(shiftAt)
  let a00 = i32x4.add(v128.load(start, 0), c0)
  let a01 = i32x4.add(v128.load(start, 16), c0)
  let a02 = i32x4.add(v128.load(start, 32), c0)
  let a03 = i32x4.add(v128.load(start, 48), c0)
  const end = w + 64 * <usize>steps
  for (let p = w; p < end; p += 64) {
    const w0 = v128.load(p, 0)
    const w1 = v128.load(p, 16)
    const w2 = v128.load(p, 32)
    const w3 = v128.load(p, 48)
    const s0 = v128.load32_splat(x)
    a00 = dot4(s0, w0, a00)
    a01 = dot4(s0, w1, a01)
    a02 = dot4(s0, w2, a02)
    a03 = dot4(s0, w3, a03)
    x += 4
  }
  const m0 = v128.load(scale, 0)
  const m1 = v128.load(scale, 16)
  const m2 = v128.load(scale, 32)
  const m3 = v128.load(scale, 48)
  const unitAt = load<usize>(inputs, 20)
  const u0 = v128.load32_splat(unitAt)
  v128.store(total, madd(f32x4.convert_i32x4_s(a00), f32x4.mul(m0, u0), v128.load(total, 0)), 0)
  v128.store(total, madd(f32x4.convert_i32x4_s(a01), f32x4.mul(m1, u0), v128.load(total, 16)), 16)
  v128.store(total, madd(f32x4.convert_i32x4_s(a02), f32x4.mul(m2, u0), v128.load(total, 32)), 32)
  v128.store(total, madd(f32x4.convert_i32x4_s(a03), f32x4.mul(m3, u0), v128.load(total, 48)), 48)
}
