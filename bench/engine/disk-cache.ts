/**
 * How long a full prefix cache takes to open: with its index, and with the index lost.
 *
 *   node --conditions=source bench/engine/disk-cache.ts [GIGABYTES] [BYTES_A_BLOCK] [FOLDER]
 *
 * Writes that many bytes of made-up blocks (default: 0.25 GB in blocks of 50,000 bytes) below FOLDER (default:
 * the system's temporary folder), opens them in fresh processes, and removes them again. Refuses to begin where
 * less than twice the space is free.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DiskTier } from '@portolan/engine'

interface Opened {
  readonly blocks: number
  readonly openMs: number
  readonly readMs: number
  readonly residentMiB: number
}

const [gigabytes = '0.25', blockBytes = '50000', parent = tmpdir(), mode] = process.argv.slice(2)

/** Keys that can be made again: block 7 of 200,000 is the same in every process. */
function keyOf(at: number): string {
  return at.toString(16).padStart(64, '0')
}

function write(directory: string, bytes: number, each: number): number {
  const tier = new DiskTier(directory, { limitBytes: 2 * bytes })
  const rows = new Uint8Array(Math.floor(each / 4)).fill(1)
  const tail = new Uint8Array(each - rows.length).fill(2)
  const blocks = Math.floor(bytes / each)
  for (let at = 0; at < blocks; at++) {
    // Of every block some bytes differ, so that no checksum is that of another.
    new DataView(rows.buffer).setUint32(0, at)
    tier.put(keyOf(at), { rows, tail })
  }
  tier.close()
  return blocks
}

function open(directory: string, limitBytes: number): Opened {
  const startedAt = performance.now()
  const tier = new DiskTier(directory, { limitBytes })
  const openMs = performance.now() - startedAt
  const { blocks } = tier
  const readFrom = performance.now()
  for (let at = 0; at < 100; at++)
    if (tier.get(keyOf(Math.floor((at * blocks) / 100))) === null) throw new Error(`Block ${at} of 100 is lost.`)
  const readMs = (performance.now() - readFrom) / 100
  tier.close()
  return { blocks, openMs, readMs, residentMiB: process.memoryUsage.rss() / 2 ** 20 }
}

function openElsewhere(directory: string): Opened {
  const args = ['--conditions=source', import.meta.filename, gigabytes, blockBytes, directory, 'open']
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Opened
}

const bytes = Number(gigabytes) * 1e9
if (!(bytes > 0) || !(Number(blockBytes) >= 1000)) {
  console.error('Give gigabytes above 0 and at least 1000 bytes a block, e.g.: disk-cache.ts 10 50000')
  process.exitCode = 2
} else if (mode === 'open') console.log(JSON.stringify(open(parent, 2 * bytes)))
else {
  const { bavail, bsize } = statfsSync(parent)
  if (bavail * bsize < 2 * bytes)
    throw new Error(`${parent} has less than ${(2 * Number(gigabytes)).toFixed(1)} GB free.`)
  const directory = mkdtempSync(join(parent, 'portolan-disk-cache-'))
  try {
    const startedAt = performance.now()
    const written = write(directory, bytes, Number(blockBytes))
    const writeSec = (performance.now() - startedAt) / 1000
    console.log(`written     ${written} blocks, ${gigabytes} GB, ${(bytes / 1e6 / writeSec).toFixed(0)} MB/s`)
    const show = (what: string, { blocks, openMs, readMs, residentMiB }: Opened): void =>
      console.log(
        `${what.padEnd(11)} ${blocks} blocks in ${openMs.toFixed(0)} ms; one block ${readMs.toFixed(2)} ms; ${residentMiB.toFixed(0)} MiB resident`,
      )
    show('opened', openElsewhere(directory))
    rmSync(join(directory, 'index'))
    show('index lost', openElsewhere(directory))
    show('again', openElsewhere(directory))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
