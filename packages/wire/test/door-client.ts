/**
 * A client of each door, as bad as real ones: it replays one conversation turn by turn and reshapes what it
 * said before. Strings become block lists and back, tool results change their order, cache marks move,
 * reasoning is shown, hidden behind a token, or dropped, a message slips between a call and its output.
 */
import type { Protocol, Sealer } from '../src/index.ts'

export interface Call {
  readonly id: string
  readonly name: string
  readonly argumentsText: string
}

export type Entry =
  | { readonly kind: 'user'; readonly text: string }
  | { readonly kind: 'system'; readonly text: string }
  | { readonly kind: 'assistant'; readonly reasoning: string; readonly text: string; readonly calls: readonly Call[] }
  | {
      readonly kind: 'results'
      readonly results: readonly { readonly id: string; readonly text: string; readonly isError: boolean }[]
    }

type Wire = Record<string, unknown>

/** One agent session: plain questions, tool loops with parallel calls, failures, reminders in the middle. */
export function session(turns: number): Entry[] {
  const entries: Entry[] = []
  let callNumber = 0
  const assistant = (turn: number, calls: number): Entry => ({
    kind: 'assistant',
    reasoning: `thought of turn ${turn}`,
    text: turn % 3 === 1 ? '' : `answer of turn ${turn}`,
    calls: Array.from({ length: calls }, () => ({
      id: `call_${callNumber++}`,
      name: callNumber % 2 === 0 ? 'read' : 'write',
      // A spelling that no JSON printer would choose.
      argumentsText: `{"b": [1.0, 1e3], "a":"${callNumber} \\u00e9"}`,
    })),
  })
  entries.push(
    { kind: 'system', text: 'You are careful.' },
    { kind: 'user', text: 'question 0' },
    { kind: 'system', text: '# Environment' },
  )
  for (let turn = 0; turn < turns; turn++) {
    const calls = turn % 4 === 3 ? 0 : 1 + (turn % 3)
    const said = assistant(turn, calls)
    entries.push(calls === 0 && said.kind === 'assistant' && said.text === '' ? { ...said, text: 'done' } : said)
    if (said.kind === 'assistant' && calls > 0) {
      const results = said.calls.map(({ id }, index) => ({
        id,
        text: `result of ${id}`,
        isError: (turn + index) % 5 === 4,
      }))
      entries.push({ kind: 'results', results })
      if (turn % 5 === 2) entries.push({ kind: 'system', text: `reminder ${turn}` })
    } else entries.push({ kind: 'user', text: `question ${turn}` })
  }
  return entries
}

/** The histories that the client sends: one each time it is the assistant's turn to speak. */
export function requestsOf(entries: readonly Entry[]): Entry[][] {
  return entries.flatMap((entry, at) => (entry.kind === 'assistant' ? [entries.slice(0, at)] : []))
}

/** `turn` is what makes one replay differ from the next. */
export function bodyOf(door: Protocol, history: readonly Entry[], turn: number, sealer: Sealer): Wire {
  const tools = ['read', 'write']
  if (door === 'messages')
    return {
      model: 'm',
      max_tokens: 1000,
      tools: tools.map((name) => ({ name, input_schema: { type: 'object' } })),
      ...messagesHistory(history, turn, sealer),
    }
  if (door === 'chat')
    return {
      model: 'm',
      tools: tools.map((name) => ({ type: 'function', function: { name, parameters: { type: 'object' } } })),
      messages: chatHistory(history, turn, sealer),
    }
  return {
    model: 'm',
    tools: tools.map((name) => ({ type: 'function', name, parameters: { type: 'object' }, strict: false })),
    instructions: 'You are careful.',
    input: responsesHistory(history.slice(1), turn, sealer),
  }
}

const odd = (turn: number, at: number): boolean => (turn + at) % 2 === 1

// ------------------------------------------------------------------------------------------- messages

