/** Did an answer come at all, whole, and with something in it? Asked of every attempt before anything else. */
import type { AttemptTurn, Severity, Verdict } from '../records/index.ts'
import { failed, passed, type ScorerName } from './verdict.ts'
import { callsOf, visibleText } from './answer.ts'

/** Fails on errors, no answer, cut answers, refusals and answers with neither text nor tool call. */
export function scoreTransport(turn: AttemptTurn, severity: Severity = 'major'): Verdict {
  const name: ScorerName = { scorer: 'transport', version: '1', severity }
  const { response, error, httpStatus } = turn
  if (error) return failed(name, { problem: 'error', code: error.code, message: error.message, httpStatus })
  if (!response) return failed(name, { problem: 'no-answer', httpStatus })
  const text = visibleText(response)
  const calls = callsOf(response)
  const isEmpty = text.trim() === '' && calls.length === 0
  const reasoningTokens = response.usage.reasoningTokens
  if (response.stop === 'refusal') return failed(name, { problem: 'refusal', explanation: response.refusalExplanation })
  if (response.stop === 'length' || response.stop === 'context')
    // A small budget that thinking ate whole: the commonest way for a migration to lose its answers.
    return failed(name, {
      problem: isEmpty ? 'budget-spent-on-reasoning' : 'cut',
      stop: response.stop,
      reasoningTokens,
    })
  if (isEmpty) return failed(name, { problem: 'empty', stop: response.stop, reasoningTokens })
  if (response.stop === 'tool-call' && calls.length === 0) return failed(name, { problem: 'stopped-for-no-call' })
  return passed(name, { stop: response.stop })
}
