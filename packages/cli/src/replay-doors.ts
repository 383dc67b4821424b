/**
 * Doors of our own for one replay: a gateway in this process, on a free port of loopback, with a name for each arm and
 * a key that lives as long as the replay. So every call is translated, metered and priced like any other traffic.
 */
import { randomBytes } from 'node:crypto'
import { startGateway } from '@portolan/gateway'
import { costOf, priceRequest, type UsageRecord } from '@portolan/meter'
import { askEndpoint, type Arm, type AskEndpoint } from '@portolan/crossing'
import { pino } from 'pino'
import { protocols, type Protocol } from '@portolan/wire'
import type { LoadedConfig } from './config/load.ts'
import { fixedPrices, toGatewayConfig } from './config/to-gateway.ts'
import type { DataDirectory } from './data-directory.ts'
import { runningStore } from './gateway-store.ts'
import { readPriceBook } from './price-files.ts'

export interface ReplayDoors {
  readonly ask: AskEndpoint
  readonly priceOf: (usage: UsageRecord, atMs: number) => bigint | null
}

/** Runs `work` with doors for the arms, by name; afterwards the key is revoked and every row is in the ledger. */
export async function withReplayDoors<T>(
  arms: readonly Arm[],
  {
    loaded,
    data,
    timeoutMs,
  }: { readonly loaded: LoadedConfig; readonly data: DataDirectory; readonly timeoutMs: number },
  work: (doors: ReadonlyMap<string, ReplayDoors>) => Promise<T>,
): Promise<T> {
  const config = {
    ...toGatewayConfig(loaded, { host: '127.0.0.1', port: 0 }),
    models: arms.map(({ name, upstream, model }) => ({
      name: `replay/${name}`,
      route: [{ upstream, model }],
      lossPolicy: null,
      tokenizer: null,
    })),
  }
  const { store, writer } = runningStore(data.store, Date.now)
  const book = readPriceBook(loaded)
  const gateway = await startGateway({
    config,
    store,
    sealer: data.sealer,
    priceBook: book,
    fixedPrices: (current) => fixedPrices(loaded.file, current),
    log: pino({ level: 'error' }, pino.destination(2)),
  })
  const key = data.store.keys.createKey({ name: 'replay' }, Date.now(), randomBytes(32))
  const own = fixedPrices(loaded.file, config)
  try {
    const doors = arms.map((arm): [string, ReplayDoors] => {
      const supplier = config.upstreams.find(({ name }) => name === arm.upstream)
      const fixed = own.get(arm.upstream)
      const priceKey = {
        vendor: supplier?.prices ?? supplier?.kind ?? arm.upstream,
        model: arm.model,
        currency: config.currency,
      }
      return [
        arm.name,
        {
          ask: askThroughDoors(gateway.url, `replay/${arm.name}`, key.secret, timeoutMs),
          priceOf: (usage, atMs) =>
            (fixed ? costOf(usage, fixed) : priceRequest(usage, book, priceKey, atMs)).totalNanos,
        },
      ]
    })
    return await work(new Map(doors))
  } finally {
    data.store.keys.revokeKey(key.key.id, Date.now())
    await gateway.drain()
    await writer.close()
  }
}

/** Each request goes through the door that it was recorded at, streamed, so that every arm has the same clocks. */
function askThroughDoors(baseUrl: string, model: string, apiKey: string, timeoutMs: number): AskEndpoint {
  const doors = Object.fromEntries(
    protocols.map((protocol) => [protocol, askEndpoint({ baseUrl, protocol, model, apiKey, timeoutMs }, 'warn')]),
  ) as Record<Protocol, AskEndpoint>
  return (request) => doors[request.from]({ ...request, model, stream: true, includeUsage: true })
}
