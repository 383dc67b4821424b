/** A first version of a plan, with the house's defaults; and what a pilot adds to it. */
import { mintId, type Arm, type Dataset, type PilotResult, type Plan } from '../records/index.ts'
import { readPilot, type PilotCase } from '../statistics/index.ts'
import { CrossingError } from '../errors.ts'

export interface DraftInput {
  readonly name: string
  readonly incumbent: Arm
  readonly candidates: readonly Arm[]
  readonly dataset: Dataset
  /** A share: 0.02 is two points. */
  readonly margin: number
  readonly nowMs: number
  readonly currency: string
}

/** Cases of a pilot: enough for a first guess at the disagreement. */
export const pilotCases = 50

export function draftPlan({ name, incumbent, candidates, dataset, margin, nowMs, currency }: DraftInput): Plan {
  return {
    id: mintId('plan', nowMs),
    version: 1,
    name,
    incumbent,
    candidates,
    dataset: {
      id: dataset.id,
      hash: dataset.hash,
      cases: dataset.cases.length,
      sessions: new Set(dataset.cases.map((each) => each.sessionId)).size,
    },
    metrics: [
      { name: 'quality', kind: 'difference', margin, gate: true },
      { name: 'critical-failures', kind: 'count', margin: 0, gate: true },
      { name: 'cost', kind: 'ratio', margin: 0, gate: false },
      { name: 'first-visible', kind: 'ratio', margin: 0.2, gate: false },
    ],
    alpha: 0.05,
    power: 0.8,
    sampleSize: { cases: dataset.cases.length, replicates: 1, pilot: null },
    exclusions: [],
    replay: {
      mode: 'step',
      seed: 1,
      concurrency: 4,
      spendCapNanos: null,
      currency,
      onMiss: 'stop',
      similar: false,
      tools: {},
    },
    checks: [],
    checkLimits: { timeMs: 1000, memoryMiB: 128 },
    judge: null,
    egress: [],
    prices: { asOf: new Date(nowMs).toISOString().slice(0, 10), scenarios: [] },
    amendedAfterData: null,
    frozenAtMs: null,
    hash: null,
  }
}

export interface PilotInput {
  readonly cases: readonly PilotCase[]
  /** How often each case was asked of each arm. */
  readonly replicates: number
  readonly runAtMs: number
  readonly spentNanos: bigint
  readonly currency: string
}

export interface PilotedPlan {
  readonly plan: Plan
  /** With the upper 80 % bound of the disagreement. */
  readonly casesAtWorst: number
}

/** @throws {CrossingError} CROSSING_BAD_PLAN for a pilot without an A/A arm, CROSSING_CONFLICT for a frozen plan. */
export function withPilot(plan: Plan, { cases, replicates, runAtMs, spentNanos, currency }: PilotInput): PilotedPlan {
  if (plan.frozenAtMs !== null)
    throw new CrossingError('CROSSING_CONFLICT', 'The plan is frozen: its sample size is promised already.')
  if (cases.length === 0 || cases.some(({ incumbentAgain }) => incumbentAgain === null))
    throw new CrossingError(
      'CROSSING_BAD_PLAN',
      'The pilot has no A/A arm: ask the incumbent twice, else nobody knows how much it disagrees with itself.',
    )
  const margin = plan.metrics.find(({ kind, gate }) => kind === 'difference' && gate)?.margin
  if (margin === undefined)
    throw new CrossingError('CROSSING_BAD_PLAN', 'The plan has no gating metric of kind `difference` with a margin.')
  if (margin === 0)
    throw new CrossingError(
      'CROSSING_BAD_PLAN',
      'A margin of 0 asks the candidate to be better, and no number of cases shows that of an equal one: a pilot cannot set the sample size. Give a margin, or set sampleSize.cases by hand.',
    )
  const { alpha, power } = plan
  const { mode } = plan.replay
  // A whole session is one case of its own.
  const casesPerSession = mode === 'sessions' ? 1 : Math.max(1, plan.dataset.cases / plan.dataset.sessions)
  const reading = readPilot(cases, { margin, alpha, power, sessionCases: casesPerSession })
  // A session takes about as many turns as it has steps, and a pilot asks either the one or the other.
  const askings = mode === 'both' ? 2 : 1
  const runs = askings * reading.casesNeeded * (plan.candidates.length + 2) * plan.sampleSize.replicates
  const pilot: PilotResult = {
    runAtMs: Math.floor(runAtMs),
    cases: reading.cases,
    sessions: reading.sessions,
    discordance: reading.discordance,
    floorDiscordance: reading.floorDiscordance ?? 0,
    intraSessionCorrelation: reading.intraSessionCorrelation ?? 0,
    casesPerSession,
    designEffect: reading.designEffect,
    incumbentPassRate: cases.reduce((sum, { incumbent }) => sum + incumbent, 0) / cases.length,
    spentNanos,
    currency,
    // A pilot asks one candidate and the incumbent twice.
    projectedNanos: (spentNanos * BigInt(runs)) / BigInt(cases.length * 3 * replicates),
  }
  return {
    plan: { ...plan, sampleSize: { ...plan.sampleSize, cases: reading.casesNeeded, pilot } },
    casesAtWorst: reading.casesNeededAtWorst,
  }
}
