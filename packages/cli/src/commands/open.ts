/** What commands beside `up` need: the configuration and the data directory it names. */
import { loadConfig, type LoadedConfig } from '../config/load.ts'
import { dataPath, openDataDirectory, type DataDirectory } from '../data-directory.ts'

export interface CommonOptions {
  readonly config?: string
  readonly data?: string
  readonly json?: boolean
}

/** Runs `work` with the data directory open, and closes it whatever happens. */
export async function withData<T>(
  options: CommonOptions,
  work: (data: DataDirectory, loaded: LoadedConfig) => T | Promise<T>,
): Promise<T> {
  const loaded = loadConfig(options.config ?? null)
  const data = openDataDirectory(dataPath(loaded, options.data), loaded.file.ledger?.synchronous)
  try {
    return await work(data, loaded)
  } finally {
    data.store.close()
  }
}
