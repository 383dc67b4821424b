/** Law: canonical to protocol to canonical is the identity on what the protocol can carry. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  adapterOf,
  createSealer,
  protocols,
  referenceDialects,
  TranslationReport,
  WireError,
  type CanonicalRequest,
  type Dialect,
  type Effort,
  type Item,
  type Part,
  type Protocol,
} from '../src/index.ts'

const seed = 20_261_123
const sealer = createSealer(new Uint8Array(32).fill(3))
const efforts: readonly Effort[] = ['low', 'medium', 'high', 'xhigh', 'max']

/** An upstream that takes everything its protocol has a place for, and reasoning as text. */
function roomy(protocol: Protocol): Dialect {
  return {
    ...referenceDialects['vendor-chat'],
    protocol,
    reasoningField: 'reasoning_content',
    reasoningReplay: 'all',
    reasoningTokenFamily: null,
    thinkingControl: protocol === 'messages' ? 'thinking-type' : 'reasoning-effort',
    efforts: Object.fromEntries(efforts.map((effort) => [effort, effort])),
    imagesInToolResults: true,
    toolNamespaces: true,
    sampling: ['temperature', 'topP', 'topK', 'frequencyPenalty', 'presencePenalty', 'seed', 'logitBias'],
    cacheMarks: protocol === 'messages' ? 'cache-control' : 'prompt-cache-breakpoint',
    endUserField: protocol === 'messages' ? 'metadata.user_id' : 'safety_identifier',
    instructionRole: protocol === 'messages' ? 'system' : 'developer',
  }
}

// ----------------------------------------------------------------------------------- random requests

const words = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 16 }).filter((text) => text.trim() !== '')
const id = fc.stringMatching(/^[a-z][a-z0-9_]{3,12}$/)
const text = words.map((value): Part => ({ type: 'text', text: value }))
const image: fc.Arbitrary<Part> = fc.oneof(
  fc.base64String({ minLength: 4, maxLength: 12 }).map((base64): Part => ({
    type: 'image',
    source: { kind: 'base64', mediaType: 'image/png', base64 },
    detail: null,
  })),
  id.map((name): Part => ({
    type: 'image',
    source: { kind: 'url', url: `https://example.org/${name}.png` },
    detail: null,
  })),
)
const argumentsText = fc
  .dictionary(id, fc.oneof(fc.integer(), words, fc.boolean(), fc.constant(null)), { maxKeys: 3 })
  .map((value) => JSON.stringify(value))

const exchange = fc.record({
  user: fc.array(fc.oneof({ weight: 3, arbitrary: text }, { weight: 1, arbitrary: image }), {
    minLength: 1,
    maxLength: 3,
  }),
  reminder: fc.option(words, { freq: 4 }),
  reasoning: fc.option(words),
  answer: fc.option(words),
  calls: fc.array(fc.record({ name: fc.constantFrom('read', 'write'), argumentsText, result: words }), {
    maxLength: 3,
  }),
})

const conversation = fc
  .record({ system: fc.option(words), exchanges: fc.array(exchange, { minLength: 1, maxLength: 4 }), last: text })
  .map(({ system, exchanges, last }): Item[] => {
    const items: Item[] = []
    if (system !== null)
      items.push({ kind: 'instruction', placement: 'top', role: 'system', parts: [{ type: 'text', text: system }] })
    for (const [at, { user, reminder, reasoning, answer, calls }] of exchanges.entries()) {
      items.push({ kind: 'user', parts: user })
      if (reminder !== null)
        items.push({
          kind: 'instruction',
          placement: 'inline',
          role: 'system',
          parts: [{ type: 'text', text: reminder }],
        })
      if (reasoning !== null) items.push({ kind: 'reasoning', text: reasoning, summary: [], token: null })
      if (answer !== null || calls.length === 0)
        items.push({ kind: 'assistant-text', parts: [{ type: 'text', text: answer ?? 'ok' }] })
      for (const [index, { name, argumentsText: args }] of calls.entries())
        items.push({
          kind: 'tool-call',
          callId: `call_${at}_${index}`,
          name,
          namespace: null,
          argumentsText: args,
          custom: false,
        })
      for (const [index, { result }] of calls.entries())
        items.push({
          kind: 'tool-result',
          callId: `call_${at}_${index}`,
          parts: [{ type: 'text', text: result }],
          isError: false,
        })
      if (calls.length > 0) items.push({ kind: 'assistant-text', parts: [{ type: 'text', text: 'done' }] })
    }
    return [...items, { kind: 'user', parts: [last] }]
  })

