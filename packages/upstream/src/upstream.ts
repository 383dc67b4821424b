/**
 * One configured upstream: a definition, a base URL and a credential, checked before anything is sent.
 *
 * The credential lives in a closure and comes out only inside request headers, so that printing, logging or
 * serialising an upstream cannot show it. Configurations that cannot work are refused here with the offending
 * values; whether the server answers is found out by asking it.
 */
import type { Dialect, LossPolicy, MessagesVersion, Protocol } from '@portolan/wire'
import { protocols } from '@portolan/wire'
import { joinPath, parseBaseUrl } from './base-url.ts'
import type { Address, PassThrough, UpstreamDefinition, UpstreamKind } from './capabilities.ts'
import { oldMessagesVersion, upstreamKinds, type InProcessSettings } from './capabilities.ts'
import { definitionOf } from './definitions.ts'
import { UpstreamError } from './errors.ts'
import type { RequestTraits } from './traits.ts'

export interface UpstreamConfig {
  readonly name: string
  readonly kind: UpstreamKind
  readonly baseUrl?: string
  /** The value itself; references to the environment are resolved before. */
  readonly apiKey?: string
  /** Which of the kind's protocols to use, when not all of its default ones. */
  readonly protocols?: readonly Protocol[]
  /** Dated behaviour, for kinds that have it. */
  readonly profile?: string
  /** Models known to be served, by the upstream's own names. */
  readonly models?: readonly string[]
  /** Price book vendor, or `self-hosted`. */
  readonly prices?: string
  readonly timeouts?: Partial<UpstreamTimeouts>
  /** Requests at once; more wait. */
  readonly concurrency?: number
  /** System messages among the others: overrides what the kind declares, and with `in-place` lifts the refusal. */
  readonly midSystem?: Dialect['midConversationSystem']
  readonly lossy?: LossPolicy
  /** Corrects single declared facts, at every address. */
  readonly dialect?: Partial<Dialect>
  /** Corrects the path of an address, from the root of the API. */
  readonly paths?: Readonly<Partial<Record<Protocol, string>>>
  readonly stripBillingLine?: boolean
  /** Of kinds that answer from a model inside this process. */
  readonly model?: Partial<Omit<InProcessSettings, 'upstreamName'>>
}

export interface UpstreamTimeouts {
  /** Connection and TLS. */
  readonly connectMs: number
  /** From sending to the first byte of the answer's body; covers queueing there and the whole prefill. 0: none. */
  readonly firstByteMs: number
  /** Longest silence within an answer; comments count as activity. 0: none. */
  readonly idleMs: number
}

/**
 * A million tokens take minutes to prefill, and DeepSeek itself gives up after ten without inference: so a
 * quarter of an hour to the first byte. 300 s of silence is what DeepSeek's own client allows.
 */
export const defaultTimeouts: UpstreamTimeouts = { connectMs: 10_000, firstByteMs: 900_000, idleMs: 300_000 }

export interface Place {
  readonly origin: string
  /** With query. */
  readonly path: string
}

/** Headers as node:http gives them: lower-case names. */
export type HeaderMap = Readonly<Record<string, string | readonly string[] | undefined>>

export interface Upstream {
  readonly name: string
  /** As declared by its kind, with everything that the configuration narrows or corrects. */
  readonly definition: UpstreamDefinition
  /** Origin and path prefix, without query and credential; null in-process. */
  readonly baseUrl: string | null
  readonly hasKey: boolean
  readonly timeouts: UpstreamTimeouts
  readonly concurrency: number
  readonly lossPolicy: LossPolicy
  /** The price book's vendor; null: unpriced. */
  readonly priceVendor: string | null
  /** Models by name, configured or known; empty when only a pattern is known. */
  readonly listedModels: readonly string[]
  /** Does this upstream answer to the name without a configured route? */
  serves(model: string): boolean
  /** Where a request goes. */
  locate(address: Address, traits?: RequestTraits): Place
  /** null: tokens cannot be counted there. */
  locateCountTokens(protocol: Protocol): Place | null
  /** By the path at our door, without `/v1`; null: not served. */
  locatePassThrough(method: string, doorPath: string): (Place & { readonly route: PassThrough }) | null
  locateModels(): Place | null
  /** Credentials, content and fixed headers, and the caller's headers that may pass. */
  requestHeaders(address: Address, caller?: HeaderMap, traits?: RequestTraits): Record<string, string>
  /** For requests that belong to no generation: lists of models, balances. */
  plainHeaders(): Record<string, string>
  /** The upstream's own id of an exchange. */
  requestIdOf(headers: HeaderMap): string | null
  /** Facts for logs, without a credential. */
  toJSON(): Record<string, unknown>
}

