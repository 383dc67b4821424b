import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import type { CanonicalRequest, FunctionTool, Item, Part, TextPart, Tool } from '../canonical/request.ts'
import { readConversation } from '../history/turns.ts'
import { fullDialect, narrowDialect, readContext, requestOf, written } from './testing.ts'
import { chatToCanonical } from './to-canonical.ts'

const words = fc.string({ minLength: 1, maxLength: 8 })
const textPart = words.map((text): TextPart => ({ type: 'text', text }))
const image: fc.Arbitrary<Part> = fc.record({
  type: fc.constant('image'),
  source: fc.oneof(
    fc.record({ kind: fc.constant('url'), url: fc.constant('https://x/y.png') }),
    fc.record({
      kind: fc.constant('base64'),
      mediaType: fc.constantFrom('image/png', 'image/webp'),
      base64: fc.base64String(),
    }),
  ),
  detail: fc.constantFrom(null, 'low', 'high'),
})
const document: fc.Arbitrary<Part> = fc.record({
  type: fc.constant('document'),
  source: fc.record({
    kind: fc.constant('base64'),
    mediaType: fc.constant('application/pdf'),
    base64: fc.base64String(),
  }),
  title: words,
  context: fc.constant(null),
  citationsEnabled: fc.constant(false),
})
const audio: fc.Arbitrary<Part> = fc.record({
  type: fc.constant('audio'),
  format: fc.constant('wav'),
  base64: fc.base64String(),
})

const toolName = fc.constantFrom('read_file', 'exec', 'a-b')
/** One assistant turn, in Chat's order, with the results of its calls in call order. */
const exchange = fc
  .record({
    reasoning: fc.option(words, { nil: null }),
    text: fc.option(words, { nil: null }),
    calls: fc.array(fc.record({ name: toolName, value: fc.jsonValue(), custom: fc.boolean(), result: words }), {
      maxLength: 3,
    }),
    user: fc.array(fc.oneof(textPart, image, document, audio), { minLength: 1, maxLength: 3 }),
    instruction: fc.option(words, { nil: null }),
  })
  .filter((turn) => turn.text !== null || turn.calls.length > 0)

/** A conversation as the canonical list that Chat can carry exactly. */
const conversation = fc
  .tuple(fc.option(words, { nil: null }), fc.array(exchange, { maxLength: 4 }))
  .map(([system, turns]) => {
    const items: Item[] = []
    if (system !== null)
      items.push({ kind: 'instruction', placement: 'top', role: 'system', parts: [{ type: 'text', text: system }] })
    let callCount = 0
    items.push({ kind: 'user', parts: [{ type: 'text', text: 'start' }] })
    for (const turn of turns) {
      if (turn.instruction !== null)
        items.push({
          kind: 'instruction',
          placement: 'inline',
          role: 'developer',
          parts: [{ type: 'text', text: turn.instruction }],
        })
      if (turn.reasoning !== null) items.push({ kind: 'reasoning', text: turn.reasoning, summary: [], token: null })
      if (turn.text !== null) items.push({ kind: 'assistant-text', parts: [{ type: 'text', text: turn.text }] })
      const first = callCount
      for (const call of turn.calls)
        items.push({
          kind: 'tool-call',
          callId: `c${callCount++}`,
          name: call.name,
          namespace: null,
          argumentsText: JSON.stringify(call.value),
          custom: call.custom,
        })
      for (const [at, call] of turn.calls.entries())
        items.push({
          kind: 'tool-result',
          callId: `c${first + at}`,
          parts: [{ type: 'text', text: call.result }],
          isError: false,
          ...(call.custom ? { custom: true } : {}),
        })
      items.push({ kind: 'user', parts: turn.user })
    }
    return items
  })
