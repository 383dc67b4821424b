/**
 * A request as the door received it, read only as far as somebody needs.
 *
 * Routing reads a few top-level members by scanning bytes; the body is parsed when a translation, the prefix
 * meter or a declared refusal of the upstream asks for it. Very large bodies of same-protocol traffic are
 * never parsed, because a parse of many megabytes stops every other stream for its duration.
 */
import type { IncomingHttpHeaders } from 'node:http'
import {
  adapterOf,
  memberValue,
  readMessagesVersion,
  scanTopLevel,
  TranslationReport,
  WireError,
  type CanonicalRequest,
  type LossPolicy,
  type MessagesVersion,
  type Protocol,
  type ProtocolAdapter,
  type Sealer,
  type TopLevelScan,
} from '@portolan/wire'
import { digestOf, promptUnits, type PromptUnit } from '../prefix/units.ts'
import { sessionOf } from '../session.ts'

/** Members that routing, metering and splicing look at. */
const routed: ReadonlySet<string> = new Set([
  'model',
  'stream',
  'stream_options',
  'prompt_cache_key',
  'metadata',
  'max_tokens',
  'max_completion_tokens',
  'max_output_tokens',
  'n',
  'best_of',
  'prompt',
])

/** Above this a same-protocol body is not parsed. */
const parseLimitBytes = 8 << 20

export class Inbound {
  readonly protocol: Protocol
  readonly adapter: ProtocolAdapter
  readonly bytes: Buffer
  readonly headers: IncomingHttpHeaders
  readonly scan: TopLevelScan
  readonly model: string
  readonly stream: boolean
  readonly messagesVersion: MessagesVersion
  #text: string | null = null
  #parsed: Readonly<Record<string, unknown>> | null = null
  #units: readonly PromptUnit[] | null = null

  /** Throws WireError where the body is not an object or its routed members are unusable. */
  constructor(protocol: Protocol, bytes: Buffer, headers: IncomingHttpHeaders) {
    this.protocol = protocol
    this.adapter = adapterOf(protocol)
    this.bytes = bytes
    this.headers = headers
    this.scan = scanTopLevel(bytes, routed)
    const model = this.#member('model')
    if (model !== undefined && typeof model !== 'string')
      throw new WireError('WIRE_BAD_FIELD', '`model` must be a string.', 'model')
    this.model = model ?? ''
    const stream = this.#member('stream')
    if (stream !== undefined && stream !== null && typeof stream !== 'boolean')
      throw new WireError('WIRE_BAD_FIELD', '`stream` must be true or false.', 'stream')
    this.stream = stream === true
    const version = headers['anthropic-version']
    this.messagesVersion = readMessagesVersion(typeof version === 'string' ? version : null)
  }

  get text(): string {
    return (this.#text ??= this.bytes.toString('utf8'))
  }

  /** The parsed body. Throws WireError `WIRE_BAD_JSON`. */
  get parsed(): Readonly<Record<string, unknown>> {
    if (this.#parsed === null) {
      try {
        this.#parsed = JSON.parse(this.text) as Record<string, unknown>
      } catch (error) {
        throw new WireError(
          'WIRE_BAD_JSON',
          `The request body is not valid JSON: ${(error as Error).message.slice(0, 200)}`,
          null,
          { cause: error },
        )
      }
    }
    return this.#parsed
  }

  /** Small enough to be read whole. */
  get readable(): boolean {
    return this.bytes.length <= parseLimitBytes
  }

  get units(): readonly PromptUnit[] {
    return (this.#units ??= this.readable ? promptUnits(this.protocol, this.parsed) : [])
  }

  /** Chat's `stream_options`; empty when absent. */
  get streamOptions(): Readonly<Record<string, unknown>> {
    const options = this.#member('stream_options')
    return typeof options === 'object' && options !== null ? (options as Record<string, unknown>) : {}
  }

  /** Chat: did the caller ask for the usage chunk? */
  get includeUsage(): boolean {
    return this.streamOptions['include_usage'] === true
  }

  /** The caller's own bound on the answer; null: none. */
  get maxOutputTokens(): number | null {
    const given = ['max_output_tokens', 'max_completion_tokens', 'max_tokens'].map((name) => this.#member(name))
    const bounds = given.filter((value) => typeof value === 'number' && value >= 0)
    return bounds.length === 0 ? null : Math.max(...(bounds as number[]))
  }

  /** How many answers are generated: Chat's `n`; of text completions `best_of`, and each of several prompts. */
  get choices(): number {
    const wanted = ['n', 'best_of'].map((name) => this.#member(name))
    const each = Math.max(1, ...wanted.filter((value) => typeof value === 'number'))
    const prompt = this.#member('prompt')
    // An array of numbers is one prompt, in tokens.
    const prompts = Array.isArray(prompt) && typeof prompt[0] !== 'number' ? Math.max(1, prompt.length) : 1
    return Math.ceil(each) * prompts
  }

  session(keyId: string): string {
    if (this.readable) return sessionOf(keyId, this.headers, this.parsed, this.units)
    const members = { prompt_cache_key: this.#member('prompt_cache_key'), metadata: this.#member('metadata') }
    return sessionOf(keyId, this.headers, members, [
      { name: 'body', digest: digestOf(this.bytes.subarray(0, 4096)), bytes: 0 },
    ])
  }

  canonical(sealer: Sealer, policy: LossPolicy): { request: CanonicalRequest; report: TranslationReport } {
    const report = new TranslationReport(policy)
    const request = this.adapter.toCanonicalRequest(this.parsed, {
      messagesVersion: this.messagesVersion,
      sealer,
      text: this.text,
      report,
    })
    return { request, report }
  }

  #member(name: string): unknown {
    const span = this.scan.members.get(name)
    if (!span) return undefined
    return memberValue(this.bytes, span)
  }
}
