import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { answerSchemas } from './answer-schemas.ts'

const schemas = answerSchemas()
after(() => schemas.close())
const schema = { type: 'object', properties: { depth: { type: 'number' } }, required: ['depth'] }

describe('the check of answers that were asked for by schema', () => {
  it('knows what fits, what does not, and what it cannot tell', async () => {
    const fits = (text: string, by: unknown = schema) => schemas.port.fits(by, text)
    assert.equal(await fits('{"depth":3}'), true)
    assert.equal(await fits('{"depth":"3"}'), false)
    assert.equal(await fits('```json\n{"depth":3}\n```'), false)
    assert.equal(await fits('{}', { $async: true }), null)
    assert.equal(await fits('{}', 'no schema'), null)
    assert.equal(await fits(JSON.stringify('a'.repeat(60)), { pattern: '^(a+)+!$' }), null)
  })
})
