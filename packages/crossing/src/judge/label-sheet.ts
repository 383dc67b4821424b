/**
 * Where people say which of two answers is better, without knowing whose they are: a YAML file with the task, a first
 * and a second answer, and a line to fill in. Which arm stands first is drawn by the plan's seed and written nowhere in it.
 *
 * The cases are a random draw from those that were judged, the judge's opinion not looked at: only so does its error on
 * them stand for its error on all.
 */
import { parse, stringify } from 'yaml'
import { CrossingError } from '../errors.ts'
import { hashOf, type Plan } from '../records/index.ts'
import type { HumanLabel } from './panel.ts'
import type { SpokenPair } from './judge-run.ts'

export type CandidateLabel = HumanLabel & { readonly candidate: string }

interface SheetRow {
  readonly case: string
  /** Of the plan's candidates the number, from 0: a name would tell. */
  readonly pair: number
  readonly task: string
  readonly first: string
  readonly second: string
  readonly better: 'first' | 'second' | 'tie' | null
}

const choices = ['first', 'second', 'tie'] as const
const largestSheetBytes = 64 << 20

/** @param pairs those that were judged; the sheet holds the first `most` of a seeded order. */
export function labelSheet(plan: Plan, pairs: Iterable<SpokenPair>, most: number): { text: string; rows: number } {
  const drawn: { readonly order: string; readonly row: SheetRow }[] = []
  for (const { test, candidate, task, candidateAnswer, incumbentAnswer } of pairs) {
    const order = hashOf(['sheet', plan.replay.seed, candidate, test.id])
    const last = drawn.at(-1)
    if (drawn.length >= most && last !== undefined && order > last.order) continue
    const [first, second] = candidateIsFirst(plan, candidate, test.id)
      ? [candidateAnswer, incumbentAnswer]
      : [incumbentAnswer, candidateAnswer]
    const pair = plan.candidates.findIndex(({ name }) => name === candidate)
    drawn.push({ order, row: { case: test.id, pair, task, first, second, better: null } })
    drawn.sort((a, b) => (a.order < b.order ? -1 : 1))
    drawn.splice(most)
  }
  const head = [
    '# Which answer is better? Fill in `better:` with first, second or tie. Leave null what you cannot say.',
    '# Judge correctness first, then whether it does what was asked, then clarity. Length and style are no merits.',
    ...(plan.judge?.rubric === null || plan.judge === null
      ? []
      : [`# What matters here: ${plan.judge.rubric.replaceAll('\n', ' ')}`]),
    '# This file holds recorded words in the open: keep it like the recording, and delete it afterwards.',
  ]
  const body = stringify({ portolanLabels: 1, plan: plan.hash, rows: drawn.map(({ row }) => row) }, { lineWidth: 0 })
  return { text: `${head.join('\n')}\n${body}`, rows: drawn.length }
}

/** @throws {CrossingError} CROSSING_BAD_LABELS, in words that say which row. */
export function readLabelSheet(plan: Plan, text: string, label: string): CandidateLabel[] {
  if (text.length > largestSheetBytes) throw bad(`${label} is larger than a sheet of labels can be.`)
  let value: unknown
  try {
    value = parse(text, { maxAliasCount: 0 })
  } catch (error) {
    throw bad(`${label}: ${(error as Error).message.split('\n')[0]}`)
  }
  const { portolanLabels, plan: planHash, rows } = isRecord(value) ? value : {}
  if (portolanLabels !== 1 || !Array.isArray(rows))
    throw bad(`${label} is no sheet of labels; \`portolan report label\` writes one.`)
  if (planHash !== plan.hash) throw bad(`${label} was made for another version of the plan (${String(planHash)}).`)
  return rows.flatMap((row: unknown, index): CandidateLabel[] => {
    const { case: caseId, pair, better = null } = isRecord(row) ? row : {}
    const candidate = typeof pair === 'number' ? plan.candidates[pair]?.name : undefined
    if (typeof caseId !== 'string' || candidate === undefined)
      throw bad(`${label}: row ${index + 1} names no case of the plan.`)
    if (better === null) return []
    const choice = choices.find((known) => known === better)
    if (choice === undefined)
      throw bad(
        `${label}: row ${index + 1} (${caseId}): better is first, second, tie or null, not ${JSON.stringify(better)}.`,
      )
    if (choice === 'tie') return [{ candidate, caseId, preference: 'tie' }]
    const isCandidate = (choice === 'first') === candidateIsFirst(plan, candidate, caseId)
    return [{ candidate, caseId, preference: isCandidate ? 'candidate' : 'incumbent' }]
  })
}

/** By a bit that nobody sees without the plan's hash. */
function candidateIsFirst(plan: Plan, candidate: string, caseId: string): boolean {
  return Number.parseInt(hashOf(['order', plan.hash, plan.replay.seed, candidate, caseId]).at(-1)!, 16) % 2 === 0
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function bad(message: string): CrossingError {
  return new CrossingError('CROSSING_BAD_LABELS', message)
}
