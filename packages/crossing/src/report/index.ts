/** The report: one value made from stored data, its four forms, and sign-offs bound to its hash. */
import { canonicalJson } from '../records/index.ts'
import type { ReportData } from './report-data.ts'

export { buildReport, type ReportInput } from './build-report.ts'
export type { BudgetInput } from './budget-reading.ts'
export { longContextChecks, type LongContextInput } from './long-context-report.ts'
export { renderHtml } from './html.ts'
export { renderJunit } from './junit.ts'
export { renderMarkdown } from './markdown.ts'
export { reportJsonSchema, type CandidateReport, type ReportData } from './report-data.ts'
export {
  parseReport,
  reportHash,
  signReport,
  verifySignatures,
  type SignatureCheck,
  type SignOffInput,
} from './sign.ts'

/** Canonical, so that equal reports are equal files. */
export function renderJson(report: ReportData): string {
  return `${canonicalJson(report)}\n`
}
