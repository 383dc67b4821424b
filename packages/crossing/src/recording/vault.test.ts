import { describe, it } from 'node:test'
import assert from 'node:assert/strict'
import { openRecord, sealRecord, Vault } from './vault.ts'

const place = { recordingId: 'rec_1', sessionId: 'ses_1', seq: 3 }

describe('the vault', () => {
  it('opens what it sealed, and nothing that was changed in any bit or stands in another place', () => {
    const { key } = new Vault(Buffer.alloc(32, 1)).newDataKey('rec_1', 'subject')
    const sealed = sealRecord(key, '{"a":"words"}', place)
    assert.equal(openRecord(key, sealed, place), '{"a":"words"}')
    for (let i = 0; i < sealed.length; i++) {
      const changed = Buffer.from(sealed)
      changed[i]! ^= 1 << (i % 8)
      assert.throws(() => openRecord(key, changed, place), { code: 'CROSSING_DAMAGED' })
    }
    for (const other of [{ seq: 4 }, { sessionId: 'ses_2' }, { recordingId: 'rec_2' }])
      assert.throws(() => openRecord(key, sealed, { ...place, ...other }), { code: 'CROSSING_DAMAGED' })
    assert.throws(() => openRecord(key, sealed.subarray(0, 20), place), { code: 'CROSSING_DAMAGED' })
  })

  it('never seals twice alike', () => {
    const { key } = new Vault(Buffer.alloc(32, 1)).newDataKey('rec_1', 'subject')
    assert.notDeepEqual(sealRecord(key, 'x', place), sealRecord(key, 'x', place))
  })

  it('unwraps a data key only for its own recording and subject, under its own master key', () => {
    const vault = new Vault(Buffer.alloc(32, 1))
    const { key, wrapped } = vault.newDataKey('rec_1', 'subject')
    assert.deepEqual(vault.unwrap(wrapped, 'rec_1', 'subject'), key)
    assert.throws(() => vault.unwrap(wrapped, 'rec_1', 'other'), { code: 'CROSSING_BAD_KEY' })
    assert.throws(() => new Vault(Buffer.alloc(32, 2)).unwrap(wrapped, 'rec_1', 'subject'), {
      code: 'CROSSING_BAD_KEY',
    })
    assert.throws(() => new Vault(Buffer.alloc(16)), { code: 'CROSSING_BAD_KEY' })
  })

  it('files a person under a name that does not give the person away', () => {
    const vault = new Vault(Buffer.alloc(32, 1))
    assert.equal(vault.subjectOf('key_a', 'ada'), vault.subjectOf('key_a', 'ada'))
    assert.notEqual(vault.subjectOf('key_a', 'ada'), vault.subjectOf('key_b', 'ada'))
    assert.doesNotMatch(vault.subjectOf('key_a', 'ada'), /ada\b/)
  })
})
