/** A request that says only what it asks for: every choice the caller did not make is left to the model's server. */
import type { CanonicalRequest } from './request.ts'

/**
 * What must be said of any request, and whatever else the caller wants said.
 *
 * @returns a whole canonical request; a field not given is the one a door reads from a body without it.
 */
export function plainRequest(
  said: Pick<CanonicalRequest, 'from' | 'model' | 'items'> & Partial<CanonicalRequest>,
): CanonicalRequest {
  return {
    tools: [],
    toolChoice: null,
    parallelToolCalls: null,
    maxOutputTokens: null,
    stop: [],
    sampling: unsaidSampling,
    topLogprobs: null,
    thinking: null,
    reasoningSummary: null,
    outputFormat: { type: 'text' },
    verbosity: null,
    stream: false,
    includeUsage: false,
    choices: 1,
    endUser: null,
    metadata: null,
    cacheKey: null,
    autoCacheMark: null,
    serviceTier: null,
    extra: {},
    ...said,
  }
}

const unsaidSampling: CanonicalRequest['sampling'] = {
  temperature: null,
  topP: null,
  topK: null,
  frequencyPenalty: null,
  presencePenalty: null,
  seed: null,
  logitBias: null,
}
