/**
 * What a sequence takes, by filling one: the layout and code of the forward pass over kernels, in ordinary memory,
 * because one WebAssembly memory ends at 4 GiB. Rows hold made-up bytes, as if they came from a cache.
 */
import { numericModes, type ModelConfig } from '@portolan/model'
import { blockTokens } from './forward.ts'
import { BlockMemory } from './kernel-forward/block-memory.ts'
import { PageMemory } from './kernel-forward/page-memory.ts'
import { KernelSequence, layoutOf, type RowKind } from './kernel-forward/sequence-memory.ts'

export interface StorageMeasure {
  readonly tokens: number
  readonly layers: number
  readonly sequenceBytes: number
  readonly bytesPerToken: number
  readonly sparseRowBytes: number
  readonly indexRowBytes: number
  readonly heavyRowBytes: number
  /** Windows and open groups. */
  readonly fixedBytes: number
}

/** @param tokens a multiple of 128 */
export function measureStorage(config: ModelConfig, tokens: number): StorageMeasure {
  const layout = layoutOf(config, 'packed', numericModes.packed)
  const rowsOf = (kinds: readonly RowKind[]): number =>
    kinds.reduce((sum, { ratio, rowBytes }) => sum + (blockTokens / ratio) * rowBytes, 0)
  const bytes = new Uint8Array(Math.ceil((tokens / blockTokens) * rowsOf(layout.kinds)) + layout.fixedBytes + 2 ** 25)
  const memory = new PageMemory(64, bytes.length - 64)
  const sequence = new KernelSequence(layout, memory, new BlockMemory(memory, layout.blockBytes), bytes)
  const block = new Uint8Array(rowsOf(layout.kinds)).map((_, at) => (at * 2_654_435_761) >>> 24)
  const tail = new Uint8Array(
    layout.layers.reduce((sum, { windowBytes }) => sum + windowBytes, 0) +
      layout.kinds.reduce((sum, { openNumbers, voidNumbers }) => sum + (openNumbers - voidNumbers) * 4, 0),
  )
  // Each an array of its own: equal ones would be one block.
  const blocks = Array.from({ length: tokens / blockTokens }, () => block.subarray())
  sequence.restore(blocks, tail)
  const share = (kinds: readonly RowKind[]): number => rowsOf(kinds) * blocks.length
  return {
    tokens: sequence.position,
    layers: layout.layers.length,
    sequenceBytes: memory.lentBytes,
    bytesPerToken: memory.lentBytes / tokens,
    sparseRowBytes: share(layout.kinds.filter(({ overlaps, isIndex }) => overlaps && !isIndex)),
    indexRowBytes: share(layout.kinds.filter(({ isIndex }) => isIndex)),
    heavyRowBytes: share(layout.kinds.filter(({ overlaps, isIndex }) => !overlaps && !isIndex)),
    fixedBytes: layout.fixedBytes,
  }
}
