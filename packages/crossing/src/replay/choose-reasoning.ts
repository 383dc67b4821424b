/**
 * Which way of treating missing reasoning does this arm accept? Asked once before a run, on few cases that have
 * earlier tool turns, and printed in the report: the vendor's documents do not say.
 */
import type { CanonicalRequest } from '@portolan/wire'
import { NoAnswer, NotSayable, type AskEndpoint } from '../endpoint/endpoint.ts'
import type { AdapterChoice, ParameterOutcome } from '../records/index.ts'
import { adaptRequest, reasoningChoices, type ReasoningChoice } from './history.ts'

/** Cases that are tried with each choice. */
const mostTried = 20

/**
 * @param requests recorded requests of the plan's cases
 * @returns the first choice that no tried request was refused with; `drop` with a note when all were.
 */
export async function chooseReasoning(
  ask: AskEndpoint,
  requests: readonly CanonicalRequest[],
  settings: Readonly<Record<string, unknown>>,
): Promise<AdapterChoice> {
  const telling = requests
    .filter(({ items }) => items.some((item) => item.kind === 'tool-call'))
    .slice(0, mostTried)
    // What is asked is whether the history is accepted, not for an answer.
    .map((request) => ({ ...request, maxOutputTokens: 16, stream: false }))
  const notes: string[] = []
  const dropped = new Map<string, number>()
  if (telling.length === 0)
    return { reasoning: 'as-recorded', notes: ['No case has an earlier tool call: nothing to adapt.'], parameters: [] }
  for (const reasoning of reasoningChoices) {
    const refusal = await firstRefusal(ask, telling, reasoning, settings, dropped)
    if (refusal === null) return { reasoning, notes, parameters: outcomes(dropped) }
    notes.push(`"${reasoning}" was refused: ${refusal.slice(0, 300)}`)
  }
  return {
    reasoning: 'drop',
    notes: [...notes, 'Every choice was refused; cases will fail.'],
    parameters: outcomes(dropped),
  }
}

async function firstRefusal(
  ask: AskEndpoint,
  requests: readonly CanonicalRequest[],
  reasoning: ReasoningChoice,
  settings: Readonly<Record<string, unknown>>,
  dropped: Map<string, number>,
): Promise<string | null> {
  for (const recorded of requests) {
    const { request, unscored } = adaptRequest(recorded, reasoning, settings)
    if (unscored !== null) continue
    try {
      const answer = await ask(request)
      for (const field of answer.dropped) dropped.set(field, (dropped.get(field) ?? 0) + 1)
    } catch (error) {
      if (error instanceof NotSayable) return error.message
      // Limits and outages say nothing about the history.
      if (error instanceof NoAnswer && (error.httpStatus === 400 || error.httpStatus === 422)) return error.message
    }
  }
  return null
}

function outcomes(dropped: ReadonlyMap<string, number>): ParameterOutcome[] {
  return [...dropped].map(([name, cases]) => ({ name, outcome: 'dropped', cases, note: null }))
}