/** @throws {UpstreamError} `UPSTREAM_BAD_CONFIG` or `UPSTREAM_NO_KEY`, naming setting and value. */
export function resolveUpstream(config: UpstreamConfig): Upstream {
  const setting = (member: string) => `upstreams.${config.name}.${member}`
  const bad = (member: string, why: string) =>
    new UpstreamError('UPSTREAM_BAD_CONFIG', `${setting(member)} ${why}`, { setting: setting(member) })

  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(config.name))
    throw new UpstreamError(
      'UPSTREAM_BAD_CONFIG',
      `The upstream name ${JSON.stringify(config.name.slice(0, 80))} may hold letters, digits, ".", "_" and "-" only, at most 64.`,
    )
  if (!upstreamKinds.includes(config.kind))
    throw bad('kind', `is ${JSON.stringify(config.kind)}; known kinds: ${upstreamKinds.join(', ')}.`)
  const definition = definitionOf(config.kind, config.profile ?? null, setting('profile'))
  const addresses = resolveAddresses(config, definition, bad)
  const key = resolveKey(config, definition, setting('apiKey'))
  const concurrency = config.concurrency ?? definition.defaultConcurrency
  if (!Number.isInteger(concurrency) || concurrency < 1)
    throw bad('concurrency', `is ${concurrency}; it must be a whole number above 0.`)
  const timeouts = { ...defaultTimeouts, ...definedMembers(config.timeouts ?? {}) }
  for (const [member, ms] of Object.entries(timeouts))
    // Timers beyond 2^31-1 ms fire at once.
    if (!Number.isFinite(ms) || ms < 0 || ms > 2_147_483_647)
      throw bad(`timeouts.${member}`, `is ${ms}; it must lie between 0 and 2147483647 milliseconds.`)

  if (definition.transport === 'in-process' && config.baseUrl !== undefined)
    throw bad('baseUrl', `is set, but an upstream of kind ${config.kind} answers inside this process.`)
  const baseText = config.baseUrl ?? definition.defaultBaseUrl
  if (definition.transport === 'http' && baseText === null)
    throw bad('baseUrl', `is missing; an upstream of kind ${config.kind} has no default address.`)
  const base = baseText === null ? null : parseBaseUrl(baseText, definition.baseUrlEndings, setting('baseUrl'))

  const at = (path: string, protocol: Protocol): Place => {
    if (base === null) throw bad('kind', `is ${config.kind}, which answers inside this process and has no address.`)
    return { origin: base.origin, path: joinPath(base, path, protocol) }
  }
  const effective: UpstreamDefinition = {
    ...definition,
    ...generatorOf(config, definition, bad),
    addresses,
    stripBillingLine: config.stripBillingLine ?? definition.stripBillingLine,
  }
  const models = config.models ?? null
  const anyAddress = protocols.map((protocol) => addresses[protocol]).find((address) => address !== undefined)

  return {
    name: config.name,
    definition: effective,
    baseUrl: base === null ? null : base.origin + base.path,
    hasKey: key !== null,
    timeouts,
    concurrency,
    lossPolicy: config.lossy ?? 'warn',
    priceVendor: config.prices ?? definition.vendor,
    listedModels: models ?? definition.knownModels,

    serves: (model) => (models ? models.includes(model) : (definition.modelNames?.test(model) ?? false)),
    locate(address, traits) {
      const override = traits && address.pathOverrides.find(({ trait }) => traits.traits.has(trait))
      return at(override ? override.path : address.path, address.protocol)
    },
    locateCountTokens(protocol) {
      const path = addresses[protocol]?.countTokensPath ?? null
      return path === null ? null : at(path, protocol)
    },
    locatePassThrough(method, doorPath) {
      const route = definition.passThrough.find((each) => each.method === method && each.doorPath === doorPath)
      return route ? { ...at(route.path, route.protocol), route } : null
    },
    locateModels() {
      if (definition.modelsPath === null) return null
      return at(definition.modelsPath, definition.modelsDialect === 'anthropic' ? 'messages' : 'chat')
    },
    requestHeaders(address, caller = {}, traits) {
      const headers: Record<string, string> = {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        // A compressed stream arrives in lumps and costs us its decoding.
        'accept-encoding': 'identity',
      }
      for (const name of address.forwardedHeaders) {
        const value = caller[name]
        if (value !== undefined) headers[name] = typeof value === 'string' ? value : value.join(',')
      }
      Object.assign(headers, address.fixedHeaders)
      if (address.messagesVersionRule !== null)
        headers['anthropic-version'] = outboundMessagesVersion(address, caller['anthropic-version'], traits)
      return key === null ? headers : Object.assign(headers, address.authHeaders(key))
    },
    plainHeaders() {
      const headers: Record<string, string> = { accept: 'application/json', 'accept-encoding': 'identity' }
      if (anyAddress) Object.assign(headers, anyAddress.fixedHeaders)
      if (anyAddress?.messagesVersionRule) headers['anthropic-version'] = oldMessagesVersion
      return key === null || !anyAddress ? headers : Object.assign(headers, anyAddress.authHeaders(key))
    },
    requestIdOf(headers) {
      for (const name of definition.errorQuirks.requestIdHeaders) {
        const value = headers[name]
        if (typeof value === 'string' && value !== '') return value
      }
      return null
    },
    toJSON() {
      return {
        name: config.name,
        kind: config.kind,
        profile: definition.profile,
        baseUrl: this.baseUrl,
        protocols: Object.keys(addresses),
        hasKey: key !== null,
        priceVendor: this.priceVendor,
        models,
        concurrency,
        timeouts,
        lossPolicy: this.lossPolicy,
      }
    },
  }
}

