/** A running gateway with a real ledger in a throw-away directory, in this process. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import {
  defaultConfig,
  startGateway,
  type AdminOptions,
  type Gateway,
  type GatewayConfig,
  type GatewayStore,
  type ModelConfig,
  type SchemaPort,
} from '@portolan/gateway'
import { bundledPricesUrl, loadPriceBook } from '@portolan/meter'
import {
  everyKey,
  LedgerWriter,
  openSqliteStore,
  type BudgetInput,
  type LedgerRow,
  type RateLimitInput,
  type SqliteStore,
} from '@portolan/store'
import type { UpstreamConfig } from '@portolan/upstream'
import { createSealer } from '@portolan/wire'

export interface RunningGateway {
  readonly gateway: Gateway
  readonly url: string
  readonly key: string
  readonly store: SqliteStore
  readonly config: GatewayConfig
  /** Newest first. */
  rows(): readonly LedgerRow[]
  /** Waits until the ledger holds this many rows; throws after two seconds. */
  settled(count: number): Promise<readonly LedgerRow[]>
  close(): Promise<void>
}

export interface FixtureOptions {
  readonly upstreams: readonly UpstreamConfig[]
  readonly models?: readonly ModelConfig[]
  readonly config?: Partial<GatewayConfig>
  readonly budgets?: readonly BudgetInput[]
  readonly rates?: readonly RateLimitInput[]
  /** Checks answers against schemas that an upstream was asked for in words. */
  readonly schemas?: SchemaPort
  /** What answers under `/admin`, given the store. */
  readonly admin?: (store: SqliteStore) => AdminOptions
  /** What the gateway is given in place of the store. */
  readonly store?: (store: GatewayStore) => GatewayStore
}

/** A budget of nano-dollars that holds every key, with changes. */
export function budget(id: string, limit: bigint, changes: Partial<BudgetInput> = {}): BudgetInput {
  return {
    id,
    unit: 'money',
    currency: 'USD',
    limit,
    period: 'month',
    windowMs: null,
    scope: everyKey,
    alerts: [],
    ...changes,
  }
}

export function route(name: string, ...upstreams: readonly string[]): ModelConfig {
  return { name, route: upstreams.map((upstream) => ({ upstream, model: null })), lossPolicy: 'warn', tokenizer: null }
}

export async function startFixture(options: FixtureOptions): Promise<RunningGateway> {
  const directory = mkdtempSync(join(tmpdir(), 'portolan-'))
  const secret = randomBytes(32)
  const store = openSqliteStore({ directory, memoryKey: secret })
  const writer = new LedgerWriter(store.ledger)
  const config: GatewayConfig = {
    ...defaultConfig,
    listen: { host: '127.0.0.1', port: 0 },
    upstreams: options.upstreams,
    models: options.models ?? [],
    ...options.config,
  }
  store.limits.syncLimits('config', options.budgets ?? [], options.rates ?? [])
  const ownStore: GatewayStore = {
    findKey: (hash) => store.keys.findByHash(hash),
    append: (row) => writer.append(row),
    recall: (callId, tenantId) => {
      const found = store.memory.get(callId, tenantId, Date.now())
      return found instanceof Promise ? null : found
    },
    remember: (callId, tenantId, call) => void store.memory.put(callId, tenantId, call, Date.now()),
    limitsOf: (found) => store.limits.limitsOf(found),
    reserve: (input) => store.budgets.reserve(input),
    settleLimits: (input) => void store.budgets.settle({ ...input, nowMs: Date.now() }),
    trouble: () => null,
  }
  const gateway = await startGateway({
    config,
    store: options.store?.(ownStore) ?? ownStore,
    sealer: createSealer(secret),
    priceBook: loadPriceBook(readFileSync(bundledPricesUrl, 'utf8')),
    fixedPrices: () => new Map(),
    ...(options.schemas ? { schemas: options.schemas } : {}),
    ...(options.admin ? { admin: options.admin(store) } : {}),
    log: pino({ level: process.env['PORTOLAN_TEST_LOG'] ?? 'silent' }),
  })
  const key = store.keys.createKey({ name: 'test' }, Date.now(), randomBytes(32)).secret
  const rows = (): readonly LedgerRow[] => store.ledger.recent(100_000)
  return {
    gateway,
    url: gateway.url,
    key,
    store,
    config,
    rows,
    async settled(count) {
      for (let waitedMs = 0; waitedMs < 2000; waitedMs += 5) {
        const now = rows()
        if (now.length >= count) return now
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      throw new Error(`The ledger holds ${rows().length} rows instead of ${count}.`)
    },
    async close() {
      await gateway.drain()
      await writer.close()
      store.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** A POST with a key, read whole. */
export async function post(
  running: Pick<RunningGateway, 'url' | 'key'>,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; headers: Headers; text: string }> {
  const response = await fetch(running.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${running.key}`, 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  return { status: response.status, headers: response.headers, text: await response.text() }
}
