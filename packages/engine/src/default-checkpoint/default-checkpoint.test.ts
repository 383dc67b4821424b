import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { loadEncodingProfile, loadTokenizer, openCheckpoint, specialTokens } from '@portolan/model'
import { defaultCheckpointName, ensureDefaultCheckpoint, writeDefaultCheckpoint } from './default-checkpoint.ts'

const room = mkdtempSync(join(tmpdir(), 'default-checkpoint-'))
after(() => rmSync(room, { recursive: true, force: true }))

function digest(directory: string): string {
  const hash = createHash('sha256')
  for (const name of readdirSync(directory).sort()) hash.update(name).update(readFileSync(join(directory, name)))
  return hash.digest('hex')
}

describe('the default checkpoint', () => {
  const first = ensureDefaultCheckpoint(join(room, 'a'))

  it('is the same bytes wherever it is made', () => {
    const second = join(room, 'b')
    writeDefaultCheckpoint(second)
    assert.equal(digest(second), digest(first))
  })

  it('is whole, small, and in the official layout with every kind of layer', () => {
    const checkpoint = openCheckpoint(first)
    const { layers } = checkpoint.config
    assert.deepEqual(new Set(layers.map((layer) => layer.attention)), new Set(['window', 'sparse', 'heavy']))
    assert.deepEqual(new Set(layers.map((layer) => layer.router)), new Set(['hash', 'scored']))
    checkpoint.close()
    const bytes = readdirSync(first).reduce((sum, name) => sum + statSync(join(first, name)).size, 0)
    assert.ok(bytes < 4_000_000, `${bytes} bytes`)
  })

  it('says in its configuration that nobody trained it', () => {
    const config = JSON.parse(readFileSync(join(first, 'config.json'), 'utf8')) as { portolan: unknown }
    assert.deepEqual(config.portolan, { trained: false, shape: defaultCheckpointName, seed: 20_261_123 })
  })

  it('has a vocabulary of thousands with the special tokens, and texts to prompt with', async () => {
    const tokenizer = await loadTokenizer(first)
    assert.ok(tokenizer.vocabularySize >= 3500 && tokenizer.vocabularySize <= 8192, `${tokenizer.vocabularySize}`)
    for (const special of Object.values(specialTokens)) assert.ok(tokenizer.hasSpecial(special), special)
    const text = 'The weather function returns a string. 港口 {"a": 1.5}'
    assert.equal(tokenizer.decode(tokenizer.encode(text)), text)
    assert.ok(tokenizer.encode('Please answer the question about the weather').length <= 9)
    assert.equal((await loadEncodingProfile(first)).revision, 'portolan-1')
  })

  it('is made once', () => {
    const before = statSync(join(first, 'config.json')).mtimeMs
    assert.equal(ensureDefaultCheckpoint(join(room, 'a')), first)
    assert.equal(statSync(join(first, 'config.json')).mtimeMs, before)
  })
})
