/** Laws of the sealer: exact, deterministic, and deaf to anything that is not its own. */
import assert from 'node:assert/strict'
import { createCipheriv, createHmac, hkdfSync } from 'node:crypto'
import { describe, it } from 'node:test'
import { zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import type { SealedReasoning } from './seal.ts'
import { createSealer } from './sealer.ts'

const seed = 20_261_123
const key = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)
const text = fc.string({ unit: 'binary', maxLength: 200 })
const content: fc.Arbitrary<SealedReasoning> = fc.record(
  {
    family: text,
    reasoning: text,
    toolArguments: fc.dictionary(text, text, { maxKeys: 5, noNullPrototype: true }),
    token: fc.record(
      { family: text, data: text, id: text, redacted: fc.boolean() },
      {
        requiredKeys: ['family', 'data'],
        noNullPrototype: true,
      },
    ),
  },
  { requiredKeys: ['family', 'reasoning', 'toolArguments'], noNullPrototype: true },
)

describe('sealer', () => {
  it('gives back exactly what was sealed', () => {
    const sealer = createSealer(key(1))
    fc.assert(
      fc.property(content, (value) => {
        const token = sealer.seal(value)
        assert.ok(sealer.isOurs(token))
        assert.match(token, /^ptl1\.[A-Za-z0-9_-]+$/)
        assert.deepEqual(sealer.open(token), value)
      }),
      { seed, numRuns: 200 },
    )
  })

  it('is deterministic, whatever the order of the arguments, so that replayed histories stay byte-stable', () => {
    fc.assert(
      fc.property(content, (value) => {
        const reversed = Object.fromEntries(Object.entries(value.toolArguments).toReversed())
        const again = createSealer(key(1)).seal({ ...value, toolArguments: reversed })
        assert.equal(again, createSealer(key(1)).seal(value))
      }),
      { seed, numRuns: 50 },
    )
  })

  it('opens nothing that was altered in one character, cut or extended', () => {
    const sealer = createSealer(key(1))
    fc.assert(
      fc.property(content, fc.nat(), fc.constantFrom('A', 'z', '0', '-', '_', '!', '=', ' '), (value, at, letter) => {
        const token = sealer.seal(value)
        const index = at % token.length
        const altered = token.slice(0, index) + letter + token.slice(index + 1)
        if (altered !== token) assert.equal(sealer.open(altered), null)
        assert.equal(sealer.open(token.slice(0, index)), null)
        assert.equal(sealer.open(token + letter), null)
      }),
      { seed, numRuns: 200 },
    )
  })

  it('never throws on foreign text', () => {
    const sealer = createSealer(key(1))
    const foreign = fc.oneof(
      text,
      fc.base64String({ maxLength: 200 }),
      fc.uint8Array({ maxLength: 120 }).map((bytes) => `ptl1.${Buffer.from(bytes).toString('base64url')}`),
    )
    fc.assert(
      fc.property(foreign, (token) => sealer.open(token) === null),
      { seed, numRuns: 300 },
    )
  })

  it('does not open tokens of another key, and opens those of older keys after a rotation', () => {
    fc.assert(
      fc.property(content, (value) => {
        const old = createSealer(key(1))
        const rotated = createSealer([key(2), key(1)])
        const token = old.seal(value)
        assert.equal(createSealer(key(2)).open(token), null)
        assert.deepEqual(rotated.open(token), value)
        assert.equal(rotated.seal(value), createSealer(key(2)).seal(value))
      }),
      { seed, numRuns: 50 },
    )
  })
})

describe('sealer limits', () => {
  it('refuses to be made without a real key', () => {
    assert.throws(() => createSealer([]), RangeError)
    assert.throws(() => createSealer(new Uint8Array(8)), RangeError)
  })

  it('shrinks long reasoning', () => {
    const reasoning = 'The file must be read before it can be changed. '.repeat(1000)
    const token = createSealer(key(1)).seal({ family: 'x', reasoning, toolArguments: {} })
    assert.ok(token.length < reasoning.length / 50)
  })

  it('does not inflate a bomb, even one sealed with the right key', () => {
    const derive = (purpose: string, bytes: number): Buffer =>
      Buffer.from(hkdfSync('sha256', key(1), new Uint8Array(0), `portolan ptl1.${purpose}`, bytes))
    const plain = zstdCompressSync(Buffer.alloc(65 * 1024 * 1024, ' '))
    const nonce = createHmac('sha256', derive('nonce', 32)).update(plain).digest().subarray(0, 12)
    const cipher = createCipheriv('aes-256-gcm', derive('encryption', 32), nonce).setAAD(
      Buffer.concat([Buffer.from('ptl1.'), derive('id', 4)]),
    )
    const sealed = Buffer.concat([derive('id', 4), nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
    assert.ok(sealed.length < 100_000)
    assert.equal(createSealer(key(1)).open(`ptl1.${sealed.toString('base64url')}`), null)
  })
})
