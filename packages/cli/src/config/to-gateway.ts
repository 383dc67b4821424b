/** From the configuration file, or from nothing but the environment, to what the gateway wants. */
import { resolve } from 'node:path'
import { defaultConfig, defaultLimits, type GatewayConfig, type ModelConfig } from '@portolan/gateway'
import { selfHostedPrice, zeroPrice, type Price } from '@portolan/meter'
import { definitionOf, demoModel, untrainedModel, type UpstreamConfig, type UpstreamKind } from '@portolan/upstream'
import type { Protocol } from '@portolan/wire'
import { CliError } from '../errors.ts'
import type { LoadedConfig } from './load.ts'
import { dataPath } from '../data-directory.ts'
import type { FileConfig } from './schema.ts'

/** Kinds that are configured by the mere presence of their usual key. */
const foundInEnvironment: readonly UpstreamKind[] = ['deepseek', 'openai', 'anthropic']

export interface ListenOverride {
  readonly host?: string
  readonly port?: number
  /** The data directory, where it was named on the command line. */
  readonly data?: string
}

export function toGatewayConfig(
  loaded: LoadedConfig,
  override: ListenOverride = {},
  env: NodeJS.ProcessEnv = process.env,
): GatewayConfig {
  const { file } = loaded
  const listen = parseListen(file.listen)
  const upstreams = upstreamsOf(loaded, dataPath(loaded, override.data), env)
  return {
    ...defaultConfig,
    listen: { host: override.host ?? listen.host, port: override.port ?? listen.port },
    upstreams,
    models: modelsOf(loaded, upstreams),
    limits: { ...defaultLimits, ...file.limits },
    keepAliveMs: file.keepAliveMs ?? defaultConfig.keepAliveMs,
    affinityMs: file.affinityMs ?? defaultConfig.affinityMs,
    currency: file.currency ?? defaultConfig.currency,
  }
}

/** Prices that no vendor's list holds: the operator's own rates, and what is free on purpose. */
export function fixedPrices(file: FileConfig, config: GatewayConfig): ReadonlyMap<string, Price> {
  const prices = new Map<string, Price>()
  for (const { name, kind } of config.upstreams) {
    const given = file.upstreams?.[name]?.prices
    if (typeof given === 'object') prices.set(name, selfHostedPrice(name, config.currency, given))
    else if (given === 'free' || (given === undefined && (kind === 'demo' || kind === 'embedded')))
      prices.set(name, zeroPrice('local/free', config.currency))
  }
  return prices
}

function upstreamsOf({ file, directory }: LoadedConfig, data: string, env: NodeJS.ProcessEnv): UpstreamConfig[] {
  if (file.upstreams && Object.keys(file.upstreams).length > 0)
    return Object.entries(file.upstreams).map(
      ([name, { kind, protocols, paths, prices, checkpoint, cache, engine, ...rest }]) => ({
        ...rest,
        ...(kind === 'embedded' || checkpoint !== undefined || cache !== undefined || engine !== undefined
          ? { model: modelSettings({ checkpoint, cache, engine }, directory, data) }
          : {}),
        name,
        kind: kind as UpstreamKind,
        protocols: protocols as Protocol[] | undefined,
        paths: paths as Partial<Record<Protocol, string>> | undefined,
        prices: typeof prices === 'string' && prices !== 'free' ? prices : undefined,
      }),
    )
  const found = foundInEnvironment.flatMap((kind) => {
    const variable = definitionOf(kind, null, kind).defaultKeyEnv
    const apiKey = variable === null ? undefined : env[variable]
    return apiKey ? [{ name: kind, kind, apiKey }] : []
  })
  if (found.length > 0) return found
  // With nobody else to answer, the untrained model does, under any name, and says what it is: a real engine, but
  // nothing to talk to. The demonstration upstream, which is no model, answers to its own name.
  return [
    { name: 'demo', kind: 'demo', models: [demoModel] },
    { name: 'embedded', kind: 'embedded', model: modelSettings({}, directory, data) },
  ]
}

/** The untrained model is listed by its own name where it is what answers. */
function modelsOf({ file, directory }: LoadedConfig, upstreams: readonly UpstreamConfig[]): ModelConfig[] {
  const own = Object.entries(file.models ?? {}).map(([name, model]) => modelOf(name, model, directory))
  const isDefault = Object.keys(file.upstreams ?? {}).length === 0 && upstreams.some(({ name }) => name === 'embedded')
  if (!isDefault || own.length > 0) return own
  const route = [{ upstream: 'embedded', model: null }]
  return [{ name: untrainedModel, route, lossPolicy: null, tokenizer: null }]
}

type FileUpstream = NonNullable<FileConfig['upstreams']>[string]

function modelSettings(
  { checkpoint, cache, engine }: Partial<Pick<FileUpstream, 'checkpoint' | 'cache' | 'engine'>>,
  directory: string,
  data: string,
): NonNullable<UpstreamConfig['model']> {
  return {
    checkpoint: checkpoint === undefined ? null : resolve(directory, checkpoint),
    dataDirectory: data,
    memoryBytes: cache?.memoryBytes ?? null,
    diskBytes: cache?.diskBytes ?? null,
    sequenceBytes: engine?.memoryBytes ?? null,
    maximumRunning: engine?.running ?? null,
    maximumQueued: engine?.queued ?? null,
    deadlineMs: engine?.deadlineMs ?? null,
  }
}

function modelOf(name: string, model: NonNullable<FileConfig['models']>[string], directory: string): ModelConfig {
  return {
    name,
    route: model.route.map((target) =>
      typeof target === 'string'
        ? { upstream: target, model: model.model ?? null }
        : { upstream: target.upstream, model: target.model ?? model.model ?? null },
    ),
    lossPolicy: model.lossy ?? null,
    tokenizer: model.tokenizer === undefined ? null : resolve(directory, model.tokenizer),
  }
}

/** @throws CliError for anything but host:port. */
export function parseListen(text: string | undefined): { host: string; port: number } {
  if (text === undefined) return defaultConfig.listen
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:\s]+)):(\d{1,5})$/i.exec(text)
  const port = Number(match?.[3])
  if (!match || port > 65_535)
    throw new CliError('CLI_BAD_CONFIG', `listen: "${text}" is not host:port, e.g. 127.0.0.1:4114.`)
  return { host: match[1] ?? match[2]!, port }
}
