import { describe, it } from 'node:test'
import assert from 'node:assert/strict'
import { answered, askedOf, called, returned, said, user } from '../testing.test-support.ts'
import { findSecrets } from './detectors.ts'
import { plantedSecrets } from './planted.test-support.ts'
import { noRules, Redactor } from './redactor.ts'

const key = Buffer.alloc(32, 7)
const redactor = (rules = noRules): Redactor => new Redactor(key, rules)
const classesIn = (text: string): string[] =>
  findSecrets(text)
    .inOrder()
    .map((found) => found.class)

describe('redaction', () => {
  it('leaves none of 200 planted secrets of 8 classes in prompts, arguments, results and answers', () => {
    const planted = plantedSecrets(1)
    const terms = planted.filter((secret) => secret.class === 'TERM').map((secret) => secret.value)
    const subject = redactor({ terms, fields: [] })
    const items = planted.flatMap(({ value }, i) => [
      user(`Please look at ${value}, it is urgent.`),
      called(`c${i}`, 'lookup', JSON.stringify({ query: value, nested: { list: [1, { deep: `x ${value} y` }] } })),
      returned(`c${i}`, JSON.stringify({ found: [{ field: value, [`key ${value}`]: true }] })),
    ])
    const { content, counts } = subject.redact({
      request: askedOf(items, {
        metadata: { note: planted[0]!.value },
        extra: { raw: { text: planted[30]!.value } },
        tools: [
          {
            kind: 'function',
            name: 'lookup',
            namespace: null,
            description: `e.g. ${planted[60]!.value}`,
            parameters: {},
            strict: null,
          },
        ],
      }),
      response: answered(planted.map(({ value }) => said(`I found ${value}.`))),
    })
    const text = JSON.stringify(content)
    const left = planted.filter(({ value }) => text.includes(value))
    assert.deepEqual(left, [])
    for (const name of ['EMAIL', 'PHONE', 'CARD', 'IBAN', 'CNID', 'IP', 'KEY', 'TERM'])
      assert.ok((counts[name] ?? 0) >= 125, `${name}: ${counts[name]}`)
  })

  it('gives the same value the same pseudonym in prompt, arguments and result, across turns and spellings', () => {
    const first = redactor().redact({
      request: askedOf([user('Write to Ada@Example.com or call +1 415-555-0132.')]),
      response: answered([called('c1', 'send', '{"to": "ada@example.com", "phone":"+14155550132"}')]),
    })
    const second = redactor().redact({
      request: askedOf([
        user('Write to Ada@Example.com or call +1 415-555-0132.'),
        called('c1', 'send', '{"to": "ada@example.com", "phone":"+14155550132"}'),
        returned('c1', '{"sent":"ada@example.com"}'),
      ]),
      response: answered([said('Done: ada@example.com')]),
    })
    const tokens = (value: unknown): string[] => JSON.stringify(value).match(/<[A-Z]+_[0-9a-z]{8}>/g) ?? []
    const all = new Set([...tokens(first.content), ...tokens(second.content)])
    assert.equal(all.size, 2)
    assert.equal(tokens(second.content).length, 6)
  })

  it('writes arguments anew only where something changed', () => {
    const argumentsText = '{ "amount": 1.0, "id":12345678901234567890, "to" : "bob@example.com" }'
    const { content } = redactor().redact({
      request: askedOf([]),
      response: answered([called('c', 't', argumentsText)]),
    })
    const item = content.response!.items[0]!
    assert.ok(item.kind === 'tool-call')
    assert.match(item.argumentsText, /^\{ "amount": 1\.0, "id":12345678901234567890, "to" : "<EMAIL_\w{8}>" \}$/)
  })

  it('finds escaped letters and numbers in JSON, and what is cut off in the middle', () => {
    const { content } = redactor().redact({
      request: askedOf([]),
      response: answered([
        called('a', 't', '{"to":"ada\\u0040example.com","card":4111111111111111}'),
        called('b', 't', '{"to":"bob@example.com'),
      ]),
    })
    const text = JSON.stringify(content)
    assert.doesNotMatch(text, /example\.com|4111/)
  })

  it('follows a secret that only its place betrays through the whole exchange', () => {
    const { content, counts } = redactor({
      terms: [],
      fields: [{ tool: 'crm_*', path: '$..name', class: 'NAME' }],
    }).redact({
      request: askedOf([
        user('Use hunter2hunter2 for Grace Hopper.'),
        called('c1', 'login', '{"password":"hunter2hunter2"}'),
        called('c2', 'crm_get', '{"id":7}'),
        returned('c2', '{"customer":{"name":"Grace Hopper"}}'),
      ]),
      response: answered([said('Grace Hopper is logged in.')]),
    })
    assert.doesNotMatch(JSON.stringify(content), /hunter2|Grace|Hopper/)
    assert.equal(counts['NAME'], 3)
  })

  it('leaves out media and opaque reasoning tokens, and says so', () => {
    const { content, counts } = redactor().redact({
      request: askedOf([
        {
          kind: 'user',
          parts: [
            { type: 'image', source: { kind: 'base64', mediaType: 'image/png', base64: 'aGVsbG8=' }, detail: null },
          ],
        },
        { kind: 'reasoning', text: 'a', summary: [], token: { family: 'portolan', data: 'secret' } },
      ]),
      response: null,
    })
    assert.doesNotMatch(JSON.stringify(content), /aGVsbG8|secret/)
    assert.deepEqual(counts, { MEDIA: 1, TOKEN: 1 })
  })

  it('keeps what only looks alike: failed check digits, dates, versions, hashes, paths and uuids', () => {
    for (const text of [
      'order 4111111111111112 of 2026-11-23T22:17:13Z',
      'DE00500105175407324931',
      '11010519491231002A and 110105194912310021',
      'commit 3f2a9c1d4e5b6a7f8091a2b3c4d5e6f708192a3b',
      '123e4567-e89b-12d3-a456-426614174000',
      'packages/crossing/src/recording/redaction/detectors',
      'localhost 127.0.0.1, call_00_abcdefghijklmnop',
      'The total is 12 345 678.90 and pi 3.14159265358979',
    ])
      assert.deepEqual(classesIn(text), [], text)
  })

  it('knows the forms of keys', () => {
    for (const text of [
      'ghp_16C7e42F292c6912E7710c838347Ae178B4a',
      'AKIAIOSFODNN7EXAMPLE',
      'Authorization: Bearer abcdef0123456789',
      'password: correct-horse',
      'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U',
      '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----',
      'wJalrXUtnFEMI/K7MDENG/bPxRfiCYzK3Q9dLm2T',
    ])
      assert.deepEqual(classesIn(text), ['KEY'], text)
  })

  it('costs one pass on text made to be slow', () => {
    const started = performance.now()
    for (const text of [
      'a'.repeat(300_000),
      'a.'.repeat(150_000),
      '1 '.repeat(150_000),
      '1-'.repeat(150_000),
      'eyJ'.repeat(100_000),
      `${'"'.repeat(99_999)}\\`,
      'a@'.repeat(100_000),
      ':'.repeat(300_000),
      '-----BEGIN PRIVATE KEY-----'.repeat(3000),
    ])
      redactor().redact({ request: askedOf([user(text), called('c', 't', text)]), response: null })
    assert.ok(performance.now() - started < 2500, `${performance.now() - started} ms`)
  })
})
