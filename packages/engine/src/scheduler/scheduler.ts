/**
 * Continuous batching: each step is one pass over a token of every answer being written and a piece of the
 * prompts being read, together at most `tokenBudget` tokens.
 *
 *   queue ─(fair)─▶ prefix from the cache ─▶ prompt in pieces ─▶ answer token by token ─▶ end
 *     ▲                                              │
 *     └────────── put down for somebody fairer, or for want of memory ──────────┘
 *
 * Answers come first, so a long prompt slows them by the budget at most. Pieces end where blocks end, so every
 * whole block of prompt and answer goes into the cache; a job that is put down goes on from there, after at most
 * 127 tokens computed twice, with the same draws. Cancelled jobs and jobs past their deadline end before the next
 * pass. Whoever owns it calls `step` until it returns false.
 */
import { Sampler, type TokenFilter } from '@portolan/model'
import { BlockKeys } from '../cache/block-keys.ts'
import type { PrefixCache } from '../cache/prefix-cache.ts'
import { EngineError } from '../errors.ts'
import { blockTokens, type BlockState, type Forward, type ForwardPiece, type ForwardSequence } from '../forward.ts'
import { FairShares } from './fair-shares.ts'
import type { Job, JobEndCause } from './job.ts'
import { RateMeter } from './rate-meter.ts'

export interface SchedulerOptions {
  /** Tokens of one pass. Default 160: a whole block beside 32 answers. */
  readonly tokenBudget?: number
  /** Sequences held at once. Default 32. */
  readonly maximumRunning?: number
  /** Jobs waiting for a place; one more is refused. Default 256. */
  readonly maximumQueued?: number
  /** What running sequences may remember together, shared blocks counted once. One always runs. Default: no limit. */
  readonly sequenceBytes?: number
  /** A job is put down for a tenant that has had this many tokens less. Default 2048. */
  readonly patienceTokens?: number
  /** Milliseconds of any steady clock. */
  readonly now: () => number
}

export interface SchedulerCounters {
  readonly running: number
  readonly queued: number
  readonly steps: number
  /** Tokens that went through the model: prompts, answers, and what was computed again after a job was put down. */
  readonly computedTokens: number
  readonly prefillTokens: number
  readonly decodeTokens: number
  readonly recomputedTokens: number
  /** Over the last ten seconds. */
  readonly prefillTokensPerSec: number
  readonly decodeTokensPerSec: number
  readonly preemptions: number
  readonly refused: number
  /** What running sequences remember, shared blocks counted once. */
  readonly sequenceBytes: number
}

/** What a job keeps while it is put down. */
interface Progress {
  readonly sampler: Sampler
  readonly keys: BlockKeys
  /** Prompt, then what was drawn. */
  readonly ids: number[]
  readonly hitTokens: number
  outputTokens: number
  /** Tokens that have gone through the model or come from the cache, before any were forgotten. */
  computedTo: number
}

interface Waiting {
  readonly job: Job
  readonly tenant: string
  /** Null: it has not begun. */
  readonly progress: Progress | null
}

interface Running {
  readonly job: Job
  readonly tenant: string
  readonly progress: Progress
  readonly sequence: ForwardSequence
  /** Leading blocks that are read in the cache. */
  heldBlocks: number
  /** Blocks that were known when it was taken up, also those behind where it was. */
  readonly knownBlocks: number
  /** The newest block, where it was kept without its tail: until the next one nobody knows whether it is the last. */
  open: { readonly at: number; readonly block: BlockState } | null
  /** Where it begins to come on: what it had before it was put down may have to be computed again. */
  readonly newsFrom: number
}

/** A job that was taken up comes on this far at least, so that nothing is carried up and down without end. */
const sliceTokens = 2 * blockTokens

/** Longest and shortest advice to a caller who was refused. */
const retryAfterMs = { least: 1000, most: 60_000 } as const

export class Scheduler {
  readonly #forward: Forward
  readonly #cache: PrefixCache
  /** Sequences read shared blocks where the cache has them. */
  readonly #readsInCache: boolean
  readonly #tokenBudget: number
  readonly #maximumRunning: number
  readonly #maximumQueued: number
  readonly #sequenceBytes: number
  readonly #patienceTokens: number
  readonly #now: () => number
  readonly #shares = new FairShares()
  readonly #prefillRate: RateMeter
  readonly #decodeRate: RateMeter
  #queue: Waiting[] = []
  /** Those whose turn comes next stand first. */
  #running: Running[] = []
  readonly #cancelled = new Set<number>()
  #steps = 0
  #prefillTokens = 0
  #decodeTokens = 0
  #recomputedTokens = 0
  #preemptions = 0
  #refused = 0
  /** The forward pass had no room: nobody is let in until somebody has ended, or all would only be put down again. */
  #isFull = false
  /** The largest block seen: what 128 tokens more will take. */
  #blockBytes = 0
  /** Mean time between two ends, lately. */
  #endEveryMs = 0
  #lastEndMs: number | null = null

