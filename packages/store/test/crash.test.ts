import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { crashRounds } from './crash-rounds.ts'

const directory = mkdtempSync(join(tmpdir(), 'portolan-crash-'))
after(() => rmSync(directory, { recursive: true, force: true }))

describe('kill -9 while writing', () => {
  // Each round starts a process; 1,000 rounds are in `crash-soak.ts`.
  it('loses no acknowledged row and leaves rollups equal to rows', async () => {
    let step = 0
    const acknowledged = await crashRounds(join(directory, 'data'), 20, () => (step = (step + 0.37) % 1))
    assert.ok(acknowledged >= 20)
  })
})
