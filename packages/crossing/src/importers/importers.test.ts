import { describe, it } from 'node:test'
import assert from 'node:assert/strict'
import { RecordingRoom } from '../recording/recorder.test-support.ts'
import { importSessions } from '../recording/import-sessions.ts'
import type { ImportSource } from '../recording/import-source.ts'
import type { Exchange } from '../records/index.ts'
import { importers } from './index.ts'

const sourceOf = (text: string): ImportSource => ({ lines: () => text.split('\n'), whole: () => text })

/** Imports and reads back. */
function roundTrip(
  format: string,
  text: string,
): { exchanges: Exchange[]; sessions: number; notExpressed: readonly string[] } {
  const room = new RecordingRoom()
  try {
    const recording = importSessions(room.recordings, {
      name: 'test',
      level: 'full',
      format,
      fileHash: 'sha256:0',
      rules: { terms: [], fields: [] },
      nowMs: 1000,
      ...importers[format]!(sourceOf(text)),
    })
    const sessions = [...room.recordings.sessions(recording.id)]
    return {
      exchanges: sessions.flatMap((session) => room.recordings.exchanges(session.id)),
      sessions: sessions.length,
      notExpressed: recording.notExpressed,
    }
  } catch (error) {
    assert.deepEqual(room.recordings.recordings(), [], 'nothing is imported')
    throw error
  } finally {
    room.close()
  }
}

const said = (exchange: Exchange): string => {
  const item = exchange.content?.response?.items[0]
  return item?.kind === 'assistant-text'
    ? item.parts[0]!.text
    : item?.kind === 'tool-call'
      ? `${item.name}(${item.argumentsText})`
      : ''
}

describe('importers', () => {
  it('openai-chat: one conversation a line becomes one session with an exchange for each answer', () => {
    const line = JSON.stringify({
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Weather?' },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'c1', type: 'function', function: { name: 'weather', arguments: '{"city":"Ulm"}' } }],
        },
        { role: 'tool', tool_call_id: 'c1', content: 'sunny' },
        { role: 'assistant', content: 'Sunny.' },
      ],
    })
    const { exchanges, sessions, notExpressed } = roundTrip(
      'openai-chat',
      `${line}\n\n{"custom_id":"b1","body":{"model":"m","messages":[{"role":"user","content":"Hi"}]}}\n`,
    )
    assert.equal(sessions, 2)
    assert.deepEqual(exchanges.map(said), ['weather({"city":"Ulm"})', 'Sunny.', ''])
    assert.deepEqual(
      exchanges.map((exchange) => exchange.parentSeq),
      [null, 0, null],
    )
    assert.equal(exchanges[0]!.usage.inputTokens, null)
    assert.match(notExpressed.join(), /how long it took/)
  })

  it('openai-evals: samples with reference answers, and output items with usage', () => {
    const { exchanges, notExpressed } = roundTrip(
      'openai-evals',
      [
        '{"input":[{"role":"user","content":"2+2?"}],"ideal":"4"}',
        '{"id":"o1","item":{"q":"x"},"sample":{"input":[{"role":"user","content":"3+3?"}],"output":[{"role":"assistant","content":"6"}],"model":"gpt-x","usage":{"prompt_tokens":9,"completion_tokens":1,"cached_tokens":4}},"results":[]}',
      ].join('\n'),
    )
    assert.deepEqual(exchanges.map(said), ['4', '6'])
    assert.equal(exchanges[1]!.usage.missTokens, 5)
    assert.equal(notExpressed.length, 3)
  })

  it('promptfoo: a result file, prompts as text or as messages, errors without answer', () => {
    const { exchanges, notExpressed } = roundTrip(
      'promptfoo',
      JSON.stringify({
        results: {
          results: [
            {
              prompt: { raw: 'Say hi' },
              provider: { id: 'openai:chat:gpt-x' },
              response: { output: 'hi', tokenUsage: { prompt: 3, completion: 1 } },
              latencyMs: 120,
            },
            {
              prompt: { raw: '[{"role":"system","content":"s"},{"role":"user","content":"u"}]' },
              provider: { id: 'p' },
              error: '500',
            },
          ],
        },
      }),
    )
    assert.deepEqual(exchanges.map(said), ['hi', ''])
    assert.equal(exchanges[0]!.modelAsked, 'gpt-x')
    assert.equal(exchanges[0]!.clocks.endMs, 120)
    assert.equal(exchanges[1]!.content!.request.items.length, 2)
    assert.match(notExpressed.join(), /1 results are errors/)
  })

  it('litellm-logs: payload lines with times, cost and history; redacted rows are left out and counted', () => {
    const base = {
      call_type: 'acompletion',
      model: 'deepseek-chat',
      custom_llm_provider: 'deepseek',
      status: 'success',
      metadata: { user_api_key_hash: 'h1' },
    }
    const answer = (text: string): object => ({
      id: 'x',
      model: 'deepseek-chat',
      choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 10, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 6 } },
    })
    const lines = [
      {
        ...base,
        id: 'a',
        startTime: 1_760_000_000.5,
        endTime: 1_760_000_001.75,
        completionStartTime: 1_760_000_000.75,
        response_cost: 0.0000123,
        messages: [{ role: 'user', content: 'One' }],
        response: answer('First'),
      },
      {
        ...base,
        id: 'b',
        startTime: '2026-01-01T00:00:00Z',
        messages: [
          { role: 'user', content: 'One' },
          { role: 'assistant', content: 'First' },
          { role: 'user', content: 'Two' },
        ],
        response: JSON.stringify(answer('Second')),
      },
      { ...base, id: 'c', messages: [{ role: 'user', content: 'redacted-by-litellm' }], response: {} },
      { ...base, id: 'd', call_type: 'aembedding', messages: [] },
    ]
    const { exchanges, sessions, notExpressed } = roundTrip(
      'litellm-logs',
      lines.map((line) => JSON.stringify(line)).join('\n'),
    )
    assert.equal(sessions, 1)
    assert.deepEqual(exchanges.map(said), ['First', 'Second'])
    assert.equal(exchanges[0]!.costNanos, 12_300n)
    assert.deepEqual(exchanges[0]!.clocks, {
      firstByteMs: 250,
      firstReasoningMs: null,
      firstVisibleMs: null,
      endMs: 1250,
    })
    assert.equal(exchanges[0]!.usage.hitTokens, 6)
    assert.match(notExpressed.join(' '), /1 rows without messages.*1 rows of other kinds/)
  })

  it('name the line that is wrong, and import nothing', () => {
    for (const [format, text, pattern] of [
      ['openai-chat', '{"messages":[{"role":"user","content":"x"}]}\n{"messages"', /line 2: it is not JSON/],
      ['openai-chat', '{"prompt":"x"}', /line 1: `messages` is missing/],
      ['openai-evals', '[1]', /line 1: it is not a JSON object/],
      ['promptfoo', '{"results":{}}', /`results\.results` is missing/],
      ['litellm-logs', 'null', /line 1/],
    ] as const)
      assert.throws(() => roundTrip(format, text), { code: 'CROSSING_BAD_IMPORT', message: pattern })
    assert.throws(() => roundTrip('openai-chat', ''), { code: 'CROSSING_BAD_IMPORT' })
  })
})
