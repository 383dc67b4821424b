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

/** Where a judge is asked: under a key of its own, so that its bill is a line of its own. */
export interface JudgeAddress extends Pick<ReplayDoors, 'priceOf'> {
  readonly url: string
  readonly key: string
  readonly model: string
}

/**
 * Runs `work` with doors for the arms, by name, and for a judge; afterwards the keys are revoked and every row is in the
 * ledger.
 */
export async function withReplayDoors<T>(
  arms: readonly Arm[],
  {
    loaded,
    data,
    timeoutMs,
    judge,
  }: {
    readonly loaded: LoadedConfig
    readonly data: DataDirectory
    readonly timeoutMs: number
    readonly judge: Arm | null
  },
  work: (doors: ReadonlyMap<string, ReplayDoors>, judge: JudgeAddress | null) => Promise<T>,
): Promise<T> {
  const named = [
    ...arms.map((arm) => ({ arm, name: `replay/${arm.name}` })),
    ...(judge === null ? [] : [{ arm: judge, name: `judge/${judge.name}` }]),
  ]
  const config = {
    ...toGatewayConfig(loaded, { host: '127.0.0.1', port: 0 }),
    models: named.map(({ name, arm: { upstream, model } }) => ({
      name,
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
  const keyFor = (name: string): ReturnType<typeof data.store.keys.createKey> =>
    data.store.keys.createKey({ name }, Date.now(), randomBytes(32))
  const key = keyFor('replay')
  const judgeKey = judge === null ? null : keyFor('judge')
  const own = fixedPrices(loaded.file, config)
  const pricing = ({ upstream, model }: Arm): ReplayDoors['priceOf'] => {
    const supplier = config.upstreams.find(({ name }) => name === upstream)
    const fixed = own.get(upstream)
    const priceKey = { vendor: supplier?.prices ?? supplier?.kind ?? upstream, model, currency: config.currency }
    return (usage, atMs) => (fixed ? costOf(usage, fixed) : priceRequest(usage, book, priceKey, atMs)).totalNanos
  }
  try {
    const doors = arms.map((arm): [string, ReplayDoors] => [
      arm.name,
      { ask: askThroughDoors(gateway.url, `replay/${arm.name}`, key.secret, timeoutMs), priceOf: pricing(arm) },
    ])
    const address =
      judge === null || judgeKey === null
        ? null
        : { url: gateway.url, key: judgeKey.secret, model: `judge/${judge.name}`, priceOf: pricing(judge) }
    return await work(new Map(doors), address)
  } finally {
    for (const each of [key, judgeKey]) if (each !== null) data.store.keys.revokeKey(each.key.id, Date.now())
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
