/** What `portolan.yaml` says about how long rows stay. */
import { join, resolve } from 'node:path'
import type { LoadedConfig } from '../config/load.ts'
import type { RetentionPolicy } from './retention.ts'

export function retentionPolicy(loaded: LoadedConfig, dataPath: string): RetentionPolicy {
  return { days: loaded.file.usage?.retentionDays ?? null, directory: archiveDirectory(loaded, dataPath) }
}

export function archiveDirectory({ file, directory }: LoadedConfig, dataPath: string): string {
  return file.usage?.archive === undefined ? join(dataPath, 'archive') : resolve(directory, file.usage.archive)
}
