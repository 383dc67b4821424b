/** `portolan model cache`: what the embedded upstreams keep of earlier prompts on disk, whether it is whole, and its end. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DiskTier, EngineError } from '@portolan/engine'
import { loadConfig } from '../config/load.ts'
import { dataPath } from '../data-directory.ts'
import { CliError, exitCodes } from '../errors.ts'
import { json, table } from '../output.ts'
import { bytesText, countText } from './model-folder.ts'

export interface CacheOptions {
  readonly config?: string
  readonly data?: string
  readonly json?: boolean
}

export function listCaches(options: CacheOptions): void {
  const rows = eachCache(options, true, (upstream, tier) => ({
    upstream,
    blocks: tier.blocks,
    tokens: tier.blocks * 128,
    bytes: tier.bytes,
    segments: tier.segments().length,
    directory: tier.directory,
  }))
  if (options.json) console.log(json(rows))
  else if (rows.length === 0) console.log('No prefixes are kept on disk.')
  else
    console.log(
      table(rows, [
        { title: 'UPSTREAM', value: (row) => row.upstream },
        { title: 'TOKENS', value: (row) => countText(row.tokens), align: 'right' },
        { title: 'SIZE', value: (row) => bytesText(row.bytes), align: 'right' },
        { title: 'SEGMENTS', value: (row) => countText(row.segments), align: 'right' },
        { title: 'FOLDER', value: (row) => row.directory },
      ]),
    )
}

/** Reads every block. A damaged one is only a miss to the engine, but it says something about the disk. */
export function verifyCaches(options: CacheOptions): void {
  const rows = eachCache(options, true, (upstream, tier) => ({ upstream, ...tier.verify() }))
  if (options.json) console.log(json(rows))
  else if (rows.length === 0) console.log('No prefixes are kept on disk.')
  else
    for (const { upstream, blocks, bytes, damaged } of rows)
      console.log(
        `${upstream}: ${countText(blocks)} blocks whole (${bytesText(bytes)}), ${damaged === 0 ? 'none' : countText(damaged)} damaged`,
      )
  if (rows.some((row) => row.damaged > 0)) process.exitCode = exitCodes.failed
}

export function clearCaches(options: CacheOptions): void {
  const rows = eachCache(options, false, (upstream, tier) => {
    const { blocks, bytes } = tier
    tier.clear()
    return { upstream, blocks, bytes }
  })
  if (options.json) console.log(json(rows))
  else if (rows.length === 0) console.log('No prefixes are kept on disk.')
  else for (const { upstream, bytes } of rows) console.log(`${upstream}: ${bytesText(bytes)} freed`)
}

function eachCache<Row>(
  options: CacheOptions,
  readOnly: boolean,
  visit: (upstream: string, tier: DiskTier) => Row,
): Row[] {
  const parent = join(dataPath(loadConfig(options.config ?? null), options.data), 'prefixes')
  if (!existsSync(parent)) return []
  return readdirSync(parent)
    .toSorted()
    .map((upstream) => {
      try {
        const tier = new DiskTier(join(parent, upstream), { readOnly })
        try {
          return visit(upstream, tier)
        } finally {
          tier.close()
        }
      } catch (error) {
        if (!(error instanceof EngineError)) throw error
        const code = error.code === 'ENGINE_CACHE_IN_USE' ? 'CLI_IN_USE' : 'CLI_BAD_ARGUMENT'
        throw new CliError(code, error.message, { cause: error })
      }
    })
}
