/** A small seeded plan with attempts in which every difference between the arms was planted. */
import { unknownUsage } from '@portolan/meter'
import { freezePlan, datasetHash } from '../plan/index.ts'
import type { Attempt, Case, Dataset, Outcome, Plan, Verdict } from '../records/index.ts'
import { answerOf, call, requestOf, text, tool, user } from '../replay/replay.test-support.ts'
import { seededRandom } from '../statistics/index.ts'

const startMs = Date.UTC(2026, 10, 1)
const question = requestOf([user('Where is my parcel?')], { tools: [tool('find_parcel', { id: { type: 'string' } })] })

export interface Planted {
  readonly failRate: number
  /** Of cases tagged `calls` only; on top of `failRate`. */
  readonly callFailRate?: number
  readonly costNanos: number
  readonly firstVisibleMs: number
  /** Case numbers with a critical failure. */
  readonly critical?: readonly number[]
  readonly unscoredRate?: number
}

export const sessions = 60
export const casesPerSession = 5

export function syntheticDataset(): Dataset {
  const cases: Case[] = Array.from({ length: sessions * casesPerSession }, (_, number) => ({
    id: `case_${String(number).padStart(4, '0')}`,
    recordingId: 'rec_1',
    sessionId: `ses_${Math.floor(number / casesPerSession)}`,
    seq: number % casesPerSession,
    mode: 'step',
    checks: [],
    tags: ['model:old-model', number % 3 === 0 ? 'calls' : 'no-calls', ...(number % 30 === 10 ? ['structured'] : [])],
    severity: 'major',
    weight: 1,
    contentHash: 'sha256:0',
  }))
  return {
    id: 'set_1',
    name: 'planted',
    recordingIds: ['rec_1'],
    cases,
    frozenAtMs: startMs,
    hash: datasetHash(cases),
  }
}

export function syntheticPlan(dataset: Dataset, candidates: readonly string[], more: Partial<Plan> = {}): Plan {
  const arm = (name: string): Plan['incumbent'] => ({ name, upstream: `up-${name}`, model: name, settings: {} })
  const draft: Plan = {
    id: 'plan_01KAS000000000000000000000',
    version: 1,
    name: 'planted',
    incumbent: arm('old-model'),
    candidates: candidates.map(arm),
    dataset: { id: dataset.id, hash: dataset.hash, cases: dataset.cases.length, sessions },
    metrics: [
      { name: 'quality', kind: 'difference', margin: 0.05, gate: true },
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
      seed: 11,
      concurrency: 4,
      spendCapNanos: null,
      currency: 'USD',
      onMiss: 'stop',
      similar: false,
      tools: {},
    },
    checks: [],
    checkLimits: { timeMs: 1000, memoryMiB: 128 },
    judge: null,
    egress: [],
    prices: { asOf: '2026-04-27', scenarios: [{ name: 'autumn', asOf: '2026-11-01' }] },
    amendedAfterData: null,
    frozenAtMs: null,
    hash: null,
    ...more,
  }
  return freezePlan(draft, startMs, null, false)
}

/** One attempt at every case. Failures come at random places, by the seed; clusters are not planted. */
export function syntheticAttempts(dataset: Dataset, arm: string, planted: Planted, seed: number): Attempt[] {
  const random = seededRandom(seed)
  return dataset.cases.map((test, number) => {
    const { failRate, callFailRate = 0, critical = [], unscoredRate = 0 } = planted
    const drawn = random()
    const isCritical = critical.includes(number)
    const rate = failRate + (test.tags.includes('calls') ? callFailRate : 0)
    const fails = isCritical || drawn < rate
    const outcome: Outcome = fails ? 'fail' : drawn > 1 - unscoredRate ? 'unscored' : 'pass'
    const noise = 0.8 + 0.4 * random()
    return attemptOf(test.id, arm, outcome, {
      critical: isCritical,
      costNanos: BigInt(Math.round(planted.costNanos * noise)),
      firstVisibleMs: Math.round(planted.firstVisibleMs * noise),
    })
  })
}

export function attemptOf(
  caseId: string,
  arm: string,
  outcome: Outcome,
  more: {
    readonly critical?: boolean
    readonly costNanos?: bigint | null
    readonly firstVisibleMs?: number | null
    readonly replicate?: number
    readonly said?: string
  } = {},
): Attempt {
  const { critical = false, costNanos = 1000n, firstVisibleMs = 100, replicate = 0 } = more
  const verdicts: Verdict[] = [
    { scorer: 'transport', version: '1', outcome: 'pass', score: 1, severity: 'major', evidence: null, cost: null },
    {
      scorer: 'tool-calls',
      version: '1',
      outcome: outcome === 'error' ? 'unscored' : outcome,
      score: outcome === 'pass' ? 1 : outcome === 'unscored' ? null : 0,
      severity: critical ? 'critical' : 'major',
      evidence: outcome === 'fail' ? { path: '/id', got: 'P-2', want: 'P-1' } : null,
      cost: null,
    },
  ]
  const response =
    outcome === 'error'
      ? null
      : answerOf([
          text(more.said ?? `${arm} looks it up.`),
          call('find_parcel', { id: outcome === 'fail' ? 'P-2' : 'P-1' }),
        ])
  return {
    runId: `run_${arm}_${replicate}`,
    caseId,
    arm,
    replicate,
    outcome,
    reason:
      outcome === 'unscored'
        ? { code: 'server-tool', message: 'The request uses a tool of its supplier.' }
        : outcome === 'error'
          ? { code: 'http-400', message: 'refused with 400' }
          : null,
    turns: [
      {
        request: question,
        response,
        httpStatus: outcome === 'error' ? 400 : 200,
        error: outcome === 'error' ? { code: 'http-400', message: 'refused with 400' } : null,
        usage: {
          ...unknownUsage,
          inputTokens: 100_000,
          hitTokens: 90_000,
          missTokens: 10_000,
          writtenTokens: 0,
          written1hTokens: 0,
          outputTokens: 2000,
          reasoningTokens: 0,
          source: 'reported',
          convention: 'cached-inside',
        },
        clocks: {
          firstByteMs: null,
          firstReasoningMs: firstVisibleMs === null ? null : 20,
          firstVisibleMs,
          endMs: firstVisibleMs === null ? null : firstVisibleMs + 500,
        },
        stubs: [],
      },
    ],
    divergence: outcome === 'fail' ? { kind: 'other-arguments', turn: 0, message: 'find_parcel: /id' } : null,
    calls: 1,
    startedAtMs: startMs,
    currency: 'USD',
    costNanos,
    verdicts,
  }
}
