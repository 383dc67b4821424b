/**
 * An agent's whole session driven by a candidate, with every tool answered from the recording: does it finish the task
 * on recorded evidence? No tool is ever called.
 *
 * The user's turns are the recorded ones, each given when the candidate has stopped calling. A call that nothing in the
 * recording answers ends the run there (`stop`) or gets an error as its result (`error`); where the run left the
 * recorded path is classified.
 */
import type { CanonicalRequest, Item, ToolCallItem } from '@portolan/wire'
import type { AskEndpoint } from '../endpoint/endpoint.ts'
import type { Attempt, AttemptTurn, Divergence, Exchange, ToolClass, ToolEvent } from '../records/index.ts'
import { callsOf } from '../scoring/index.ts'
import { askArm, type RetryPolicy } from './ask-arm.ts'
import { adaptRequest, type ReasoningChoice } from './history.ts'
import { StubServer, type StubOptions } from './stub-server.ts'

export interface SessionRunOptions {
  readonly ask: AskEndpoint
  readonly reasoning: ReasoningChoice
  readonly settings: Readonly<Record<string, unknown>>
  readonly retries: RetryPolicy
  readonly onMiss: 'stop' | 'error'
  readonly stubs: Omit<StubOptions, 'tools'>
}

export interface SessionRun {
  readonly turns: readonly AttemptTurn[]
  readonly calls: number
  readonly divergence: Attempt['divergence']
  /** Share of tool calls answered by evidence; null: none was made. */
  readonly coverage: number | null
  /** Different or extra irreversible calls. */
  readonly violations: readonly string[]
  /** Calls that the recording could not answer, and what their tools do. */
  readonly missed: readonly { readonly tool: string; readonly toolClass: ToolClass }[]
  readonly ended: 'finished' | 'diverged' | 'error' | 'too-long' | 'server-tool' | 'no-content'
}

/** A candidate may take this many times the recorded turns before the run is called endless. */
const mostTurnsFactor = 3

/** @param exchanges of one session, in order, with content; @param events its tool events */
export async function runSession(
  exchanges: readonly Exchange[],
  events: readonly ToolEvent[],
  options: SessionRunOptions,
): Promise<SessionRun> {
  const turns: AttemptTurn[] = []
  let calls = 0
  const recorded = exchanges[0]?.content?.request
  const end = (
    ended: SessionRun['ended'],
    stubs: StubServer | null,
    divergence: Attempt['divergence'] = null,
  ): SessionRun => ({
    turns,
    calls,
    divergence,
    coverage: stubs?.coverage ?? null,
    violations: stubs?.violations ?? [],
    missed: turns
      .flatMap((turn) => turn.stubs)
      .flatMap(({ tool, tier }) => (tier === 'miss' ? [{ tool, toolClass: stubs?.classOf(tool) ?? 'write' }] : [])),
    ended,
  })
  if (!recorded) return end('no-content', null)
  const first = adaptRequest(recorded, options.reasoning, options.settings)
  if (first.unscored !== null) return end('server-tool', null)
  const stubs = new StubServer(events, { ...options.stubs, tools: recorded.tools })
  const laterInputs = inputsAfterFirst(exchanges)
  let request: CanonicalRequest = first.request
  const mostTurns = mostTurnsFactor * exchanges.length + 5
  while (turns.length < mostTurns) {
    const asked = await askArm(options.ask, request, options.retries)
    calls += asked.calls
    const { response } = asked.turn
    if (response === null) {
      turns.push({ ...asked.turn, stubs: [] })
      return end('error', stubs)
    }
    const made = callsOf(response)
    const served = made.map((call) => ({ call, ...stubs.serve(call) }))
    turns.push({
      ...asked.turn,
      stubs: served.map(({ call, tier }) => ({ callId: call.callId, tool: call.name, tier })),
    })
    const at = turns.length - 1
    if (response.stop === 'refusal')
      return end('diverged', stubs, {
        kind: 'refusal',
        turn: at,
        message: response.refusalExplanation ?? 'The candidate refused.',
      })
    const looped = made.find((call) => stubs.isLoop(call))
    if (looped)
      return end(
        'diverged',
        stubs,
        divergence(
          'loop',
          at,
          `${looped.name} was called with the same arguments again and again, more often than in the recording.`,
        ),
      )
    const missed = served.find(({ tier }) => tier === 'miss')
    if (missed && options.onMiss === 'stop') return end('diverged', stubs, missOf(missed.call, stubs, events, at))
    const results = served.map(({ call, result, isError }): Item => ({
      kind: 'tool-result',
      callId: call.callId,
      parts: result ?? [{ type: 'text', text: 'Error: this tool is not available for these arguments.' }],
      isError: isError || result === null,
      custom: call.custom,
    }))
    const history = [...request.items, ...response.items, ...results]
    if (made.length > 0) {
      request = { ...request, items: history }
      continue
    }
    const input = laterInputs.shift()
    if (input === undefined) return end('finished', stubs, unfinished(stubs, events, at))
    request = { ...request, items: [...history, ...input] }
  }
  return end(
    'too-long',
    stubs,
    divergence('loop', turns.length - 1, `No end after ${turns.length} turns; the recording has ${exchanges.length}.`),
  )
}

/** What users said after the opening, one list for each time they spoke. */
function inputsAfterFirst(exchanges: readonly Exchange[]): Item[][] {
  const inputs: Item[][] = []
  let seen = exchanges[0]?.content?.request.items.length ?? 0
  for (const exchange of exchanges.slice(1)) {
    const items = exchange.content?.request.items ?? []
    const said = items.slice(seen).filter((item) => item.kind === 'user' || item.kind === 'instruction')
    if (said.some((item) => item.kind === 'user')) inputs.push(said)
    seen = Math.max(seen, items.length)
  }
  return inputs
}

function divergence(kind: Divergence, turn: number, message: string): Attempt['divergence'] {
  return { kind, turn, message }
}

function missOf(
  call: ToolCallItem,
  stubs: StubServer,
  events: readonly ToolEvent[],
  turn: number,
): Attempt['divergence'] {
  const text = `${call.name}(${call.argumentsText.slice(0, 200)})`
  if (!stubs.isKnown(call.name)) return divergence('other-tool', turn, `${text}: the recording never calls this tool.`)
  if (events.some((event) => event.name === call.name && event.argumentsText === call.argumentsText))
    return divergence('extra-call', turn, `${text} was made more often than in the recording.`)
  return divergence('other-arguments', turn, `${text}: the recording calls this tool with other arguments.`)
}

/** The candidate is done although effects of the recording were never asked for. */
function unfinished(stubs: StubServer, events: readonly ToolEvent[], turn: number): Attempt['divergence'] {
  const left = stubs.unserved()
  if (left.length === 0) return null
  const names = [...new Set(left.map(({ name }) => name))].join(', ')
  if (stubs.coverage === null && events.length > 0)
    return divergence('text-only', turn, `It answered in words; the recording called ${names}.`)
  return divergence(
    left.length === stubs.effects().length ? 'premature-stop' : 'missing-call',
    turn,
    `It ended without ${left.length} recorded call${left.length === 1 ? '' : 's'} of ${names}.`,
  )
}