/**
 * The Messages version of an outgoing request: the caller's where the address takes it, unless sampling values
 * are given; the older one everywhere else, and when the caller named none that we know.
 */
export function outboundMessagesVersion(
  address: Address,
  callers: HeaderMap[string],
  traits?: RequestTraits,
): MessagesVersion {
  if (address.messagesVersionRule !== 'callers' || traits?.traits.has('sampling')) return oldMessagesVersion
  return callers === '2026-10-21' ? '2026-10-21' : oldMessagesVersion
}

type Bad = (member: string, why: string) => UpstreamError

function generatorOf(config: UpstreamConfig, definition: UpstreamDefinition, bad: Bad): Partial<UpstreamDefinition> {
  const { generatorFor, completerFor, probeFor } = definition
  if (generatorFor === undefined) {
    if (config.model !== undefined)
      throw bad('checkpoint, cache or engine', `is set, but ${config.kind} runs no model inside this process.`)
    return {}
  }
  const settings: InProcessSettings = {
    checkpoint: null,
    dataDirectory: null,
    memoryBytes: null,
    diskBytes: null,
    sequenceBytes: null,
    maximumRunning: null,
    maximumQueued: null,
    deadlineMs: null,
    ...definedMembers(config.model ?? {}),
    upstreamName: config.name,
  }
  return {
    generate: generatorFor(settings),
    ...(completerFor === undefined ? {} : { complete: completerFor(settings) }),
    ...(probeFor === undefined ? {} : { probe: probeFor(settings) }),
  }
}

function resolveAddresses(
  config: UpstreamConfig,
  definition: UpstreamDefinition,
  bad: Bad,
): UpstreamDefinition['addresses'] {
  const chosen = config.protocols ?? definition.defaultProtocols
  if (chosen.length === 0) throw bad('protocols', 'is empty; name at least one.')
  const resolved: Partial<Record<Protocol, Address>> = {}
  for (const protocol of protocols) {
    if (!chosen.includes(protocol)) continue
    const address = definition.addresses[protocol]
    if (!address) {
      const profile = definition.profile === null ? '' : ` in profile ${definition.profile}`
      throw bad(
        'protocols',
        `includes ${protocol}, which ${config.kind} does not speak${profile}; it speaks ${Object.keys(definition.addresses).join(', ')}.`,
      )
    }
    const path = config.paths?.[protocol] ?? address.path
    if (!path.startsWith('/') || /[\s#]/.test(path))
      throw bad(`paths.${protocol}`, `is ${JSON.stringify(path)}; it must begin with "/" and hold no white space.`)
    const corrections: Partial<Dialect> = definedMembers(config.dialect ?? {})
    const midConversationSystem = config.midSystem ?? corrections.midConversationSystem
    const lifted = midConversationSystem === 'in-place'
    resolved[protocol] = {
      ...address,
      path,
      refuses: lifted ? address.refuses.filter(({ trait }) => trait !== 'mid-conversation-system') : address.refuses,
      dialect: (model) => ({
        ...address.dialect(model),
        ...corrections,
        ...(midConversationSystem === undefined ? {} : { midConversationSystem }),
        protocol,
      }),
    }
  }
  for (const protocol of chosen)
    if (!protocols.includes(protocol))
      throw bad('protocols', `includes ${JSON.stringify(protocol)}; known: ${protocols.join(', ')}.`)
  return resolved
}

function resolveKey(config: UpstreamConfig, definition: UpstreamDefinition, setting: string): string | null {
  const key = config.apiKey
  const hint = definition.defaultKeyEnv === null ? '' : ` (usually "\${${definition.defaultKeyEnv}}")`
  if (key === undefined || key === '') {
    if (definition.needsKey && config.baseUrl === undefined)
      throw new UpstreamError(
        'UPSTREAM_NO_KEY',
        `${setting} is missing${hint}; ${definition.defaultBaseUrl} answers nobody without one.`,
        { setting },
      )
    return null
  }
  // The value stays out of every message, also out of this one.
  if (/^\$\{?[A-Za-z_]/.test(key))
    throw new UpstreamError('UPSTREAM_NO_KEY', `${setting} is still a reference to a variable, not its value.`, {
      setting,
    })
  if (!/^[\x21-\x7e]+$/.test(key))
    throw new UpstreamError(
      'UPSTREAM_NO_KEY',
      `${setting} holds white space or characters that no header may carry (${key.length} characters in all).`,
      { setting },
    )
  return key
}

/** A member that is present but undefined must not hide a default. */
function definedMembers<T extends object>(object: T): T {
  const copy = { ...object }
  for (const [member, value] of Object.entries(copy)) if (value === undefined) Reflect.deleteProperty(copy, member)
  return copy
}
