/**
 * The report as one value: everything the renderers show, and nothing else. JSON that needs no program to be read;
 * money is nanos in a string, times are ISO 8601, what is not known is null beside a sentence that says why.
 *
 * `signatures` stands apart: its entries are bound to the hash of all other members.
 */
import { z } from 'zod'
import { costReadings } from '../compare/cost-readings.ts'
import { fieldChanges, replayModes, stubTiers } from '../records/index.ts'

const nanos = z.string().regex(/^-?\d+$/)
const share = z.number()
const sha256 = z.string().regex(/^sha256:[0-9a-f]{64}$/)
const outcome = z.enum(['pass', 'fail', 'error', 'unscored'])
const decision = z.enum(['non-inferior', 'not-shown', 'worse', 'shown-only'])

const comparison = z.strictObject({
  id: z.string(),
  planId: z.string(),
  candidate: z.string(),
  incumbent: z.string(),
  metric: z.string(),
  slice: z.string().nullable(),
  method: z.string(),
  estimate: z.number(),
  lower: z.number(),
  upper: z.number(),
  margin: z.number().nullable(),
  cases: z.int(),
  sessions: z.int(),
  designEffect: z.number().nullable(),
  pValue: z.number().nullable(),
  decision,
})

const amount = z.strictObject({ nanos: nanos.nullable(), why: z.string().nullable() })

const costTable = z.strictObject({
  name: z.string(),
  asOf: z.string(),
  basis: z.enum(['charged', 'list']),
  tasks: z.int(),
  arms: z.array(
    z.strictObject({
      arm: z.string(),
      observed: amount,
      repriced: amount,
      steady: amount,
      cold: amount,
      observedHitShare: share.nullable(),
      steadyHitShare: share.nullable(),
      priceVersions: z.array(z.string()),
    }),
  ),
  breakEven: z.array(
    z.strictObject({ arm: z.string(), hitShare: share.nullable(), against: z.enum(['steady', 'observed']) }),
  ),
  /** Candidate over incumbent; of the first table only. The ends are null where there was one session. */
  ratios: z.array(
    z.strictObject({
      arm: z.string(),
      reading: z.enum(costReadings),
      estimate: z.number(),
      lower: z.number().nullable(),
      upper: z.number().nullable(),
    }),
  ),
})

/** Null: later than the forecast reaches. */
const monthsRange = z.strictObject({
  p10: z.number().nullable(),
  p50: z.number().nullable(),
  p90: z.number().nullable(),
})

const tasksBought = z.int().nullable()

const budgetReading = z.strictObject({
  name: z.string(),
  amountNanos: nanos,
  currency: z.string(),
  /** Which bills the ratio compares. */
  reading: z.enum(['steady', 'observed']),
  ratio: z.number(),
  ratioLower: z.number().nullable(),
  ratioUpper: z.number().nullable(),
  /** What the amount buys; the ends are those of the ratio. */
  tasks: z.strictObject({
    today: tasksBought,
    moved: tasksBought,
    movedLower: tasksBought,
    movedUpper: tasksBought,
  }),
  months: z
    .strictObject({
      basis: z.enum(['forecast', 'as given']),
      today: monthsRange,
      moved: monthsRange,
    })
    .nullable(),
  monthsWhy: z.string().nullable(),
})

const longContext = z.strictObject({
  arm: z.string(),
  model: z.string(),
  askedAt: z.string(),
  batteryVersion: z.int(),
  material: z.string(),
  effectiveTokens: z.int().nullable(),
  passed: z.int(),
  judged: z.int(),
  /** Asked for and not judged: no answer, or not to be made. */
  missing: z.int(),
  lengths: z.array(
    z.strictObject({
      lengthTokens: z.int(),
      passed: z.int(),
      judged: z.int(),
      lower: share,
      upper: share,
      firstVisibleMs: z.number().nullable(),
    }),
  ),
  /** A null depth: facts spread over the whole text. */
  cells: z.array(z.strictObject({ lengthTokens: z.int(), depth: share.nullable(), passed: z.int(), judged: z.int() })),
  notes: z.array(z.string()),
})

