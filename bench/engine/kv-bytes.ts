/**
 * What a million tokens take at the published Flash shape, in the engine's own storage:
 *
 *   node --conditions=source bench/engine/kv-bytes.ts [--tokens 1048576]
 *
 * All 43 layers, every row present: a sequence is filled with blocks of random bytes, as if it came from a cache. The
 * storage lies in ordinary memory, because one WebAssembly memory ends at 4 GiB; layout and code are those of the
 * forward pass over kernels. Needs some 4 GB.
 */
import { parseArgs } from 'node:util'
import { numericModes, publishedShape } from '@portolan/model'
import { PageMemory } from '../../packages/engine/src/kernel-forward/page-memory.ts'
import { KernelSequence, layoutOf } from '../../packages/engine/src/kernel-forward/sequence-memory.ts'

const { values } = parseArgs({ options: { tokens: { type: 'string', default: String(2 ** 20) } } })
const tokens = Number(values.tokens)
const before = process.memoryUsage().rss
const layout = layoutOf(publishedShape('flash'), 'packed', numericModes.packed)
const bytes = new Uint8Array(Math.ceil(tokens * 3600) + 2 ** 26)
const memory = new PageMemory(64, bytes.length - 64)
const rowsOf = (kinds: typeof layout.kinds): number =>
  kinds.reduce((sum, { ratio, rowBytes }) => sum + (128 / ratio) * rowBytes, 0)
const block = new Uint8Array(rowsOf(layout.kinds)).map((_, at) => (at * 2_654_435_761) >>> 24)
const tail = new Uint8Array(
  layout.layers.reduce((sum, { windowBytes }) => sum + windowBytes, 0) +
    layout.kinds.reduce((sum, { openNumbers, voidNumbers }) => sum + (openNumbers - voidNumbers) * 4, 0),
)
const sequence = new KernelSequence(layout, memory, bytes)
const begin = performance.now()
sequence.restore(
  Array.from({ length: tokens / 128 }, () => block),
  tail,
)
const heavy = layout.kinds.filter(({ ratio }) => ratio === 128)
const sparse = layout.kinds.filter(({ ratio, isIndex }) => ratio === 4 && !isIndex)
const index = layout.kinds.filter(({ isIndex }) => isIndex)
console.log(
  JSON.stringify(
    {
      tokens: sequence.position,
      layers: layout.layers.length,
      sequenceBytes: sequence.bytes,
      lentBytes: memory.lentBytes,
      bytesPerToken: sequence.bytes / tokens,
      sparseRowBytes: (rowsOf(sparse) * tokens) / 128,
      indexRowBytes: (rowsOf(index) * tokens) / 128,
      heavyRowBytes: (rowsOf(heavy) * tokens) / 128,
      fixedBytes: layout.fixedBytes,
      processGrewBytes: process.memoryUsage().rss - before,
      filledInMs: Math.round(performance.now() - begin),
    },
    null,
    2,
  ),
)
