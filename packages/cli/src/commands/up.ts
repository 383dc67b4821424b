/** `portolan up`: the gateway in the foreground, until a signal. */
import cluster from 'node:cluster'
import { randomBytes } from 'node:crypto'
import { watch, writeFileSync, type FSWatcher } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { AggregatorRegistry } from 'prom-client'
import { AlertDelivery, startGateway, type AdminOptions, type GatewayStore } from '@portolan/gateway'
import { keyRefusal, type LedgerWriter } from '@portolan/store'
import { resolveUpstream } from '@portolan/upstream'
import { answerSchemas } from '../answer-schemas.ts'
import { answerAdmin } from '../admin/answer.ts'
import { adminTokenHash, firstAdminToken } from '../admin/token.ts'
import type { PrimaryMessage, WorkerMessage } from '../cluster/messages.ts'
import { startWorkers, type Doors } from '../cluster/primary.ts'
import { RemoteStore } from '../cluster/remote-store.ts'
import { loadConfig, type LoadedConfig } from '../config/load.ts'
import { fixedPrices, toGatewayConfig, type ListenOverride } from '../config/to-gateway.ts'
import { dataPath, openDataDirectory, type DataDirectory } from '../data-directory.ts'
import { exitCodes } from '../errors.ts'
import { applyLimits, configuredLimits, webhookOf } from '../config/limits.ts'
import { processName, ReservationKeeper } from '../reservation-keeper.ts'
import { runningStore } from '../gateway-store.ts'
import { json } from '../output.ts'
import { retentionPolicy } from '../retention/policy.ts'
import { archiveInThread } from '../retention/retention-thread.ts'
import { Retention } from '../retention/retention.ts'
import { liveRecording } from '../recording.ts'
import { readPriceBook } from '../price-files.ts'
import { makeLogger } from '../telemetry/log.ts'
import type { OtelSettings } from '../telemetry/otel.ts'
import { startTelemetry } from '../telemetry/settings.ts'
import { banner } from './banner.ts'

export interface UpOptions {
  readonly config?: string
  readonly data?: string
  readonly host?: string
  readonly port?: number
  readonly json?: boolean
}

export async function up(options: UpOptions): Promise<void> {
  const loaded = loadConfig(options.config ?? null)
  const config = toGatewayConfig(loaded, listenOverride(options))
  if (cluster.isWorker) {
    await work(options, loaded)
    return
  }
  // Before anything can be lost, and before the address is told to whoever may send a signal.
  const stopped = signalled()
  const log = logger(loaded)
  const data = openDataDirectory(dataPath(loaded, options.data), loaded.file.ledger?.synchronous)
  const { store, writer } = runningStore(data.store, Date.now)
  const keeper = new ReservationKeeper(data.store, Date.now)
  keeper.start()
  const alerts = new AlertDelivery({ store: data.store.alerts, target: webhookOf(loaded), now: Date.now, log })
  alerts.start()
  const workers = loaded.file.workers ?? 1
  const doors =
    workers > 1 ? await startWorkers(workers, writer, log) : await oneProcess(options, loaded, data, store, log)
  const retention = new Retention({
    settings: data.store.settings,
    policy: retentionPolicy(loaded, data.path),
    archive: archiveInThread(data.path),
    now: Date.now,
    log,
  })
  retention.start()
  const reload = (): void => {
    doors.reload()
    try {
      const next = loadConfig(options.config ?? null)
      alerts.retarget(webhookOf(next))
      retention.change(retentionPolicy(next, data.path))
    } catch {
      // The doors have said why the configuration was not taken.
    }
  }
  const watcher = watchConfig(loaded, reload)
  process.on('SIGHUP', reload)
  const secret = firstKey(data)
  const adminToken = loaded.file.admin?.enabled === false ? null : firstAdminToken(data.store)
  const { url } = doors
  const upstreams = config.upstreams
    .map((upstream) => resolveUpstream(upstream))
    .map(({ name, definition, baseUrl }) => ({ name, kind: definition.kind, baseUrl }))
  console.log(
    options.json
      ? json({ event: 'listening', url, key: secret, adminToken, data: data.path, workers, upstreams })
      : banner({ url, secret, adminToken, config, upstreams, dataPath: data.path, configPath: loaded.path }),
  )
  await stopped
  watcher?.close()
  await doors.drain()
  keeper.stop()
  await alerts.stop()
  await retention.stop()
  await closeLedger(writer, data, log)
  data.store.close()
  if (!options.json) console.log('portolan: answers finished, ledger closed.')
}

