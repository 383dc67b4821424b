/** Numbers in words, the same in every form of the report. */
import type { CandidateReport, ReportCosts, ReportData } from './report-data.ts'

export const notKnown = 'not known'

export function points(share: number): string {
  const text = (100 * share).toFixed(1)
  return `${text === '-0.0' ? '0.0' : text} points`
}

export function percent(share: number | null): string {
  return share === null ? notKnown : `${(100 * share).toFixed(1)} %`
}

export function times(ratio: number): string {
  return `${ratio.toFixed(2)}x`
}

export function milliseconds(ms: number | null): string {
  if (ms === null) return notKnown
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`
}

/** `USD 0.1550` for each of so many tasks. */
export function perTask(nanos: string | null, tasks: number, currency: string): string {
  if (nanos === null || tasks === 0) return notKnown
  const each = Number(nanos) / tasks / 1e9
  return `${currency} ${each !== 0 && Math.abs(each) < 0.01 ? each.toPrecision(3) : each.toFixed(4)}`
}

export function wholeUnits(nanos: string, currency: string): string {
  return `${currency} ${(Number(nanos) / 1e9).toFixed(2)}`
}

export function months(count: number): string {
  return count >= 24 ? `${(count / 12).toFixed(1)} years` : `${count.toFixed(1)} months`
}

/** Day and minute, UTC. */
export function instant(iso: string): string {
  return `${iso.slice(0, 16).replace('T', ' ')} UTC`
}

export const missingPolicies: Readonly<Record<string, string>> = {
  'as-fail': 'every unscored answer counts as failed',
  'against-candidate': 'unscored counts as failed for the candidate, as passed for the incumbent',
}

/** `from -> to`, for titles. */
export function crossingOf({ plan, candidates }: ReportData): string {
  return `${plan.incumbent} → ${candidates.map(({ name }) => name).join(', ')}`
}

export function comparisonNamed(candidate: CandidateReport, metric: string): CandidateReport['quality'] {
  return candidate.otherComparisons.find((one) => one.metric === metric) ?? null
}

export const readings = ['observed', 'repriced', 'steady', 'cold'] as const

export const readingNames: Readonly<Record<(typeof readings)[number], string>> = {
  observed: 'observed (as billed in the replay)',
  repriced: 'observed tokens at these prices',
  steady: 'steady state (cache of the vendor on the recorded timeline)',
  cold: 'cold (no cache hits)',
}

export function scenarioName({ name, asOf, basis }: ReportCosts): string {
  return basis === 'list' ? `${name} (${asOf}, list)` : `${name} (${asOf})`
}

/** At which share of cache hits the candidate costs what the incumbent does; where at none, which of the two is cheaper. */
export function breakEvenText({ arms, breakEven }: ReportCosts, candidate: string): string {
  const row = breakEven.find(({ arm }) => arm === candidate)
  if (row && row.hitShare !== null) return percent(row.hitShare)
  const [now, then] = [arms[0], arms.find(({ arm }) => arm === candidate)]
  const target = now?.[row?.against === 'steady' ? 'steady' : 'repriced'].nanos ?? null
  const cold = then?.cold.nanos ?? null
  if (target === null || cold === null) return notKnown
  return Number(cold) <= Number(target) ? 'none (cheaper even without a hit)' : 'none (dearer even when all hits)'
}
