/**
 * One report in which every difference was planted: new-model is as good, five times cheaper and twice as slow to speak;
 * broken-model fails tool calls, critically in one case. `richInput` has everything that a report can show.
 */
import { readFileSync } from 'node:fs'
import { bundledPricesUrl, loadPriceBook } from '@portolan/meter'
import { batteryVersions, groupResults, type CaseResult, type CheckReport } from '../check/index.ts'
import { attemptOf, syntheticAttempts, syntheticDataset, syntheticPlan } from '../compare/synthetic.test-support.ts'
import type { JudgePanel } from '../compare/index.ts'
import { readPanel, type HumanLabel, type PanelCase } from '../judge/index.ts'
import { datasetHash } from '../plan/index.ts'
import type { Attempt, Case, Dataset, Divergence, Plan, Run, Verdict } from '../records/index.ts'
import { seededRandom } from '../statistics/index.ts'
import type { ReportInput } from './build-report.ts'

export const plantedDataset = syntheticDataset()
export const plantedPlan = syntheticPlan(plantedDataset, ['new-model', 'broken-model'])
const book = loadPriceBook(readFileSync(bundledPricesUrl, 'utf8'))

export function plantedAttempts(dataset: Dataset): Attempt[] {
  const equal = { failRate: 0.01, costNanos: 155_000_000, firstVisibleMs: 400 }
  const broken = { ...equal, callFailRate: 0.4, costNanos: 31_000_000, critical: [17], unscoredRate: 0.02 }
  return [
    ...syntheticAttempts(dataset, 'old-model', equal, 1),
    ...syntheticAttempts(dataset, 'aa', equal, 2),
    ...syntheticAttempts(dataset, 'new-model', { ...equal, costNanos: 31_000_000, firstVisibleMs: 800 }, 3),
    ...syntheticAttempts(dataset, 'broken-model', broken, 4),
  ]
}

export function plantedRun(arm: string, plan: Plan = plantedPlan): Run {
  return {
    id: `run_${arm}_0`,
    planId: plan.id,
    planHash: plan.hash!,
    arm,
    replicate: 0,
    startedAtMs: Date.UTC(2026, 10, 2),
    endedAtMs: Date.UTC(2026, 10, 2, 1),
    state: 'finished',
    environment: {},
    adapter: {
      reasoning: arm === 'old-model' ? 'as-recorded' : 'thinking-off',
      notes: [],
      parameters: [
        { name: 'temperature', outcome: 'dropped', cases: 300, note: 'ignored while thinking' },
        { name: 'tools', outcome: 'carried', cases: 100, note: null },
      ],
    },
    currency: 'USD',
    spentNanos: 0n,
    unpriced: 0,
  }
}

const arms = ['old-model', 'aa', 'new-model', 'broken-model']

export function plantedInput(): ReportInput {
  return {
    plan: plantedPlan,
    dataset: plantedDataset,
    runs: arms.map((arm) => plantedRun(arm)),
    attempts: plantedAttempts(plantedDataset),
    recordings: [],
    window: { firstAtMs: Date.UTC(2026, 9, 1), lastAtMs: Date.UTC(2026, 9, 14) },
    pricing: {
      book,
      arms: {
        'old-model': { vendor: 'openai', model: 'gpt-5.5', currency: 'USD' },
        'new-model': { vendor: 'deepseek', model: 'deepseek-v4-pro', currency: 'USD' },
      },
      exchanges: null,
    },
    budget: {
      name: 'platform',
      amountNanos: 120_000_000_000_000n,
      monthlyNanos: 30_000_000_000_000n,
      spend: [],
      firstDay: 20_570,
    },
    longContext: [],
    reproduce: 'portolan report make plan.yaml',
  }
}

/** With whole sessions, checks of the plan's own, a judge, long-context checks and a budget with four weeks of use. */
export function richInput(): ReportInput {
  const dataset = withSessions(plantedDataset)
  const plan = syntheticPlan(dataset, ['new-model', 'broken-model'])
  const firstDay = 20_570
  return {
    ...plantedInput(),
    plan,
    dataset,
    runs: arms.map((arm) => plantedRun(arm, plan)),
    attempts: [...plantedAttempts(plantedDataset).map(withOwnCheck), ...sessionAttempts(dataset)],
    recordings: [{ id: 'rec_1', level: 'redacted', counts: recordingCounts }],
    budget: {
      name: 'platform',
      amountNanos: 120_000_000_000_000n,
      monthlyNanos: null,
      spend: Array.from({ length: 28 }, (_, at) => ({
        day: firstDay - 28 + at,
        nanos: BigInt(900 + 40 * (at % 7)) * 1_000_000_000n,
      })),
      firstDay,
    },
    longContext: [
      { arm: 'old-model', check: longContextCheck('old-model', 64_000) },
      { arm: 'new-model', check: longContextCheck('new-model', 128_000) },
    ],
    judge: [judged('new-model', 80), judged('broken-model', 20)],
  }
}

