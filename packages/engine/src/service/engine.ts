/**
 * The engine without its thread: conversations in, completion events out, one `step` at a time.
 *
 *   conversation ─▶ prompt ids ─▶ scheduler ─▶ token ids ─▶ completion machine ─▶ events
 */
import { totalmem } from 'node:os'
import { getHeapStatistics } from 'node:v8'
import {
  CompletionStream,
  encodeChat,
  encodeFillInTheMiddle,
  loadEncodingProfile,
  loadTokenizer,
  makingOf,
  ModelError,
  openCheckpoint,
  promptTokens,
  specialTokens,
  type ChatRequest,
  type Checkpoint,
  type CompletionEvent,
  type EncodedPrompt,
  type EncodingProfile,
  type StopCause,
  type Tokenizer,
} from '@portolan/model'
import { Constraints, type OutputConstraint } from '../constrain/constraint.ts'
import type { Matcher } from '../constrain/matcher.ts'
import { DiskTier } from '../cache/disk-tier.ts'
import { PrefixCache } from '../cache/prefix-cache.ts'
import { ensureDefaultCheckpoint } from '../default-checkpoint/default-checkpoint.ts'
import { EngineError } from '../errors.ts'
import { openForward, type OpenedForward } from '../open-forward.ts'
import type { JobEnd } from '../scheduler/job.ts'
import { Scheduler } from '../scheduler/scheduler.ts'
import type {
  EngineCounters,
  EngineEvent,
  EngineInfo,
  EngineMemory,
  EngineOptions,
  FailureKind,
  GenerationRequest,
} from './protocol.ts'
import { TextStream } from './text-stream.ts'
import { TokenLogprobs } from './token-logprobs.ts'
import { weightsName } from './weights-name.ts'

const defaultMemoryBytes = 2 ** 28

export class Engine {
  readonly info: EngineInfo
  readonly #checkpoint: Checkpoint
  readonly #forward: OpenedForward
  readonly #tokenizer: Tokenizer
  readonly #profile: EncodingProfile
  readonly #scheduler: Scheduler
  readonly #cache: PrefixCache
  readonly #disk: DiskTier | null
  readonly #now: () => number
  /** Made for the first answer that is held to anything. */
  #constraints: Constraints | null = null

  /** @throws {ModelError} when the folder is not a whole model. */
  static async open(options: EngineOptions, now: () => number): Promise<Engine> {
    const { checkpoint } = options
    const directory = typeof checkpoint === 'string' ? checkpoint : ensureDefaultCheckpoint(checkpoint.defaultBelow)
    const tokenizer = await loadTokenizer(directory)
    const profile = await loadEncodingProfile(directory)
    const opened = openCheckpoint(directory)
    try {
      const forward = await openForward(opened, weightsName(directory), options)
      return new Engine(options, opened, forward, tokenizer, profile, now)
    } catch (error) {
      opened.close()
      throw error
    }
  }

