/**
 * Law 9 in one place: nothing is sent to a new processor without a recorded decision by a named person.
 *
 * Replay, judge, check and shadow ask here before they send, and hand the permit to whatever sends: a permit cannot be
 * made elsewhere. Data made by us (an endpoint check's own prompts) need none, nor does a model in this process; a
 * processor that answered this very recording has the data already and may be asked for an A/A arm.
 */
import { CrossingError } from '../errors.ts'
import type { EgressDecision, EgressPurpose, RecordingLevel } from '../records/index.ts'

export interface EgressRequest {
  /** Name of the upstream, as configured. */
  readonly processor: string
  /** The upstream runs in this process: nothing leaves. */
  readonly inProcess: boolean
  readonly purpose: EgressPurpose
  /** `own`: made by us; otherwise the level of the recording that the data come from. */
  readonly data: 'own' | RecordingLevel
  /** Upstreams that answered the recorded traffic. */
  readonly recordedProcessors: readonly string[]
  readonly nowMs: number
}

const permitMark: unique symbol = Symbol('egress permit')

/** Proof that sending was allowed, to this processor and for this purpose only. */
export interface EgressPermit {
  readonly [permitMark]: true
  readonly processor: string
  readonly purpose: EgressPurpose
  readonly basis: 'in-process' | 'own-data' | 'same-processor' | 'decision'
  /** Null unless the basis is a decision. */
  readonly decision: EgressDecision | null
}

/**
 * @param decisions those of the plan (or, for a check without a plan, none).
 * @throws {CrossingError} CROSSING_NO_EGRESS_DECISION, in words that say what to write where.
 */
export function permitEgress(decisions: readonly EgressDecision[], request: EgressRequest): EgressPermit {
  const { processor, purpose, data } = request
  const permit = (basis: EgressPermit['basis'], decision: EgressDecision | null = null): EgressPermit => ({
    [permitMark]: true,
    processor,
    purpose,
    basis,
    decision,
  })
  if (request.inProcess) return permit('in-process')
  if (data === 'own') return permit('own-data')
  const own = decisions.filter((decision) => decision.processor === processor)
  const refusal = own.find((decision) => decision.decision === 'refused' && decision.purposes.includes(purpose))
  if (refusal)
    throw refused(`${refusal.by} refused on ${refusal.on} that recorded data go to \`${processor}\` for ${purpose}.`)
  if (purpose === 'replay' && request.recordedProcessors.includes(processor)) return permit('same-processor')
  const today = new Date(request.nowMs).toISOString().slice(0, 10)
  const problems: string[] = []
  for (const decision of own) {
    const problem = whyNot(decision, request, today)
    if (problem === null) return permit('decision', decision)
    problems.push(problem)
  }
  throw refused(
    `No decision allows sending recorded data (level ${data}) to \`${processor}\` for ${purpose}${problems.length > 0 ? `: ${problems.join('; ')}` : ''}. ` +
      `Write one under \`egress\` in the plan, with the name of the person who decided: processor: ${processor}, decision: allowed, by, on, purposes: [${purpose}], level: ${data === 'full' ? 'full' : 'redacted'}, data.`,
  )
}

function whyNot(decision: EgressDecision, { purpose, data }: EgressRequest, today: string): string | null {
  const who = `the decision of ${decision.by} (${decision.on})`
  if (decision.by.trim() === '') return 'a decision names nobody'
  if (!decision.purposes.includes(purpose)) return `${who} covers ${decision.purposes.join(', ') || 'no purpose'} only`
  if (data === 'full' && decision.level === 'redacted') return `${who} covers redacted data only`
  if (decision.until !== null && decision.until < today) return `${who} ended on ${decision.until}`
  if (decision.on > today) return `${who} is dated in the future`
  return null
}

function refused(message: string): CrossingError {
  return new CrossingError('CROSSING_NO_EGRESS_DECISION', message)
}
