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
  return `${ratio > 0 && ratio < 0.1 ? ratio.toPrecision(2) : ratio.toFixed(2)}x`
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
  const units = Number(nanos) / 1e9
  return `${currency} ${Number.isInteger(units) ? whole(units) : units.toFixed(2)}`
}

export function months(count: number | null): string {
  if (count === null) return 'over 10 years'
  return count >= 24 ? `${(count / 12).toFixed(1)} years` : `${count.toFixed(1)} months`
}

type MonthsRange = NonNullable<NonNullable<CandidateReport['budget']>['months']>['today']

/** `4.0 months (3.6 to 4.5)`, each with its unit where they differ; without the ends where they are the same. */
export function monthsSpan({ p10, p50, p90 }: MonthsRange): string {
  if (p10 === p90) return months(p50)
  const texts = [p50, p10, p90].map(months)
  const unit = / \w+$/.exec(texts[0]!)![0]
  const shared = texts.every((text) => text.endsWith(unit) && !text.startsWith('over'))
  const [lower, upper] = texts.slice(1).map((text) => (shared ? text.slice(0, -unit.length) : text))
  return `${texts[0]} (${lower} to ${upper})`
}

export function span(lower: string, upper: string): string {
  return lower === upper ? lower : `${lower} to ${upper}`
}

/** `120 000`: groups of three, so that a big number can be read; the space does not break a line. */
export function whole(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, '\u202f')
}

/** `+0.3`, in points; minus as a minus, so that a loss is not read as a dash. */
export function signedPoints(share: number): string {
  const text = (100 * share).toFixed(1)
  if (Number.parseFloat(text) === 0) return '0.0'
  return text.startsWith('-') ? `\u2212${text.slice(1)}` : `+${text}`
}

/** Which reading the front page gives: steady where the recording allows it. */
export function headlineReading(costs: ReportCosts, candidate: string): 'steady' | 'observed' {
  const arm = costs.arms.find((one) => one.arm === candidate)
  return arm?.steady.nanos != null && costs.arms[0]?.steady.nanos != null ? 'steady' : 'observed'
}

export function ratioOf(
  costs: ReportCosts,
  candidate: string,
  reading: (typeof readings)[number],
): ReportCosts['ratios'][number] | null {
  return costs.ratios.find((one) => one.arm === candidate && one.reading === reading) ?? null
}

/** `0.20x (0.19x to 0.21x)` */
export function ratioText(ratio: { estimate: number; lower: number | null; upper: number | null } | null): string {
  if (ratio === null) return notKnown
  const { estimate, lower, upper } = ratio
  return lower === null || upper === null
    ? `${times(estimate)}, interval ${notKnown}`
    : `${times(estimate)} (${times(lower)} to ${times(upper)})`
}

/** Checks that the plan brought itself, as against those that every answer meets. */
export const ownCheck = 'check:'

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
