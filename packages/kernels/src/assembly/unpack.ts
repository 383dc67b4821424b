/**
 * Panel blocks of each stored format, made into the 64-byte steps that the tiles read.
 *
 * Sixteen rows lie side by side. FP8 and BF16 keep one column in 16 or 32 bytes; FP4 keeps eight columns of
 * four rows in 16 bytes, low nibbles the even columns and high nibbles the odd ones, as in the checkpoint.
 * Floats come out exact up to a power of two: FP8 times 2^-120, FP4 times 2^25, bytes times 2^24.
 */
import { E2M1_SEVEN, E2M1_SIGNED, E4M3_BITS, LOW_NIBBLES, TOP_BYTES, lookup } from './lanes'

export function unpackBf16(from: usize, to: usize, columns: i32): void {
  const zero = i32x4.splat(0)
  for (let column = 0; column < columns; column++) {
    const one = v128.load(from)
    const two = v128.load(from, 16)
    v128.store(to, v128.shuffle<i16>(zero, one, 0, 8, 1, 9, 2, 10, 3, 11))
    v128.store(to, v128.shuffle<i16>(zero, one, 4, 12, 5, 13, 6, 14, 7, 15), 16)
    v128.store(to, v128.shuffle<i16>(zero, two, 0, 8, 1, 9, 2, 10, 3, 11), 32)
    v128.store(to, v128.shuffle<i16>(zero, two, 4, 12, 5, 13, 6, 14, 7, 15), 48)
    from += 32
    to += 64
  }
}

export function unpackE4m3(from: usize, to: usize, columns: i32): void {
  const zero = i32x4.splat(0)
  const bits = v128.load(E4M3_BITS)
  for (let column = 0; column < columns; column++) {
    const codes = v128.load(from)
    const one = v128.and(i16x8.shl(i16x8.extend_low_i8x16_s(codes), 4), bits)
    const two = v128.and(i16x8.shl(i16x8.extend_high_i8x16_s(codes), 4), bits)
    v128.store(to, v128.shuffle<i16>(zero, one, 0, 8, 1, 9, 2, 10, 3, 11))
    v128.store(to, v128.shuffle<i16>(zero, one, 4, 12, 5, 13, 6, 14, 7, 15), 16)
    v128.store(to, v128.shuffle<i16>(zero, two, 0, 8, 1, 9, 2, 10, 3, 11), 32)
    v128.store(to, v128.shuffle<i16>(zero, two, 4, 12, 5, 13, 6, 14, 7, 15), 48)
    from += 16
    to += 64
  }
}

/** Signed bytes: a step of four columns becomes four steps of one. Order of columns within a quad: `step` apart. */
function spread(quad: v128, top: v128, to: usize, step: usize): void {
  v128.store(to, f32x4.convert_i32x4_s(i32x4.shl(quad, 24)))
  v128.store(to + step, f32x4.convert_i32x4_s(v128.and(i32x4.shl(quad, 16), top)))
  v128.store(to + 2 * step, f32x4.convert_i32x4_s(v128.and(i32x4.shl(quad, 8), top)))
  v128.store(to + 3 * step, f32x4.convert_i32x4_s(v128.and(quad, top)))
}

export function unpackBytes(from: usize, to: usize, columns: i32): void {
  const top = v128.load(TOP_BYTES)
  for (let column = 0; column < columns; column += 4) {
    for (let group: usize = 0; group < 64; group += 16) spread(v128.load(from + group), top, to + group, 64)
    from += 64
    to += 256
  }
}

/** FP4 to floats. */
export function unpackE2m1(from: usize, to: usize, columns: i32): void {
  const top = v128.load(TOP_BYTES)
  const low = v128.load(LOW_NIBBLES)
  const table = v128.load(E2M1_SIGNED)
  for (let column = 0; column < columns; column += 8) {
    for (let group: usize = 0; group < 64; group += 16) {
      const codes = v128.load(from + group)
      spread(lookup(table, v128.and(codes, low)), top, to + group, 128)
      spread(lookup(table, v128.and(i16x8.shr_u(codes, 4), low)), top, to + group + 64, 128)
    }
    from += 64
    to += 512
  }
}

/** FP4 to bytes 0..24: eight columns become two steps of four, even columns and odd ones. */
export function unpackE2m1Seven(from: usize, to: usize, columns: i32): void {
  const low = v128.load(LOW_NIBBLES)
  const table = v128.load(E2M1_SEVEN)
  for (let column = 0; column < columns; column += 8) {
    for (let group: usize = 0; group < 64; group += 16) {
      const codes = v128.load(from + group)
      v128.store(to + group, lookup(table, v128.and(codes, low)))
      v128.store(to + group + 64, lookup(table, v128.and(i16x8.shr_u(codes, 4), low)))
    }
    from += 64
    to += 128
  }
}

/** Sixteen UE8M0 bytes as f32, times `unit`. Bytes 1..254. */
export function unpackScales(from: usize, to: usize, unit: v128): void {
  const bytes = v128.load(from)
  const low = i16x8.extend_low_i8x16_u(bytes)
  const high = i16x8.extend_high_i8x16_u(bytes)
  v128.store(to, f32x4.mul(i32x4.shl(i32x4.extend_low_i16x8_u(low), 23), unit))
  v128.store(to, f32x4.mul(i32x4.shl(i32x4.extend_high_i16x8_u(low), 23), unit), 16)
  v128.store(to, f32x4.mul(i32x4.shl(i32x4.extend_low_i16x8_u(high), 23), unit), 32)
  v128.store(to, f32x4.mul(i32x4.shl(i32x4.extend_high_i16x8_u(high), 23), unit), 48)
}
