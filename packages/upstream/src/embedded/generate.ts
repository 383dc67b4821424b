/** Answers from an engine thread (see `engine-places.ts`): its events as canonical ones, its news to whoever asked. */
import type { EngineEvent, EngineThread } from '@portolan/engine'
import { WireError, type CanonicalEvent, type CanonicalRequest, type StopReason } from '@portolan/wire'
import type { Generate, GenerateContext, InProcessSettings } from '../capabilities.ts'
import { Answer, usageOf } from './answer.ts'
import { toGeneration } from './chat-request.ts'
import { engineOf, placeOf, type Place } from './engine-places.ts'
import { generateSamples, Totals } from './samples.ts'
import { untrainedLabel } from './untrained.ts'

type Failed = Extract<EngineEvent, { type: 'failed' }>

export function embeddedGenerator(settings: InProcessSettings): Generate {
  return (request, context) => generate(settings, request, context)
}

async function* generate(
  settings: InProcessSettings,
  request: CanonicalRequest,
  context: GenerateContext,
): AsyncGenerator<CanonicalEvent, void, undefined> {
  const place = placeOf(settings)
  try {
    const engine = await readyEngine(place, settings, context)
    const info = await engine.ready
    const { generation, tools, budgetIsCallers } = toGeneration(request, info, ownerOf(context), place.sampled)
    const { choices } = request
    let keys = 0
    const answers = Array.from(
      { length: choices },
      (_, choice) =>
        new Answer({
          requestId: context.requestId,
          choice: choices === 1 ? null : choice,
          nextKey: () => keys++,
          tools,
          label: info.trained ? '' : untrainedLabel,
          labelsText: request.outputFormat.type === 'text',
          budgetIsCallers,
          onCalls: (calls, rawCalls) => place.sampled.remember(generation.tenant, calls, rawCalls),
        }),
    )
    const totals = new Totals(choices)
    let first: { readonly stop: StopReason; readonly stopSequence: string | null } | null = null
    const prompt = { ...generation, deadlineMs: settings.deadlineMs }
    for await (const { choice, event } of generateSamples(engine, [prompt], choices, context.signal)) {
      const answer = answers[choice]!
      switch (event.type) {
        case 'started':
          if (choice === 0)
            yield {
              type: 'response-start',
              id: `local-${context.requestId}`,
              model: info.trained ? request.model : info.name,
              createdSec: context.createdSec,
              usage: usageOf(event.promptTokens, event.hitTokens, null, null),
            }
          break
        case 'progress':
          if (choice === 0) context.onProgress?.(event.doneTokens, event.promptTokens)
          break
        case 'completion':
          yield* answer.piece(event.event, event.tokens)
          break
        case 'ended':
          totals.add(choice, event)
          if (choice === 0) first = { stop: answer.stopOf(event), stopSequence: event.stopString }
          yield* answer.end(event)
          break
        case 'failed':
          yield failedEvent(event)
          return
      }
    }
    if (first !== null) yield { type: 'response-end', ...first, refusalExplanation: null, usage: totals.usage }
  } catch (error) {
    yield failureOf(error)
  }
}

/** @throws what keeps the engine from starting. Says once what the operator should know of it. */
export async function readyEngine(
  place: Place,
  settings: InProcessSettings,
  context: GenerateContext,
): Promise<EngineThread> {
  const engine = await engineOf(place, settings)
  await engine.ready
  if (place.diskProblem !== null && !place.isTold) {
    place.isTold = true
    context.onNotice?.(`Prefixes are kept in memory only: ${place.diskProblem}`)
  }
  return engine
}

/** Whose prefixes may be hit; a request of nobody's hits none. */
export function ownerOf({ tenant, requestId }: GenerateContext): string {
  return tenant ?? `request ${requestId}`
}

export function failedEvent({ kind, message, code, retryAfterMs }: Failed): CanonicalEvent {
  return { type: 'error', kind, message, code, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
}

export function failureOf(error: unknown): CanonicalEvent {
  if (error instanceof WireError) {
    const { kind, message, code, field } = error
    return { type: 'error', kind, message, code, ...(field === null ? {} : { param: field }) }
  }
  const message = error instanceof Error ? error.message : 'The engine could not be started.'
  return { type: 'error', kind: 'internal', message, code: 'ENGINE_STOPPED' }
}
