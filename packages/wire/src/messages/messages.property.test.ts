/** Laws of the Messages folder: legal streams from any canonical stream, and nothing lost on a round trip. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { disassemble, ResponseAssembler } from '../canonical/assemble.ts'
import type { CanonicalEvent } from '../canonical/event.ts'
import type { Item } from '../canonical/request.ts'
import type { CanonicalResponse, OutputItem } from '../canonical/response.ts'
import { noUsage } from '../canonical/usage.ts'
import { createSealer } from '../seal/sealer.ts'
import { TranslationReport } from '../translation/report.ts'
import {
  answerContext,
  emptyRequest,
  parseSent,
  vendorDialect,
  writeContext,
  type SentEvent,
} from './fixtures.test-support.ts'
import { fromCanonicalRequest } from './from-canonical.ts'
import { createMessagesStreamReader } from './stream-reader.ts'
import { createMessagesStreamWriter } from './stream-writer.ts'
import { toCanonicalRequest } from './to-canonical.ts'

const sealer = createSealer(Buffer.alloc(32, 7))
const settings = { seed: 4114, numRuns: 250 }

// ------------------------------------------------------------------------------------------ generators

const word = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 })
const argumentsJson = fc
  .dictionary(
    fc.constantFrom('a', 'b', 'path'),
    fc.oneof(fc.string({ maxLength: 6 }), fc.integer(), fc.constant(null)),
    { maxKeys: 3 },
  )
  .map((value) => JSON.stringify(value))

type Block = { kind: 'text' | 'reasoning'; pieces: string[] } | { kind: 'call'; pieces: string[]; ends: boolean }

const block: fc.Arbitrary<Block> = fc.oneof(
  fc.record({ kind: fc.constantFrom('text' as const, 'reasoning' as const), pieces: fc.array(word, { maxLength: 3 }) }),
  fc.record({
    kind: fc.constant('call' as const),
    pieces: fc
      .tuple(argumentsJson, fc.nat(12), fc.boolean())
      .map(([json, at, isEmpty]) =>
        isEmpty ? [] : [json.slice(0, at), json.slice(at)].filter((piece) => piece !== ''),
      ),
    ends: fc.boolean(),
  }),
)

/** Any grammatical stream: blocks in order, calls interleaved at the will of `picks`. */
const stream = fc
  .record({ blocks: fc.array(block, { maxLength: 6 }), picks: fc.array(fc.nat(), { maxLength: 40 }) })
  .map(({ blocks, picks }) => {
    const events: CanonicalEvent[] = [{ type: 'response-start', id: 'u', model: 'u', createdSec: null, usage: null }]
    const lanes: CanonicalEvent[][] = []
    const late: CanonicalEvent[] = []
    const flush = (): void => {
      // Calls of one run overlap; starts stay in order, everything else interleaves.
      const open = lanes.splice(0)
      let turn = 0
      while (open.some((lane) => lane.length > 0)) {
        const full = open.filter((lane) => lane.length > 0)
        const lane = full[(picks[turn++ % Math.max(1, picks.length)] ?? 0) % full.length] ?? full[0]
        const event = lane?.shift()
        if (event !== undefined) events.push(event)
      }
    }
    for (const [key, one] of blocks.entries()) {
      if (one.kind === 'call') {
        events.push({ type: 'tool-call-start', key, callId: `call_${key}`, name: 'f', namespace: null, custom: false })
        const lane: CanonicalEvent[] = one.pieces.map((argumentsDelta) => ({
          type: 'tool-call-delta',
          key,
          argumentsDelta,
        }))
        if (one.ends) lane.push({ type: 'tool-call-end', key })
        else late.push({ type: 'tool-call-end', key })
        lanes.push(lane)
        continue
      }
      flush()
      events.push(
        one.kind === 'text'
          ? { type: 'text-start', key, refusal: false }
          : { type: 'reasoning-start', key, redacted: false },
      )
      for (const text of one.pieces)
        events.push(
          one.kind === 'text'
            ? { type: 'text-delta', key, text }
            : { type: 'reasoning-delta', key, text, summary: false },
        )
      events.push(one.kind === 'text' ? { type: 'text-end', key } : { type: 'reasoning-end', key, token: null })
    }
    flush()
    const hasCall = blocks.some((one) => one.kind === 'call')
    events.push(...late, {
      type: 'response-end',
      stop: hasCall ? 'tool-call' : 'end',
      stopSequence: null,
      refusalExplanation: null,
      usage: noUsage,
    })
    return { blocks, events }
  })

// ---------------------------------------------------------------------------------------------- checks

