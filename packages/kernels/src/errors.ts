/** Errors of the kernels: stable codes, one class. */

export type KernelErrorCode =
  | 'KERNELS_UNSUPPORTED'
  | 'KERNELS_OUT_OF_MEMORY'
  | 'KERNELS_FOREIGN_ARRAY'
  | 'KERNELS_SHAPE'
  | 'KERNELS_TRAP'
  | 'KERNELS_WORKER_LOST'
  | 'KERNELS_CLOSED'

export class KernelError extends Error {
  override readonly name = 'KernelError'
  readonly code: KernelErrorCode

  constructor(code: KernelErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
