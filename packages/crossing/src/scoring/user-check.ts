/** Checks that users bring: a regular expression, or a JavaScript file. Both run in a thread with limits. */
import type { Severity, Verdict } from '../records/index.ts'
import type { IsolatedRunner } from './isolated.ts'
import { failed, passed, unscored, type ScorerName } from './verdict.ts'

/** Passes when the pattern matches (or, with `absent`, when it does not). A pattern that does not end is unscored. */
export async function scorePattern(
  text: string,
  {
    pattern,
    flags = 'u',
    absent = false,
  }: { readonly pattern: string; readonly flags?: string; readonly absent?: boolean },
  runner: IsolatedRunner,
  severity: Severity = 'major',
): Promise<Verdict> {
  const name: ScorerName = { scorer: 'pattern', version: '1', severity }
  const result = await runner.run({ kind: 'pattern', pattern, flags, text })
  if ('reason' in result) return unscored(name, result.reason, `The pattern /${pattern}/: ${result.message}`)
  return (result.value === true) !== absent ? passed(name) : failed(name, { pattern, absent })
}

/** @param input what the file's function gets: plain data only */
export async function scoreByFile(
  path: string,
  input: unknown,
  runner: IsolatedRunner,
  severity: Severity = 'major',
): Promise<Verdict> {
  const name: ScorerName = { scorer: 'user-check', version: '1', severity }
  const result = await runner.runFile(path, input)
  if ('reason' in result) return unscored(name, result.reason, `The check ${path}: ${result.message}`)
  const answer = result.value
  if (typeof answer === 'boolean') return answer ? passed(name) : failed(name, null)
  if (typeof answer === 'object' && answer !== null && 'pass' in answer && typeof answer.pass === 'boolean') {
    const given = 'score' in answer ? answer.score : null
    const score = typeof given === 'number' && given >= 0 && given <= 1 ? given : answer.pass ? 1 : 0
    const evidence = 'evidence' in answer ? answer.evidence : null
    return answer.pass ? passed(name, evidence, score) : failed(name, evidence, score)
  }
  return unscored(name, 'no-verdict', `The check ${path} answered neither true or false nor { pass, score, evidence }.`)
}