const sessionRuns = z.strictObject({
  arm: z.string(),
  runs: z.int(),
  passed: z.int(),
  failed: z.int(),
  errors: z.int(),
  unscored: z.int(),
  /** How runs left the recorded way; those that kept to it are in none. */
  divergences: z.array(z.strictObject({ kind: z.string(), runs: z.int() })),
  /** How tool calls were answered. */
  served: z.array(z.strictObject({ tier: z.enum(stubTiers), calls: z.int() })),
})

const judgePanel = z.strictObject({
  candidate: z.string(),
  judge: z.string(),
  model: z.string(),
  /** Of the prompt, rubric included. */
  promptHash: z.string(),
  /** Cases on which it gave no usable answer; they are in no figure. */
  silent: z.int(),
  currency: z.string(),
  /** Its own bill; null: not all of it is priced. */
  nanos: nanos.nullable(),
  winRate: share,
  lower: share,
  upper: share,
  cases: z.int(),
  sessions: z.int(),
  flipRate: share,
  labels: z.int(),
  agreement: share.nullable(),
  kappa: z.number().nullable(),
  kappaLower: z.number().nullable(),
  kappaUpper: z.number().nullable(),
  /** Moved by the judge's mean error on the labelled cases. */
  corrected: z.strictObject({ mean: z.number(), lower: z.number(), upper: z.number() }).nullable(),
  calibrated: z.boolean(),
  problems: z.array(z.string()),
  margin: z.number(),
  decision,
})

const charge = z.strictObject({
  arm: z.string(),
  /** UTC. */
  day: z.string(),
  currency: z.string(),
  meter: z.enum(['input-miss', 'input-hit', 'cache-write-5m', 'cache-write-1h', 'output', 'unsplit']),
  tokens: z.int(),
  /** Of `unsplit` only. */
  requests: z.int(),
  nanos,
})

const armFigures = z.strictObject({
  arm: z.string(),
  outcomes: z.strictObject({ pass: z.int(), fail: z.int(), error: z.int(), unscored: z.int(), missing: z.int() }),
  /** Milliseconds over cases; null: no case has this clock. */
  clocks: z.array(
    z.strictObject({
      clock: z.enum(['first reasoning', 'first visible', 'total']),
      p50Ms: z.number().nullable(),
      p95Ms: z.number().nullable(),
      cases: z.int(),
    }),
  ),
  scorers: z.array(
    z.strictObject({
      scorer: z.string(),
      versions: z.array(z.string()),
      pass: z.int(),
      fail: z.int(),
      unscored: z.int(),
      /** Of those scored, with its 95 % interval by Wilson; null: none scored. */
      rate: z.strictObject({ rate: share, lower: share, upper: share }).nullable(),
    }),
  ),
  settings: z.array(
    z.strictObject({
      name: z.string(),
      outcome: z.enum(['translated', ...fieldChanges]),
      cases: z.int(),
      note: z.string().nullable(),
    }),
  ),
  /** How histories of another model were made acceptable; null: no run of this arm is stored. */
  reasoning: z.string().nullable(),
  adapterNotes: z.array(z.string()),
  runs: z.array(z.strictObject({ id: z.string(), replicate: z.int(), state: z.string(), startedAt: z.string() })),
})

const answer = z.strictObject({ outcome, text: z.string() }).nullable()

const caseRow = z.strictObject({
  candidate: z.string(),
  caseId: z.string(),
  sessionId: z.string(),
  kind: z.enum(['regressed', 'both-failed', 'improved']),
  critical: z.boolean(),
  tags: z.array(z.string()),
  why: z.array(z.string()),
  incumbentAnswer: answer,
  candidateAnswer: answer,
})

