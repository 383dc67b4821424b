/**
 * Quantise and dequantise in place: what the official kernels do to activations, cache rows and index vectors.
 *
 * Each block of consecutive values shares one power-of-two scale chosen from its largest magnitude; values
 * are rounded to the format and multiplied back. V4 was trained with these steps, so they belong to the
 * function, not to a storage choice. A last block may be shorter when the width is not a multiple.
 */
import { e4m3Maximum, roundToE4m3 } from './e4m3.ts'
import { e2m1Maximum, roundToE2m1 } from './e2m1.ts'
import { dynamicScale, ue8m0Values } from './ue8m0.ts'

/** Widths of the blocks that share a scale. */
export const activationBlock = 128
export const cacheRowBlock = 64
export const indexBlock = 32

export const e4m3Floor = 1e-4
export const e2m1Floor = 6 * 2 ** -126

export function largestMagnitude(values: Float32Array, from: number, to: number): number {
  let amax = 0
  for (let at = from; at < to; at++) {
    const magnitude = Math.abs(values[at]!)
    if (magnitude > amax) amax = magnitude
  }
  return amax
}

/** E4M3 round trip of `values[from, to)` in blocks of `block`. */
export function roundTripE4m3(values: Float32Array, from: number, to: number, block: number): void {
  for (let start = from; start < to; start += block) {
    const end = Math.min(start + block, to)
    const scale = ue8m0Values[dynamicScale(largestMagnitude(values, start, end), e4m3Maximum, e4m3Floor)]!
    for (let at = start; at < end; at++) values[at] = roundToE4m3(values[at]! / scale) * scale
  }
}

/** E2M1 round trip of `values[from, to)` in blocks of `block`. */
export function roundTripE2m1(values: Float32Array, from: number, to: number, block: number): void {
  for (let start = from; start < to; start += block) {
    const end = Math.min(start + block, to)
    const scale = ue8m0Values[dynamicScale(largestMagnitude(values, start, end), e2m1Maximum, e2m1Floor)]!
    for (let at = start; at < end; at++) values[at] = roundToE2m1(values[at]! / scale) * scale
  }
}
