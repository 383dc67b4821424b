/** Answers from an engine thread (see `engine-places.ts`): its events as canonical ones, its news to whoever asked. */
import { WireError, type CanonicalEvent, type CanonicalRequest } from '@portolan/wire'
import type { Generate, GenerateContext, InProcessSettings } from '../capabilities.ts'
import { Answer, usageOf } from './answer.ts'
import { toGeneration } from './chat-request.ts'
import { engineOf, placeOf } from './engine-places.ts'
import { untrainedLabel } from './untrained.ts'

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
    const engine = await engineOf(place, settings)
    const info = await engine.ready
    if (place.diskProblem !== null && !place.isTold) {
      place.isTold = true
      context.onNotice?.(`Prefixes are kept in memory only: ${place.diskProblem}`)
    }
    const owner = context.tenant ?? `request ${context.requestId}`
    const { generation, tools, budgetIsCallers } = toGeneration(request, info, owner, place.sampled)
    const answer = new Answer({
      requestId: context.requestId,
      tools,
      label: info.trained ? '' : untrainedLabel,
      labelsText: request.outputFormat.type === 'text',
      budgetIsCallers,
      onCalls: (calls, rawCalls) => place.sampled.remember(generation.tenant, calls, rawCalls),
    })
    for await (const event of engine.generate({ ...generation, deadlineMs: settings.deadlineMs }, context.signal)) {
      switch (event.type) {
        case 'started':
          yield {
            type: 'response-start',
            id: `local-${context.requestId}`,
            model: info.trained ? request.model : info.name,
            createdSec: context.createdSec,
            usage: usageOf(event.promptTokens, event.hitTokens, null, null),
          }
          break
        case 'progress':
          context.onProgress?.(event.doneTokens, event.promptTokens)
          break
        case 'completion':
          yield* answer.piece(event.event, event.tokens)
          break
        case 'ended':
          yield* answer.end(event)
          break
        case 'failed':
          yield {
            type: 'error',
            kind: event.kind,
            message: event.message,
            code: event.code,
            ...(event.retryAfterMs === undefined ? {} : { retryAfterMs: event.retryAfterMs }),
          }
      }
    }
  } catch (error) {
    yield failureOf(error)
  }
}

function failureOf(error: unknown): CanonicalEvent {
  if (error instanceof WireError) return { type: 'error', kind: error.kind, message: error.message, code: error.code }
  const message = error instanceof Error ? error.message : 'The engine could not be started.'
  return { type: 'error', kind: 'internal', message, code: 'ENGINE_STOPPED' }
}
