/**
 * The checks that a plan names, asked of one answer.
 *
 * A check of words looks at final answers: where the recording called a tool there are no words to compare, and the calls are
 * scored as such. A check file sees every answer. Its verdict is named `check:NAME`; one that throws, does not end,
 * fills memory or leaves is `unscored` with that as its reason, and the next check runs.
 */
import type { CanonicalRequest, CanonicalResponse } from '@portolan/wire'
import { hashOf, type Case, type PlanCheck, type Verdict } from '../records/index.ts'
import { callsOf, visibleText } from './answer.ts'
import type { IsolatedRunner } from './isolated.ts'
import { scoreJson } from './json-schema.ts'
import { scoreText } from './text.ts'
import { scoreByFile, scorePattern } from './user-check.ts'

export interface PlanChecks {
  readonly checks: readonly PlanCheck[]
  /** With the plan's own limits; everything that is not ours runs in it. */
  readonly runner: IsolatedRunner
  /** Where a check's file lies. */
  readonly pathOf: (check: Extract<PlanCheck, { scorer: 'file' }>) => string
}

export interface CheckedAnswer {
  readonly test: Pick<Case, 'id' | 'tags' | 'mode'>
  /** As it was asked of the arm. */
  readonly request: CanonicalRequest
  readonly response: CanonicalResponse
  /** Null: the recording holds none. */
  readonly recorded: CanonicalResponse | null
}

export async function scorePlanChecks(answer: CheckedAnswer, planned: PlanChecks): Promise<Verdict[]> {
  const verdicts: Verdict[] = []
  const recordedCalls = answer.recorded === null ? [] : callsOf(answer.recorded)
  for (const check of planned.checks) {
    const { tags, scorer } = check
    if (tags.length > 0 && !tags.some((tag) => answer.test.tags.includes(tag))) continue
    if (scorer !== 'file' && recordedCalls.length > 0) continue
    const verdict = await verdictOf(check, answer, planned)
    verdicts.push({ ...verdict, scorer: `check:${check.name}`, version: versionOf(check) })
  }
  return verdicts
}

function verdictOf(
  check: PlanCheck,
  answer: CheckedAnswer,
  { runner, pathOf }: PlanChecks,
): Verdict | Promise<Verdict> {
  const { severity } = check
  const text = visibleText(answer.response)
  const recorded = answer.recorded === null ? null : visibleText(answer.recorded)
  switch (check.scorer) {
    case 'exact':
    case 'normalised':
      return scoreText(text, recorded, { rule: check.scorer }, severity)
    case 'contains':
      return scoreText(text, recorded, { rule: 'contains', text: check.text }, severity)
    case 'number':
      return scoreText(text, recorded, { rule: 'number', tolerance: check.tolerance }, severity)
    case 'similarity':
      return scoreText(text, recorded, { rule: 'similarity', least: check.least }, severity)
    case 'pattern':
      return scorePattern(text, check, runner, severity)
    case 'json':
      return scoreJson(text, check.schema, runner, severity)
    case 'file':
      return scoreByFile(pathOf(check), inputOf(answer), runner, severity)
  }
}

/** What a check file's function gets: plain data, and nothing that only we could read. */
function inputOf({ test, request, response, recorded }: CheckedAnswer): unknown {
  const said = request.items.flatMap((item) => (item.kind === 'user' ? [item] : [])).at(-1)
  return {
    case: test.id,
    tags: test.tags,
    mode: test.mode === 'stubbed' ? 'session' : 'step',
    task: said?.parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n') ?? null,
    ...plainAnswer(response),
    recorded: recorded === null ? null : plainAnswer(recorded),
  }
}

function plainAnswer(response: CanonicalResponse): object {
  return {
    text: visibleText(response),
    calls: callsOf(response).map(({ name, argumentsText }) => ({ name, arguments: argumentsText })),
    stop: response.stop,
  }
}

/** Of the whole check: a changed rule is another one. A file's own hash stands in it from the freeze on. */
function versionOf(check: PlanCheck): string {
  return hashOf(check).slice('sha256:'.length, 'sha256:'.length + 12)
}