const functionTool: fc.Arbitrary<FunctionTool> = fc.record({
  kind: fc.constant('function'),
  name: toolName,
  namespace: fc.constant(null),
  description: fc.option(words, { nil: null }),
  parameters: fc.constant({ type: 'object', properties: { z: {}, a: {} } }),
  strict: fc.constantFrom(null, true, false),
})
const customTool: fc.Arbitrary<Tool> = fc.record({
  kind: fc.constant('custom'),
  name: fc.constant('patch'),
  namespace: fc.constant(null),
  description: words,
  format: fc.constant({ type: 'text' }),
})
const number = fc.option(fc.integer({ min: 0, max: 2 }), { nil: null })
const request: fc.Arbitrary<CanonicalRequest> = fc
  .record({
    items: conversation,
    tools: fc.uniqueArray(fc.oneof(functionTool, customTool), { selector: (tool) => tool.name, maxLength: 3 }),
    parallelToolCalls: fc.constantFrom(null, true, false),
    maxOutputTokens: fc.constantFrom(null, 1, 100),
    stop: fc.array(words, { maxLength: 3 }),
    sampling: fc.record({
      temperature: number,
      topP: number,
      topK: fc.constant(null),
      frequencyPenalty: number,
      presencePenalty: number,
      seed: number,
      logitBias: fc.constantFrom(null, { 7: -1 }),
    }),
    topLogprobs: fc.constantFrom(null, 0, 5),
    thinking: fc.constantFrom(
      null,
      { mode: 'off' as const, effort: null, budgetTokens: null, display: null },
      { mode: 'on' as const, effort: 'xhigh' as const, budgetTokens: null, display: null },
    ),
    outputFormat: fc.constantFrom(
      { type: 'text' as const },
      { type: 'json-object' as const },
      { type: 'json-schema' as const, name: 'n', description: 'd', schema: { type: 'object' }, strict: true },
    ),
    verbosity: fc.constantFrom(null, 'low' as const),
    choices: fc.constantFrom(1, 2),
    endUser: fc.constantFrom(null, 'user-1'),
    metadata: fc.constantFrom(null, { a: 'b' }),
    cacheKey: fc.constantFrom(null, 'k'),
    serviceTier: fc.constantFrom(null, 'flex'),
  })
  // Chat takes these two only beside tools.
  .map((change) =>
    requestOf({}, { ...change, parallelToolCalls: change.tools.length > 0 ? change.parallelToolCalls : null }),
  )

function withoutSources(items: readonly Item[]): Item[] {
  return items.map(({ source: _source, ...item }) => item)
}

describe('law: canonical to Chat to canonical is the identity on what Chat can carry', () => {
  it('for whole requests', () => {
    fc.assert(
      fc.property(request, (generated) => {
        // Generated records have no prototype, which is not what is compared here.
        const original: CanonicalRequest = JSON.parse(JSON.stringify(generated))
        const { body } = written(original, fullDialect)
        const again = chatToCanonical(JSON.parse(JSON.stringify(body)), readContext())
        assert.deepEqual(
          { ...again, items: withoutSources(again.items) },
          { ...original, model: 'served', includeUsage: again.includeUsage },
        )
      }),
      { seed: 4114, numRuns: 500 },
    )
  })
})

describe('law 2: a longer history extends the messages of a shorter one', () => {
  it('at every turn of any conversation, for every kind of template', () => {
    fc.assert(
      fc.property(conversation, fc.boolean(), (items, hasTools) => {
        const plain = items.map((item): Item =>
          item.kind === 'user' ? { ...item, parts: item.parts.filter((part) => part.type === 'text') } : item,
        )
        const tools: Tool[] = hasTools
          ? [{ kind: 'function', name: 'exec', namespace: null, description: null, parameters: null, strict: null }]
          : []
        for (const dialect of [narrowDialect, { ...fullDialect, reasoningReplay: 'required-with-tools' as const }]) {
          let before: unknown[] = []
          for (let length = 1; length <= plain.length; length++) {
            // A request is sent when the user side has spoken: the next item is the assistant's, or none.
            const next = plain[length]
            const isSent = next === undefined || (isAssistant(next) && !isAssistant(plain[length - 1]))
            if (!isSent || isUnanswered(plain.slice(0, length))) continue
            const { body } = written(requestOf({}, { from: 'messages', items: plain.slice(0, length), tools }), dialect)
            const sent: unknown[] = JSON.parse(JSON.stringify(body['messages']))
            assert.deepEqual(sent.slice(0, before.length), before)
            before = sent
          }
        }
      }),
      { seed: 4114, numRuns: 150 },
    )
  })
})

function isAssistant(item: Item | undefined): boolean {
  return item?.kind === 'reasoning' || item?.kind === 'assistant-text' || item?.kind === 'tool-call'
}
function isUnanswered(items: readonly Item[]): boolean {
  try {
    readConversation(items)
    return false
  } catch {
    return true
  }
}
