/** An endpoint under examination: what a battery asks for, said in few words. Only generated text is sent. */
import {
  plainRequest,
  type CanonicalRequest,
  type Item,
  type OutputFormat,
  type Thinking,
  type Tool,
  type ToolChoice,
} from '@portolan/wire'
import { askEndpoint, type Clocked, type Endpoint } from '../endpoint/endpoint.ts'

/** What a check asks for; everything unsaid is left to the endpoint. */
export interface Question {
  readonly items: readonly Item[]
  readonly tools?: readonly Tool[]
  readonly toolChoice?: ToolChoice
  readonly parallelToolCalls?: boolean
  readonly outputFormat?: OutputFormat
  readonly thinking?: Thinking
  readonly maxOutputTokens?: number
  readonly stream?: boolean
}

export type Ask = (question: Question) => Promise<Clocked>

const defaultMaxOutputTokens = 4096

/** @param send `fetch`, or what a test puts in its place. */
export function askTarget(target: Endpoint, send: typeof fetch = fetch): Ask {
  const ask = askEndpoint(target, 'strict', send)
  return (question) => ask(requestOf(target, question))
}

function requestOf(target: Endpoint, question: Question): CanonicalRequest {
  const { stream = false, maxOutputTokens = defaultMaxOutputTokens, ...asked } = question
  return plainRequest({
    ...asked,
    from: target.protocol,
    model: target.model,
    maxOutputTokens,
    stream,
    includeUsage: stream,
  })
}
