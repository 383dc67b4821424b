/**
 * What was promised before anybody looked: arms, cases, metrics, margins, sample size, exclusions, prices and who
 * allowed what data to go where. Its hash goes onto the report; a plan changed after data is a new version and says so.
 */
import type { Severity } from './case.ts'
import type { RecordingLevel, ToolClass } from './recording.ts'

export interface Plan {
  readonly id: string
  /** From 1; a change makes the next one. */
  readonly version: number
  readonly name: string
  readonly incumbent: Arm
  readonly candidates: readonly Arm[]
  readonly dataset: { readonly id: string; readonly hash: string; readonly cases: number; readonly sessions: number }
  readonly metrics: readonly Metric[]
  /** One-sided. */
  readonly alpha: number
  readonly power: number
  readonly sampleSize: SampleSize
  readonly exclusions: readonly Exclusion[]
  readonly replay: ReplaySettings
  /** Of the user's own, beside what every answer is scored by. */
  readonly checks: readonly PlanCheck[]
  readonly checkLimits: CheckLimits
  readonly judge: Judge | null
  readonly egress: readonly EgressDecision[]
  readonly prices: PriceAssumptions
  /** Why this version differs from the one before, once a run of that one exists; null: nothing was seen yet. */
  readonly amendedAfterData: string | null
  /** Null: a draft. */
  readonly frozenAtMs: number | null
  /** SHA-256 over the canonical form of all other members; null for a draft. */
  readonly hash: string | null
}

/** Who answers. `aa` is the incumbent asked again: the noise floor. */
export interface Arm {
  readonly name: string
  readonly upstream: string
  /** The upstream's own name of the model. */
  readonly model: string
  /** Request members set for this arm only, in canonical names, e.g. `{ thinking: { mode: 'off' } }`. */
  readonly settings: Readonly<Record<string, unknown>>
}

/**
 * `difference`: paired pass rate, candidate minus incumbent, must not fall below -margin (a share, 0.02 = 2 points).
 * `ratio`: candidate over incumbent, must not exceed 1 + margin. `count`: must not exceed margin (critical: 0).
 */
export interface Metric {
  readonly name: string
  readonly kind: 'difference' | 'ratio' | 'count'
  readonly margin: number
  /** Gates decide the verdict; the others are shown. */
  readonly gate: boolean
}

export interface SampleSize {
  /** Cases per arm that the plan needs. */
  readonly cases: number
  readonly replicates: number
  /** What the number was computed from; null: chosen by hand. */
  readonly pilot: PilotResult | null
}

export interface PilotResult {
  readonly runAtMs: number
  readonly cases: number
  readonly sessions: number
  /** Share of cases in which candidate and incumbent differ. */
  readonly discordance: number
  /** The same between the incumbent and itself. */
  readonly floorDiscordance: number
  /** Intra-session correlation of the difference, and the mean cases per session it was measured with. */
  readonly intraSessionCorrelation: number
  readonly casesPerSession: number
  readonly designEffect: number
  readonly incumbentPassRate: number
  readonly spentNanos: bigint
  readonly currency: string
  /** Projected spend of the whole plan, all arms and replicates; null: an arm has no price. */
  readonly projectedNanos: bigint | null
}

/** Stated before data: cases that match do not count, and are listed. */
export interface Exclusion {
  readonly rule: string
  readonly reason: string
}

/**
 * `step`: each recorded exchange asked again with its recorded history. `sessions`: the candidate drives whole sessions
 * and recorded results answer its tools. `both`: steps decide on quality, sessions are measured beside them.
 */
export const replayModes = ['step', 'sessions', 'both'] as const
export type ReplayMode = (typeof replayModes)[number]

export interface ReplaySettings {
  readonly mode: ReplayMode
  readonly seed: number
  readonly concurrency: number
  /** In `currency`; a run stops before it would be exceeded. Null: none. */
  readonly spendCapNanos: bigint | null
  readonly currency: string
  /** Of a session run: a call that the recording cannot answer ends it, or gets an error as its result. */
  readonly onMiss: 'stop' | 'error'
  /** Serve the next recorded call of the tool when no arguments match. Flagged, and no evidence. */
  readonly similar: boolean
  /** By tool name; what is not said is taken as a `write` whose arguments count in every detail. */
  readonly tools: Readonly<Record<string, ToolPolicy>>
}

export interface ToolPolicy {
  /** Null: nobody said. */
  readonly class: ToolClass | null
  readonly arguments: readonly ArgumentRule[]
}

/** By JSON pointer, `*` for any one member: `/items/*\/id`. The first match wins. */
export interface ArgumentRule {
  readonly path: string
  readonly rule: 'ignore' | 'unordered' | 'normalised' | 'free-text' | { readonly tolerance: number }
}

/** What the check looks at; all but `file` read the words of a final answer and leave tool turns alone. */
export type PlanCheck = CheckFrame &
  (
    | { readonly scorer: 'exact' | 'normalised' }
    | { readonly scorer: 'contains'; readonly text: string }
    | { readonly scorer: 'number'; readonly tolerance: number }
    | { readonly scorer: 'similarity'; readonly least: number }
    | { readonly scorer: 'pattern'; readonly pattern: string; readonly flags: string; readonly absent: boolean }
    /** A null schema: any JSON will do. */
    | { readonly scorer: 'json'; readonly schema: unknown }
    /** Relative to the plan file; the hash is set when the plan is frozen, and the file has to keep it. */
    | { readonly scorer: 'file'; readonly path: string; readonly hash: string | null }
  )

interface CheckFrame {
  /** Its metric is `check:NAME`. */
  readonly name: string
  readonly severity: Severity
  /** Only cases with one of these tags; none: all. */
  readonly tags: readonly string[]
}

/** Of one check of one answer; beyond them the check is `unscored` with its reason. */
export interface CheckLimits {
  readonly timeMs: number
  readonly memoryMiB: number
}

/** An arm like any other, so that it is metered and needs a decision. */
export interface Judge extends Arm {
  /** What makes an answer better here; null: the general rubric. */
  readonly rubric: string | null
  /** The candidate is not inferior when its win rate lies above 0.5 less this. */
  readonly margin: number
  /** The most cases that are judged for each candidate; null: all that have words to compare. */
  readonly mostCases: number | null
}

export interface PriceAssumptions {
  /** ISO 8601 day; prices in force on it are the report's. */
  readonly asOf: string
  /** Further rows of the cost table, e.g. after a promotion ends. */
  readonly scenarios: readonly { readonly name: string; readonly asOf: string }[]
}

export const egressPurposes = ['replay', 'judge', 'check', 'shadow'] as const
export type EgressPurpose = (typeof egressPurposes)[number]

/** One named person's answer to: may this data go to this processor, for this purpose? (law 9) */
export interface EgressDecision {
  /** Name of the upstream, as configured. */
  readonly processor: string
  readonly decision: 'allowed' | 'refused'
  /** Name and role of a person. */
  readonly by: string
  /** ISO 8601 day. */
  readonly on: string
  readonly purposes: readonly EgressPurpose[]
  /** The most that may go; `redacted` does not cover a `full` recording. */
  readonly level: Extract<RecordingLevel, 'redacted' | 'full'>
  /** In words: whose data, of what kind. */
  readonly data: string
  /** ISO 8601 day after which it no longer holds; null: until withdrawn. */
  readonly until: string | null
  readonly note: string | null
}
