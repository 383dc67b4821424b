/**
 * Which forward pass an engine runs on: the kernels, or the plain model where they cannot hold the checkpoint.
 */
import { KernelError } from '@portolan/kernels'
import { Model, type Checkpoint, type NumericMode, type RowStorage } from '@portolan/model'
import type { Forward } from './forward.ts'
import { KernelForward } from './kernel-forward/kernel-forward.ts'
import { ReferenceForward } from './reference-forward.ts'

/**
 * `reference`: the plain model, f64 sums. `exact`: kernels, f32 sums. `fast`: kernels, and inputs of FP4 weights
 * rounded to eight bits. `auto`: exact, or the reference when the checkpoint does not fit in the kernels' memory.
 */
export type ForwardChoice = 'auto' | 'exact' | 'fast' | 'reference'

export interface OpenedForward {
  readonly forward: Forward
  readonly kind: Exclude<ForwardChoice, 'auto'>
  /** What sequences may hold together; Infinity where nothing but the machine sets a limit. */
  readonly roomBytes: number
  /** Bytes of weights in the kernels' memory, and how many of them one token alone reads; null without kernels. */
  readonly weights: { readonly bytes: number; readonly bytesPerToken: number } | null
  /** The kernels' memory, touched and whole; null without kernels. */
  arenaBytes(): { readonly touched: number; readonly whole: number } | null
  stop(): Promise<void>
}

export async function openForward(
  checkpoint: Checkpoint,
  weightsName: string,
  options: { readonly forward?: ForwardChoice; readonly storage?: RowStorage; readonly mode?: NumericMode },
): Promise<OpenedForward> {
  const { forward: choice = 'auto', storage = 'packed', mode } = options
  const numbers = { storage, ...(mode === undefined ? {} : { mode }) }
  if (choice !== 'reference') {
    const precision = choice === 'fast' ? 'fast' : 'exact'
    try {
      const forward = await KernelForward.open(checkpoint, weightsName, { ...numbers, precision })
      const weights = { bytes: forward.weightBytes, bytesPerToken: forward.weightBytesPerToken }
      return {
        forward,
        kind: precision,
        roomBytes: forward.roomBytes,
        weights,
        arenaBytes: () => forward.arenaBytes,
        stop: () => forward.stop(),
      }
    } catch (error) {
      if (choice !== 'auto' || !(error instanceof KernelError)) throw error
    }
  }
  const forward = new ReferenceForward(Model.load(checkpoint, numbers), weightsName)
  return {
    forward,
    kind: 'reference',
    roomBytes: Infinity,
    weights: null,
    arenaBytes: () => null,
    stop: async () => {},
  }
}
