/**
 * What a whole session's run says: did the candidate reach the end that was recorded, on recorded evidence?
 *
 *   pass       it ended, nothing that the recording did was left undone, and four in five of its calls were answered by evidence
 *   fail       it refused, went round in circles, stopped early, or did something else to the world than was recorded
 *   unscored   the recording could not answer its questions, so nobody knows how it would have gone on
 *
 * A different or extra call of an irreversible tool is critical whatever the final words say.
 */
import type { Attempt, Case, Exchange, Verdict } from '../records/index.ts'
import {
  caseOutcome,
  failed,
  passed,
  scorePlanChecks,
  scoreTransport,
  unscored,
  type PlanChecks,
  type ScorerName,
} from '../scoring/index.ts'
import type { SessionRun } from './session-run.ts'
import { hasEffect } from './stub-server.ts'

/** Runs with less are listed and prove nothing. */
export const leastCoverage = 0.8

export type SessionScore = Pick<Attempt, 'outcome' | 'reason' | 'verdicts'>

export async function scoreSession(
  test: Case,
  exchanges: readonly Exchange[],
  run: SessionRun,
  checks: PlanChecks | null,
): Promise<SessionScore> {
  if (run.ended === 'no-content') return without('no-content', 'The recording no longer holds what was asked.')
  if (run.ended === 'server-tool')
    return without('server-tool', 'The session uses a tool that its supplier runs; nobody else can repeat that.')
  const last = run.turns.at(-1)
  if (run.ended === 'error' || last === undefined || last.response === null)
    return { outcome: 'error', reason: last?.error ?? { code: 'no-answer', message: 'No answer came.' }, verdicts: [] }
  const verdicts = [scoreTransport(last, test.severity), effectsVerdict(run), pathVerdict(test, run)]
  if (checks !== null && run.ended === 'finished')
    verdicts.push(
      ...(await scorePlanChecks(
        {
          test,
          request: last.request,
          response: last.response,
          recorded: exchanges.at(-1)?.content?.response ?? null,
        },
        checks,
      )),
    )
  const outcome = caseOutcome(verdicts)
  return { outcome, reason: outcome === 'unscored' ? whyUnscored(verdicts) : null, verdicts }
}

function without(code: string, message: string): SessionScore {
  return { outcome: 'unscored', reason: { code, message }, verdicts: [] }
}

function effectsVerdict({ violations }: SessionRun): Verdict {
  const name: ScorerName = { scorer: 'session-effects', version: '1', severity: 'critical' }
  return violations.length > 0 ? failed(name, { violations }) : passed(name)
}

function pathVerdict({ severity }: Case, run: SessionRun): Verdict {
  const { ended, divergence, coverage, missed } = run
  const name: ScorerName = { scorer: 'session-run', version: '1', severity }
  const evidence = { ended, coverage, divergence }
  const isThin = coverage !== null && coverage < leastCoverage
  const ownDoing = divergence?.kind === 'refusal' || divergence?.kind === 'loop' || divergence?.kind === 'text-only'
  if (ownDoing || missed.some((miss) => hasEffect(miss.toolClass))) return failed(name, evidence)
  if (isThin)
    return unscored(
      name,
      'evidence-too-thin',
      `The recording answered ${Math.round(100 * coverage)} % of the calls; ${100 * leastCoverage} % are needed. ${divergence?.message ?? ''}`.trim(),
    )
  return divergence === null ? passed(name, evidence) : failed(name, evidence)
}

function whyUnscored(verdicts: readonly Verdict[]): Attempt['reason'] {
  const open = verdicts.find(({ outcome, severity }) => outcome === 'unscored' && severity !== 'minor')
  const { reason, message } = (open?.evidence ?? {}) as { readonly reason?: string; readonly message?: string }
  return { code: reason ?? 'no-check', message: message ?? 'No check decides this session.' }
}
