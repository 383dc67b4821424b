/** Whole sessions that an arm drove on recorded tool results: how they ended, where they left the recorded way. */
import type { ArmCases } from '../compare/arm-cases.ts'
import { isSessionRun } from '../plan/index.ts'
import { stubTiers, type Case } from '../records/index.ts'
import type { ReportData } from './report-data.ts'

type SessionRuns = ReportData['sessionRuns'][number]

/** Empty for an arm that drove none. */
export function sessionRunsOf(arm: string, arms: ArmCases, cases: readonly Case[]): SessionRuns[] {
  const runs = cases.filter(isSessionRun).flatMap(({ id }) => arms.of(arm, id))
  if (runs.length === 0) return []
  const ended = (wanted: string): number => runs.filter(({ outcome }) => outcome === wanted).length
  const kinds = Map.groupBy(
    runs.filter(({ divergence }) => divergence !== null),
    ({ divergence }) => divergence!,
  )
  const tiers = Map.groupBy(
    runs.flatMap(({ turns }) => turns.flatMap((turn) => turn.tiers)),
    (tier) => tier,
  )
  return [
    {
      arm,
      runs: runs.length,
      passed: ended('pass'),
      failed: ended('fail'),
      errors: ended('error'),
      unscored: ended('unscored'),
      divergences: [...kinds]
        .map(([kind, diverged]) => ({ kind, runs: diverged.length }))
        .sort((a, b) => b.runs - a.runs || (a.kind < b.kind ? -1 : 1)),
      served: stubTiers.map((tier) => ({ tier, calls: tiers.get(tier)?.length ?? 0 })),
    },
  ]
}
