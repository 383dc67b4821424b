/**
 * The same cases asked of every arm, in an order that is fair to all: cases in a seeded order, arms taking turns in
 * going first (A B, B A), so that load and price windows fall on each alike.
 *
 * Every attempt is in the journal before the next is counted; what stands there is never asked again. A run stops
 * before an attempt when the cap is reached, so it is passed at most by the attempts in flight.
 */
import type { UsageRecord } from '@portolan/meter'
import type { AskEndpoint } from '../endpoint/endpoint.ts'
import { CrossingError } from '../errors.ts'
import { isSessionRun, type EgressPermit } from '../plan/index.ts'
import type { Attempt, AttemptTurn, Case, Exchange, ReplaySettings, ToolEvent, Verdict } from '../records/index.ts'
import { caseOutcome } from '../scoring/index.ts'
import { seededRandom } from '../statistics/random.ts'
import { askArm, type RetryPolicy } from './ask-arm.ts'
import { adaptRequest, type ReasoningChoice } from './history.ts'
import type { AttemptJournal } from './journal.ts'
import type { SessionScore } from './score-session.ts'
import { runSession, type SessionRun } from './session-run.ts'

export interface ReplayArm {
  /** `Arm.name` of the plan; `aa` for the incumbent asked again. */
  readonly name: string
  readonly ask: AskEndpoint
  readonly reasoning: ReasoningChoice
  readonly settings: Readonly<Record<string, unknown>>
  /** Null: not priced. */
  readonly priceOf: (usage: UsageRecord, atMs: number) => bigint | null
  /** Proof that this arm may be sent recorded data. */
  readonly permit: EgressPermit
}

export interface ReplayInput {
  readonly runIdOf: (arm: string, replicate: number) => string
  readonly arms: readonly ReplayArm[]
  readonly cases: readonly Case[]
  readonly replicates: number
  readonly exchangeOf: (test: Case) => Exchange
  /** Scores one answer of `step` mode against the recorded one. */
  readonly score: (test: Case, recorded: Exchange, turn: AttemptTurn) => Promise<readonly Verdict[]>
  /** Where whole sessions are among the cases. */
  readonly sessions?: SessionReplay
  readonly journal: AttemptJournal
  readonly seed: number
  readonly concurrency: number
  readonly currency: string
  /** Null: none. */
  readonly spendCapNanos: bigint | null
  readonly retries: RetryPolicy
  readonly now: () => number
  readonly signal?: AbortSignal
  readonly onAttempt?: (attempt: Attempt, progress: ReplayProgress) => void
}

/** How sessions are driven; their tools are answered from the recording and never called. */
export interface SessionReplay {
  readonly settings: Pick<ReplaySettings, 'onMiss' | 'similar' | 'tools'>
  readonly recordedOf: (test: Case) => {
    readonly exchanges: readonly Exchange[]
    readonly events: readonly ToolEvent[]
  }
  readonly score: (test: Case, exchanges: readonly Exchange[], run: SessionRun) => Promise<SessionScore>
}

export interface ReplayProgress {
  /** Of all arms and replicates, earlier runs included. */
  readonly done: number
  readonly all: number
  readonly spentNanos: bigint
  readonly unpriced: number
}

export interface ReplayResult extends ReplayProgress {
  readonly state: 'finished' | 'stopped-by-cap' | 'interrupted'
}

interface Job {
  readonly arm: ReplayArm
  readonly replicate: number
  readonly test: Case
}

/** Steps: a recorded exchange asked again with its recorded history. Sessions: driven by the candidate to their end. */
export async function replaySteps(input: ReplayInput): Promise<ReplayResult> {
  const { arms, cases, replicates, journal } = input
  let all = arms.length * cases.length * replicates
  let { done, spentNanos, unpriced } = stoodBefore(input)
  let capped = false
  const jobs = openJobs(input)
  const worker = async (): Promise<void> => {
    while (input.signal?.aborted !== true) {
      if (input.spendCapNanos !== null && spentNanos >= input.spendCapNanos) {
        capped = true
        return
      }
      const { value: job } = jobs.next()
      if (!job) return
      const attempt = await attemptOf(job, input)
      if (attempt === null || !journal.append(attempt, job.test.sessionId)) {
        // Its subject was erased while this ran: nothing of it may be kept.
        all--
        continue
      }
      spentNanos += attempt.costNanos ?? 0n
      if (attempt.costNanos === null) unpriced++
      done++
      input.onAttempt?.(attempt, { done, all, spentNanos, unpriced })
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, input.concurrency) }, worker))
  const state = done === all ? 'finished' : capped ? 'stopped-by-cap' : 'interrupted'
  return { state, done, all, spentNanos, unpriced }
}

