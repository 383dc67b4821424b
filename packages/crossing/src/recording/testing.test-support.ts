/** Canonical requests and answers for tests, with nothing said that does not matter. */
import {
  noUsage,
  plainRequest,
  type CanonicalRequest,
  type CanonicalResponse,
  type Item,
  type OutputItem,
  type UserItem,
} from '@portolan/wire'

export function askedOf(items: readonly Item[], more: Partial<CanonicalRequest> = {}): CanonicalRequest {
  return plainRequest({ from: 'chat', model: 'model-a', items, ...more })
}

export function answered(items: readonly OutputItem[]): CanonicalResponse {
  return {
    id: 'answer-1',
    model: 'model-a',
    createdSec: 1,
    items,
    stop: 'end',
    stopSequence: null,
    refusalExplanation: null,
    usage: noUsage,
    logprobs: null,
    moreChoices: [],
  }
}

export const user = (text: string): UserItem => ({ kind: 'user', parts: [{ type: 'text', text }] })
export const said = (text: string): OutputItem => ({ kind: 'assistant-text', parts: [{ type: 'text', text }] })
export const called = (callId: string, name: string, argumentsText: string): OutputItem => ({
  kind: 'tool-call',
  callId,
  name,
  namespace: null,
  argumentsText,
  custom: false,
})
export const returned = (callId: string, text: string): Item => ({
  kind: 'tool-result',
  callId,
  parts: [{ type: 'text', text }],
  isError: false,
})