  constructor(forward: Forward, cache: PrefixCache, options: SchedulerOptions) {
    this.#forward = forward
    this.#cache = cache
    this.#readsInCache = forward.share !== undefined && forward.sharedBytes === undefined
    this.#tokenBudget = options.tokenBudget ?? 160
    this.#maximumRunning = options.maximumRunning ?? 32
    this.#maximumQueued = options.maximumQueued ?? 256
    this.#sequenceBytes = options.sequenceBytes ?? Infinity
    this.#patienceTokens = options.patienceTokens ?? 2048
    this.#now = options.now
    this.#prefillRate = new RateMeter(options.now)
    this.#decodeRate = new RateMeter(options.now)
  }

  get counters(): SchedulerCounters {
    return {
      running: this.#running.length,
      queued: this.#queue.length,
      steps: this.#steps,
      computedTokens: this.#prefillTokens + this.#decodeTokens,
      prefillTokens: this.#prefillTokens,
      decodeTokens: this.#decodeTokens,
      recomputedTokens: this.#recomputedTokens,
      prefillTokensPerSec: this.#prefillRate.perSec,
      decodeTokensPerSec: this.#decodeRate.perSec,
      preemptions: this.#preemptions,
      refused: this.#refused,
      sequenceBytes: this.#bytesInUse(),
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
    // Those put down have been let in before.
    const waiting = this.#queue.filter(({ progress }) => progress === null).length
    if (waiting >= this.#maximumQueued) {
      this.#refused++
      throw new EngineError('ENGINE_BUSY', `${waiting} requests are waiting for the engine already.`, {
        retryAfterMs: Math.min(retryAfterMs.most, Math.max(retryAfterMs.least, this.#endEveryMs)),
      })
    }
    this.#queue.push({ job, tenant: job.tenant, progress: null })
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
    for (const waiting of this.#queue.filter(({ job }) => verdict(job) !== null)) {
      this.#queue = this.#queue.filter((each) => each !== waiting)
      this.#finish(waiting, verdict(waiting.job)!)
    }
    for (const running of this.#running.filter(({ job }) => verdict(job) !== null))
      this.#end(running, verdict(running.job)!)
    this.#cancelled.clear()
  }

  #admit(): void {
    while (this.#running.length > 1 && this.#bytesInUse() > this.#sequenceBytes) this.#putDown(this.#mostServed()!)
    if (this.#running.length === 0) this.#isFull = false
    while (this.#queue.length > 0 && !this.#isFull) {
      const next = this.#shares.sorted(this.#queue)[0]!
      if (!this.#hasRoomFor(next)) {
        const victim = this.#mostServed(next.tenant)
        if (victim === null) return
        this.#putDown(victim)
        continue
      }
      this.#queue = this.#queue.filter((each) => each !== next)
      try {
        this.#running.push(this.#takeUp(next))
      } catch (error) {
        if (isWantOfMemory(error) && this.#running.length > 0) {
          this.#queue.unshift(next)
          this.#isFull = true
          return
        }
        this.#finish(next, 'failed', error)
      }
    }
  }

  #hasRoomFor({ job, progress }: Waiting): boolean {
    if (this.#running.length === 0) return true
    if (this.#running.length >= this.#maximumRunning) return false
    if (this.#sequenceBytes === Infinity) return true
    const blocks = Math.ceil((progress?.ids.length ?? job.promptIds.length) / blockTokens)
    const own = Math.max(...this.#running.map(({ sequence }) => this.#forward.ownBytes?.(sequence) ?? 0))
    return this.#bytesInUse() + own + blocks * this.#blockBytes <= this.#sequenceBytes
  }

  /**
   * Whose turn it is to be put down: of the tenant that has had most, the job that loses fewest tokens. For a
   * waiting tenant only one that has had enough more than it, and has come on since it was taken up.
   */
  #mostServed(waitingTenant: string | null = null): Running | null {
    const candidates =
      waitingTenant === null
        ? this.#running
        : this.#running.filter(
            ({ tenant, sequence, newsFrom }) =>
              this.#shares.lead(tenant, waitingTenant) >= this.#patienceTokens &&
              sequence.position - newsFrom >= sliceTokens,
          )
    const lost = ({ sequence }: Running): number => sequence.position % blockTokens
    return candidates.toSorted((a, b) => this.#shares.lead(b.tenant, a.tenant) || lost(a) - lost(b))[0] ?? null
  }

  /** Its whole blocks are in the cache; what it has drawn goes with it. */
  #putDown(running: Running): void {
    this.#preemptions++
    this.#letGo(running)
    const { job, tenant, progress } = running
    // In front: among equals it has waited longest.
    this.#queue.unshift({ job, tenant, progress })
  }

  #takeUp({ job, tenant, progress: before }: Waiting): Running {
    const ids = before?.ids ?? [...job.promptIds]
    const sampler = before?.sampler ?? new Sampler(job.sampling, ids)
    const keys = before?.keys ?? new BlockKeys({ tenant, model: this.#forward.identity })
    const holds = this.#readsInCache
    const isReturn = before !== null
    const knownBlocks = this.#cache.known(keys.extend(ids), ids.length)
    const hit = this.#cache.find(keys.extend(ids), ids.length, { holds, isReturn })
    let sequence: ForwardSequence | null = null
    let heldBlocks = holds && hit !== null ? hit.rows.length : 0
    const letGo = (): void => {
      this.#cache.release(keys.extend(ids), heldBlocks)
      heldBlocks = 0
    }
    if (hit !== null) {
      try {
        sequence = this.#forward.resume(hit.rows, hit.tail)
      } catch (error) {
        letGo()
        if (isWantOfMemory(error)) {
          if (!isReturn) this.#cache.forget(hit.tokens, ids.length)
          throw error
        }
        // Whatever is wrong with it, the prefix can be computed.
        if (!isReturn) this.#cache.discount(hit.tokens)
      }
    }
    try {
      sequence ??= this.#forward.open()
    } catch (error) {
      if (!isReturn) this.#cache.forget(0, ids.length)
      throw error
    }
    const from = sequence.position
    if (before !== null) this.#recomputedTokens += Math.max(0, before.computedTo - from)
    else job.onStart?.(from)
    return {
      job,
      tenant,
      progress: before ?? { sampler, keys, ids, hitTokens: from, outputTokens: 0, computedTo: from },
      sequence,
      heldBlocks,
      knownBlocks,
      open: null,
      newsFrom: before?.computedTo ?? from,
    }
  }

  #bytesInUse(): number {
    const own = this.#running.reduce((sum, { sequence }) => sum + (this.#forward.ownBytes?.(sequence) ?? 0), 0)
    return own + this.#cache.heldBytes + (this.#forward.sharedBytes ?? 0)
  }

  // ------------------------------------------------------------------------------------------- one pass

  /** Answers first, then prompts of those who had least, within the budget. */
  #plan(): { readonly running: Running; readonly piece: ForwardPiece }[] {
    let budget = this.#tokenBudget
    const isWriting = ({ progress, sequence }: Running): boolean => progress.ids.length - sequence.position === 1
    const writing = this.#running.filter(isWriting)
    const reading = this.#shares.sorted(this.#running.filter((each) => !isWriting(each)))
    const plan: { readonly running: Running; readonly piece: ForwardPiece }[] = []
    // Someone who reads gets a token at least, however many write.
    const forWriting = reading.length > 0 ? Math.max(1, budget - 1) : budget
    for (const running of [...writing.slice(0, forWriting), ...reading]) {
      const from = running.sequence.position
      const { ids } = running.progress
      const missing = ids.length - from
      const toBlockEnd = blockTokens - (from % blockTokens)
      const tokens = Math.min(missing, toBlockEnd, budget)
      if (tokens === 0) break
      budget -= tokens
      const piece = {
        sequence: running.sequence,
        ids: ids.slice(from, from + tokens),
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
      if (isWantOfMemory(error) && this.#running.length > 1) {
        this.#putDown(this.#mostServed()!)
        this.#isFull = true
        return
      }
      // States may have advanced in part: none of them can go on.
      for (const { running } of plan) this.#end(running, 'failed', error)
      return
    }
    for (const [at, { running, piece }] of plan.entries()) {
      this.#count(running, piece.ids.length)
      this.#shares.charge(running.tenant, piece.ids.length)
      try {
        this.#afterPass(running, logits[at]!)
      } catch (error) {
        this.#end(running, 'failed', error)
      }
    }
  }

  #count({ progress }: Running, tokens: number): void {
    if (tokens === 1 && progress.outputTokens > 0) {
      this.#decodeTokens++
      this.#decodeRate.add(1)
    } else {
      this.#prefillTokens += tokens
      this.#prefillRate.add(tokens)
    }
  }

  #afterPass(running: Running, logits: Float32Array | null): void {
    const { job, sequence, progress } = running
    const { ids, sampler } = progress
    const { position } = sequence
    this.#keep(running)
    // What is computed a second time is no news.
    if (position > progress.computedTo && position <= job.promptIds.length) job.onPrefill?.(position)
    progress.computedTo = Math.max(progress.computedTo, position)
    if (position < ids.length) return
    if (logits === null) {
      this.#end(running, 'length')
      return
    }
    const sample = (allows?: TokenFilter): number => sampler.next(logits, allows)
    const id = job.draw?.(sample, job.maximumOutputTokens - progress.outputTokens) ?? sample()
    ids.push(id)
    progress.outputTokens++
    const isDone = job.onToken(id, logits)
    if (id === this.#forward.endTokenId) this.#end(running, 'stop')
    else if (isDone) this.#end(running, 'done')
    else if (progress.outputTokens >= job.maximumOutputTokens) this.#end(running, 'length')
  }

  /** A sequence that stands at the end of a block leaves the block in the cache, and reads it there if it can. */
  #keep(running: Running): void {
    const { sequence, progress } = running
    const { position } = sequence
    if (position === 0 || position % blockTokens !== 0) return
    const keys = progress.keys.extend(progress.ids)
    const at = position / blockTokens - 1
    const capture = (): BlockState => {
      const block = this.#forward.capture(sequence)
      // Held blocks are held with their tails.
      const bytes = block.rows.length + (this.#readsInCache ? block.tail.length : 0)
      this.#blockBytes = Math.max(this.#blockBytes, bytes)
      return block
    }
    if (this.#readsInCache) {
      const block = this.#cache.hold(keys, at, capture)
      running.heldBlocks++
      this.#forward.share?.(sequence, block.rows)
      return
    }
    running.open = null
    if (this.#keepsTail(running, at)) {
      if (!this.#cache.has(keys[at]!) || !this.#cache.hasTail(keys[at]!)) this.#cache.store(keys, at, capture())
    } else if (!this.#cache.hasTail(keys[at]!)) {
      const block = capture()
      this.#cache.store(keys, at, { rows: block.rows, tail: null })
      running.open = { at, block }
    }
    const kept = this.#cache.inMemory(keys[at]!)
    if (kept !== null) this.#forward.share?.(sequence, kept.rows)
  }

  /** Regularly, at the ends of what is asked again or continued, and where another prompt has parted from this one. */
  #keepsTail({ job, knownBlocks }: Running, at: number): boolean {
    const { length } = job.promptIds
    const ends = [length, length - 1].map((tokens) => Math.floor(tokens / blockTokens))
    return (at + 1) % (this.#forward.tailEvery ?? 1) === 0 || at + 1 === knownBlocks || ends.includes(at + 1)
  }

  // ----------------------------------------------------------------------------------------------- ends

  #end(running: Running, cause: JobEndCause, error: unknown = null): void {
    this.#letGo(running)
    this.#isFull = false
    this.#finish(running, cause, error)
  }

  #letGo(running: Running): void {
    this.#running = this.#running.filter((each) => each !== running)
    const { progress, sequence, heldBlocks, open } = running
    const keys = progress.keys.extend(progress.ids)
    // Here the conversation goes on.
    if (open !== null) this.#cache.store(keys, open.at, open.block)
    this.#cache.release(keys, heldBlocks)
    this.#forward.close?.(sequence)
  }

  #finish({ job, progress }: Waiting, cause: JobEndCause, error: unknown = null): void {
    this.#shares.leave(job.tenant)
    const now = this.#now()
    if (this.#lastEndMs !== null) this.#endEveryMs += (now - this.#lastEndMs - this.#endEveryMs) / 8
    this.#lastEndMs = now
    job.onEnd({
      cause,
      hitTokens: progress?.hitTokens ?? 0,
      outputTokens: progress?.outputTokens ?? 0,
      error: error === null ? null : error instanceof Error ? error : new EngineError('ENGINE_FAILED'),
    })
  }
}

/** Estimates keep out of its way; where they fail, somebody is put down, and only who is alone fails. */
function isWantOfMemory(error: unknown): boolean {
  return error instanceof EngineError && error.code === 'ENGINE_MEMORY'
}
