import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { DiskTier } from '@portolan/engine'
import { clearCaches, listCaches, verifyCaches } from './model-cache.ts'

const data = mkdtempSync(join(tmpdir(), 'model-cache-'))
after(() => rmSync(data, { recursive: true, force: true }))

describe('portolan model cache', () => {
  it('lists, checks and clears what each upstream keeps, and never what a running engine writes', (test) => {
    const printed: unknown[] = []
    test.mock.method(console, 'log', (text: string) => printed.push(JSON.parse(text)))
    const options = { data, json: true }
    listCaches(options)
    const directory = join(data, 'prefixes', 'local')
    const tier = new DiskTier(directory)
    for (const digit of ['a', 'b']) tier.put(digit.repeat(64), { rows: new Uint8Array(100), tail: new Uint8Array(28) })
    assert.throws(() => clearCachesOfAnother(directory, options), { code: 'CLI_IN_USE' })
    tier.close()
    listCaches(options)
    const segment = join(directory, 'segment-00000001.kv')
    const bytes = readFileSync(segment)
    bytes[70]! ^= 1
    writeFileSync(segment, bytes)
    verifyCaches(options)
    assert.equal(process.exitCode, 1)
    process.exitCode = undefined
    clearCaches(options)
    listCaches(options)
    const row = { upstream: 'local', directory }
    assert.deepEqual(printed, [
      [],
      [{ ...row, blocks: 2, tokens: 256, bytes: 384, segments: 1 }],
      [{ upstream: 'local', blocks: 1, bytes: 192, damaged: 1 }],
      [{ upstream: 'local', blocks: 2, bytes: 384 }],
      [{ ...row, blocks: 0, tokens: 0, bytes: 0, segments: 0 }],
    ])
  })
})

/** As if another living process held the folder: the parent of this one does live. */
function clearCachesOfAnother(directory: string, options: { readonly data: string; readonly json: boolean }): void {
  writeFileSync(join(directory, 'lock'), String(process.ppid))
  clearCaches(options)
}
