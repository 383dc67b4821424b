/** What `doctor` says of an upstream that runs a model in this process, without starting it. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { defaultCheckpointName, DiskTier } from '@portolan/engine'
import type { UpstreamConfig } from '@portolan/upstream'
import { bytesText, countText } from './model-folder.ts'

/** @throws when the engine could not start, or would keep nothing, saying what to do. */
export function engineDetail({ name, model }: UpstreamConfig): string {
  const data = model?.dataDirectory ?? null
  return `${modelText(model?.checkpoint ?? null, data)}; ${prefixText(data, name)}`
}

function modelText(checkpoint: string | null, data: string | null): string {
  if (checkpoint !== null) {
    if (!existsSync(join(checkpoint, 'config.json')))
      throw new Error(`${checkpoint} has no config.json; name the folder of a model in its official layout.`)
    return checkpoint
  }
  const isMade = data !== null && existsSync(join(data, 'models', defaultCheckpointName, 'config.json'))
  return `the untrained model, ${isMade ? 'made already' : 'to be made by the first request'}`
}

function prefixText(data: string | null, upstream: string): string {
  if (data === null) return 'prefixes are kept in memory only'
  const directory = join(data, 'prefixes', upstream)
  if (!existsSync(directory)) return 'no prefixes on disk yet'
  const tier = new DiskTier(directory, { readOnly: true })
  const text = `${countText(tier.blocks * 128)} tokens of prefixes on disk, ${bytesText(tier.bytes)}`
  tier.close()
  return text
}
