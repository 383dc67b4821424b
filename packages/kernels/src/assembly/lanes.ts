/**
 * The few operations that differ between the two builds, and the constants that hot loops load.
 *
 * RELAXED is given on the compiler's command line. Constants are loaded from a table in memory and not
 * written as literals: the compiler of the JavaScript engine makes vector literals anew in every turn of a
 * loop, while a load before the loop stays in a register. The host fills the table (src/tables.ts).
 */

/** The compiler's command line gives the value. */
export const relaxed: bool = RELAXED != 0

/** Where the host writes the tables; one page before the first allocation. */
export const TABLES: usize = 65536
/** E2M1 codes doubled, plus 12: 0..24. */
export const E2M1_SEVEN: usize = TABLES
/** E2M1 codes doubled, signed. */
export const E2M1_SIGNED: usize = TABLES + 16
/** 0x0F in every byte. */
export const LOW_NIBBLES: usize = TABLES + 32
/** 0xFF000000 in every lane. */
export const TOP_BYTES: usize = TABLES + 48
/** 0x87F0 in every 16-bit lane. */
export const E4M3_BITS: usize = TABLES + 64
/** 1.5 * 2^23 in every lane of f32. */
export const ROUNDER: usize = TABLES + 80
/** 16 zeros of four bytes. */
export const ZEROS: usize = TABLES + 128
/** 16 ones of f32. */
export const ONES: usize = TABLES + 192
/** 16 times 2^-24. */
export const BYTE_UNITS: usize = TABLES + 256
/** What rounding to E4M3 needs, 16 bytes each: sign bits, 448, 2^-6, 1.5 * 2^14, half a step less one, one, kept bits. */
export const E4M3_ROUNDING: usize = TABLES + 320
/** Values of the 256 E4M3 codes. */
export const E4M3_VALUES: usize = TABLES + 1024
/** Values of the 256 UE8M0 bytes. */
export const UE8M0_VALUES: usize = TABLES + 2048

/** a * b + c, in one rounding or two as the machine likes in the relaxed build, in two in the other. */
export function madd(a: v128, b: v128, c: v128): v128 {
  if (relaxed) return f32x4.relaxed_madd(a, b, c)
  return f32x4.add(f32x4.mul(a, b), c)
}

/** Bytes of `table` at `index`, every index below 16. */
export function lookup(table: v128, index: v128): v128 {
  if (relaxed) return i8x16.relaxed_swizzle(table, index)
  return i8x16.swizzle(table, index)
}

/** Lane i: sum + the four products of bytes 4i..4i+3; `eight` signed, `seven` in 0..127. The same integers in both builds. */
export function dot4(eight: v128, seven: v128, sum: v128): v128 {
  if (relaxed) return i32x4.relaxed_dot_i8x16_i7x16_add_s(eight, seven, sum)
  const low = i32x4.extadd_pairwise_i16x8_s(i16x8.extmul_low_i8x16_s(eight, seven))
  const high = i32x4.extadd_pairwise_i16x8_s(i16x8.extmul_high_i8x16_s(eight, seven))
  return i32x4.add(sum, i32x4.add(v128.shuffle<i32>(low, high, 0, 2, 4, 6), v128.shuffle<i32>(low, high, 1, 3, 5, 7)))
}

/** Sum of the four lanes. */
export function sumLanes(v: v128): f32 {
  const pairs = f32x4.add(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1))
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1)
}

/** Largest of the four lanes; a NaN wins. */
export function maxLanes(v: v128): f32 {
  const pairs = f32x4.max(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1))
  return max<f32>(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1))
}

/** e^x within 2 units in the last place; below -87.3 exactly 0, above 88.7 infinity, NaN stays NaN. */
export function exp4(x: v128): v128 {
  const under = f32x4.lt(x, f32x4.splat(-87.33))
  const over = f32x4.gt(x, f32x4.splat(88.72))
  const t = f32x4.min(f32x4.max(x, f32x4.splat(-87.33)), f32x4.splat(88.72))
  const n = f32x4.nearest(f32x4.mul(t, f32x4.splat(<f32>Math.LOG2E)))
  let r = f32x4.sub(t, f32x4.mul(n, f32x4.splat(0.693145751953125)))
  r = f32x4.sub(r, f32x4.mul(n, f32x4.splat(1.428606765330187e-6)))
  let p = f32x4.splat(1.0 / 5040.0)
  p = madd(p, r, f32x4.splat(1.0 / 720.0))
  p = madd(p, r, f32x4.splat(1.0 / 120.0))
  p = madd(p, r, f32x4.splat(1.0 / 24.0))
  p = madd(p, r, f32x4.splat(1.0 / 6.0))
  p = madd(p, r, f32x4.splat(0.5))
  p = madd(p, r, f32x4.splat(1.0))
  p = madd(p, r, f32x4.splat(1.0))
  // 2^128 has no f32; two steps of 2^(n/2) have.
  const whole = i32x4.trunc_sat_f32x4_s(n)
  const half = i32x4.shr_s(whole, 1)
  const one = i32x4.shl(i32x4.add(half, i32x4.splat(127)), 23)
  const two = i32x4.shl(i32x4.add(i32x4.sub(whole, half), i32x4.splat(127)), 23)
  const value = f32x4.mul(f32x4.mul(p, one), two)
  return v128.bitselect(f32x4.splat(Infinity), v128.andnot(value, under), over)
}

export function exp1(x: f32): f32 {
  return f32x4.extract_lane(exp4(f32x4.splat(x)), 0)
}
