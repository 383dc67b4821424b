/**
 * Continuous batching: each step is one pass over a token of every answer being written and a piece of the
 * prompts being read, together at most `tokenBudget` tokens.
 *
 *   queue ─(fair)─▶ prefix from the cache ─▶ prompt in pieces ─▶ answer token by token ─▶ end
 *
 * Answers come first, so a long prompt slows them by the budget at most. Pieces end where blocks end, so every
 * whole block of prompt and answer goes into the cache. Cancelled jobs and jobs past their deadline end before
 * the next pass. Whoever owns it calls `step` until it returns false. Left out: putting a running job down in
 * favour of another.
 */
import { Sampler } from '@portolan/model'
import { BlockKeys } from '../cache/block-keys.ts'
import type { PrefixCache } from '../cache/prefix-cache.ts'
import { EngineError } from '../errors.ts'
import { blockTokens, type Forward, type ForwardPiece, type ForwardSequence } from '../forward.ts'
import { FairShares } from './fair-shares.ts'
import type { Job, JobEndCause } from './job.ts'

export interface SchedulerOptions {
  /** Tokens of one pass. Default 160: a whole block beside 32 answers. */
  readonly tokenBudget?: number
  /** Sequences held at once. Default 32. */
  readonly maximumRunning?: number
  /** Jobs waiting for a place; one more is refused. Default 256. */
  readonly maximumQueued?: number
  /** Milliseconds of any steady clock. */
  readonly now: () => number
}

export interface SchedulerCounters {
  readonly running: number
  readonly queued: number
  readonly steps: number
  /** Tokens that went through the model. */
  readonly computedTokens: number
  readonly refused: number
}

interface Running {
  readonly job: Job
  readonly tenant: string
  readonly sampler: Sampler
  readonly keys: BlockKeys
  /** Prompt, then what was drawn. */
  readonly ids: number[]
  readonly hitTokens: number
  sequence: ForwardSequence
  outputTokens: number
}

export class Scheduler {
  readonly #forward: Forward
  readonly #cache: PrefixCache
  readonly #tokenBudget: number
  readonly #maximumRunning: number
  readonly #maximumQueued: number
  readonly #now: () => number
  readonly #shares = new FairShares()
  #queue: Job[] = []
  /** Those whose turn comes next stand first. */
  #running: Running[] = []
  readonly #cancelled = new Set<number>()
  #steps = 0
  #computedTokens = 0
  #refused = 0

  constructor(forward: Forward, cache: PrefixCache, options: SchedulerOptions) {
    this.#forward = forward
    this.#cache = cache
    this.#tokenBudget = options.tokenBudget ?? 160
    this.#maximumRunning = options.maximumRunning ?? 32
    this.#maximumQueued = options.maximumQueued ?? 256
    this.#now = options.now
  }

  get counters(): SchedulerCounters {
    return {
      running: this.#running.length,
      queued: this.#queue.length,
      steps: this.#steps,
      computedTokens: this.#computedTokens,
      refused: this.#refused,
    }
  }

