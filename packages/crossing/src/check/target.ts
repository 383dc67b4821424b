/** An endpoint under examination: what a battery asks for, said in few words. Only generated text is sent. */
import {
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
  return {
    from: target.protocol,
    model: target.model,
    items: question.items,
    tools: question.tools ?? [],
    toolChoice: question.toolChoice ?? null,
    parallelToolCalls: question.parallelToolCalls ?? null,
    maxOutputTokens: question.maxOutputTokens ?? defaultMaxOutputTokens,
    stop: [],
    sampling: {
      temperature: null,
      topP: null,
      topK: null,
      frequencyPenalty: null,
      presencePenalty: null,
      seed: null,
      logitBias: null,
    },
    topLogprobs: null,
    thinking: question.thinking ?? null,
    reasoningSummary: null,
    outputFormat: question.outputFormat ?? { type: 'text' },
    verbosity: null,
    stream: question.stream ?? false,
    includeUsage: question.stream ?? false,
    choices: 1,
    endUser: null,
    metadata: null,
    cacheKey: null,
    autoCacheMark: null,
    serviceTier: null,
    extra: {},
  }
}
