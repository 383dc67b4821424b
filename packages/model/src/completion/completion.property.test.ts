import { describe, it } from 'node:test'
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { encodeChat } from '../encoding/encode-chat.ts'
import { ownProfile } from '../encoding/own-texts.ts'
import type { AssistantMessage, ChatMessage } from '../encoding/messages.ts'
import { promptText } from '../encoding/segments.ts'
import { fuzzCompletions } from './fuzz.ts'
import { assistantMessage, parseCompletion } from './parse-completion.ts'

describe('laws of the completion machine', () => {
  it('no completion throws, loses a byte or depends on its chunks (20,000 of them)', () => {
    fuzzCompletions(20_000, 20261123)
  })

  it('what an honest message encodes to parses back to it', () => {
    // Texts without markup of their own; a value may hold anything but the end of a value.
    const prose = fc.string().filter((text) => !/<\/?think>|<｜|^\s*$/.test(text) && !text.endsWith('\n'))
    const calls = fc.array(
      fc.record({
        name: fc.stringMatching(/^[a-z_]{1,12}$/),
        argumentsText: fc
          .dictionary(fc.stringMatching(/^[a-z0-9]{1,6}$/), fc.jsonValue())
          .map((value) => JSON.stringify(value)),
      }),
      { maxLength: 3 },
    )
    const question: ChatMessage = { role: 'user', content: 'Q' }
    const tools = [{ schema: { name: 'f' } }]
    const write = (messages: ChatMessage[]): string =>
      promptText(encodeChat({ mode: 'thinking', messages, tools }, ownProfile).segments)
    const start = write([question]).length
    fc.assert(
      fc.property(prose, prose, calls, (reasoning, content, toolCalls) => {
        const message: AssistantMessage = { role: 'assistant', reasoning, content, toolCalls }
        const completion = parseCompletion(write([question, message]).slice(start), { opens: 'reasoning' })
        assert.equal(completion.reasoning, reasoning)
        assert.equal(completion.text, content)
        assert.deepEqual(
          completion.calls.map((call) => [call.name, JSON.parse(call.argumentsText), call.complete]),
          toolCalls.map((call) => [call.name, JSON.parse(call.argumentsText), true]),
        )
        assert.equal(write([question, assistantMessage(completion)]), write([question, message]))
      }),
      { seed: 20261123, numRuns: 300 },
    )
  })
})
