import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { v4CallMarkup } from '@portolan/model'
import { Constraints } from './constraint.ts'
import { draw, endTokenId, newConstraints, schemaConstraint, seeded, tokenizer } from './grammar.test-support.ts'
import { Terms } from './terms.ts'

/** A schema of its own for each number, as tenants have them. */
const schemaOf = (number: number): object => ({
  type: 'object',
  properties: {
    [`name_${number}`]: { type: 'string', maxLength: 20 + number },
    depth: { type: 'number', minimum: -number, maximum: 90 },
    [`tags_${number % 7}`]: { type: 'array', items: { enum: [`a${number}`, 'b', 'c'] }, maxItems: 3 },
  },
  required: [`name_${number}`, 'depth'],
  additionalProperties: false,
})

describe('what grammars remember', () => {
  it('is bounded in bytes over any number of schemas, and forgetting changes no answer', () => {
    const limits = { stateBytes: 400_000, maskBytes: 30_000 }
    const forgetful = new Constraints(tokenizer, v4CallMarkup, endTokenId, limits)
    const mindful = newConstraints()
    let most = 0
    for (let number = 0; number < 40; number++) {
      const constraint = schemaConstraint(schemaOf(number))
      // The state of one answer is in use while another one makes everything forgotten.
      const open = forgetful.start(constraint, 'text', '')
      draw(forgetful.start(schemaConstraint(schemaOf(number + 1000)), 'text', ''), seeded(number), 40)
      const expected = draw(mindful.start(constraint, 'text', ''), seeded(number), 40)
      assert.deepEqual(draw(open, seeded(number), 40).ids, expected.ids)
      const { states, masks } = forgetful.bytes
      most = Math.max(most, states)
      assert.ok(masks <= 2 * limits.maskBytes, `${masks} bytes of masks`)
    }
    // What one token needs is made before anything is forgotten.
    assert.ok(most < 2 * limits.stateBytes, `${most} bytes of states`)
    assert.ok(mindful.bytes.states > 2 * limits.stateBytes, 'without the limit it would be more')
  })

  it('lets go of every state that was reached from terms in use', () => {
    const terms = new Terms(20_000)
    const letters = terms.repeat(terms.range(0x61, 0x7a), 0, 500)
    let state = letters
    for (let at = 0; at < 400; at++) state = terms.step(state, 0x61)
    assert.ok(terms.bytes > 20_000)
    terms.sweep()
    assert.equal(terms.bytes, 0)
    assert.equal(letters.steps, null)
    assert.equal(terms.generation, 1)
    // The state goes on where it was: 100 letters are left.
    for (let at = 0; at < 100; at++) state = terms.step(state, 0x62)
    assert.equal(state, terms.end)
  })
})
