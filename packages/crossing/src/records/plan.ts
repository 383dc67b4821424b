/**
 * What was promised before anybody looked: arms, cases, metrics, margins, sample size, exclusions, prices and who
 * allowed what data to go where. Its hash goes onto the report; a plan changed after data is a new version and says so.
 */
import type { RecordingLevel } from './recording.ts'

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
  /** The judge, where one is used: an arm like any other, so that it is metered and needs a decision. */
  readonly judge: Arm | null
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

export interface ReplaySettings {
  readonly mode: 'step' | 'stubbed'
  readonly seed: number
  readonly concurrency: number
  /** In `currency`; a run stops before it would be exceeded. Null: none. */
  readonly spendCapNanos: bigint | null
  readonly currency: string
  readonly onMiss: 'stop' | 'error'
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
