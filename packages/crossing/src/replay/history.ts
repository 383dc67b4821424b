/**
 * A recorded history made acceptable to another supplier, and what was done to it.
 *
 * Tool call ids are minted anew, consistently. Opaque reasoning tokens are signed by who issued them: they are dropped. A supplier
 * that thinks and wants the reasoning of earlier tool turns back cannot get what another one never wrote; there are
 * four honest ways out, and the choice stands in the report. Tool names are mapped by the door that is asked.
 */
import type { CanonicalRequest, Item } from '@portolan/wire'
import type { AdapterChoice } from '../records/index.ts'

export type ReasoningChoice = AdapterChoice['reasoning']

/** In the order in which they are tried: the least intrusive first. */
export const reasoningChoices: readonly ReasoningChoice[] = ['as-recorded', 'inject', 'thinking-off', 'flatten', 'drop']

/** What stands where the recorded model's reasoning is not known. */
const injectedReasoning = 'The reasoning behind this step was not recorded.'

export interface AdaptedRequest {
  readonly request: CanonicalRequest
  /** Null: it can be asked again. Else a stable word why not. */
  readonly unscored: 'server-tool' | null
}

/** @param settings members of the canonical request that the arm sets, e.g. `{ thinking: { mode: 'off' } }`. */
export function adaptRequest(
  recorded: CanonicalRequest,
  choice: ReasoningChoice,
  settings: Readonly<Record<string, unknown>>,
): AdaptedRequest {
  const runsElsewhere =
    recorded.items.some((item) => item.kind === 'foreign') ||
    recorded.tools.some((tool) => tool.kind === 'vendor' && !tool.clientExecuted)
  const request: CanonicalRequest = {
    ...recorded,
    items: withReasoning(withOwnIds(recorded.items), choice),
    // Hints to the recorded supplier's cache and tenancy mean nothing to another one.
    cacheKey: null,
    serviceTier: null,
    endUser: null,
    metadata: null,
    ...(choice === 'thinking-off' ? { thinking: thinkingOff } : {}),
  }
  return { request: withSettings(request, settings), unscored: runsElsewhere ? 'server-tool' : null }
}

const thinkingOff = { mode: 'off', effort: null, budgetTokens: null, display: null } as const

/** Arm settings name a member, or part of one: `{ thinking: { mode: 'off' } }` keeps the effort. */
export function withSettings(request: CanonicalRequest, settings: Readonly<Record<string, unknown>>): CanonicalRequest {
  const result: Record<string, unknown> = { ...request }
  for (const [name, value] of Object.entries(settings)) {
    const before = result[name]
    result[name] = isObject(value) && isObject(before) ? { ...before, ...value } : value
  }
  const thinking = result['thinking']
  if (isObject(thinking)) result['thinking'] = { ...thinkingOff, ...thinking }
  return result as unknown as CanonicalRequest
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function withOwnIds(items: readonly Item[]): Item[] {
  const ids = new Map<string, string>()
  const minted = (callId: string): string => {
    const known = ids.get(callId)
    if (known !== undefined) return known
    const id = `call_${String(ids.size + 1).padStart(4, '0')}`
    ids.set(callId, id)
    return id
  }
  return items.map((item) => {
    if (item.kind === 'tool-call') return { ...item, callId: minted(item.callId), id: undefined }
    if (item.kind === 'tool-result') return { ...item, callId: minted(item.callId) }
    return item
  })
}

function withReasoning(items: readonly Item[], choice: ReasoningChoice): Item[] {
  const readable = items.flatMap((item): Item[] => {
    if (item.kind !== 'reasoning') return [item]
    if (choice !== 'as-recorded' && choice !== 'inject') return []
    // What only its issuer can open is nothing to anybody else.
    return item.text === null ? [] : [{ ...item, token: null, redacted: false, id: undefined }]
  })
  if (choice === 'inject') return injected(readable)
  return choice === 'flatten' ? readable.map(flattened) : readable
}

/** Each assistant turn that calls tools begins with some reasoning. */
function injected(items: readonly Item[]): Item[] {
  const result: Item[] = []
  let turnStart = 0
  let reasoned = false
  let calls = false
  const close = (): void => {
    if (calls && !reasoned)
      result.splice(turnStart, 0, { kind: 'reasoning', text: injectedReasoning, summary: [], token: null })
    reasoned = false
    calls = false
  }
  for (const item of items) {
    const isAssistant = item.kind === 'reasoning' || item.kind === 'assistant-text' || item.kind === 'tool-call'
    if (!isAssistant) {
      close()
      result.push(item)
      turnStart = result.length
      continue
    }
    reasoned ||= item.kind === 'reasoning'
    calls ||= item.kind === 'tool-call'
    result.push(item)
  }
  close()
  return result
}

/** Earlier tool turns told as text: no call is left whose reasoning could be demanded. */
function flattened(item: Item): Item {
  if (item.kind === 'tool-call')
    return {
      kind: 'assistant-text',
      parts: [{ type: 'text', text: `[called ${item.name} with ${item.argumentsText}]` }],
    }
  if (item.kind === 'tool-result')
    return { kind: 'user', parts: [{ type: 'text', text: '[result of the call]' }, ...item.parts] }
  return item
}