/** Fails unless the events obey the grammar that the strictest clients check. */
function checkGrammar(events: readonly SentEvent[]): void {
  assert.equal(events[0]?.type, 'message_start')
  assert.equal(events.at(-1)?.type, 'message_stop')
  assert.equal(events.at(-2)?.type, 'message_delta')
  let open: number | null = null
  let next = 0
  for (const event of events.slice(1, -2)) {
    if (event.type === 'content_block_start') {
      assert.equal(open, null, 'blocks overlap')
      assert.equal(event['index'], next, 'indexes are not dense')
      open = next++
    } else {
      assert.equal(event['index'], open, `${event.type} for a block that is not open`)
      assert.notEqual(open, null)
      if (event.type === 'content_block_stop') open = null
      else assert.equal(event.type, 'content_block_delta')
    }
  }
  assert.equal(open, null, 'a block was left open')
}

function rebuild(text: string): CanonicalResponse {
  const reader = createMessagesStreamReader()
  const assembler = new ResponseAssembler()
  for (const event of parseSent(text))
    for (const read of reader.push({ event: event.type, data: JSON.stringify(event) })) assembler.push(read)
  for (const read of reader.end()) assembler.push(read)
  const response = assembler.response()
  assert.ok(response !== null)
  return response
}

/** What an answer says: text and thinking joined per kind, calls with their arguments. */
function meaning(items: readonly OutputItem[]): unknown {
  return {
    text: items.flatMap((item) => (item.kind === 'assistant-text' ? item.parts.map((part) => part.text) : [])).join(''),
    thought: items.flatMap((item) => (item.kind === 'reasoning' ? [item.text ?? ''] : [])).join(''),
    calls: items.flatMap((item) =>
      item.kind === 'tool-call' ? [[item.callId, item.name, item.argumentsText || '{}']] : [],
    ),
  }
}

