/**
 * The engine threads of this process: one for each set of settings, started by the first request and shared.
 *
 * A thread that died is replaced by the next request. The engine is imported when it is first needed, so that
 * gateways without a model of their own do not load one; looking at a place starts nothing.
 */
import { join } from 'node:path'
import type { EngineCounters, EngineThread } from '@portolan/engine'
import { WireError } from '@portolan/wire'
import type { InProcessFigures, InProcessProbe, InProcessSettings } from '../capabilities.ts'
import { SampledCalls } from './sampled-calls.ts'

/** Between two passes the thread answers; a long pass is not waited for, and the last figures stand. */
const figuresWaitMs = 500

export interface Place {
  engine: Promise<EngineThread> | null
  readonly sampled: SampledCalls
  phase: 'starting' | 'running' | 'stopped' | 'off'
  figures: InProcessFigures | null
  /** Why prefixes are not kept on disk; null: they are, or it is not known yet. */
  diskProblem: string | null
  /** The operator has heard of it. */
  isTold: boolean
}

/** By settings: a configuration that is read again finds its engine running. */
const places = new Map<string, Place>()

export function placeOf(settings: InProcessSettings): Place {
  const key = JSON.stringify(settings)
  const known = places.get(key)
  if (known !== undefined) return known
  const place: Place = {
    engine: null,
    sampled: new SampledCalls(),
    phase: 'off',
    figures: null,
    diskProblem: null,
    isTold: false,
  }
  places.set(key, place)
  return place
}

/** Stops every engine of this process; a later request starts it again. */
export async function closeEmbeddedEngines(): Promise<void> {
  const running = [...places.values()].map(({ engine }) => engine)
  places.clear()
  for (const engine of running) await (await engine?.catch(() => null))?.close()
}

/** Requests that come at once wait for one start; a thread that has stopped is replaced once. */
export async function engineOf(place: Place, settings: InProcessSettings): Promise<EngineThread> {
  const current = (place.engine ??= start(place, settings))
  const engine = await current.catch((error: unknown) => {
    if (place.engine === current) place.engine = null
    throw error
  })
  if (!engine.hasStopped) return engine
  if (place.engine === current) place.engine = start(place, settings)
  return place.engine
}

/** What can be said of an engine without starting it. */
export function embeddedProbe(settings: InProcessSettings): InProcessProbe {
  return {
    get phase() {
      return placeOf(settings).phase
    },
    get diskProblem() {
      return placeOf(settings).diskProblem
    },
    figures: () => figuresOf(placeOf(settings)),
  }
}

async function start(place: Place, settings: InProcessSettings): Promise<EngineThread> {
  const { checkpoint, dataDirectory, memoryBytes, diskBytes, upstreamName } = settings
  if (checkpoint === null && dataDirectory === null)
    throw new WireError('WIRE_CANNOT_CARRY', 'The embedded upstream has neither a checkpoint nor a place to make one.')
  place.phase = 'starting'
  const { EngineThread: Thread } = await import('@portolan/engine').catch((error: unknown) => {
    place.phase = 'stopped'
    throw error
  })
  const { sequenceBytes, maximumRunning, maximumQueued } = settings
  const thread = new Thread({
    checkpoint: checkpoint ?? { defaultBelow: join(dataDirectory!, 'models') },
    cacheDirectory: dataDirectory === null ? null : join(dataDirectory, 'prefixes', upstreamName),
    ...(memoryBytes === null ? {} : { memoryBytes }),
    ...(diskBytes === null ? {} : { diskBytes }),
    ...(sequenceBytes === null ? {} : { sequenceBytes }),
    ...(maximumRunning === null ? {} : { maximumRunning }),
    ...(maximumQueued === null ? {} : { maximumQueued }),
  })
  thread.ready.then(
    ({ diskProblem }) => {
      place.phase = 'running'
      place.diskProblem = diskProblem
    },
    () => {
      place.phase = 'stopped'
    },
  )
  return thread
}

async function figuresOf(place: Place): Promise<InProcessFigures | null> {
  const engine = await place.engine?.catch(() => null)
  if (!engine) return null
  if (engine.hasStopped) {
    place.phase = 'stopped'
    return null
  }
  let timer: NodeJS.Timeout | undefined
  const tooLong = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, figuresWaitMs, null)
  })
  const counters = await Promise.race([engine.counters(), tooLong])
  clearTimeout(timer)
  if (counters !== null) place.figures = figuresFrom(counters)
  return place.figures
}

function figuresFrom({ scheduler, cache, memory }: EngineCounters): InProcessFigures {
  return {
    running: scheduler.running,
    waiting: scheduler.queued,
    prefillTokens: scheduler.prefillTokens,
    decodeTokens: scheduler.decodeTokens,
    recomputedTokens: scheduler.recomputedTokens,
    prefillTokensPerSec: scheduler.prefillTokensPerSec,
    decodeTokensPerSec: scheduler.decodeTokensPerSec,
    hitTokens: cache.hitTokens,
    missTokens: cache.missTokens,
    sequenceBytes: scheduler.sequenceBytes,
    memoryBytes: cache.memoryBytes,
    memoryLimitBytes: cache.memoryLimitBytes,
    memoryBlocks: cache.memoryBlocks,
    diskBytes: cache.diskBytes,
    diskLimitBytes: cache.diskLimitBytes,
    diskBlocks: cache.diskBlocks,
    preemptions: scheduler.preemptions,
    memoryEvictions: cache.memoryEvicted,
    diskEvictions: cache.diskEvicted,
    refused: scheduler.refused,
    memory,
  }
}
