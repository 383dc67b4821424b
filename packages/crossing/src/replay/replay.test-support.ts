/** Recorded exchanges and stand-in arms for the tests of replay. The arms are functions; nothing is sent anywhere. */
import {
  noUsage,
  plainRequest,
  type CanonicalRequest,
  type CanonicalResponse,
  type Item,
  type OutputItem,
} from '@portolan/wire'
import { unknownUsage } from '@portolan/meter'
import { NoAnswer, type AskEndpoint } from '../endpoint/endpoint.ts'
import { permitEgress } from '../plan/egress.ts'
import type { Case, Exchange, ToolEvent } from '../records/index.ts'
import type { ReplayArm, ReplayInput } from './runner.ts'

export function requestOf(items: readonly Item[], more: Partial<CanonicalRequest> = {}): CanonicalRequest {
  return plainRequest({ from: 'chat', model: 'incumbent', items, ...more })
}

export const user = (text: string): Item => ({ kind: 'user', parts: [{ type: 'text', text }] })
export const text = (said: string): OutputItem => ({ kind: 'assistant-text', parts: [{ type: 'text', text: said }] })
export const call = (
  name: string,
  args: unknown,
  callId = `id-${name}`,
): Extract<OutputItem, { kind: 'tool-call' }> => ({
  kind: 'tool-call',
  callId,
  name,
  namespace: null,
  argumentsText: JSON.stringify(args),
  custom: false,
})
export const result = (callId: string, said: string): Item => ({
  kind: 'tool-result',
  callId,
  parts: [{ type: 'text', text: said }],
  isError: false,
})
export const tool = (
  name: string,
  properties: Readonly<Record<string, unknown>>,
): CanonicalRequest['tools'][number] => ({
  kind: 'function',
  name,
  namespace: null,
  description: null,
  parameters: { type: 'object', properties },
  strict: null,
})

export function answerOf(items: readonly OutputItem[]): CanonicalResponse {
  return {
    id: 'a',
    model: 'm',
    createdSec: null,
    items,
    stop: items.some((item) => item.kind === 'tool-call') ? 'tool-call' : 'end',
    stopSequence: null,
    refusalExplanation: null,
    usage: { ...noUsage, inputTokens: 100, hitTokens: 0, missTokens: 100, outputTokens: 10 },
    logprobs: null,
    moreChoices: [],
  }
}

export function exchangeOf(
  seq: number,
  request: CanonicalRequest,
  response: CanonicalResponse,
  sessionId = 'ses_1',
): Exchange {
  return {
    recordingId: 'rec_1',
    sessionId,
    seq,
    parentSeq: seq === 0 ? null : seq - 1,
    requestId: `r${seq}`,
    door: 'chat',
    modelAsked: 'incumbent',
    modelSent: 'incumbent',
    modelServed: 'incumbent',
    upstream: 'old',
    upstreamProtocol: 'chat',
    stream: false,
    startedAtMs: seq,
    clocks: { firstByteMs: 1, firstReasoningMs: null, firstVisibleMs: 1, endMs: 2 },
    status: 'ok',
    httpStatus: 200,
    errorCode: null,
    stop: response.stop,
    attempts: 1,
    usage: unknownUsage,
    currency: 'USD',
    costNanos: 1n,
    priceVersion: null,
    prompt: null,
    content: { request, response },
    redactions: null,
  }
}

export function caseOf(exchange: Exchange): Case {
  return {
    id: `case_${exchange.sessionId}_${exchange.seq}`,
    recordingId: exchange.recordingId,
    sessionId: exchange.sessionId,
    seq: exchange.seq,
    mode: 'step',
    checks: [],
    tags: [],
    severity: 'major',
    weight: 1,
    contentHash: 'h',
  }
}

export function eventOf(
  made: Extract<OutputItem, { kind: 'tool-call' }>,
  said: string,
  toolClass: ToolEvent['toolClass'] = null,
): ToolEvent {
  return {
    sessionId: 'ses_1',
    callSeq: 0,
    resultSeq: 1,
    callId: made.callId,
    name: made.name,
    namespace: null,
    argumentsText: made.argumentsText,
    result: [{ type: 'text', text: said }],
    isError: false,
    toolClass,
  }
}

/** An arm whose answer is a function of the request; a number is a status to refuse with. */
export function armAsk(script: (request: CanonicalRequest) => readonly OutputItem[] | number): AskEndpoint {
  return (request) => {
    const said = script(request)
    if (typeof said === 'number') return Promise.reject(new NoAnswer(`refused with ${said}`, said))
    return Promise.resolve({
      response: answerOf(said),
      firstReasoningMs: null,
      firstVisibleMs: 5,
      totalMs: 10,
      dropped: [],
      changed: [],
    })
  }
}

export function armOf(name: string, ask: AskEndpoint, more: Partial<ReplayArm> = {}): ReplayArm {
  return {
    name,
    ask,
    reasoning: 'as-recorded',
    settings: {},
    priceOf: () => 1000n,
    permit: permitEgress([], {
      processor: name,
      inProcess: true,
      purpose: 'replay',
      data: 'full',
      recordedProcessors: [],
      nowMs: 0,
    }),
    ...more,
  }
}

export const noRetries: ReplayInput['retries'] = { most: 0, pause: () => Promise.resolve() }