const request: fc.Arbitrary<CanonicalRequest> = fc
  .record({
    items: conversation,
    strict: fc.constantFrom(true, false),
    toolChoice: fc.constantFrom(
      null,
      { mode: 'auto' } as const,
      { mode: 'none' } as const,
      { mode: 'required' } as const,
      { mode: 'named', name: 'read' } as const,
    ),
    parallel: fc.constantFrom(null, false),
    maxOutputTokens: fc.integer({ min: 2000, max: 60_000 }),
    effort: fc.option(fc.constantFrom(...efforts)),
    schema: fc.boolean(),
    endUser: fc.option(id),
    stream: fc.boolean(),
    topP: fc.option(fc.constantFrom(0.1, 0.9)),
  })
  .map((value) => ({
    from: 'chat' as const,
    model: 'm',
    items: value.items,
    tools: ['read', 'write'].map((name) => ({
      kind: 'function' as const,
      name,
      namespace: null,
      description: `${name}s`,
      parameters: { type: 'object', properties: { a: { type: 'string' } } },
      strict: value.strict,
    })),
    toolChoice: value.toolChoice,
    parallelToolCalls: value.parallel,
    maxOutputTokens: value.maxOutputTokens,
    stop: [],
    sampling: {
      temperature: null,
      topP: value.effort === null ? value.topP : null,
      topK: null,
      frequencyPenalty: null,
      presencePenalty: null,
      seed: null,
      logitBias: null,
    },
    topLogprobs: null,
    thinking:
      value.effort === null ? null : { mode: 'on' as const, effort: value.effort, budgetTokens: null, display: null },
    reasoningSummary: null,
    outputFormat: value.schema
      ? { type: 'json-schema' as const, name: 'output', description: null, schema: { type: 'object' }, strict: true }
      : { type: 'text' as const },
    verbosity: null,
    stream: value.stream,
    includeUsage: true,
    choices: 1,
    endUser: value.endUser,
    metadata: null,
    cacheKey: null,
    autoCacheMark: null,
    serviceTier: null,
    extra: {},
  }))

/** Bodies made of the right words in the wrong places. */
const memberNames =
  `role content type text name tool_calls tool_call_id function arguments id input call_id output summary source data
  tool_use_id image_url parameters input_schema thinking signature reasoning_content encrypted_content cache_control
  format schema effort mode tools url media_type custom`.split(/\s+/)
const memberValues =
  `user assistant system developer tool text function image image_url thinking tool_use tool_result function_call
  function_call_output reasoning message input_text output_text base64 url custom namespace allowed_tools x {} [1] 0`.split(
    /\s+/,
  )
const { hostile } = fc.letrec((tie) => ({
  hostile: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<unknown>(null, true, -1, 1.5, '', ...memberValues),
    fc.dictionary(fc.constantFrom(...memberNames), tie('hostile'), { maxKeys: 5, noNullPrototype: true }),
    fc.array(tie('hostile'), { maxLength: 3 }),
  ),
}))

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

// -------------------------------------------------------------------------------------------- the law