  private constructor(
    options: EngineOptions,
    checkpoint: Checkpoint,
    forward: OpenedForward,
    tokenizer: Tokenizer,
    profile: EncodingProfile,
    now: () => number,
  ) {
    this.#now = now
    this.#tokenizer = tokenizer
    this.#profile = profile
    this.#checkpoint = checkpoint
    this.#forward = forward
    const { disk, problem } = openDisk(options)
    this.#disk = disk
    this.#cache = new PrefixCache({ memoryBytes: options.memoryBytes ?? defaultMemoryBytes, disk })
    const { tokenBudget, maximumRunning, maximumQueued } = options
    this.#scheduler = new Scheduler(forward.forward, this.#cache, {
      now,
      ...(tokenBudget === undefined ? {} : { tokenBudget }),
      ...(maximumRunning === undefined ? {} : { maximumRunning }),
      ...(maximumQueued === undefined ? {} : { maximumQueued }),
      sequenceBytes: Math.min(options.sequenceBytes ?? Math.floor(totalmem() / 2), forward.roomBytes),
    })
    const { config } = checkpoint
    const making = makingOf(config)
    this.info = {
      trained: making?.trained ?? true,
      name: making?.shape ?? config.modelType,
      forward: forward.kind,
      vocabularySize: config.vocabSize,
      maximumPositions: config.maximumPositions,
      efforts: Object.keys(profile.efforts),
      diskProblem: problem,
    }
  }

  get counters(): EngineCounters {
    return { scheduler: this.#scheduler.counters, cache: this.#cache.counters, memory: this.#memory() }
  }

  /** Never throws: what is wrong with a request is its last event. */
  generate(id: number, request: GenerationRequest, emit: (event: EngineEvent) => void): void {
    try {
      this.#start(id, request, emit)
    } catch (error) {
      emit(failureOf(error))
    }
  }

  cancel(id: number): void {
    this.#scheduler.cancel(id)
  }

  /** False when there is nothing left to do. */
  step(): boolean {
    return this.#scheduler.step()
  }

  close(): void {
    this.#disk?.close()
    this.#checkpoint.close()
    void this.#forward.stop()
  }

  #memory(): EngineMemory {
    const heap = getHeapStatistics()
    const arena = this.#forward.arenaBytes()
    const grammars = this.#constraints?.bytes
    return {
      heapUsedBytes: heap.used_heap_size,
      heapBytes: heap.total_heap_size,
      bufferBytes: heap.external_memory,
      arenaTouchedBytes: arena?.touched ?? 0,
      arenaBytes: arena?.whole ?? 0,
      grammarStateBytes: grammars?.states ?? 0,
      grammarMaskBytes: grammars?.masks ?? 0,
    }
  }

  #start(id: number, request: GenerationRequest, emit: (event: EngineEvent) => void): void {
    const { promptIds, stream, matcher } = this.#begin(request)
    const room = this.info.maximumPositions - promptIds.length
    const logprobs = request.topLogprobs == null ? null : new TokenLogprobs(this.#tokenizer, request.topLogprobs)
    const show = (events: readonly CompletionEvent[]): void => {
      for (const event of events) {
        const tokens = logprobs?.shownBy(event) ?? []
        if (event.type !== 'end') emit({ type: 'completion', event, ...(tokens.length === 0 ? {} : { tokens }) })
      }
    }
    this.#scheduler.submit({
      id,
      tenant: request.tenant,
      promptIds,
      maximumOutputTokens: request.maximumOutputTokens ?? Math.max(1, room),
      sampling: request.sampling,
      deadlineAtMs: request.deadlineMs === null ? null : this.#now() + request.deadlineMs,
      onStart: (hitTokens) => emit({ type: 'started', promptTokens: promptIds.length, hitTokens }),
      onPrefill: (doneTokens) => emit({ type: 'progress', doneTokens, promptTokens: promptIds.length }),
      ...(matcher === null ? {} : { draw: (sample, tokensLeft) => matcher.draw(sample, tokensLeft) }),
      onToken: (token, logits) => {
        const { reasoningTokens } = stream
        const events = stream.push(token)
        logprobs?.push(token, logits, stream.reasoningTokens > reasoningTokens)
        show(events)
        return stream.isDone || matcher?.isFinished === true
      },
      onEnd: (end) => {
        const failure = failureOfEnd(end)
        if (failure !== null) {
          emit(failure)
          return
        }
        show(stream.finish(stopCauseOf(end)))
        const result = stream.result()
        emit({
          type: 'ended',
          finish: result.finish,
          stopString: stream.stopString,
          promptTokens: promptIds.length,
          hitTokens: end.hitTokens,
          outputTokens: end.outputTokens,
          reasoningTokens: stream.reasoningTokens,
          rawCalls: result.rawCalls,
        })
      },
    })
  }

  #begin(request: GenerationRequest): {
    readonly promptIds: readonly number[]
    readonly stream: CompletionStream | TextStream
    readonly matcher: Matcher | null
  } {
    const { prompt: asked, stops, constraint } = request
    const tokenizer = this.#tokenizer
    if (asked.mode === 'text') {
      const { text, suffix } = asked
      const promptIds =
        typeof text === 'string' ? promptTokens(encodeFillInTheMiddle(text, suffix).segments, tokenizer) : text
      return { promptIds, stream: new TextStream(tokenizer, stops), matcher: null }
    }
    const prompt = encodeChat(asked, this.#profile)
    const { opens, begun } = prompt
    return {
      promptIds: promptTokens(prompt.segments, tokenizer),
      stream: new CompletionStream({ tokenizer, opens, begun, stops, markup: this.#profile.markup }),
      matcher: constraint === null ? null : this.#matcher(constraint, asked, prompt),
    }
  }

  #matcher(constraint: OutputConstraint, chat: ChatRequest, prompt: EncodedPrompt): Matcher {
    const endTokenId = this.#tokenizer.specialId(specialTokens.endOfSentence)
    this.#constraints ??= new Constraints(this.#tokenizer, this.#profile.markup, endTokenId)
    const begun = constraint.format === null ? prompt.begun : begunAnswer(chat)
    return this.#constraints.start(constraint, prompt.opens, begun)
  }
}

/** The end of the conversation that the answer goes on from. */
function begunAnswer({ messages }: ChatRequest): string {
  const last = messages.at(-1)
  return last?.role === 'assistant' && last.prefix === 'answer' ? last.content : ''
}

/** A cache that cannot be had is no reason not to answer. */
function openDisk(options: EngineOptions): { readonly disk: DiskTier | null; readonly problem: string | null } {
  const directory = options.cacheDirectory ?? null
  if (directory === null) return { disk: null, problem: null }
  try {
    const limit = options.diskBytes === undefined ? {} : { limitBytes: options.diskBytes }
    return { disk: new DiskTier(directory, limit), problem: null }
  } catch (error) {
    return { disk: null, problem: error instanceof Error ? error.message : 'The folder cannot be used.' }
  }
}

function stopCauseOf({ cause }: JobEnd): StopCause {
  return cause === 'length' ? 'length' : 'stop'
}

function failureOfEnd({ cause, error }: JobEnd): EngineEvent | null {
  if (cause === 'cancelled') return failureOf(new EngineError('ENGINE_CANCELLED'))
  if (cause === 'deadline') return failureOf(new EngineError('ENGINE_DEADLINE'))
  return cause === 'failed' ? failureOf(error) : null
}

export function failureOf(error: unknown): Extract<EngineEvent, { type: 'failed' }> {
  if (error instanceof EngineError || error instanceof ModelError) {
    const kind: FailureKind = error.kind
    const retryAfterMs = error instanceof EngineError ? error.retryAfterMs : null
    const advice = retryAfterMs === null ? {} : { retryAfterMs }
    return { type: 'failed', code: error.code, kind, message: error.message, ...advice }
  }
  const message = error instanceof Error ? error.message : 'A computation of the engine failed.'
  return { type: 'failed', code: 'ENGINE_FAILED', kind: 'internal', message }
}