describe('Messages laws', () => {
  it('any canonical stream becomes a legal Messages stream that says the same', () => {
    fc.assert(
      fc.property(stream, ({ blocks, events }) => {
        const writer = createMessagesStreamWriter(answerContext({ sealer }))
        const text = events.map((event) => writer.write(event)).join('')
        checkGrammar(parseSent(text))
        const expected: OutputItem[] = blocks.map((one, key) => {
          const whole = one.pieces.join('')
          if (one.kind === 'call')
            return {
              kind: 'tool-call',
              callId: `call_${key}`,
              name: 'f',
              namespace: null,
              argumentsText: whole,
              custom: false,
            }
          return one.kind === 'text'
            ? { kind: 'assistant-text', parts: [{ type: 'text', text: whole }] }
            : { kind: 'reasoning', text: whole, summary: [], token: null }
        })
        assert.deepEqual(meaning(rebuild(text).items), meaning(expected))
      }),
      settings,
    )
  })

  it('an answer comes back from a Messages stream item by item', () => {
    const item: fc.Arbitrary<OutputItem> = fc.oneof(
      word.map((text): OutputItem => ({ kind: 'assistant-text', parts: [{ type: 'text', text }], refusal: false })),
      word.map((text): OutputItem => ({
        kind: 'reasoning',
        text,
        summary: [],
        token: { family: 'anthropic', data: `S${text}` },
        redacted: false,
        id: undefined,
      })),
      fc.tuple(fc.nat(), argumentsJson).map(([id, argumentsText]): OutputItem => ({
        kind: 'tool-call',
        callId: `c${id}`,
        name: 'f',
        namespace: null,
        argumentsText,
        custom: false,
      })),
    )
    fc.assert(
      fc.property(fc.array(item, { maxLength: 6 }), (items) => {
        const stop = items.some((one) => one.kind === 'tool-call') ? 'tool-call' : 'end'
        const response: CanonicalResponse = {
          id: 'u',
          model: 'u',
          createdSec: null,
          items,
          stop,
          stopSequence: null,
          refusalExplanation: null,
          usage: noUsage,
          logprobs: null,
          moreChoices: [],
        }
        const writer = createMessagesStreamWriter(answerContext())
        const text = [...disassemble(response)].map((event) => writer.write(event)).join('')
        const back = rebuild(text)
        assert.deepEqual(back.items, items)
        assert.equal(back.stop, stop)
      }),
      settings,
    )
  })

  it('a conversation comes back from a Messages request item by item, byte for byte the same twice', () => {
    const turn = fc.record({
      asked: word,
      thought: fc.option(word),
      calls: fc.array(argumentsJson, { maxLength: 3 }),
      instructed: fc.option(word),
      said: fc.option(word),
    })
    fc.assert(
      fc.property(fc.array(turn, { minLength: 1, maxLength: 4 }), (turns) => {
        const items: Item[] = []
        let nextCall = 0
        for (const one of turns) {
          const ids = one.calls.map(() => `toolu_${nextCall++}`)
          items.push({ kind: 'user', parts: [{ type: 'text', text: `u${one.asked}` }] })
          if (one.instructed !== null)
            items.push({
              kind: 'instruction',
              placement: 'inline',
              role: 'system',
              parts: [{ type: 'text', text: `i${one.instructed}` }],
            })
          if (one.thought !== null)
            items.push({ kind: 'reasoning', text: one.thought, summary: [], token: { family: 'anthropic', data: 'S' } })
          if (one.said !== null || one.calls.length === 0)
            items.push({ kind: 'assistant-text', parts: [{ type: 'text', text: `a${one.said ?? ''}` }] })
          for (const [at, argumentsText] of one.calls.entries())
            items.push({
              kind: 'tool-call',
              callId: ids[at] ?? '',
              name: 'f',
              namespace: null,
              argumentsText,
              custom: false,
            })
          for (const callId of ids)
            items.push({ kind: 'tool-result', callId, parts: [{ type: 'text', text: `r${callId}` }], isError: false })
        }
        items.push({ kind: 'user', parts: [{ type: 'text', text: 'end' }] })
        const print = (): string =>
          JSON.stringify(fromCanonicalRequest({ ...emptyRequest, items }, writeContext(vendorDialect)).body)
        const text = print()
        assert.equal(print(), text)
        const back = toCanonicalRequest(JSON.parse(text), {
          messagesVersion: '2026-10-21',
          sealer,
          text,
          report: new TranslationReport(),
        })
        assert.deepEqual(
          back.items.map(({ source, ...item }) => (source === undefined ? null : item)),
          mergeAdjacentUsers(items),
        )
      }),
      settings,
    )
  })

  it('no bytes make the reader throw, and every stream has exactly one end, last', () => {
    const event = fc.oneof(
      fc.string({ maxLength: 30 }),
      fc.json({ maxDepth: 3 }),
      fc
        .record({
          type: fc.constantFrom(
            'message_start',
            'content_block_start',
            'content_block_delta',
            'content_block_stop',
            'message_delta',
            'message_stop',
            'error',
            'ping',
          ),
          index: fc.nat(2),
          delta: fc.record({
            type: fc.constantFrom('text_delta', 'thinking_delta', 'input_json_delta', 'signature_delta'),
            text: word,
            thinking: word,
            partial_json: word,
            signature: word,
            stop_reason: fc.constantFrom('end_turn', 'tool_use', null),
          }),
          content_block: fc.record({
            type: fc.constantFrom('text', 'thinking', 'tool_use', 'server_tool_use', 'redacted_thinking'),
            id: word,
            data: word,
            input: fc.constant({ a: 1 }),
          }),
        })
        .map((value) => JSON.stringify(value)),
    )
    fc.assert(
      fc.property(fc.array(event, { maxLength: 14 }), (events) => {
        const reader = createMessagesStreamReader()
        const read = [
          ...events.flatMap((data) => [...reader.push({ event: null, data })]),
          ...reader.end(),
          ...reader.end(),
        ]
        const terminals = read.filter((one) => one.type === 'response-end' || one.type === 'error')
        assert.equal(terminals.length, 1)
        assert.equal(read.at(-1), terminals[0])
        const open = new Set<number>()
        for (const one of read) {
          if (one.type.endsWith('-start') && 'key' in one) open.add(one.key)
          else if ('key' in one) assert.ok(open.has(one.key), `${one.type} for a block that is not open`)
          if (one.type.endsWith('-end') && 'key' in one) open.delete(one.key)
          if (one.type === 'response-end') assert.equal(open.size, 0)
        }
        // Whatever was read can be written.
        const writer = createMessagesStreamWriter(answerContext({ sealer }))
        const sent = parseSent(read.map((one) => writer.write(one)).join('')).filter((one) => one.type !== 'ping')
        if (terminals[0]?.type === 'response-end') checkGrammar(sent)
      }),
      settings,
    )
  })
})

/** A result and the user text after it are one message on the wire, so texts that meet become one item. */
function mergeAdjacentUsers(items: readonly Item[]): Item[] {
  const merged: Item[] = []
  for (const item of items) {
    const last = merged.at(-1)
    if (item.kind === 'user' && last?.kind === 'user')
      merged[merged.length - 1] = { ...last, parts: [...last.parts, ...item.parts] }
    else merged.push(item)
  }
  return merged
}
