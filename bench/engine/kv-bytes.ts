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
import { measureStorage } from '@portolan/engine'
import { publishedShape } from '@portolan/model'

const { values } = parseArgs({ options: { tokens: { type: 'string', default: String(2 ** 20) } } })
const before = process.memoryUsage().rss
const begin = performance.now()
const storage = measureStorage(publishedShape('flash'), Number(values.tokens))
const processGrewBytes = process.memoryUsage().rss - before
console.log(
  JSON.stringify({ ...storage, processGrewBytes, filledInMs: Math.round(performance.now() - begin) }, null, 2),
)
