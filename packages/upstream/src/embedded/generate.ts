/**
 * Answers from an engine thread, which is started by the first request and shared by all of the same settings.
 *
 * A thread that died is replaced by the next request. The engine is imported when it is first needed, so that
 * gateways without a model of their own do not load one.
 */
import { join } from 'node:path'
import type { EngineThread } from '@portolan/engine'
import { WireError, type CanonicalEvent, type CanonicalRequest } from '@portolan/wire'
import type { Generate, GenerateContext, InProcessSettings } from '../capabilities.ts'
import { Answer, usageOf } from './answer.ts'
import { toGeneration } from './chat-request.ts'
import { SampledCalls } from './sampled-calls.ts'
import { untrainedLabel } from './untrained.ts'

interface Place {
  engine: Promise<EngineThread> | null
  readonly sampled: SampledCalls
}

/** By settings: a configuration that is read again finds its engine running. */
const places = new Map<string, Place>()

export function embeddedGenerator(settings: InProcessSettings): Generate {
  return (request, context) => generate(settings, request, context)
}

/** Stops every engine of this process; a later request starts it again. */
export async function closeEmbeddedEngines(): Promise<void> {
  const running = [...places.values()].map(({ engine }) => engine)
  places.clear()
  for (const engine of running) await (await engine?.catch(() => null))?.close()
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
    const owner = context.tenant ?? `request ${context.requestId}`
    const { generation, tools, budgetIsCallers } = toGeneration(request, info, owner, place.sampled)
    const answer = new Answer({
      requestId: context.requestId,
      tools,
      label: info.trained ? '' : untrainedLabel,
      budgetIsCallers,
      onCalls: (calls, rawCalls) => place.sampled.remember(generation.tenant, calls, rawCalls),
    })
    for await (const event of engine.generate(generation, context.signal)) {
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
          break
        case 'completion':
          yield* answer.piece(event.event)
          break
        case 'ended':
          yield* answer.end(event)
          break
        case 'failed':
          yield { type: 'error', kind: event.kind, message: event.message, code: event.code }
      }
    }
  } catch (error) {
    yield failureOf(error)
  }
}

function placeOf(settings: InProcessSettings): Place {
  const key = JSON.stringify(settings)
  const known = places.get(key)
  if (known !== undefined) return known
  const place: Place = { engine: null, sampled: new SampledCalls() }
  places.set(key, place)
  return place
}

/** Requests that come at once wait for one start; a thread that has stopped is replaced once. */
async function engineOf(place: Place, settings: InProcessSettings): Promise<EngineThread> {
  const current = (place.engine ??= start(settings))
  const engine = await current.catch((error: unknown) => {
    if (place.engine === current) place.engine = null
    throw error
  })
  if (!engine.hasStopped) return engine
  if (place.engine === current) place.engine = start(settings)
  return place.engine
}

async function start(settings: InProcessSettings): Promise<EngineThread> {
  const { checkpoint, dataDirectory, memoryBytes, diskBytes, upstreamName } = settings
  if (checkpoint === null && dataDirectory === null)
    throw new WireError('WIRE_CANNOT_CARRY', 'The embedded upstream has neither a checkpoint nor a place to make one.')
  const { EngineThread: Thread } = await import('@portolan/engine')
  return new Thread({
    checkpoint: checkpoint ?? { defaultBelow: join(dataDirectory!, 'models') },
    cacheDirectory: dataDirectory === null ? null : join(dataDirectory, 'prefixes', upstreamName),
    ...(memoryBytes === null ? {} : { memoryBytes }),
    ...(diskBytes === null ? {} : { diskBytes }),
  })
}

function failureOf(error: unknown): CanonicalEvent {
  if (error instanceof WireError) return { type: 'error', kind: error.kind, message: error.message, code: error.code }
  const message = error instanceof Error ? error.message : 'The engine could not be started.'
  return { type: 'error', kind: 'internal', message, code: 'ENGINE_STOPPED' }
}
