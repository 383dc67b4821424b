/**
 * The report for continuous integration: one suite a candidate, a test for each gate and each case that was compared.
 * A gate that is not shown to hold fails its test: no evidence is not success. A failed case fails its test only where
 * it regressed, so that a build is red for what the candidate changed.
 */
import { escaped } from './markup.ts'
import type { CandidateReport, ReportData } from './report-data.ts'

interface Test {
  readonly name: string
  readonly group: string
  readonly failure: { readonly message: string; readonly detail: string } | null
  readonly skipped: string | null
}

export function renderJunit(report: ReportData): string {
  const suites = report.candidates.map((candidate) => ({ candidate, tests: testsOf(report, candidate) }))
  const all = suites.flatMap(({ tests }) => tests)
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="${attribute(report.plan.name)}" ${counts(all)}>\n${suites.map(({ candidate, tests }) => suiteXml(candidate, tests)).join('')}</testsuites>\n`
}

function testsOf(report: ReportData, { name, verdict, reason, gates }: CandidateReport): Test[] {
  return [
    {
      name: 'verdict',
      group: `${name}.plan`,
      failure: verdict === 'NON-INFERIOR' ? null : { message: `${verdict}: ${reason}`, detail: reason },
      skipped: null,
    },
    ...gates.map(({ metric, decision, reason: why }): Test => ({
      name: metric,
      group: `${name}.gates`,
      failure: decision === 'non-inferior' ? null : { message: `${decision}: ${why}`, detail: why },
      skipped: null,
    })),
    ...report.cases
      .filter((row) => row.candidate === name)
      .map((row): Test => ({
        name: row.caseId,
        group: `${name}.cases`,
        failure:
          row.kind === 'regressed' || row.critical
            ? { message: row.why[0] ?? 'failed', detail: [...row.why, row.candidateAnswer?.text ?? ''].join('\n\n') }
            : null,
        skipped: null,
      })),
    ...report.unscored
      .filter(({ arm }) => arm === name)
      .map(({ caseId, code, message }): Test => ({
        name: caseId,
        group: `${name}.cases`,
        failure: null,
        skipped: `${code}: ${message}`,
      })),
  ]
}

function suiteXml({ name }: CandidateReport, tests: readonly Test[]): string {
  return `  <testsuite name="${attribute(name)}" ${counts(tests)}>\n${tests.map(testXml).join('')}  </testsuite>\n`
}

function counts(tests: readonly Test[]): string {
  const failures = tests.filter(({ failure }) => failure !== null).length
  const skipped = tests.filter((test) => test.skipped !== null).length
  return `tests="${tests.length}" failures="${failures}" errors="0" skipped="${skipped}"`
}

function testXml({ name, group, failure, skipped }: Test): string {
  const open = `    <testcase classname="${attribute(group)}" name="${attribute(name)}"`
  if (failure)
    return `${open}><failure message="${attribute(failure.message)}">${escaped(failure.detail)}</failure></testcase>\n`
  if (skipped !== null) return `${open}><skipped message="${attribute(skipped)}"/></testcase>\n`
  return `${open}/>\n`
}

function attribute(text: string): string {
  return escaped(text.replace(/\s+/g, ' ').slice(0, 500).toWellFormed())
}