/** What earlier runs asked of these cases. */
function stoodBefore({ arms, cases, replicates, journal }: ReplayInput): Omit<ReplayProgress, 'all'> {
  const ids = new Set(cases.map(({ id }) => id))
  const names = new Set(arms.map(({ name }) => name))
  let [done, spentNanos, unpriced] = [0, 0n, 0]
  for (const { arm, replicate, caseId, costNanos } of journal.attempts) {
    if (!names.has(arm) || replicate >= replicates || !ids.has(caseId)) continue
    done++
    spentNanos += costNanos ?? 0n
    if (costNanos === null) unpriced++
  }
  return { done, spentNanos, unpriced }
}

/** In the fair order, those that have no attempt yet. */
function* openJobs({ arms, cases, replicates, seed, journal }: ReplayInput): Generator<Job, undefined> {
  const random = seededRandom(seed)
  const shuffled = [...cases]
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!]
  }
  for (let replicate = 0; replicate < replicates; replicate++)
    for (const [index, test] of shuffled.entries()) {
      const turn = arms.map((_, i) => arms[(i + index + replicate) % arms.length]!)
      for (const arm of turn) if (!journal.has(arm.name, replicate, test.id)) yield { arm, replicate, test }
    }
  return undefined
}

/** Null: the recording of this case was erased. */
async function attemptOf(job: Job, input: ReplayInput): Promise<Attempt | null> {
  try {
    return await (isSessionRun(job.test) ? attemptSession(job, input) : attemptStep(job, input))
  } catch (error) {
    if (error instanceof CrossingError && error.code === 'CROSSING_ERASED') return null
    throw error
  }
}

type Frame = Pick<Attempt, 'runId' | 'caseId' | 'arm' | 'replicate' | 'startedAtMs' | 'currency' | 'divergence'>

function frameOf({ arm, replicate, test }: Job, { runIdOf, now, currency }: ReplayInput): Frame {
  return {
    runId: runIdOf(arm.name, replicate),
    caseId: test.id,
    arm: arm.name,
    replicate,
    divergence: null,
    startedAtMs: now(),
    currency,
  }
}

async function attemptStep(job: Job, input: ReplayInput): Promise<Attempt> {
  const { arm, test } = job
  const frame = frameOf(job, input)
  const recorded = input.exchangeOf(test)
  const missing = (code: string, message: string): Attempt => ({
    ...frame,
    outcome: 'unscored',
    reason: { code, message },
    turns: [],
    calls: 0,
    costNanos: 0n,
    verdicts: [],
  })
  if (recorded.content === null) return missing('no-content', 'The recording no longer holds what was asked.')
  const adapted = adaptRequest(recorded.content.request, arm.reasoning, arm.settings)
  if (adapted.unscored !== null)
    return missing(adapted.unscored, 'The request uses a tool that its supplier runs; nobody else can repeat that.')
  const { turn, calls } = await askArm(arm.ask, adapted.request, input.retries)
  const stepTurn: AttemptTurn = { ...turn, stubs: [] }
  const verdicts = await input.score(test, recorded, stepTurn)
  return {
    ...frame,
    outcome: turn.error !== null ? 'error' : caseOutcome(verdicts),
    reason: turn.error,
    turns: [stepTurn],
    calls,
    costNanos: costOf([stepTurn], arm, frame.startedAtMs),
    verdicts,
  }
}

async function attemptSession(job: Job, input: ReplayInput): Promise<Attempt> {
  const { arm, test } = job
  const frame = frameOf(job, input)
  if (input.sessions === undefined)
    throw new TypeError(`case ${test.id} is a session, and nothing says how to drive one`)
  const { settings, recordedOf, score } = input.sessions
  const { exchanges, events } = recordedOf(test)
  const policies = Object.entries(settings.tools)
  const run = await runSession(exchanges, events, {
    ask: arm.ask,
    reasoning: arm.reasoning,
    settings: arm.settings,
    retries: input.retries,
    onMiss: settings.onMiss,
    stubs: {
      similar: settings.similar,
      classes: Object.fromEntries(
        policies.flatMap(([name, policy]) => (policy.class === null ? [] : [[name, policy.class]])),
      ),
      rules: Object.fromEntries(policies.map(([name, policy]) => [name, policy.arguments])),
    },
  })
  return {
    ...frame,
    ...(await score(test, exchanges, run)),
    turns: run.turns,
    divergence: run.divergence,
    calls: run.calls,
    costNanos: costOf(run.turns, arm, frame.startedAtMs),
  }
}

/** Null as soon as one turn has no price: refused before anything was generated costs nothing, no answer is not known. */
function costOf(turns: readonly AttemptTurn[], arm: ReplayArm, atMs: number): bigint | null {
  let sum = 0n
  for (const { response, httpStatus, usage } of turns) {
    const nanos = response === null ? (httpStatus === null ? null : 0n) : arm.priceOf(usage, atMs)
    if (nanos === null) return null
    sum += nanos
  }
  return sum
}
