/**
 * V4's call markup as terms: a block of calls, each with its parameters by schema.
 *
 * Strings stand raw between the tags, everything else as JSON; the `string` attribute says which. Parameters come in
 * the order in which the schema names them. Form of the tags: DeepSeek-V4's published encoder.
 */
import type { CallMarkup } from '@portolan/model'
import { symbolsOf } from './characters.ts'
import type { JsonGrammar, Member } from './json-grammar.ts'
import { SchemaGrammar } from './schema-grammar.ts'
import { keyStart, otherKey } from './text-machine.ts'
import type { Term } from './terms.ts'

export interface CallableTool {
  /** As the model reads it. */
  readonly name: string
  /** JSON Schema of an object; null: any. */
  readonly parameters: unknown
  /** Words of the schema that cannot be held to are refused; otherwise they are left out. */
  readonly strict: boolean
}

const longestOtherName = 64
const attributes = { string: '" string="true">', other: '" string="false">' } as const

/** @param mark The special token inside every tag, as symbols. @param text Free text without tags. */
export class CallGrammar {
  readonly #json: JsonGrammar
  readonly #tag: (name: string) => string
  readonly #markup: CallMarkup
  readonly #text: Term

  constructor(json: JsonGrammar, markup: CallMarkup, mark: string, text: Term) {
    this.#json = json
    this.#markup = markup
    this.#tag = (name) => `${mark}${symbolsOf(name)}`
    this.#text = text
  }

  /** The whole block with the empty line before it, of at most `mostCalls` calls. */
  block(tools: readonly CallableTool[], mostCalls: number): Term {
    const { terms } = this.#json
    const { block } = this.#markup
    const call = terms.either(...tools.map((tool) => this.#call(tool)))
    return terms.sequence(
      terms.literal(`\n\n<${this.#tag(block)}>\n`),
      call,
      terms.repeat(terms.sequence(terms.literal('\n'), call), 0, mostCalls - 1),
      terms.literal(`\n</${this.#tag(block)}>`),
    )
  }

  #call({ name, parameters, strict }: CallableTool): Term {
    const { terms } = this.#json
    const { invoke } = this.#markup
    const schemas = new SchemaGrammar(this.#json, parameters ?? {}, `the parameters of ${JSON.stringify(name)}`, strict)
    const bodies = schemas.objects(parameters).map(({ properties, taken, others, count }) => {
      const members = properties.map(({ name: key, schema, isRequired }): Member => {
        const head = terms.literal(symbolsOf(key.toWellFormed()))
        return { term: this.#parameter(schemas, head, schema), isRequired }
      })
      const other = terms.run(otherKey(['', ...taken.map(symbolsOf)], longestOtherName, 'name'), keyStart)
      const extra = terms.either(
        ...others.map(({ schema, narrowed }) => {
          const key = narrowed(other, 'raw')
          return key === terms.nothing ? key : this.#parameter(schemas, key, schema)
        }),
      )
      schemas.checkCount(members, extra, count, parameters)
      return this.#json.members(members, extra === terms.nothing ? null : extra, {
        open: '',
        close: '',
        mostExtra: this.#json.limits.items,
        comma: terms.literal('\n'),
        count,
      })
    })
    schemas.finish()
    return terms.sequence(
      terms.literal(`<${this.#tag(invoke)} name="${symbolsOf(name)}">\n`),
      terms.either(...bodies),
      terms.literal(`\n</${this.#tag(invoke)}>`),
    )
  }

  #parameter(schemas: SchemaGrammar, key: Term, schema: unknown): Term {
    const { terms, limits } = this.#json
    const { parameter } = this.#markup
    const { strings, others } = schemas.parted(schema)
    const isBounded = limits.characters !== Infinity
    const raw = strings ?? (isBounded ? this.#json.string(0, Infinity, 'raw') : this.#text)
    return terms.sequence(
      terms.literal(`<${this.#tag(parameter)} name="`),
      key,
      terms.either(
        terms.sequence(terms.literal(attributes.string), raw),
        terms.sequence(terms.literal(attributes.other), others),
      ),
      terms.literal(`</${this.#tag(parameter)}>`),
    )
  }
}
