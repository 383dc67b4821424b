import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { findBillingBlock, isBillingLine, withoutBillingLine } from './billing.ts'

const line = 'x-anthropic-billing-header: cc_version=2.1.330.05b; cc_entrypoint=cli; cch=00000;'

/** The body without the block, by cutting bytes. */
function cut(text: string): string | null {
  const body = Buffer.from(text)
  const range = findBillingBlock(body)
  return range === null ? null : Buffer.concat([body.subarray(0, range.start), body.subarray(range.end)]).toString()
}

describe("Claude Code's billing line", () => {
  it('is recognised by its form, not by a word in a prompt', () => {
    assert.ok(isBillingLine(line))
    assert.ok(isBillingLine(` ${line}\n`))
    assert.ok(!isBillingLine('You are Claude Code.'))
    assert.ok(!isBillingLine(`${line}\nYou are Claude Code.`))
    assert.ok(!isBillingLine(`Explain cc_version=2.1 to me`))
    assert.ok(!isBillingLine(line + 'x'.repeat(2000)))
  })

  it('is stripped from the front of the system parts only', () => {
    const parts = [
      { type: 'text' as const, text: line },
      { type: 'text' as const, text: 'You are' },
    ]
    assert.deepEqual(withoutBillingLine(parts), { parts: [parts[1]], stripped: true })
    assert.equal(withoutBillingLine(parts.toReversed()).stripped, false)
    assert.equal(withoutBillingLine([]).stripped, false)
  })

  it('is cut from the bytes with its comma, and nothing else changes', () => {
    const block = JSON.stringify({ type: 'text', text: line })
    assert.equal(
      cut(`{"model":"m","system":[${block},{"type":"text","text":"é"}],"messages":[]}`),
      '{"model":"m","system":[{"type":"text","text":"é"}],"messages":[]}',
    )
    assert.equal(
      cut(`{"messages":["é]}\\""], "system" : [ ${block} , {"text":1} ] }`),
      '{"messages":["é]}\\""], "system" : [ {"text":1} ] }',
    )
    assert.equal(cut(`{"system":[${block}]}`), '{"system":[]}')
  })

  it('is left where it does not stand first, is a string, or the body is broken', () => {
    const block = JSON.stringify({ type: 'text', text: line })
    for (const text of [
      `{"system":"${line}"}`,
      `{"system":[{"type":"text","text":"a"},${block}]}`,
      `{"messages":[${block}]}`,
      `{"system":[${block}`,
      `{"system":[cc_version=`,
      `[${block}]`,
      'cc_version=',
      '',
      '{"system":[]}',
    ])
      assert.equal(cut(text), null, text)
  })
})
