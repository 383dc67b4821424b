/** What is asked of a candidate: cases cut out of sessions, and the frozen list of them that a plan names. */
export type Severity = 'critical' | 'major' | 'minor'

/**
 * `step` the recorded history, one answer asked again; `stubbed` the candidate drives and recorded tool results
 * answer; `sandbox` tools of the user with a state that can be reset; `live` real, read-only tools.
 */
export type CaseMode = 'step' | 'stubbed' | 'sandbox' | 'live'

export interface Case {
  readonly id: string
  readonly recordingId: string
  readonly sessionId: string
  /** The exchange asked again; null: the whole session (modes other than `step`). */
  readonly seq: number | null
  readonly mode: CaseMode
  readonly checks: readonly Check[]
  readonly tags: readonly string[]
  /** What a failure of this case means when its check does not say. */
  readonly severity: Severity
  /** 1 / inclusion probability of the session. */
  readonly weight: number
  /** Hash of what is asked, so that a changed recording is noticed. */
  readonly contentHash: string
}

/** Which scorer, and how; `options` is that scorer's own. */
export interface Check {
  readonly scorer: string
  readonly options: Readonly<Record<string, unknown>>
}

/** Frozen: `hash` covers the cases in order and nothing else. */
export interface Dataset {
  readonly id: string
  readonly name: string
  readonly recordingIds: readonly string[]
  readonly cases: readonly Case[]
  readonly frozenAtMs: number
  readonly hash: string
}
