/**
 * The report as one value: everything the renderers show, and nothing else. JSON that needs no program to be read;
 * money is nanos in a string, times are ISO 8601, what is not known is null beside a sentence that says why.
 *
 * `signatures` stands apart: its entries are bound to the hash of all other members.
 */
import { z } from 'zod'
import { replayModes } from '../records/index.ts'

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
      outcome: z.enum(['translated', 'dropped']),
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
  /** Months that the budget lasts; null: no budget was given, or the bill is not known. */
  budget: z
    .strictObject({
      amountNanos: nanos,
      monthlyNanos: nanos,
      currency: z.string(),
      monthsNow: z.number(),
      monthsThen: z.number(),
      /** Of the bootstrap interval of the cost ratio; null where the ratio has none. */
      monthsThenLower: z.number().nullable(),
      monthsThenUpper: z.number().nullable(),
      reading: z.enum(['steady', 'observed']),
    })
    .nullable(),
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
  longContext: z.array(z.strictObject({ arm: z.string(), effectiveTokens: z.int().nullable(), detail: z.string() })),
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

/** JSON Schema (draft 2020-12) of the JSON form, for readers in other languages. */
export const reportJsonSchema: unknown = z.toJSONSchema(reportSchema, { target: 'draft-2020-12' })
