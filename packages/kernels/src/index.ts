/** Public surface of `kernels`. */
export { Arena, maximumArenaBytes } from './arena.ts'
export { KernelError, type KernelErrorCode } from './errors.ts'
export { type Inputs } from './inputs.ts'
export { Kernels, type KernelOptions, type NumericMode } from './kernels.ts'
export { type PlacedMatrix } from './placement.ts'
export { quantiseInt8, type StoredMatrix } from './stored-matrix.ts'
export { chooseVariant, supports, type Variant } from './variants.ts'