  /** @throws {EngineError} `ENGINE_BUSY`, `ENGINE_CONTEXT`, `ENGINE_REQUEST` */
  submit(job: Job): void {
    const { promptIds, maximumOutputTokens } = job
    const { maximumPositions, vocabularySize } = this.#forward
    if (promptIds.length === 0) throw new EngineError('ENGINE_REQUEST', 'The prompt is empty.')
    const foreign = promptIds.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabularySize)
    if (foreign !== undefined)
      throw new EngineError('ENGINE_REQUEST', `Token ${foreign} is outside of the vocabulary of ${vocabularySize}.`)
    if (promptIds.length + maximumOutputTokens > maximumPositions)
      throw new EngineError(
        'ENGINE_CONTEXT',
        `This model's maximum context length is ${maximumPositions} tokens. However, you requested ${promptIds.length + maximumOutputTokens} tokens (${promptIds.length} in the messages, ${maximumOutputTokens} in the completion). Please reduce the length of the messages or completion.`,
      )
    if (this.#queue.length >= this.#maximumQueued) {
      this.#refused++
      throw new EngineError('ENGINE_BUSY', `${this.#queue.length} requests are waiting for the engine already.`)
    }
    this.#queue.push(job)
    this.#shares.enter(job.tenant)
  }

  /** The job ends before the next pass, wherever it is. */
  cancel(id: number): void {
    this.#cancelled.add(id)
  }

  /** One pass. False when nothing is left to do. */
  step(): boolean {
    this.#sweep()
    this.#admit()
    const pieces = this.#plan()
    if (pieces.length > 0) this.#compute(pieces)
    return this.#running.length > 0 || this.#queue.length > 0
  }

  // -------------------------------------------------------------------------------------- who takes part

  /** Ends what nobody waits for any more. */
  #sweep(): void {
    const now = this.#now()
    const verdict = ({ id, deadlineAtMs }: Job): JobEndCause | null =>
      this.#cancelled.has(id) ? 'cancelled' : deadlineAtMs !== null && now >= deadlineAtMs ? 'deadline' : null
    for (const job of this.#queue.filter((each) => verdict(each) !== null)) {
      this.#queue = this.#queue.filter((each) => each !== job)
      this.#finish(job, verdict(job)!)
    }
    for (const running of this.#running.filter(({ job }) => verdict(job) !== null))
      this.#end(running, verdict(running.job)!)
    this.#cancelled.clear()
  }

  #admit(): void {
    while (this.#queue.length > 0 && this.#running.length < this.#maximumRunning) {
      const [job] = this.#shares.sorted(this.#queue)
      this.#queue = this.#queue.filter((each) => each !== job)
      try {
        this.#running.push(this.#begin(job!))
      } catch (error) {
        this.#finish(job!, 'failed', error)
      }
    }
  }

  #begin(job: Job): Running {
    const ids = [...job.promptIds]
    const sampler = new Sampler(job.sampling, ids)
    const keys = new BlockKeys({ tenant: job.tenant, model: this.#forward.identity })
    const hit = this.#cache.find(keys.extend(ids), ids.length)
    let sequence: ForwardSequence | null = null
    if (hit !== null) {
      try {
        sequence = this.#forward.resume(hit.rows, hit.tail)
      } catch {
        // Whatever is wrong with it, the prefix can be computed.
        this.#cache.discount(hit.tokens)
      }
    }
    const hitTokens = sequence?.position ?? 0
    job.onStart?.(hitTokens)
    return {
      job,
      tenant: job.tenant,
      sampler,
      keys,
      ids,
      hitTokens,
      sequence: sequence ?? this.#forward.open(),
      outputTokens: 0,
    }
  }

  // ------------------------------------------------------------------------------------------- one pass

  /** Answers first, then prompts of those who had least, within the budget. */
  #plan(): { readonly running: Running; readonly piece: ForwardPiece }[] {
    let budget = this.#tokenBudget
    const isWriting = ({ ids, sequence }: Running): boolean => ids.length - sequence.position === 1
    const writing = this.#running.filter(isWriting)
    const reading = this.#shares.sorted(this.#running.filter((each) => !isWriting(each)))
    const plan: { readonly running: Running; readonly piece: ForwardPiece }[] = []
    // Someone who reads gets a token at least, however many write.
    const forWriting = reading.length > 0 ? Math.max(1, budget - 1) : budget
    for (const running of [...writing.slice(0, forWriting), ...reading]) {
      const from = running.sequence.position
      const missing = running.ids.length - from
      const toBlockEnd = blockTokens - (from % blockTokens)
      const tokens = Math.min(missing, toBlockEnd, budget)
      if (tokens === 0) break
      budget -= tokens
      const piece = {
        sequence: running.sequence,
        ids: running.ids.slice(from, from + tokens),
        wantsLogits: tokens === missing && running.job.maximumOutputTokens > 0,
      }
      plan.push({ running, piece })
    }
    // Whoever had to wait stands first in the next pass.
    const taken = new Set(plan.map(({ running }) => running))
    this.#running = [
      ...this.#running.filter((each) => !taken.has(each)),
      ...this.#running.filter((each) => taken.has(each)),
    ]
    return plan
  }

  #compute(plan: readonly { readonly running: Running; readonly piece: ForwardPiece }[]): void {
    this.#steps++
    let logits: (Float32Array | null)[]
    try {
      logits = this.#forward.advance(plan.map(({ piece }) => piece))
    } catch (error) {
      // States may have advanced in part: none of them can go on.
      for (const { running } of plan) this.#end(running, 'failed', error)
      return
    }
    for (const [at, { running, piece }] of plan.entries()) {
      this.#computedTokens += piece.ids.length
      this.#shares.charge(running.tenant, piece.ids.length)
      try {
        this.#afterPass(running, logits[at]!)
      } catch (error) {
        this.#end(running, 'failed', error)
      }
    }
  }

  #afterPass(running: Running, logits: Float32Array | null): void {
    const { job, sequence, ids, sampler } = running
    this.#keep(running)
    if (sequence.position <= job.promptIds.length) job.onPrefill?.(sequence.position)
    if (sequence.position < ids.length) return
    if (logits === null) {
      this.#end(running, 'length')
      return
    }
    const id = sampler.next(logits, job.filter?.())
    ids.push(id)
    running.outputTokens++
    const isDone = job.onToken(id)
    if (id === this.#forward.endTokenId) this.#end(running, 'stop')
    else if (isDone) this.#end(running, 'done')
    else if (running.outputTokens >= job.maximumOutputTokens) this.#end(running, 'length')
  }

  /** A sequence that stands at the end of a block leaves the block in the cache. */
  #keep({ sequence, keys, ids }: Running): void {
    const { position } = sequence
    if (position === 0 || position % blockTokens !== 0) return
    const known = keys.extend(ids)
    const block = position / blockTokens - 1
    if (!this.#cache.has(known[block]!)) this.#cache.store(known, block, this.#forward.capture(sequence))
  }

  // ----------------------------------------------------------------------------------------------- ends

  #end(running: Running, cause: JobEndCause, error: unknown = null): void {
    this.#running = this.#running.filter((each) => each !== running)
    this.#finish(running.job, cause, error, running)
  }

  #finish(job: Job, cause: JobEndCause, error: unknown = null, running: Running | null = null): void {
    this.#shares.leave(job.tenant)
    job.onEnd({
      cause,
      hitTokens: running?.hitTokens ?? 0,
      outputTokens: running?.outputTokens ?? 0,
      error: error === null ? null : error instanceof Error ? error : new EngineError('ENGINE_FAILED'),
    })
  }
}
