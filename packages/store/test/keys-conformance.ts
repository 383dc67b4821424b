/** What every key store must do. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { hashSecret, keyRefusal, type KeyStore } from '@portolan/store'

const bytes = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)

export function keysConformance(open: () => KeyStore | Promise<KeyStore>): void {
  it('shows the secret once and finds the key by its hash', async () => {
    const keys = await open()
    const { key, secret } = await keys.createKey({ name: 'ci', models: ['deepseek-*'] }, 1000, bytes(7))
    assert.match(secret, /^ptl_[0-9A-Za-z]{43}$/)
    assert.deepEqual(await keys.findByHash(hashSecret(secret)), key)
    assert.equal(await keys.findByHash(hashSecret(`${secret}x`)), null)
    assert.ok(!JSON.stringify(await keys.listKeys()).includes(secret))
    assert.ok(secret.startsWith(key.display.split('...')[0] ?? '?') && secret.endsWith(key.display.slice(-4)))
  })

  it('revokes at once, and only once', async () => {
    const keys = await open()
    const { key, secret } = await keys.createKey({ name: 'a' }, 1000, bytes(1))
    assert.equal(await keys.revokeKey(key.id, 2000), true)
    assert.equal(await keys.revokeKey(key.id, 3000), false)
    assert.equal(await keys.revokeKey('key_unknown', 3000), false)
    const found = await keys.findByHash(hashSecret(secret))
    assert.equal(found?.revokedAtMs, 2000)
    assert.equal(found && keyRefusal(found, 'any', 2000), 'revoked')
  })

  it('lists keys by age and keeps their limits and tags', async () => {
    const keys = await open()
    await keys.createKey({ name: 'second', expiresAtMs: 5000, tags: { team: 'red' } }, 2000, bytes(2))
    await keys.createKey({ name: 'first' }, 1000, bytes(3))
    const listed = await keys.listKeys()
    assert.deepEqual(
      listed.map(({ name, expiresAtMs, tags }) => [name, expiresAtMs, { ...tags }]),
      [
        ['first', null, {}],
        ['second', 5000, { team: 'red' }],
      ],
    )
  })

  it('changes its version when a key is made or revoked, so that caches notice', async () => {
    const keys = await open()
    const before = await keys.keysVersion()
    const { key } = await keys.createKey({ name: 'a' }, 1000, bytes(4))
    const made = await keys.keysVersion()
    await keys.revokeKey(key.id, 2000)
    assert.equal(new Set([before, made, await keys.keysVersion()]).size, 3)
  })
}
