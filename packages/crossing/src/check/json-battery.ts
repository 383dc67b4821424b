/**
 * Does structured output hold its schema? Schemas by class, each asked for in three ways: JSON mode with the schema in
 * words, a strict schema, and a forced tool. What counts is the form; the content is given in the prompt.
 *
 * A keyword that the endpoint does not support shows as `refused` when it says so, as `fail` when it ignores it.
 */
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import type { CanonicalResponse } from '@portolan/wire'
import { argumentsOf, callsOf, textOf, user } from './items.ts'
import { failed, passed, type CheckCase, type CheckFinding } from './result.ts'
import type { Question } from './target.ts'

type Schema = Readonly<Record<string, unknown>>

const text = { type: 'string' }
const object = (properties: Schema, required: readonly string[] = Object.keys(properties)): Schema => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
})

const schemas: readonly { readonly name: string; readonly schema: Schema; readonly content: string }[] = [
  {
    name: 'flat',
    schema: object({ name: text, age: { type: 'integer' }, member: { type: 'boolean' } }),
    content: 'Ada, 36 years old, a member',
  },
  {
    name: 'nested',
    schema: object({ ship: object({ name: text, port: object({ city: text, code: text }) }) }),
    content: 'the ship Fram, port of Oslo, code NOOSL',
  },
  {
    name: 'array-bounds',
    schema: object({ tags: { type: 'array', items: text, minItems: 3, maxItems: 3 } }),
    content: 'exactly three tags: red, green, blue',
  },
  {
    name: 'recursive',
    schema: {
      ...object({ tree: { $ref: '#/$defs/node' } }),
      $defs: { node: object({ label: text, children: { type: 'array', items: { $ref: '#/$defs/node' } } }) },
    },
    content: 'a tree: root "a" with the children "b" and "c"; "c" has the child "d"',
  },
  {
    name: 'any-of',
    schema: object({
      value: { anyOf: [{ type: 'number' }, object({ from: { type: 'number' }, to: { type: 'number' } })] },
    }),
    content: 'the range from 3 to 7',
  },
  {
    name: 'one-of',
    schema: object({ contact: { oneOf: [object({ mail: text }), object({ phone: text })] } }),
    content: 'reachable by phone at +47 22 00 00 00',
  },
  {
    name: 'nullable',
    schema: object({ name: text, middle: { type: ['string', 'null'] } }),
    content: 'Grace, who has no middle name: null',
  },
  {
    name: 'enum',
    schema: object({ colour: { type: 'string', enum: ['RED', 'AMBER', 'GREEN'] } }),
    content: 'the light that says stop',
  },
  {
    name: 'large-enum',
    schema: object({
      code: { type: 'string', enum: Array.from({ length: 200 }, (_, i) => `ZONE-${String(i).padStart(3, '0')}`) },
    }),
    content: 'zone number 137',
  },
  { name: 'const', schema: object({ version: { const: 3 }, note: text }), content: 'version 3, note "fine"' },
  {
    name: 'pattern',
    schema: object({ serial: { type: 'string', pattern: '^[A-Z]{2}-[0-9]{4}$' } }),
    content: 'serial letters QX, number 4471',
  },
  {
    name: 'formats',
    schema: object({ day: { type: 'string', format: 'date' }, mail: { type: 'string', format: 'email' } }),
    content: '24 April 2026, a@example.com',
  },
  {
    name: 'ranges',
    schema: object({
      share: { type: 'number', minimum: 0, maximum: 1 },
      count: { type: 'integer', minimum: 10, maximum: 20 },
    }),
    content: 'a quarter; a count of twelve',
  },
  {
    name: 'pattern-properties',
    schema: object({
      levels: {
        type: 'object',
        patternProperties: { '^basin_[0-9]+$': { type: 'number' } },
        additionalProperties: false,
      },
    }),
    content: 'basin_1 at 2.5 and basin_2 at 3',
  },
  {
    name: 'odd-keys',
    schema: object({ 'größe in m': { type: 'number' }, 'a"b': text }),
    content: 'a size of 4.5 m; the other member is "x"',
  },
]

const ways = ['json-object', 'json-schema', 'forced-tool'] as const
type Way = (typeof ways)[number]

const quickNames: readonly string[] = ['flat', 'nested', 'recursive', 'any-of', 'enum', 'pattern']

/** @param quick six schema classes instead of fifteen. */
export function jsonBattery(quick: boolean): CheckCase[] {
  const ajv = addFormats.default(new Ajv2020({ strict: false, allErrors: false }))
  return schemas
    .filter(({ name }) => !quick || quickNames.includes(name))
    .flatMap(({ name, schema, content }) => {
      const validate = ajv.compile(schema)
      return ways.map(
        (way) =>
          ({
            id: `json/${way}/${name}`,
            group: way,
            title: `${name} by ${way}`,
            run: async (ask): Promise<CheckFinding> => {
              const { response } = await ask(question(way, schema, content))
              if (response.stop === 'length') return failed('The answer was cut off.')
              if (response.stop === 'refusal') return failed('The model refused.')
              const written = way === 'forced-tool' ? callsOf(response)[0]?.argumentsText : textOf(response)
              if (written === undefined) return failed('No call, although the tool was forced.')
              const value = valueOf(way, response, written)
              if (value === undefined) return failed(`Not JSON: ${written.slice(0, 160)}`)
              if (validate(value)) return passed
              const [error] = validate.errors ?? []
              return failed(
                `${error?.instancePath ?? ''} ${error?.message ?? 'is not valid'}: ${written.slice(0, 160)}`.trim(),
              )
            },
          }) satisfies CheckCase,
      )
    })
}

function valueOf(way: Way, response: CanonicalResponse, written: string): unknown {
  if (way === 'forced-tool') return argumentsOf(callsOf(response)[0]!)
  try {
    return JSON.parse(written)
  } catch {
    return undefined
  }
}

function question(way: Way, schema: Schema, content: string): Question {
  const order = `Write this down in the required form: ${content}.`
  switch (way) {
    case 'json-object':
      return {
        items: [
          user(
            `${order}\nAnswer with one JSON object, nothing else, that is valid against this JSON Schema:\n${JSON.stringify(schema)}`,
          ),
        ],
        outputFormat: { type: 'json-object' },
      }
    case 'json-schema':
      return {
        items: [user(order)],
        outputFormat: { type: 'json-schema', name: 'record', description: null, schema, strict: true },
      }
    case 'forced-tool':
      return {
        items: [user(order)],
        tools: [
          {
            kind: 'function',
            name: 'record',
            namespace: null,
            description: 'Records the facts.',
            parameters: schema,
            strict: true,
          },
        ],
        toolChoice: { mode: 'named', name: 'record' },
      }
  }
}
