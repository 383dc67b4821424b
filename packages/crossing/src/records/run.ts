/** What was asked and answered: runs of a plan, attempts at its cases, verdicts on them, comparisons, signatures. */
import type { CanonicalRequest, CanonicalResponse } from '@portolan/wire'
import type { UsageRecord } from '@portolan/meter'
import type { Severity } from './case.ts'
import type { Clocks } from './recording.ts'

/** One arm, one replicate, all cases. */
export interface Run {
  readonly id: string
  readonly planId: string
  readonly planHash: string
  /** An `Arm.name` of the plan; `aa` for the incumbent asked again. */
  readonly arm: string
  /** From 0. */
  readonly replicate: number
  readonly startedAtMs: number
  /** Null: not finished; resumed by (plan, case, arm, replicate). */
  readonly endedAtMs: number | null
  readonly state: 'running' | 'finished' | 'stopped-by-cap' | 'interrupted'
  /** Version of the program, of Node, and the arm's address without credentials. */
  readonly environment: Readonly<Record<string, string>>
  /** How foreign histories were made acceptable to this arm. */
  readonly adapter: AdapterChoice
  readonly currency: string
  readonly spentNanos: bigint
  /** Attempts whose cost is not known, so not in `spentNanos`. */
  readonly unpriced: number
}

export interface AdapterChoice {
  /** Reasoning that the arm demands and the trace lacks. */
  readonly reasoning: 'as-recorded' | 'thinking-off' | 'inject' | 'flatten' | 'drop'
  readonly notes: readonly string[]
  /** Request members over all cases: what became of each, with the number of cases. */
  readonly parameters: readonly ParameterOutcome[]
}

export interface ParameterOutcome {
  readonly name: string
  readonly outcome: 'carried' | 'translated' | 'dropped'
  readonly cases: number
  readonly note: string | null
}

/** As the translation report says it. `instructed`: said in words in the prompt, which demands nothing. */
export const fieldChanges = ['dropped', 'emulated', 'instructed', 'stripped'] as const
export type FieldChange = (typeof fieldChanges)[number]

/** Every case ends in one of these; missing is neither zero nor success. */
export type Outcome = 'pass' | 'fail' | 'error' | 'unscored'

export type Divergence =
  | 'other-tool'
  | 'other-arguments'
  | 'extra-call'
  | 'missing-call'
  | 'premature-stop'
  | 'refusal'
  | 'loop'
  | 'text-only'

export const stubTiers = ['exact', 'schema', 'policy', 'similar', 'miss'] as const
export type StubTier = (typeof stubTiers)[number]

/** One case, asked of one arm once (retries of transport included). Key: (runId, caseId). */
export interface Attempt {
  readonly runId: string
  readonly caseId: string
  readonly arm: string
  readonly replicate: number
  readonly outcome: Outcome
  /** Why it is `error` or `unscored`, as a stable word (`server-tool`, `http-400`, `evidence-too-thin`) and a sentence. */
  readonly reason: { readonly code: string; readonly message: string } | null
  /** In order: one for `step`, one per turn otherwise. */
  readonly turns: readonly AttemptTurn[]
  readonly divergence: { readonly kind: Divergence; readonly turn: number; readonly message: string } | null
  /** Upstream calls made over all turns, retries included. */
  readonly calls: number
  readonly startedAtMs: number
  readonly currency: string
  /** Null: not priced. */
  readonly costNanos: bigint | null
  readonly verdicts: readonly Verdict[]
}

export interface AttemptTurn {
  readonly request: CanonicalRequest
  readonly response: CanonicalResponse | null
  readonly httpStatus: number | null
  readonly error: { readonly code: string; readonly message: string } | null
  readonly usage: UsageRecord
  readonly clocks: Clocks
  /** Request members that did not reach the arm as they were said; absent: all did, or nobody kept it. */
  readonly changed?: readonly { readonly name: string; readonly how: FieldChange }[]
  /** How each tool call of the answer was served; empty in `step` mode. */
  readonly stubs: readonly { readonly callId: string; readonly tool: string; readonly tier: StubTier }[]
}

export interface Verdict {
  readonly scorer: string
  readonly version: string
  readonly outcome: Exclude<Outcome, 'error'>
  /** 0 to 1; null when unscored. */
  readonly score: number | null
  readonly severity: Severity
  /** What was compared and where it differs, in a form that a person can read; plain JSON. */
  readonly evidence: unknown
  /** A judge's own bill; null: free of charge. */
  readonly cost: { readonly currency: string; readonly nanos: bigint } | null
}

export interface Comparison {
  readonly id: string
  readonly planId: string
  /** The arm that is compared, and with which one. */
  readonly candidate: string
  readonly incumbent: string
  readonly metric: string
  /** Slice of the cases; null: all. */
  readonly slice: string | null
  readonly method: string
  readonly estimate: number
  /** Of the two-sided interval at 1 - 2 alpha, unless the method says otherwise. */
  readonly lower: number
  readonly upper: number
  readonly margin: number | null
  readonly cases: number
  readonly sessions: number
  readonly designEffect: number | null
  readonly pValue: number | null
  readonly decision: 'non-inferior' | 'not-shown' | 'worse' | 'shown-only'
}

/** Bound to one report by its hash: a changed report is an unsigned one. */
export interface SignOff {
  readonly id: string
  readonly role: string
  readonly person: string
  readonly decision: 'approved' | 'rejected'
  readonly note: string | null
  readonly reportHash: string
  readonly planHash: string
  readonly signedAtMs: number
}
