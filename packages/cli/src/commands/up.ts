/** `portolan up`: the gateway in the foreground, until a signal. */
import { randomBytes } from 'node:crypto'
import { readFileSync, watch, type FSWatcher } from 'node:fs'
import { pino } from 'pino'
import { startGateway, type Gateway } from '@portolan/gateway'
import { bundledPricesUrl, loadPriceBook, type PriceBook } from '@portolan/meter'
import { keyRefusal } from '@portolan/store'
import { loadConfig, type LoadedConfig } from '../config/load.ts'
import { fixedPrices, toGatewayConfig, type ListenOverride } from '../config/to-gateway.ts'
import { dataPath, openDataDirectory, type DataDirectory } from '../data-directory.ts'
import { runningStore } from '../gateway-store.ts'
import { json } from '../output.ts'
import { banner } from './banner.ts'

export interface UpOptions {
  readonly config?: string
  readonly data?: string
  readonly host?: string
  readonly port?: number
  readonly json?: boolean
}

export async function up(options: UpOptions): Promise<void> {
  let loaded = loadConfig(options.config ?? null)
  const override: ListenOverride = { host: options.host, port: options.port }
  const config = toGatewayConfig(loaded, override)
  const log = pino(
    { level: loaded.file.log?.level ?? 'warn', redact: ['*.authorization', '*.apiKey', '*["x-api-key"]'] },
    pino.destination(2),
  )
  const data = openDataDirectory(dataPath(loaded, options.data), loaded.file.ledger?.synchronous)
  const { store, writer } = runningStore(data.store, Date.now)
  const gateway = await startGateway({
    config,
    store,
    sealer: data.sealer,
    priceBook: readPriceBook(),
    fixedPrices: (current) => fixedPrices(loaded.file, current),
    log,
  })
  const secret = firstKey(data)
  const url = gateway.url
  console.log(
    options.json
      ? json({ event: 'listening', url, key: secret, data: data.path, upstreams: upstreamFacts(gateway) })
      : banner({
          url,
          secret,
          config,
          upstreams: upstreamFacts(gateway),
          dataPath: data.path,
          configPath: loaded.path,
        }),
  )

  const reload = (): void => {
    try {
      const next = loadConfig(options.config ?? null)
      const nextConfig = toGatewayConfig(next, override)
      const before = loaded
      loaded = next
      try {
        gateway.reload(nextConfig)
      } catch (error) {
        loaded = before
        throw error
      }
      log.warn({ upstreams: nextConfig.upstreams.map((upstream) => upstream.name) }, 'configuration reloaded')
    } catch (error) {
      log.error({ reason: (error as Error).message }, 'configuration not reloaded; the running one stays')
    }
  }
  const watcher = watchConfig(loaded, reload)
  process.on('SIGHUP', reload)
  await signalled()
  watcher?.close()
  await gateway.drain()
  await writer.close()
  data.store.close()
  if (!options.json) console.log('portolan: answers finished, ledger closed.')
}

export function readPriceBook(): PriceBook {
  return loadPriceBook(readFileSync(bundledPricesUrl, 'utf8'))
}

function upstreamFacts(
  gateway: Gateway,
): { readonly name: string; readonly kind: string; readonly baseUrl: string | null }[] {
  return gateway.parts.routes.upstreams.map(({ name, definition, baseUrl }) => ({
    name,
    kind: definition.kind,
    baseUrl,
  }))
}

/** A key for the first minute: only when there is none that works. Shown once, never stored. */
function firstKey(data: DataDirectory): string | null {
  const nowMs = Date.now()
  if (data.store.keys.listKeys().some((key) => keyRefusal(key, null, nowMs) === null)) return null
  return data.store.keys.createKey({ name: 'first' }, nowMs, randomBytes(32)).secret
}

/** Editors write in several steps and some replace the file: wait for quiet, and watch the name, not the inode. */
function watchConfig(loaded: LoadedConfig, reload: () => void): FSWatcher | null {
  if (loaded.path === null) return null
  const fileName = loaded.path.slice(loaded.directory.length + 1)
  let timer: NodeJS.Timeout | undefined
  try {
    return watch(loaded.directory, (_event, name) => {
      if (name !== fileName) return
      clearTimeout(timer)
      timer = setTimeout(reload, 200)
    }).unref()
  } catch {
    // No inotify left: SIGHUP still works.
    return null
  }
}

/** The first signal drains; a second one leaves at once. */
function signalled(): Promise<void> {
  return new Promise((resolve) => {
    const stop = (signal: NodeJS.Signals): void => {
      process.once(signal, () => process.exit(130))
      resolve()
    }
    process.once('SIGTERM', stop)
    process.once('SIGINT', stop)
  })
}