function messagesHistory(history: readonly Entry[], turn: number, sealer: Sealer): Wire {
  const [system, ...rest] = history
  const messages: Wire[] = []
  for (const [at, entry] of rest.entries()) {
    const last = at === rest.length - 1
    const mark = last ? { cache_control: { type: 'ephemeral' } } : {}
    const text = (words: string): unknown => (last || odd(turn, at) ? [{ type: 'text', text: words, ...mark }] : words)
    if (entry.kind === 'user') messages.push({ role: 'user', content: text(entry.text) })
    else if (entry.kind === 'system') messages.push({ role: 'system', content: text(entry.text) })
    else if (entry.kind === 'results') {
      const blocks = entry.results.map(({ id, text: words, isError }) => ({
        type: 'tool_result',
        tool_use_id: id,
        content: odd(turn, at) ? words : [{ type: 'text', text: words }],
        ...(isError && { is_error: true }),
      }))
      messages.push({ role: 'user', content: odd(turn, at) ? blocks.toReversed() : blocks })
    } else {
      const toolArguments = Object.fromEntries(entry.calls.map((call) => [call.id, call.argumentsText]))
      const signature = sealer.seal({ family: 'open', reasoning: entry.reasoning, toolArguments })
      // Shown, hidden behind the signature, or lost altogether; the last can be recovered by call id only.
      const form = entry.calls.length > 0 ? (turn + at) % 3 : (turn + at) % 2
      const thinking = [{ type: 'thinking', thinking: form === 0 ? entry.reasoning : '', signature }]
      const said = entry.text === '' ? [] : [{ type: 'text', text: entry.text }]
      const calls = entry.calls.map((call) => ({
        type: 'tool_use',
        id: call.id,
        name: call.name,
        input: JSON.parse(call.argumentsText) as unknown,
      }))
      messages.push({ role: 'assistant', content: [...(form === 2 ? [] : thinking), ...said, ...calls] })
    }
  }
  const words = system?.kind === 'system' ? system.text : ''
  return {
    system: turn % 2 === 0 ? words : [{ type: 'text', text: words, cache_control: { type: 'ephemeral' } }],
    messages,
  }
}

// ----------------------------------------------------------------------------------------------- chat

function chatHistory(history: readonly Entry[], turn: number, sealer: Sealer): Wire[] {
  return history.flatMap((entry, at): Wire[] => {
    const text = (words: string): unknown => (odd(turn, at) ? [{ type: 'text', text: words }] : words)
    if (entry.kind === 'user' || entry.kind === 'system') return [{ role: entry.kind, content: text(entry.text) }]
    if (entry.kind === 'results') {
      const results = entry.results.map(({ id, text: words }) => ({
        role: 'tool',
        tool_call_id: id,
        content: text(words),
      }))
      return odd(turn, at) ? results.toReversed() : results
    }
    const form = entry.calls.length > 0 ? (turn + at) % 3 : (turn + at) % 2
    const data = sealer.seal({ family: 'open', reasoning: entry.reasoning, toolArguments: {} })
    const reasoning = [
      { reasoning_content: entry.reasoning },
      { reasoning_details: [{ type: 'reasoning.encrypted', data }] },
      {},
    ][form]
    return [
      {
        role: 'assistant',
        content: entry.text === '' ? (odd(turn, at) ? null : '') : text(entry.text),
        ...reasoning,
        ...(entry.calls.length > 0 && {
          tool_calls: entry.calls.map((call) => ({
            id: call.id,
            type: 'function',
            function: { name: call.name, arguments: call.argumentsText },
          })),
        }),
      },
    ]
  })
}

// ------------------------------------------------------------------------------------------ responses

function responsesHistory(history: readonly Entry[], turn: number, sealer: Sealer): Wire[] {
  const items: Wire[] = []
  for (const [at, entry] of history.entries()) {
    const text = (words: string, type: string): unknown => (odd(turn, at) ? [{ type, text: words }] : words)
    const typed = odd(turn, at) ? { type: 'message' } : {}
    if (entry.kind === 'user') items.push({ ...typed, role: 'user', content: text(entry.text, 'input_text') })
    else if (entry.kind === 'system')
      items.push({ ...typed, role: 'developer', content: text(entry.text, 'input_text') })
    else if (entry.kind === 'results') {
      const outputs = entry.results.map(({ id, text: words }) => ({
        type: 'function_call_output',
        call_id: id,
        output: text(words, 'input_text'),
      }))
      items.push(...(odd(turn, at) ? outputs.toReversed() : outputs))
    } else {
      const form = entry.calls.length > 0 ? (turn + at) % 3 : (turn + at) % 2
      const sealed = sealer.seal({ family: 'open', reasoning: entry.reasoning, toolArguments: {} })
      const shown = [{ type: 'reasoning_text', text: entry.reasoning }]
      if (form === 0)
        items.push({ type: 'reasoning', id: `rs_${at}`, summary: [], content: shown, encrypted_content: sealed })
      else if (form === 1) items.push({ type: 'reasoning', id: `rs_${at}`, summary: [], encrypted_content: sealed })
      const said = entry.text === '' ? [] : [{ ...typed, role: 'assistant', content: text(entry.text, 'output_text') }]
      const calls = entry.calls.map((call) => ({
        type: 'function_call',
        call_id: call.id,
        name: call.name,
        arguments: call.argumentsText,
      }))
      // litellm#32536: the message is echoed behind the call.
      items.push(...(odd(turn, at) ? [...calls, ...said] : [...said, ...calls]))
    }
  }
  return items
}