const recordingCounts = {
  sessions: 60,
  exchanges: 3120,
  notSampled: 0,
  dropped: 4,
  droppedBy: {},
  declined: 0,
  erased: 0,
}

function withSessions(dataset: Dataset): Dataset {
  const sessions = Array.from({ length: 40 }, (_, at): Case => ({
    ...dataset.cases[at * 5]!,
    id: `case_ses_${at}_run`,
    seq: null,
    mode: 'stubbed',
  }))
  const cases = [...dataset.cases, ...sessions]
  return { ...dataset, cases, hash: datasetHash(cases) }
}

const ways: readonly (Divergence | null)[] = [
  null,
  null,
  null,
  null,
  null,
  'other-arguments',
  null,
  'extra-call',
  null,
  'loop',
]

function sessionAttempts({ cases }: Dataset): Attempt[] {
  const runs = cases.filter(({ mode }) => mode === 'stubbed')
  return ['old-model', 'new-model', 'broken-model'].flatMap((arm) =>
    runs.map(({ id }, at): Attempt => {
      const kind = arm === 'old-model' ? null : ways[at % ways.length]!
      const made = attemptOf(id, arm, kind === null ? 'pass' : 'unscored', { costNanos: 90_000_000n })
      const tier = kind === null ? 'exact' : 'miss'
      return {
        ...made,
        turns: made.turns.map((turn) => ({ ...turn, stubs: [{ callId: 'c', tool: 'find_parcel', tier }] })),
        divergence: kind === null ? null : { kind, turn: 0, message: 'find_parcel' },
      }
    }),
  )
}

function withOwnCheck(attempt: Attempt, at: number): Attempt {
  const verdict: Verdict = {
    scorer: 'check:mentions-parcel',
    version: 'a1b2c3',
    outcome: at % 50 === 0 ? 'fail' : 'pass',
    score: at % 50 === 0 ? 0 : 1,
    severity: 'minor',
    evidence: null,
    cost: null,
  }
  return { ...attempt, verdicts: [...attempt.verdicts, verdict] }
}

export function longContextCheck(model: string, holdsTokens: number): CheckReport {
  const random = seededRandom(7)
  const cases = [4000, 16_000, 64_000, 128_000].flatMap((lengthTokens) =>
    [0, 0.25, 0.5, 0.75, 1, null].flatMap((depth) =>
      Array.from({ length: 8 }, (_, repeat): CaseResult => {
        const rate = lengthTokens <= holdsTokens ? 0.99 : depth === 0.5 ? 0.2 : 0.6
        return {
          id: `longctx/needle/${lengthTokens}/${depth ?? 'whole'}/${repeat}`,
          group: `needle at ${lengthTokens}`,
          title: 'needle',
          outcome: random() < rate ? 'pass' : 'fail',
          detail: '',
          place: depth === null ? { lengthTokens } : { lengthTokens, depth },
          calls: 1,
          totalMs: 900,
          firstVisibleMs: lengthTokens / 100,
          inputTokens: lengthTokens,
          outputTokens: 9,
        }
      }),
    ),
  )
  return {
    battery: 'longctx',
    version: batteryVersions.longctx,
    material: 'generated',
    target: { baseUrl: 'http://127.0.0.1:4114', protocol: 'chat', model },
    seed: 1,
    startedAtMs: Date.UTC(2026, 10, 3),
    cases,
    groups: groupResults(cases),
    notes: ['Lengths are counted with the given tokenizer.'],
  }
}

function judged(candidate: string, labelled: number): JudgePanel {
  const random = seededRandom(9)
  const cases = Array.from({ length: 120 }, (_, at): PanelCase => {
    const drawn = random()
    return {
      caseId: `case_${at}`,
      session: `ses_${Math.floor(at / 2)}`,
      preference: drawn < 0.3 ? 'candidate' : drawn < 0.7 ? 'tie' : 'incumbent',
      flipped: at % 12 === 0,
    }
  })
  const labels = cases
    .slice(0, labelled)
    .map(({ caseId, preference }, at): HumanLabel => ({ caseId, preference: at % 15 === 0 ? 'tie' : preference }))
  return {
    candidate,
    judge: 'judge-model',
    model: 'a-judge',
    promptHash: 'sha256:0123456789ab',
    panel: readPanel(cases, labels),
    silent: 2,
    currency: 'USD',
    costNanos: 1_230_000_000n,
  }
}
