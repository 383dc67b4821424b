/** Records of the store as the admin API shows them. */
import { formatDecimal, type PriceRecord } from '@portolan/meter'
import {
  durationName,
  keyRefusal,
  periodName,
  type BudgetState,
  type BudgetUnit,
  type KeyRecord,
  type KnownArchive,
  type LedgerRow,
  type LimitSource,
  type OrganisationRecord,
  type RateLimitInput,
  type TeamRecord,
  type UsageLine,
} from '@portolan/store'
import type { z } from 'zod'
import { leftOf } from '../budget-forecast.ts'
import { money } from '../output.ts'
import type { RetentionState } from '../retention/retention.ts'
import type * as schemas from './schemas.ts'

export function iso(ms: number): string {
  return new Date(ms).toISOString()
}

function isoOrNull(ms: number | null): string | null {
  return ms === null ? null : iso(ms)
}

/** Exact decimal text. */
export function amountText(value: bigint, unit: BudgetUnit): string {
  return unit === 'money' ? money(value, null).replace(/\.?0+$/, '') : value.toString()
}

export function keyToView(key: KeyRecord, nowMs: number): z.infer<typeof schemas.keyView> {
  const refusal = keyRefusal(key, null, nowMs)
  return {
    id: key.id,
    name: key.name,
    display: key.display,
    team: key.teamId,
    organisation: key.organisationId,
    models: [...key.models],
    state: refusal === 'revoked' || refusal === 'expired' ? refusal : 'active',
    createdAt: iso(key.createdAtMs),
    expiresAt: isoOrNull(key.expiresAtMs),
    revokedAt: isoOrNull(key.revokedAtMs),
  }
}

export function archiveToView({ path, manifest }: KnownArchive): z.infer<typeof schemas.archiveView> {
  const { createdAt, firstBatch, lastBatch, rows, corrections, bytes, sha256 } = manifest
  return { file: path, archivedAt: createdAt, firstBatch, lastBatch, rows, corrections, bytes, sha256 }
}

export function retentionToView(state: RetentionState | null): z.infer<typeof schemas.retentionView> {
  const last = state?.last ?? null
  return {
    days: state?.days ?? null,
    directory: state?.directory ?? null,
    last: last && {
      startedAt: iso(last.startedAtMs),
      endedAt: iso(last.endedAtMs),
      files: last.files,
      rows: last.rows,
      problem: last.problem,
    },
  }
}

export function teamToView(team: TeamRecord): z.infer<typeof schemas.teamView> {
  const { id, organisationId, source, keys, createdAtMs } = team
  return { id, organisation: organisationId, source, keys, createdAt: iso(createdAtMs) }
}

export function organisationToView(organisation: OrganisationRecord): z.infer<typeof schemas.organisationView> {
  const { id, source, teams, createdAtMs } = organisation
  return { id, source, teams, createdAt: iso(createdAtMs) }
}

export function budgetToView(budget: BudgetState): z.infer<typeof schemas.budgetView> {
  const amount = (value: bigint): string => amountText(value, budget.unit)
  return {
    id: budget.id,
    of: budget.subject || null,
    unit: budget.unit,
    currency: budget.currency,
    limit: amount(budget.limit),
    spent: amount(budget.spent),
    reserved: amount(budget.reserved),
    left: amount(leftOf(budget)),
    overrun: amount(budget.overrun),
    period: periodName(budget),
    periodStart: iso(budget.periodStartMs),
    resetsAt: isoOrNull(budget.resetsAtMs),
    alerts: [...budget.alerts],
    scope: scopeToView(budget),
    source: budget.source,
  }
}

export function rateToView(
  rate: RateLimitInput & { readonly source: LimitSource },
): z.infer<typeof schemas.rateLimitView> {
  const { id, unit, amount, perMs, burst, source } = rate
  return { id, unit, amount, per: durationName(perMs), burst, scope: scopeToView(rate), source }
}

function scopeToView({ scope }: Pick<RateLimitInput, 'scope'>): z.infer<typeof schemas.rateLimitView>['scope'] {
  const { keys, teams, organisations, models, each } = scope
  return { keys: [...keys], teams: [...teams], organisations: [...organisations], models: [...models], each }
}

export function usageToView(line: UsageLine): z.infer<typeof schemas.usageView> {
  return {
    group: line.group,
    currency: line.currency,
    requests: line.requests,
    requestsUnpriced: line.requestsUnpriced,
    requestsWithoutUsage: line.requestsWithoutUsage,
    inputTokens: line.inputTokens,
    hitTokens: line.hitTokens,
    missTokens: line.missTokens,
    writtenTokens: line.writtenTokens,
    outputTokens: line.outputTokens,
    reasoningTokens: line.reasoningTokens,
    cost: line.currency === null ? null : amountText(line.costNanos, 'money'),
  }
}

export function rowToView(row: LedgerRow): z.infer<typeof schemas.requestView> {
  return {
    id: row.requestId,
    key: row.keyId,
    session: row.sessionId,
    door: row.door,
    upstream: row.upstream,
    model: row.modelServed ?? row.modelSent ?? row.modelAsked,
    status: row.status,
    httpStatus: row.httpStatus,
    errorCode: row.errorCode,
    startedAt: iso(row.startedAtMs),
    durationMs: row.endMs,
    inputTokens: row.usage.inputTokens,
    hitTokens: row.usage.hitTokens,
    outputTokens: row.usage.outputTokens,
    usageSource: row.usage.source,
    estimatedBy: row.usage.estimatedBy ?? null,
    cost: row.costNanos === null ? null : amountText(row.costNanos, 'money'),
    currency: row.currency,
    priceVersion: row.priceVersion,
    unpricedReason: row.unpricedReason,
  }
}

/** Newest row first; a session's share is over the turns whose prompt had one before it. */
export function sessionsOf(rows: readonly LedgerRow[]): z.infer<typeof schemas.sessionView>[] {
  const sessions = new Map<string, LedgerRow[]>()
  for (const row of rows) {
    if (row.sessionId === null) continue
    const known = sessions.get(row.sessionId)
    if (known) known.push(row)
    else sessions.set(row.sessionId, [row])
  }
  return [...sessions].map(([session, turns]) => {
    const sum = (pick: (row: LedgerRow) => number | null): number =>
      turns.reduce((total, row) => total + (pick(row) ?? 0), 0)
    const keptBytes = sum((row) => row.prefixKeptBytes)
    const totalBytes = sum((row) => row.prefixTotalBytes)
    return {
      session,
      requests: turns.length,
      lastAt: iso(turns[0]?.startedAtMs ?? 0),
      keptBytes,
      totalBytes,
      share: totalBytes === 0 ? 1 : keptBytes / totalBytes,
      causes: [...new Set(turns.flatMap(({ prefixBreakCause }) => prefixBreakCause ?? []))].slice(0, 10),
    }
  })
}

export function priceToView(record: PriceRecord): z.infer<typeof schemas.priceView> {
  return {
    id: record.id,
    vendor: record.vendor,
    model: record.model,
    currency: record.currency,
    status: record.status,
    from: iso(record.fromMs),
    until: isoOrNull(record.untilMs),
    rates: Object.fromEntries(
      Object.entries(record.rates).flatMap(([name, rate]) => (rate ? [[name, formatDecimal(rate)] as const] : [])),
    ),
    sources: [...record.sources],
  }
}
