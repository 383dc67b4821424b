import { describe, it } from 'node:test'
import assert from 'node:assert/strict'
import { isId, mintId } from './ids.ts'

describe('ids', () => {
  it('sort by time and carry their kind', () => {
    const early = mintId('run', 1_700_000_000_000)
    const late = mintId('run', 1_700_000_000_001)
    assert.ok(early < late)
    assert.match(early, /^run_01HF7YAT00[0-9A-HJKMNP-TV-Z]{16}$/)
    assert.ok(isId(early, 'run'))
    assert.ok(!isId(early, 'plan'))
    assert.ok(!isId('run_../../etc/passwd', 'run'))
  })

  it('do not repeat within one millisecond', () => {
    assert.equal(new Set(Array.from({ length: 10_000 }, () => mintId('ses', 1))).size, 10_000)
  })
})
