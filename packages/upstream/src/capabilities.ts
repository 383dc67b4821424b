/**
 * What an upstream can do, declared as data.
 *
 * `upstream/<vendor>/` writes these declarations, everything else reads them: shared code branches on a
 * declared fact and never on a vendor's name. An *upstream* is one supplier under one credential; an *address*
 * is where it speaks one protocol.
 */
import type {
  CanonicalEvent,
  CanonicalRequest,
  Dialect,
  MessagesVersion,
  Protocol,
  TextCompletionRequest,
} from '@portolan/wire'
import type { RequestTrait } from './traits.ts'

export type UpstreamKind =
  | 'openai'
  | 'anthropic'
  | 'deepseek'
  | 'openai-compatible'
  | 'anthropic-compatible'
  | 'vllm'
  | 'sglang'
  | 'demo'
  | 'embedded'

export const upstreamKinds: readonly UpstreamKind[] = [
  'openai',
  'anthropic',
  'deepseek',
  'openai-compatible',
  'anthropic-compatible',
  'vllm',
  'sglang',
  'demo',
  'embedded',
]

/** How prompts are cached there. `blockTokens` null: not published. */
export type PromptCache =
  | { readonly kind: 'automatic'; readonly blockTokens: number | null; readonly minimumTokens: number | null }
  | { readonly kind: 'explicit'; readonly maxMarks: number }
  | { readonly kind: 'none' }

/**
 * A kind of request that an address answers with 400, or accepts and silently loses the meaning of.
 *
 * `rewrite`: the same address takes it once it has been translated by its dialect. `other-address`: another
 * address of the same upstream carries it better.
 */
export interface Refusal {
  readonly trait: RequestTrait
  readonly remedy: 'rewrite' | 'other-address'
}

/** A request with this trait goes to another path of the same address. First match wins. */
export interface PathOverride {
  readonly trait: RequestTrait
  readonly path: string
}

/** Where an upstream speaks one protocol. */
export interface Address {
  readonly protocol: Protocol
  /** From the root of the API, with the version segment where there is one: `/v1/chat/completions`. */
  readonly path: string
  readonly pathOverrides: readonly PathOverride[]
  /** Where tokens are counted without generating; null: nowhere. */
  readonly countTokensPath: string | null
  readonly authHeaders: (key: string) => Readonly<Record<string, string>>
  readonly fixedHeaders: Readonly<Record<string, string>>
  /** Request headers of the caller that go through, lower case. Everything else stays here. */
  readonly forwardedHeaders: readonly string[]
  /**
   * Which Messages version goes out; null where the protocol has none. `callers`: the caller's own, but the older
   * one when sampling values are given, because 2026-10-21 refuses them even at their defaults.
   */
  readonly messagesVersionRule: 'callers' | '2023-06-01' | null
  readonly dialect: (model: string) => Dialect
  readonly refuses: readonly Refusal[]
  /** Custom tools that this address knows by name, although it refuses `custom-tools` in general. */
  readonly knownCustomTools: readonly string[]
  /** Does `input` in its usage object include cached tokens? */
  readonly countsCachedInInput: boolean
}

/** A path served by handing the exchange through untouched apart from credentials and model name. */
export interface PassThrough {
  readonly method: 'GET' | 'POST'
  /** The path at our door, without `/v1`. */
  readonly doorPath: string
  /** The path at the upstream, from the root of the API. */
  readonly path: string
  /** Whose credentials and headers apply. */
  readonly protocol: Protocol
  /** Does its answer carry a usage object that must be metered? */
  readonly metered: boolean
}

/** What is peculiar about this upstream's failures. */
export interface ErrorQuirks {
  /** Response headers that may hold its request id, best first. */
  readonly requestIdHeaders: readonly string[]
  /** The protocol whose error envelope is really used at an address, where it is not the address's own. */
  readonly envelopes: Readonly<Partial<Record<Protocol, Protocol>>>
  /** Finish reasons that mean "ran out of capacity in the middle": an error, not an end. */
  readonly capacityFinishReasons: readonly string[]
  /** Statuses that mean the account has no money: worth another upstream, never a repeat here. */
  readonly billingStatuses: readonly number[]
}

export interface UpstreamDefinition {
  readonly kind: UpstreamKind
  /** Of sealed reasoning and of the tokens that it issues itself. */
  readonly family: string
  /** `in-process`: `generate` answers; no address, no HTTP. */
  readonly transport: 'http' | 'in-process'
  /** null: the configuration must name one. */
  readonly defaultBaseUrl: string | null
  /** The environment variable that usually holds the key; null when there is no convention. */
  readonly defaultKeyEnv: string | null
  /** Is a key needed at the default base URL? */
  readonly needsKey: boolean
  /** The price book's vendor; null: unpriced unless the configuration says otherwise. */
  readonly vendor: string | null
  /** The dated behaviour this definition describes; null where there is only one. */
  readonly profile: string | null
  readonly addresses: Readonly<Partial<Record<Protocol, Address>>>
  /** Addresses used when the configuration does not say which; the others exist but are less complete. */
  readonly defaultProtocols: readonly Protocol[]
  /** Endings of a base URL that people copy from a page and that belong to the paths here, longest first. */
  readonly baseUrlEndings: readonly string[]
  readonly passThrough: readonly PassThrough[]
  /** From the root of the API; null: cannot be asked. */
  readonly modelsPath: string | null
  readonly modelsDialect: 'openai' | 'anthropic'
  /** Models known without asking, for lists; empty: unknown. */
  readonly knownModels: readonly string[]
  /** Names that belong here although no configuration says so; null: only configured ones. */
  readonly modelNames: RegExp | null
  readonly promptCache: PromptCache
  /** May the client's volatile billing line be cut from same-protocol Messages traffic, for the cache's sake? */
  readonly stripBillingLine: boolean
  readonly errorQuirks: ErrorQuirks
  readonly defaultConcurrency: number
  readonly generate?: Generate
  /** Of in-process kinds with settings: makes `generate` once the configuration is known. */
  readonly generatorFor?: (settings: InProcessSettings) => Generate
  /** Of in-process kinds that answer text completions as well. */
  readonly complete?: Complete
  readonly completerFor?: (settings: InProcessSettings) => Complete
  /** Of in-process kinds that run an engine: a look at it, which starts nothing. */
  readonly probe?: InProcessProbe
  readonly probeFor?: (settings: InProcessSettings) => InProcessProbe
}

