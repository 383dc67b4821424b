/**
 * A long prompt computed, and taken from the cache: in memory, and from disk after everything was forgotten.
 *
 *   node --conditions=source bench/engine/prefix.ts DIRECTORY [--tokens 100000]
 *
 * DIRECTORY is a checkpoint of small widths (make-checkpoint.ts --small), because the prompt is computed whole. Goes
 * through scheduler and cache as a request does; the time is that until the first token of the answer.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { DiskTier, openForward, PrefixCache, Scheduler } from '@portolan/engine'
import { openCheckpoint, seededUniform } from '@portolan/model'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { tokens: { type: 'string', default: '100000' } },
})
const [directory] = positionals
if (directory === undefined) throw new Error('Name the folder of a checkpoint: prefix.ts DIRECTORY')
const checkpoint = openCheckpoint(directory)
const opened = await openForward(checkpoint, 'bench', {})
const { forward } = opened
const uniform = seededUniform(1)
const promptIds = Array.from({ length: Number(values.tokens) }, () => 2 + Math.floor(uniform() * 500))
const folder = mkdtempSync(join(tmpdir(), 'bench-prefix-'))
const now = (): number => performance.now()

function firstToken(cache: PrefixCache): { readonly ms: number; readonly hitTokens: number } {
  const scheduler = new Scheduler(forward, cache, { now })
  const begin = now()
  let ms = 0
  let hitTokens = 0
  scheduler.submit({
    id: 1,
    tenant: 'one',
    promptIds,
    maximumOutputTokens: 1,
    sampling: { seed: 1 },
    deadlineAtMs: null,
    onStart: (hit) => {
      hitTokens = hit
    },
    onToken: () => {
      ms = now() - begin
      return true
    },
    onEnd: ({ error }) => {
      if (error !== null) throw error
    },
  })
  while (scheduler.step());
  return { ms, hitTokens }
}

const memoryBytes = 4 * 2 ** 30
try {
  let disk = new DiskTier(folder, { limitBytes: 8 * 2 ** 30 })
  const cache = new PrefixCache({ memoryBytes, disk })
  const cold = firstToken(cache)
  const fromMemory = [1, 2, 3].map(() => firstToken(cache))
  disk.close()
  const begin = now()
  disk = new DiskTier(folder, { limitBytes: 8 * 2 ** 30 })
  const openMs = now() - begin
  const fromDisk = firstToken(new PrefixCache({ memoryBytes, disk }))
  const warm = fromMemory.sort((one, other) => one.ms - other.ms)[1]!
  console.log(
    JSON.stringify(
      {
        promptTokens: promptIds.length,
        cold,
        fromMemory: warm,
        fromDisk,
        diskBytes: disk.bytes,
        diskOpenMs: openMs,
        soonerFromMemory: cold.ms / warm.ms,
        soonerFromDisk: cold.ms / fromDisk.ms,
        promptTokensPerSec: (promptIds.length / cold.ms) * 1000,
      },
      null,
      2,
    ),
  )
  disk.close()
} finally {
  rmSync(folder, { recursive: true })
  await opened.stop()
  checkpoint.close()
}