/** Rows that no commit took (a full disk) go to a file beside the database: a person can still account for them. */
async function closeLedger(writer: LedgerWriter, data: DataDirectory, log: Logger): Promise<void> {
  try {
    await writer.close()
  } catch (error) {
    const rows = writer.unwritten()
    const path = join(data.path, `unwritten-${Date.now()}.jsonl`)
    writeFileSync(path, rows.map((row) => `${json(row)}\n`).join(''), { mode: 0o600 })
    log.error({ rows: rows.length, path, reason: (error as Error).message }, 'ledger rows saved beside the database')
    process.exitCode = exitCodes.failed
  }
}

async function oneProcess(
  options: UpOptions,
  first: LoadedConfig,
  data: DataDirectory,
  store: GatewayStore,
  log: Logger,
  metricsText?: () => Promise<string>,
): Promise<Doors> {
  let loaded = first
  const config = toGatewayConfig(loaded, listenOverride(options))
  applyLimits(data.store, configuredLimits(loaded), Date.now())
  let countLost: OtelSettings['onLost'] = () => {}
  const telemetry = await startTelemetry(loaded.file.telemetry, {
    log,
    onLost: (signal, count) => countLost(signal, count),
  })
  const recording = liveRecording(loaded, data.path, log)
  const schemas = answerSchemas()
  const gateway = await startGateway({
    recording: recording.port,
    schemas: schemas.port,
    config,
    store,
    sealer: data.sealer,
    priceBook: readPriceBook(loaded),
    fixedPrices: (current) => fixedPrices(loaded.file, current),
    log,
    metricsText,
    telemetry: telemetry ?? undefined,
    owner: processName(),
    ...(loaded.file.admin?.enabled === false ? {} : { admin: adminOptions(loaded, data) }),
  })
  if (cluster.isWorker) {
    // The instance answers the primary's questions; the numbers are those of our own registry.
    void new AggregatorRegistry()
    AggregatorRegistry.setRegistries(gateway.parts.metrics.registry)
  }
  countLost = (signal, count) => gateway.parts.metrics.telemetryLost(signal, count)
  return {
    url: gateway.url,
    drain: async () => {
      await gateway.drain()
      await recording.close()
      await schemas.close()
      await telemetry?.close()
    },
    reload: () => {
      const before = loaded
      try {
        loaded = loadConfig(options.config ?? null)
        const next = toGatewayConfig(loaded, listenOverride(options))
        const limits = configuredLimits(loaded)
        gateway.reload(next, readPriceBook(loaded))
        applyLimits(data.store, limits, Date.now())
        log.warn({ upstreams: next.upstreams.map((upstream) => upstream.name) }, 'configuration reloaded')
      } catch (error) {
        loaded = before
        log.error({ reason: (error as Error).message }, 'configuration not reloaded; the running one stays')
      }
    },
  }
}

function adminOptions({ file }: LoadedConfig, { store }: DataDirectory): AdminOptions {
  return {
    remote: file.admin?.remote ?? false,
    tokenHash: () => adminTokenHash(store),
    answer: (call, parts) => answerAdmin(call, store, parts),
  }
}

/** One of several processes behind one port. Ends when the primary says so, or is gone. */
async function work(options: UpOptions, loaded: LoadedConfig): Promise<void> {
  const send = (message: WorkerMessage): void => {
    if (process.connected) process.send!(message)
  }
  // Ctrl-C reaches every process of the terminal; only the primary decides what it means.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => {})
  const data = openDataDirectory(dataPath(loaded, options.data), loaded.file.ledger?.synchronous)
  const store = new RemoteStore(data.store, send)
  let doors: Doors
  try {
    doors = await oneProcess(options, loaded, data, store, logger(loaded), store.metricsText)
  } catch (error) {
    send({ type: 'failed', code: 'GATEWAY_CANNOT_LISTEN', message: (error as Error).message })
    process.exit(1)
  }
  const stop = async (): Promise<void> => {
    await doors.drain()
    data.store.close()
    process.exit(0)
  }
  process.on('message', (message: PrimaryMessage) => {
    if (message.type === 'drain') void stop()
    else if (message.type === 'reload') doors.reload()
    else store.receive(message)
  })
  // Without the primary no row can be settled, so no answer can be finished.
  process.on('disconnect', () => process.exit(1))
  send({ type: 'listening', url: doors.url })
  await new Promise<never>(() => {})
}

function logger(loaded: LoadedConfig): Logger {
  return makeLogger(loaded.file.log?.level)
}

function listenOverride(options: UpOptions): ListenOverride {
  return { host: options.host, port: options.port, data: options.data }
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

/** The first signal drains, also one that comes during the start; a second one leaves at once. */
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
