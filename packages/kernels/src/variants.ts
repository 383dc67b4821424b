/**
 * Which build of the kernels this machine can run, and where it lies.
 *
 * Relaxed SIMD is asked for by validating a module of one function that multiplies bytes with it; no version
 * numbers are read. Both builds import one shared memory, so that workers see the same bytes.
 */
import { readFileSync } from 'node:fs'
import { KernelError } from './errors.ts'
import { webAssembly } from './web-assembly.ts'

export type Variant = 'relaxed-simd' | 'simd'

const header = [0, 97, 115, 109, 1, 0, 0, 0]
/** One function without parameters and results. */
const shape = [1, 4, 1, 96, 0, 0, 3, 2, 1, 0]

/** A module whose only function runs `instructions`. */
function probe(instructions: readonly number[]): Uint8Array<ArrayBuffer> {
  const body = [0, ...instructions, 0x0b]
  return Uint8Array.from([...header, ...shape, 10, body.length + 2, 1, body.length, ...body])
}

const zeroVector = [0xfd, 0x0c, ...Array.from({ length: 16 }, () => 0)]
const drop = 0x1a
/** i32x4.add */
const plainProbe = probe([...zeroVector, ...zeroVector, 0xfd, 0xae, 0x01, drop])
/** i32x4.relaxed_dot_i8x16_i7x16_add_s */
const relaxedProbe = probe([...zeroVector, ...zeroVector, ...zeroVector, 0xfd, 0x93, 0x02, drop])

export function supports(variant: Variant): boolean {
  return webAssembly.validate(variant === 'simd' ? plainProbe : relaxedProbe)
}

/** The best build for this machine, or the one asked for if it runs here. */
export function chooseVariant(wanted: Variant | 'auto'): Variant {
  const found = wanted === 'auto' ? (supports('relaxed-simd') ? 'relaxed-simd' : 'simd') : wanted
  if (!supports(found)) {
    throw new KernelError('KERNELS_UNSUPPORTED', `This JavaScript engine cannot run the ${found} build of the kernels.`)
  }
  return found
}

export function moduleBytes(variant: Variant): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(readFileSync(new URL(`../wasm/kernels-${variant}.wasm`, import.meta.url)))
}
