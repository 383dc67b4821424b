import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { acceptor } from './grammar.test-support.ts'
import { otherAcceptor } from './web-xgrammar.test-support.ts'

/** Schemas as tools and formats have them, with a document of each; mutations make the rest. */
const corpus: readonly (readonly [schema: object, ...documents: unknown[]])[] = [
  [{ type: 'string' }, 'a', '', 'ü😀', 'line\nend "quoted" \\ back'],
  [{ type: 'integer' }, 0, -17, 123456],
  [{ type: 'number' }, 0, -1.5, 12, 0.25],
  [{ type: ['string', 'null'] }, 'a', null],
  [{ enum: ['red', 'green', 3, null, true] }, 'red', 3, null, true],
  [{ const: 'fixed' }, 'fixed'],
  [{ type: 'array', items: { type: 'integer' } }, [], [1], [1, 2, 3]],
  [{ type: 'array', items: { type: 'boolean' }, minItems: 1, maxItems: 2 }, [true], [true, false]],
  [{ type: 'array', prefixItems: [{ type: 'string' }, { type: 'integer' }], items: false, minItems: 2 }, ['a', 1]],
  [{ type: 'string', minLength: 2, maxLength: 4 }, 'ab', 'abcd'],
  [{ type: 'string', pattern: '^[a-z]{2,4}-\\d+$' }, 'ab-1', 'wxyz-12345'],
  [{ type: 'integer', minimum: -3, maximum: 120 }, -3, 0, 7, 120],
  [
    {
      type: 'object',
      properties: { city: { type: 'string' }, degrees: { type: 'number' } },
      required: ['city', 'degrees'],
      additionalProperties: false,
    },
    { city: 'Genoa', degrees: 21 },
    { city: '', degrees: -0.5 },
  ],
  [
    {
      type: 'object',
      properties: { a: { type: 'integer' }, b: { type: 'string' }, c: { type: 'boolean' } },
      required: ['b'],
      additionalProperties: false,
    },
    { b: 'x' },
    { a: 1, b: 'x' },
    { a: 1, b: 'x', c: true },
    { b: 'x', c: false },
  ],
  [
    {
      type: 'object',
      properties: {
        list: {
          type: 'array',
          items: { type: 'object', properties: { n: { type: 'null' } }, required: ['n'], additionalProperties: false },
        },
      },
      required: ['list'],
      additionalProperties: false,
    },
    { list: [] },
    { list: [{ n: null }, { n: null }] },
  ],
  [
    {
      anyOf: [
        { type: 'integer' },
        { type: 'object', properties: { a: { const: 1 } }, required: ['a'], additionalProperties: false },
      ],
    },
    4,
    { a: 1 },
  ],
  [
    {
      $defs: {
        node: {
          type: 'object',
          properties: { v: { type: 'integer' }, next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] } },
          required: ['v', 'next'],
          additionalProperties: false,
        },
      },
      $ref: '#/$defs/node',
    },
    { v: 1, next: null },
    { v: 1, next: { v: 2, next: { v: 3, next: null } } },
  ],
  [{ type: 'object', additionalProperties: { type: 'integer' } }, {}, { a: 1 }, { a: 1, 'b c': -2 }],
  [
    { type: 'object', patternProperties: { '^x_[a-z]+$': { type: 'integer' } }, additionalProperties: false },
    { x_a: 1 },
    { x_ab: 1, x_c: 2 },
  ],
  [
    {
      type: 'object',
      propertyNames: { type: 'string', pattern: '^[a-z]{1,3}$' },
      additionalProperties: { type: 'integer' },
    },
    { a: 1 },
    { abc: 1, b: 2 },
  ],
  [
    {
      type: 'object',
      properties: { a: { type: 'integer' }, b: { type: 'null' }, c: { type: 'boolean' } },
      additionalProperties: false,
      minProperties: 1,
      maxProperties: 2,
    },
    { a: 1 },
    { b: null, c: true },
  ],
]

/** Differences that are meant: each with its reason and the texts that show it. */
const meant: readonly {
  readonly why: string
  readonly ours: boolean
  readonly isShownBy: (text: string, schema: Readonly<Record<string, unknown>>) => boolean
}[] = [
  { why: 'minus zero is a JSON number and an integer', ours: true, isShownBy: (text) => /-0(?![.\d])/.test(text) },
  {
    why: 'a string with bounded length may hold escapes; xgrammar takes plain characters only',
    ours: true,
    isShownBy: (text, { maxLength }) => maxLength !== undefined && text.includes('\\'),
  },
  {
    why: 'keys that a schema leaves open are spelled one way, so that none repeats a named one in disguise',
    ours: false,
    isShownBy: (text, { additionalProperties }) => additionalProperties !== false && /\\[^"\\]/.test(text),
  },
]

/** A text and its neighbours: cut, doubled, changed and respaced at every place. */
function mutations(text: string): string[] {
  const all = [text, text.replaceAll(',', ', ').replaceAll(':', ': '), ` ${text}`, `${text} `, `${text}${text}`]
  for (let at = 0; at < text.length; at++) {
    const before = text.slice(0, at)
    const after = text.slice(at + 1)
    all.push(before, before + after, `${before}${text[at]}${text[at]}${after}`)
    for (const other of ['"', '0', '-', '}', 'a', '\\'])
      all.push(before + other + after, before + other + text.slice(at))
  }
  return [...new Set(all)].filter((each) => each.isWellFormed())
}

describe('beside @mlc-ai/web-xgrammar 0.1.27', () => {
  it('accepts the same texts, apart from the differences that are meant', async () => {
    const unexplained: string[] = []
    const shown = new Set<string>()
    let asked = 0
    for (const [schema, ...documents] of corpus) {
      const ours = acceptor(schema)
      const theirs = await otherAcceptor(schema)
      assert.ok(theirs !== null, JSON.stringify(schema))
      for (const document of documents) {
        assert.ok(ours(JSON.stringify(document)), `${JSON.stringify(document)} fits ${JSON.stringify(schema)}`)
        for (const text of mutations(JSON.stringify(document))) {
          asked++
          const [mine, other] = [ours(text), await theirs(text)]
          if (mine === other) continue
          const reason = meant.find(
            (each) => each.ours === mine && each.isShownBy(text, schema as Record<string, unknown>),
          )
          if (reason !== undefined) shown.add(reason.why)
          else unexplained.push(`${JSON.stringify(schema)} ${text}: ours ${mine}, theirs ${other}`)
        }
      }
    }
    assert.ok(asked > 5000, `${asked} texts`)
    assert.deepEqual(
      meant.map(({ why }) => why).filter((why) => !shown.has(why)),
      [],
      'a difference that is none any more',
    )
    assert.deepEqual(unexplained.slice(0, 40), [], `${unexplained.length} of ${asked}`)
  })
})
