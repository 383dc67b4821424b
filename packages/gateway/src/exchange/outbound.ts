/**
 * The request that goes out for one attempt: spliced when both sides speak one protocol, written anew when not.
 *
 * Splicing replaces the model's name and, on Chat streams, asks for the usage chunk that the meter needs; every
 * other byte is the caller's. Translation goes through the canonical request and says what it lost.
 */
import {
  adapterOf,
  callerField,
  findBillingBlock,
  spliceMembers,
  type AnswerContext,
  type CanonicalRequest,
  type Dialect,
  type MemberEdit,
  type LossPolicy,
  type Protocol,
  type ProtocolAdapter,
  type Sealer,
  type TranslationReport,
  type WriteContext,
} from '@portolan/wire'
import type { Address, AddressChoice, Upstream } from '@portolan/upstream'
import type { RouteTarget } from '../route.ts'
import { promptUnits, type PromptUnit } from '../prefix/units.ts'
import { endUserForSupplier } from './end-user.ts'
import { Inbound } from './inbound.ts'
import { withRecalledReasoning } from './recall.ts'

export interface Outbound {
  readonly protocol: Protocol
  readonly far: ProtocolAdapter
  /** Null in-process. */
  readonly address: Address | null
  readonly same: boolean
  readonly body: Buffer
  readonly dropUsageChunk: boolean
  /** Value of the translation header; null: nothing lost or changed. */
  readonly translation: string | null
  /** Asked for in words only, and the caller's field for it; null: nothing was, or it is held to. */
  readonly askedForm: { readonly schema: unknown; readonly field: string } | null
  readonly answer: () => AnswerContext
  /** Prompt units of what goes out, for the prefix meter. */
  readonly units: () => readonly PromptUnit[]
}

export interface OutboundContext {
  readonly sealer: Sealer
  readonly recall: WriteContext['recall']
  readonly requestId: string
  readonly createdSec: number
  readonly lossPolicy: LossPolicy
}

/** Throws WireError where a translation would lose meaning. */
export function prepare(
  inbound: Inbound,
  target: RouteTarget,
  choice: AddressChoice,
  context: OutboundContext,
): Outbound {
  const address = target.upstream.definition.addresses[choice.protocol]!
  const same = choice.protocol === inbound.protocol && !choice.rewrite
  const restored = restoredReasoning(inbound, address.dialect(target.model), context)
  const outbound = same
    ? spliced(restored ?? inbound, target, address, context)
    : translated(restored ?? inbound, target, address, context)
  return restored && outbound.translation === null
    ? { ...outbound, translation: 'emulated=reasoning_content' }
    : outbound
}

/**
 * The request with reasoning that a Chat caller dropped put back, for upstreams that read it; null when nothing
 * is missing. This is more than splicing, and done because the upstream would refuse the bytes as they are.
 */
function restoredReasoning(inbound: Inbound, dialect: Dialect, context: OutboundContext): Inbound | null {
  if (inbound.protocol !== 'chat' || dialect.reasoningReplay === 'never' || !inbound.readable) return null
  if (!inbound.bytes.includes('"assistant"') || !inbound.bytes.includes('"tools"')) return null
  const body = withRecalledReasoning(inbound.parsed, dialect.reasoningField ?? 'reasoning_content', context.recall)
  return body && new Inbound('chat', Buffer.from(JSON.stringify(body)), inbound.headers)
}

/** No wire on the far side: the canonical request itself goes to the generator. */
export function prepareInProcess(inbound: Inbound, target: RouteTarget, context: OutboundContext): Outbound {
  const { request } = inbound.canonical(context.sealer, 'silent')
  const answer = answerContext({ ...request, model: target.model }, inbound, target.upstream, context, new Map())
  return {
    protocol: inbound.protocol,
    far: inbound.adapter,
    address: null,
    same: false,
    body: inbound.bytes,
    dropUsageChunk: false,
    translation: null,
    askedForm: null,
    answer: () => answer,
    units: () => inbound.units,
  }
}

function spliced(inbound: Inbound, target: RouteTarget, address: Address, context: OutboundContext): Outbound {
  const edits: MemberEdit[] = []
  if (target.model !== inbound.model) edits.push({ name: 'model', value: JSON.stringify(target.model) })
  const dialect = address.dialect(target.model)
  const wantsUsage = inbound.protocol === 'chat' && inbound.stream && dialect.streamUsageOption && !inbound.includeUsage
  if (wantsUsage)
    edits.push({ name: 'stream_options', value: JSON.stringify({ ...inbound.streamOptions, include_usage: true }) })
  const pieces = edits.length === 0 ? [inbound.bytes] : spliceMembers(inbound.bytes, edits, inbound.scan)
  let body = pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
  let translation: string | null = null
  if (inbound.protocol === 'messages' && target.upstream.definition.stripBillingLine) {
    const range = findBillingBlock(body)
    if (range) {
      body = Buffer.concat([body.subarray(0, range.start), body.subarray(range.end)])
      translation = 'stripped=billing-line'
    }
  }
  let answer: AnswerContext | null = null
  return {
    protocol: inbound.protocol,
    far: inbound.adapter,
    address,
    same: true,
    body,
    dropUsageChunk: wantsUsage,
    translation,
    askedForm: null,
    answer: () =>
      (answer ??= answerContext(
        inbound.canonical(context.sealer, 'silent').request,
        inbound,
        target.upstream,
        context,
        new Map(),
      )),
    units: () =>
      translation === null ? inbound.units : promptUnits(inbound.protocol, JSON.parse(body.toString('utf8'))),
  }
}

function translated(inbound: Inbound, target: RouteTarget, address: Address, context: OutboundContext): Outbound {
  const { request: asked, report } = inbound.canonical(context.sealer, context.lossPolicy)
  const request = asked.endUser === null ? asked : { ...asked, endUser: endUserForSupplier(asked.endUser) }
  const far = adapterOf(address.protocol)
  const written = far.fromCanonicalRequest(request, {
    dialect: address.dialect(target.model),
    model: target.model,
    report,
    recall: context.recall,
  })
  const answer = answerContext(request, inbound, target.upstream, context, written.toolNames)
  return {
    protocol: address.protocol,
    far,
    address,
    same: false,
    body: Buffer.from(JSON.stringify(written.body)),
    dropUsageChunk: false,
    translation: report.header(),
    askedForm: askedForm(request, report),
    answer: () => answer,
    units: () => promptUnits(address.protocol, written.body),
  }
}

function askedForm({ from, outputFormat }: CanonicalRequest, report: TranslationReport): Outbound['askedForm'] {
  const field = callerField(from, 'outputFormat')
  if (outputFormat.type !== 'json-schema' || !report.has('instructed', field)) return null
  return { schema: outputFormat.schema, field }
}

export function answerContext(
  request: CanonicalRequest,
  inbound: Inbound,
  upstream: Upstream,
  context: OutboundContext,
  toolNames: AnswerContext['toolNames'],
): AnswerContext {
  return {
    model: inbound.model,
    requestId: context.requestId,
    createdSec: context.createdSec,
    messagesVersion: inbound.messagesVersion,
    request,
    sealer: context.sealer,
    upstreamFamily: upstream.definition.family,
    toolNames,
  }
}
