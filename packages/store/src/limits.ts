/**
 * Who a limit holds, and the port of limits' definitions: budgets (`budgets.ts`) and rate limits.
 *
 * A limit holds for keys, teams, organisations, or all of them, and may be narrowed to models. It has one counter,
 * or one for each key, team, organisation or model (`each`): "60 requests a minute for each key" is one limit with
 * as many counters as keys. Definitions come from the configuration or from the admin API; each source touches its
 * own only.
 */
import type { BudgetInput } from './budgets.ts'
import { matchesGlob, type KeyRecord } from './keys.ts'

export type LimitSubject = 'key' | 'team' | 'organisation' | 'model'

export const limitSubjects: readonly LimitSubject[] = ['key', 'team', 'organisation', 'model']

export interface LimitScope {
  /** Names or ids. With `teams` and `organisations` empty as well: every key. */
  readonly keys: readonly string[]
  readonly teams: readonly string[]
  readonly organisations: readonly string[]
  /** Globs over model names; empty: every model. */
  readonly models: readonly string[]
  /** Null: one counter for all. */
  readonly each: LimitSubject | null
}

export const everyKey: LimitScope = { keys: [], teams: [], organisations: [], models: [], each: null }

export type LimitSource = 'config' | 'admin'

export interface RateLimitInput {
  readonly id: string
  readonly unit: 'requests' | 'tokens'
  /** So many in `perMs`, as a steady rate. */
  readonly amount: number
  readonly perMs: number
  /** How many may come at once after a pause; at least 1. */
  readonly burst: number
  readonly scope: LimitScope
}

/** One counter of one limit. `subject` is '' unless the limit counts each apart. */
export interface CounterRef {
  readonly id: string
  readonly subject: string
}

/** What holds one key: kept as long as the key's record is. */
export interface KeyLimits {
  readonly budgets: readonly AttachedLimit[]
  readonly rates: readonly AttachedLimit[]
}

export interface AttachedLimit {
  readonly id: string
  readonly scope: LimitScope
  readonly unit: 'money' | 'tokens' | 'requests'
}

export const noLimits: KeyLimits = { budgets: [], rates: [] }

export interface LimitStore {
  /** The definitions of one source, all at once: what is missing here and was there before is gone. */
  syncLimits(source: LimitSource, budgets: readonly BudgetInput[], rates: readonly RateLimitInput[]): void
  putRate(input: RateLimitInput, source: LimitSource): void
  /** False when there is no such limit of this source. */
  removeRate(id: string, source: LimitSource): boolean
  removeBudget(id: string, source: LimitSource): boolean
  listRates(): readonly (RateLimitInput & { readonly source: LimitSource })[]
  /** What holds a key. The same record gives the same answer; a changed limit gives new records. */
  limitsOf(key: KeyRecord): KeyLimits
}

export function scopeHolds(scope: LimitScope, key: KeyRecord): boolean {
  const { keys, teams, organisations } = scope
  if (keys.length === 0 && teams.length === 0 && organisations.length === 0) return true
  return (
    keys.includes(key.id) ||
    keys.includes(key.name) ||
    (key.teamId !== null && teams.includes(key.teamId)) ||
    (key.organisationId !== null && organisations.includes(key.organisationId))
  )
}

/** The counters that a request of this key for this model moves. */
export function countersFor(limits: readonly AttachedLimit[], key: KeyRecord, model: string): CounterRef[] {
  const refs: CounterRef[] = []
  for (const { id, scope } of limits) {
    if (scope.models.length > 0 && !scope.models.some((glob) => matchesGlob(glob, model))) continue
    refs.push({ id, subject: subjectOf(scope.each, key, model) })
  }
  return refs
}

/** Keys without a team count together, as `-`: being in no team is no way around a limit. */
function subjectOf(each: LimitSubject | null, key: KeyRecord, model: string): string {
  if (each === null) return ''
  if (each === 'key') return key.id
  if (each === 'model') return model
  return (each === 'team' ? key.teamId : key.organisationId) ?? '-'
}