function essence(value: CanonicalRequest, protocol: Protocol): unknown {
  const { items, toolChoice, parallelToolCalls, outputFormat, thinking } = value
  return {
    items: items.map(said),
    tools: value.tools.map((tool) =>
      tool.kind === 'function' ? [tool.name, tool.description, tool.parameters, tool.strict] : tool,
    ),
    // Messages says "one at a time" inside the choice, so that there is a choice then.
    toolChoice: protocol === 'messages' && parallelToolCalls === false ? (toolChoice ?? { mode: 'auto' }) : toolChoice,
    // and has no place for it beside "none".
    parallelToolCalls: protocol === 'messages' && toolChoice?.mode === 'none' ? null : parallelToolCalls,
    maxOutputTokens: value.maxOutputTokens,
    topP: value.sampling.topP,
    effort: thinking === null ? null : thinking.effort,
    // Messages' format has neither name nor strictness.
    format: outputFormat.type === 'json-schema' ? outputFormat.schema : outputFormat.type,
    stream: value.stream,
    endUser: value.endUser,
  }
}

function said(item: Item): unknown {
  switch (item.kind) {
    case 'instruction':
      return [item.kind, item.placement, item.parts.map((part) => part.text)]
    case 'user':
    case 'tool-result':
      return [
        item.kind,
        item.kind === 'tool-result' ? item.callId : '',
        item.parts.map((part) => (part.type === 'image' ? part.source : part.type === 'text' ? part.text : part)),
      ]
    case 'assistant-text':
      return [item.kind, item.parts.map((part) => part.text).join('')]
    case 'reasoning':
      return [item.kind, item.text]
    case 'tool-call':
      return [item.kind, item.callId, item.name, item.argumentsText]
    default:
      return item
  }
}

for (const protocol of protocols)
  describe(`requests of ${protocol}`, () => {
    it('come back as they were', () => {
      fc.assert(
        fc.property(request, (value) => {
          const asked = { ...value, from: protocol }
          const report = new TranslationReport('strict')
          const { body } = adapterOf(protocol).fromCanonicalRequest(asked, {
            dialect: roomy(protocol),
            model: 'm',
            report,
            recall: () => null,
          })
          const text = JSON.stringify(body)
          const back = adapterOf(protocol).toCanonicalRequest(JSON.parse(text), {
            messagesVersion: '2023-06-01',
            sealer,
            text,
            report,
          })
          assert.deepEqual(essence(back, protocol), essence(asked, protocol))
        }),
        { seed, numRuns: 200 },
      )
    })

    it('are never a crash, whatever the body', () => {
      fc.assert(
        fc.property(fc.array(hostile, { maxLength: 4 }), hostile, hostile, hostile, (list, tools, choice, rest) => {
          const body = {
            ...(isRecord(rest) ? rest : {}),
            model: 'm',
            max_tokens: 9,
            tools,
            tool_choice: choice,
            [protocol === 'responses' ? 'input' : 'messages']: list,
          }
          const text = JSON.stringify(body)
          const report = new TranslationReport()
          try {
            const read = adapterOf(protocol).toCanonicalRequest(JSON.parse(text), {
              messagesVersion: '2023-06-01',
              sealer,
              text,
              report,
            })
            for (const target of protocols)
              adapterOf(target).fromCanonicalRequest(read, {
                dialect: roomy(target),
                model: 'm',
                report,
                recall: () => null,
              })
          } catch (error) {
            if (!(error instanceof WireError)) throw error
          }
        }),
        { seed, numRuns: 1000 },
      )
    })

    it('are never a crash when they are answers', () => {
      fc.assert(
        fc.property(hostile, (value) => {
          const members = {
            choices: [{ message: value }],
            content: value,
            output: [value],
            type: 'message',
            role: 'assistant',
          }
          for (const body of [value, members]) {
            try {
              adapterOf(protocol).toCanonicalResponse(body, JSON.stringify(body))
            } catch (error) {
              if (!(error instanceof WireError)) throw error
            }
          }
        }),
        { seed, numRuns: 500 },
      )
    })
  })