const candidate = z.strictObject({
  name: z.string(),
  model: z.string(),
  upstream: z.string(),
  verdict: z.enum(['NON-INFERIOR', 'NOT SHOWN', 'WORSE']),
  reason: z.string(),
  gates: z.array(
    z.strictObject({ metric: z.string(), decision: decision.exclude(['shown-only']), reason: z.string() }),
  ),
  quality: comparison.nullable(),
  otherComparisons: z.array(comparison),
  /** Worst first. */
  slices: z.array(comparison),
  sensitivity: z.array(z.strictObject({ missing: z.string(), comparison })),
  notKnown: z.array(z.strictObject({ metric: z.string(), why: z.string() })),
  criticalFailures: z.array(
    z.strictObject({ caseId: z.string(), replicate: z.int(), scorer: z.string(), evidence: z.string() }),
  ),
  /** Null: no budget was given, or the bills are not known. */
  budget: budgetReading.nullable(),
})

const signature = z.strictObject({
  id: z.string(),
  role: z.string().min(1),
  person: z.string().min(1),
  decision: z.enum(['approved', 'rejected']),
  note: z.string().nullable(),
  reportHash: sha256,
  planHash: sha256,
  signedAtMs: z.int(),
})

export const reportSchema = z.strictObject({
  portolanReport: z.literal(1),
  plan: z.strictObject({
    id: z.string(),
    version: z.int(),
    name: z.string(),
    hash: sha256,
    incumbent: z.string(),
    incumbentModel: z.string(),
    mode: z.enum(replayModes),
    alpha: z.number(),
    margin: z.number().nullable(),
    seed: z.int(),
    frozenAt: z.string(),
    plannedCases: z.int(),
    replicates: z.int(),
    amendedAfterData: z.string().nullable(),
    priceDay: z.string(),
    egress: z.array(
      z.strictObject({ processor: z.string(), decision: z.string(), by: z.string(), on: z.string(), data: z.string() }),
    ),
  }),
  data: z.strictObject({
    datasetId: z.string(),
    datasetHash: sha256,
    cases: z.int(),
    sessions: z.int(),
    /** Null: the caller did not say. */
    window: z.strictObject({ from: z.string(), until: z.string() }).nullable(),
    recordings: z.array(
      z.strictObject({ id: z.string(), level: z.string(), exchanges: z.int(), dropped: z.int(), notSampled: z.int() }),
    ),
  }),
  currency: z.string(),
  priceBook: z.strictObject({ id: z.string(), asOf: z.string() }).nullable(),
  candidates: z.array(candidate),
  arms: z.array(armFigures),
  costs: z.array(costTable),
  longContext: z.array(longContext),
  /** Whole sessions that the arm drove; empty: none were run. */
  sessionRuns: z.array(sessionRuns),
  judge: z.array(judgePanel),
  /** What the replay itself cost. */
  charges: z.array(charge),
  /** Attempts that were asked and are in no charge. */
  unpricedAttempts: z.int(),
  cases: z.array(caseRow),
  unscored: z.array(z.strictObject({ arm: z.string(), caseId: z.string(), code: z.string(), message: z.string() })),
  excluded: z.array(z.strictObject({ caseId: z.string(), rule: z.string(), reason: z.string() })),
  unreadRules: z.array(z.string()),
  reproduce: z.string(),
  signatures: z.array(signature),
})

export type ReportData = z.infer<typeof reportSchema>
export type CandidateReport = ReportData['candidates'][number]
export type ArmFigures = ReportData['arms'][number]
export type CaseRow = ReportData['cases'][number]
export type ReportCosts = ReportData['costs'][number]
export type LongContextReport = ReportData['longContext'][number]

/** JSON Schema (draft 2020-12) of the JSON form, for readers in other languages. */
export const reportJsonSchema: unknown = z.toJSONSchema(reportSchema, { target: 'draft-2020-12' })
