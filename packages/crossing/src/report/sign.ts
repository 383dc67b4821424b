/**
 * Sign-offs, bound to one report: each names the SHA-256 of the report's canonical form without its signatures, so a
 * changed figure, verdict or plan leaves the report unsigned.
 *
 * This shows that a report is the one that was signed. Who typed the name is the business of whoever keeps the file.
 */
import { CrossingError } from '../errors.ts'
import { planHash } from '../plan/index.ts'
import { hashOf, mintId, type Plan, type SignOff } from '../records/index.ts'
import { reportSchema, type ReportData } from './report-data.ts'

export interface SignOffInput {
  readonly role: string
  readonly person: string
  readonly decision: SignOff['decision']
  readonly note: string | null
  readonly signedAtMs: number
}

export interface SignatureCheck {
  readonly signature: SignOff
  readonly valid: boolean
  /** Null when valid. */
  readonly problem: string | null
}

export function reportHash(report: ReportData): string {
  const { signatures: _signatures, ...content } = report
  return hashOf(content)
}

/** The report with one more sign-off; earlier ones stay. @throws {CrossingError} CROSSING_CONFLICT without a name or role. */
export function signReport(report: ReportData, input: SignOffInput): ReportData {
  const { role, person, decision, note, signedAtMs } = input
  if (role.trim() === '' || person.trim().length < 2)
    throw new CrossingError('CROSSING_CONFLICT', 'A sign-off names a person and the role in which they sign.')
  const signature: SignOff = {
    id: mintId('sig', signedAtMs),
    role: role.trim(),
    person: person.trim(),
    decision,
    note,
    reportHash: reportHash(report),
    planHash: report.plan.hash,
    signedAtMs: Math.floor(signedAtMs),
  }
  return { ...report, signatures: [...report.signatures, signature] }
}

/** @param plan the plan as it stands now, where it is at hand: a sign-off does not outlive a change to it. */
export function verifySignatures(report: ReportData, plan: Plan | null = null): SignatureCheck[] {
  const actual = reportHash(report)
  const planNow = plan === null ? report.plan.hash : planHash(plan)
  return report.signatures.map((signature) => {
    const problem =
      signature.reportHash !== actual
        ? `Signed was ${signature.reportHash}; this report is ${actual}.`
        : signature.planHash !== planNow
          ? `Signed was a report on plan ${signature.planHash}; the plan is now ${planNow}.`
          : null
    return { signature, valid: problem === null, problem }
  })
}

/** The stored JSON form. @throws {CrossingError} CROSSING_DAMAGED when it is not a report of this version. */
export function parseReport(text: string): ReportData {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new CrossingError(
      'CROSSING_DAMAGED',
      `The report is not JSON: ${error instanceof Error ? error.message : ''}`,
    )
  }
  const read = reportSchema.safeParse(value)
  if (read.success) return read.data
  const issue = read.error.issues[0]
  throw new CrossingError(
    'CROSSING_DAMAGED',
    `The report does not hold what version 1 must: /${issue?.path.join('/') ?? ''}: ${issue?.message ?? 'unknown'}.`,
  )
}
