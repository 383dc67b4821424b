import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { withRecalledReasoning } from './recall.ts'

const recall = () => ({ reasoning: 'remembered', argumentsText: null })
const call = { id: 'call_1', type: 'function', function: { name: 'f', arguments: '{}' } }

function restored(assistant: Readonly<Record<string, unknown>>): unknown {
  const body = { tools: [{}], messages: [{ role: 'user', content: 'Hi' }, assistant] }
  const changed = withRecalledReasoning(body, 'reasoning_content', recall)
  return changed && (changed['messages'] as unknown[])[1]
}

describe('reasoning that a Chat client dropped', () => {
  it('is put back on the turn that called the tool', () => {
    const assistant = { role: 'assistant', content: null, tool_calls: [call] }
    assert.deepEqual(restored(assistant), { ...assistant, reasoning_content: 'remembered' })
  })

  // A call id that another conversation had used brought its text beside a signature of this one: 400 at the supplier.
  it('is not put beside a token that came back', () => {
    const details = [{ type: 'reasoning.text', text: '', signature: 'sig' }]
    assert.equal(restored({ role: 'assistant', content: null, tool_calls: [call], reasoning_details: details }), null)
  })
})
