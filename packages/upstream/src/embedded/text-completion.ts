/**
 * Text completions from the engine: a text continued, or the hole between two filled; several prompts at once.
 *
 * Never thinking and never calling, as at DeepSeek, whose bounds and words apply: at most 4,096 tokens, which is
 * also what is written when nobody says how much.
 */
import type { EngineInfo, GenerationRequest } from '@portolan/engine'
import type { CanonicalEvent, StopReason, TextCompletionRequest } from '@portolan/wire'
import type { Complete, GenerateContext, InProcessSettings } from '../capabilities.ts'
import { Answer, usageOf } from './answer.ts'
import { checkRange, checkStops, maximumTopLogprobs, samplingOf, tenantOf } from './chat-request.ts'
import { placeOf } from './engine-places.ts'
import { failedEvent, failureOf, ownerOf, readyEngine } from './generate.ts'
import { generateSamples, maximumChoices, Totals } from './samples.ts'
import { untrainedLabel, untrainedTokens, withoutLabels } from './untrained.ts'

const maximumOutputTokens = 4096

export function embeddedCompleter(settings: InProcessSettings): Complete {
  return (request, context) => complete(settings, request, context)
}

async function* complete(
  settings: InProcessSettings,
  request: TextCompletionRequest,
  context: GenerateContext,
): AsyncGenerator<CanonicalEvent, void, undefined> {
  const place = placeOf(settings)
  try {
    const engine = await readyEngine(place, settings, context)
    const info = await engine.ready
    const prompts = toTextGenerations(request, info, ownerOf(context), settings.deadlineMs)
    const { choices } = request
    let keys = 0
    const answers = Array.from(
      { length: prompts.length * choices },
      (_, choice) =>
        new Answer({
          requestId: context.requestId,
          choice,
          nextKey: () => keys++,
          tools: new Map(),
          label: info.trained ? '' : untrainedLabel,
          labelsText: true,
          budgetIsCallers: prompts[0]!.maximumOutputTokens === request.maxOutputTokens,
          onCalls: () => {},
        }),
    )
    const totals = new Totals(choices)
    let promptTokens = 0
    let hitTokens = 0
    let started = 0
    let first: StopReason = 'end'
    for await (const { choice, event } of generateSamples(engine, prompts, choices, context.signal)) {
      switch (event.type) {
        case 'started':
          if (choice % choices > 0) break
          promptTokens += event.promptTokens
          hitTokens += event.hitTokens
          if (started++ === 0) yield startOf(request, info, context)
          if (started === prompts.length) yield { type: 'usage', usage: usageOf(promptTokens, hitTokens, null, null) }
          break
        case 'progress':
          if (choice === 0) context.onProgress?.(event.doneTokens, event.promptTokens)
          break
        case 'completion':
          yield* answers[choice]!.piece(event.event, event.tokens)
          break
        case 'ended':
          totals.add(choice, event)
          if (choice === 0) first = answers[choice]!.stopOf(event)
          yield* answers[choice]!.end(event)
          break
        case 'failed':
          yield failedEvent(event)
          return
      }
    }
    yield { type: 'response-end', stop: first, stopSequence: null, refusalExplanation: null, usage: totals.usage }
  } catch (error) {
    yield failureOf(error)
  }
}

function startOf(
  { model }: TextCompletionRequest,
  info: EngineInfo,
  { requestId, createdSec }: GenerateContext,
): CanonicalEvent {
  return {
    type: 'response-start',
    id: `local-${requestId}`,
    model: info.trained ? model : info.name,
    createdSec,
    usage: null,
  }
}

/** One request to the engine for each prompt. @throws {WireError} for what cannot be done. */
export function toTextGenerations(
  request: TextCompletionRequest,
  info: EngineInfo,
  owner: string,
  deadlineMs: number | null,
): readonly GenerationRequest[] {
  const { prompts, suffix, topLogprobs, choices, stop } = request
  checkRange('logprobs', topLogprobs, 0, maximumTopLogprobs)
  checkRange('n', choices, 1, maximumChoices)
  checkRange('n times prompts', prompts.length * choices, 1, maximumChoices)
  checkRange('max_tokens', request.maxOutputTokens, 1, maximumOutputTokens)
  checkStops(stop)
  const wanted = request.maxOutputTokens ?? maximumOutputTokens
  const tenant = tenantOf(owner, request.endUser)
  const sampling = samplingOf(request.sampling)
  return prompts.map((prompt) => ({
    tenant,
    prompt: {
      mode: 'text',
      text: typeof prompt === 'string' ? withoutLabels(prompt) : prompt,
      suffix: suffix === null ? null : withoutLabels(suffix),
    },
    maximumOutputTokens: info.trained ? wanted : Math.min(wanted, untrainedTokens),
    stops: stop.filter((each) => each !== ''),
    sampling,
    constraint: null,
    topLogprobs,
    deadlineMs,
  }))
}