export type Generate = (request: CanonicalRequest, context: GenerateContext) => AsyncIterable<CanonicalEvent>

/** Blocks of text only, each with its choice: every prompt's answers in a row, prompt by prompt. */
export type Complete = (request: TextCompletionRequest, context: GenerateContext) => AsyncIterable<CanonicalEvent>

/** What a configuration may say about an upstream inside this process. Paths are absolute. */
export interface InProcessSettings {
  /** Folder of a model in its official layout; null: the small untrained one, made where it is missing. */
  readonly checkpoint: string | null
  /** Where the untrained model and, for each upstream, the prefixes are kept; null: nothing stays on disk. */
  readonly dataDirectory: string | null
  readonly upstreamName: string
  /** Limits on kept prefixes; null: the engine's own. */
  readonly memoryBytes: number | null
  readonly diskBytes: number | null
  /** Limits on answers in progress: what they remember together, how many run, how many wait; null: the engine's own. */
  readonly sequenceBytes: number | null
  readonly maximumRunning: number | null
  readonly maximumQueued: number | null
  /** Longest life of a request, waiting included; null: none. */
  readonly deadlineMs: number | null
}

/** What can be seen of an engine inside this process. */
export interface InProcessProbe {
  /** `off`: nobody has asked it anything yet. */
  readonly phase: 'off' | 'starting' | 'running' | 'stopped'
  /** Why prefixes are not kept on disk. */
  readonly diskProblem: string | null
  /** Null while there is none. Never waits long: during a long pass the last figures stand. */
  figures(): Promise<InProcessFigures | null>
}

/** Counts are since the engine started; rates are over its last seconds. */
export interface InProcessFigures {
  readonly running: number
  readonly waiting: number
  readonly prefillTokens: number
  readonly decodeTokens: number
  /** Of these, computed again after a request was put down for another. */
  readonly recomputedTokens: number
  readonly prefillTokensPerSec: number
  readonly decodeTokensPerSec: number
  readonly hitTokens: number
  readonly missTokens: number
  /** Of running requests, shared blocks counted once. */
  readonly sequenceBytes: number
  readonly memoryBytes: number
  readonly memoryLimitBytes: number
  readonly memoryBlocks: number
  readonly diskBytes: number
  readonly diskLimitBytes: number
  readonly diskBlocks: number
  readonly preemptions: number
  readonly memoryEvictions: number
  readonly diskEvictions: number
  readonly refused: number
  readonly memory: EngineMemory
}

/** Where the memory of an engine's thread is: its heap and what grammars remember in it, its buffers, its kernels'. */
export interface EngineMemory {
  readonly heapUsedBytes: number
  readonly heapBytes: number
  readonly bufferBytes: number
  readonly arenaTouchedBytes: number
  readonly arenaBytes: number
  readonly grammarStateBytes: number
  readonly grammarMaskBytes: number
}

/** What an in-process upstream is told beside the request. Clock and randomness come from outside. */
export interface GenerateContext {
  readonly requestId: string
  readonly createdSec: number
  readonly signal: AbortSignal | null
  /** Whose request it is: prefixes are never shared between two. Absent: nobody's, and nothing is shared. */
  readonly tenant?: string
  /** While a long prompt is read: how many of its tokens are known. */
  readonly onProgress?: (doneTokens: number, promptTokens: number) => void
  /** Something that the operator should know; each once. */
  readonly onNotice?: (notice: string) => void
}

/** Bearer credentials, as the OpenAI conventions have them. */
export const bearer = (key: string): Readonly<Record<string, string>> => ({ authorization: `Bearer ${key}` })

/** The credential header of Messages. */
export const apiKeyHeader = (key: string): Readonly<Record<string, string>> => ({ 'x-api-key': key })

/** For Messages servers that read one of the two, nobody says which. */
export const bothKeyHeaders = (key: string): Readonly<Record<string, string>> => ({
  ...bearer(key),
  ...apiKeyHeader(key),
})

export const oldMessagesVersion: MessagesVersion = '2023-06-01'

/** Chat's own limits on tool names; Messages and some Responses addresses allow 128. */
export const toolName64 = { charset: 'A-Za-z0-9_-', maxLength: 64 } as const
export const toolName128 = { charset: 'A-Za-z0-9_-', maxLength: 128 } as const
