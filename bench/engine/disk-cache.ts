/**
 * How long a large disk cache takes to open:
 *
 *   node --conditions=source bench/engine/disk-cache.ts [--gigabytes 10] [--below DIRECTORY]
 *
 * Writes blocks of 256 KB of random bytes until the cache has its size, closes it, opens it five times, reads a
 * hundred blocks, and deletes everything.
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { BlockKeys, DiskTier } from '@portolan/engine'

const { values } = parseArgs({
  options: { gigabytes: { type: 'string', default: '10' }, below: { type: 'string', default: tmpdir() } },
})
const wanted = Number(values.gigabytes) * 1e9
const { bavail, bsize } = statfsSync(values.below)
if (bavail * bsize < wanted * 1.5)
  throw new Error(`${values.below} has ${((bavail * bsize) / 1e9).toFixed(1)} GB free.`)
const folder = mkdtempSync(join(values.below, 'bench-disk-cache-'))
try {
  const options = { limitBytes: wanted * 1.2 }
  const disk = new DiskTier(folder, options)
  const random = randomBytes(2 ** 20)
  const keys = new BlockKeys({ tenant: 'one', model: 'bench' })
  const blocks = Math.ceil(wanted / 262_144)
  const all = keys.extend(Array.from({ length: blocks * 128 }, (_, at) => at % 1000))
  const begin = performance.now()
  for (const [at, key] of all.entries()) {
    const from = (at * 4096) % (random.length - 262_144)
    disk.put(key, { rows: random.subarray(from, from + 43_008), tail: random.subarray(from + 43_008, from + 262_144) })
  }
  const written = { bytes: disk.bytes, blocks: disk.blocks, ms: Math.round(performance.now() - begin) }
  disk.close()
  const openMs = Array.from({ length: 5 }, () => {
    const start = performance.now()
    const opened = new DiskTier(folder, options)
    const ms = performance.now() - start
    if (opened.blocks !== written.blocks) throw new Error(`${opened.blocks} of ${written.blocks} blocks came back.`)
    opened.close()
    return ms
  })
  const opened = new DiskTier(folder, options)
  const start = performance.now()
  for (let at = 0; at < 100; at++)
    if (opened.get(all[Math.floor((at * blocks) / 100)]!) === null) throw new Error('A block is missing.')
  const readMs = (performance.now() - start) / 100
  opened.close()
  console.log(JSON.stringify({ written, openMs: openMs.map((ms) => Math.round(ms)), readMsPerBlock: readMs }, null, 2))
} finally {
  rmSync(folder, { recursive: true })
}
