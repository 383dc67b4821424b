/**
 * What an answer is held to, as plain data, and the grammar made of it.
 *
 *   answer := thought </think> body      while the model thinks first
 *   body   := JSON | text | calls | text calls
 *
 * Tags are symbols of their own, so a tag spelled in ordinary letters is no tag and cannot be written.
 */
import { specialTokens, type CallMarkup, type Tokenizer } from '@portolan/model'
import { EngineError } from '../errors.ts'
import { CallGrammar, type CallableTool } from './call-grammar.ts'
import { characterOf, complement, symbolsOf } from './characters.ts'
import { JsonGrammar, noLimits, type OpenLimits } from './json-grammar.ts'
import { Matcher } from './matcher.ts'
import { SchemaGrammar } from './schema-grammar.ts'
import { freeText, textStart } from './text-machine.ts'
import { TokenMasks } from './token-masks.ts'
import { buildTrie, type TokenTrie } from './token-trie.ts'
import { Terms, type Term } from './terms.ts'

export type { CallableTool } from './call-grammar.ts'
export type { OpenLimits } from './json-grammar.ts'

export interface OutputConstraint {
  /** Null: text. */
  readonly format:
    | { readonly kind: 'json-object' }
    | { readonly kind: 'json-schema'; readonly schema: unknown; readonly strict: boolean }
    | null
  readonly tools: readonly CallableTool[]
  /** Calls in the answer: none, if the model likes, or nothing else. */
  readonly calls: 'none' | 'auto' | 'required'
  /** At most one call. */
  readonly singleCall: boolean
  /** For a model that would not come to an end by itself; null: none. */
  readonly limits: (OpenLimits & { readonly calls: number; readonly thoughtCharacters: number }) | null
}

const thinkEndSymbol = 0x100
const markSymbol = 0x101
const rememberedGrammars = 64
const deepestSchema = 500

export class Constraints {
  readonly #terms: Terms
  readonly #trie: TokenTrie
  readonly #masks: TokenMasks
  readonly #markup: CallMarkup
  readonly #specials: ReadonlyMap<string, number>
  readonly #endTokenId: number
  readonly #grammars = new Map<string, Term>()
  /** Of the terms that the grammars are made of. */
  #generation = 0

  /** @param limits of the heap that states and masks may take; what is beyond is forgotten and made again. */
  constructor(
    tokenizer: Tokenizer,
    markup: CallMarkup,
    endTokenId: number,
    limits: { readonly stateBytes?: number; readonly maskBytes?: number } = {},
  ) {
    this.#terms = new Terms(limits.stateBytes)
    this.#markup = markup
    this.#endTokenId = endTokenId
    const written: [string, number][] = [
      [specialTokens.thinkEnd, thinkEndSymbol],
      [markup.mark, markSymbol],
    ]
    this.#specials = new Map(written.filter(([spelling]) => tokenizer.hasSpecial(spelling)))
    this.#trie = buildTrie(tokenizer, this.#specials)
    this.#masks = new TokenMasks(this.#trie, this.#terms, limits.maskBytes)
  }

  /** About what states and masks take. */
  get bytes(): { readonly states: number; readonly masks: number } {
    return { states: this.#terms.bytes, masks: this.#masks.bytes }
  }

  /**
   * Starts an answer.
   *
   * @param opens What the prompt left open. @param begun Text of the answer that stands in the prompt already.
   * @throws {EngineError} `ENGINE_SCHEMA_UNSUPPORTED`, `ENGINE_SCHEMA_INVALID`, `ENGINE_SCHEMA_TOO_LARGE`
   */
  start(constraint: OutputConstraint, opens: 'reasoning' | 'text', begun: string): Matcher {
    for (const schema of [...constraint.tools.map(({ parameters }) => parameters), schemaOf(constraint)])
      checkNesting(schema)
    this.#terms.sweep()
    const matcher = new Matcher(
      this.#grammar(constraint, opens),
      this.#terms,
      this.#trie,
      this.#masks,
      this.#endTokenId,
    )
    if (!matcher.begin(symbolsOf(begun)))
      throw new EngineError('ENGINE_REQUEST', 'The beginning of the answer does not fit the format that is asked for.')
    return matcher
  }

  #grammar(constraint: OutputConstraint, opens: 'reasoning' | 'text'): Term {
    if (this.#generation !== this.#terms.generation) {
      // They stand on terms that no other grammar finds any more.
      this.#grammars.clear()
      this.#generation = this.#terms.generation
    }
    const key = JSON.stringify([constraint, opens])
    const known = this.#grammars.get(key)
    if (known !== undefined) return known
    const made = this.#compile(constraint, opens)
    if (this.#grammars.size >= rememberedGrammars) this.#grammars.delete(this.#grammars.keys().next().value!)
    this.#grammars.set(key, made)
    return made
  }

  #compile(constraint: OutputConstraint, opens: 'reasoning' | 'text'): Term {
    const terms = this.#terms
    const json = new JsonGrammar(terms, constraint.limits ?? noLimits)
    const text = terms.run(freeText(this.#banned([])), textStart)
    const body = this.#body(constraint, json, text)
    if (!terms.settle(json.rules))
      throw new EngineError(
        'ENGINE_SCHEMA_TOO_LARGE',
        'The schemas of a request refer to each other too much to be held to.',
      )
    const whole = opens === 'text' ? body : terms.sequence(this.#thought(constraint), this.#thinkEnd, body)
    if (terms.least(whole) === Infinity)
      throw new EngineError(
        'ENGINE_SCHEMA_INVALID',
        'No value of finite length fits the JSON Schema that is asked for.',
      )
    return whole
  }

  #body(constraint: OutputConstraint, json: JsonGrammar, text: Term): Term {
    const terms = this.#terms
    const { format, tools, calls, singleCall, limits } = constraint
    const answer = format === null ? text : formatTerm(format, json)
    if (calls === 'none' || tools.length === 0) return answer
    const most = singleCall ? 1 : (limits?.calls ?? Infinity)
    const block = new CallGrammar(json, this.#markup, this.#spell(this.#markup.mark), text).block(tools, most)
    if (calls === 'required') return block
    return format === null ? terms.sequence(text, terms.optional(block)) : terms.either(answer, block)
  }

  #thought({ limits }: OutputConstraint): Term {
    const terms = this.#terms
    const free = terms.run(freeText(this.#banned([specialTokens.thinkEnd])), textStart)
    if (limits === null) return free
    // Without the letter that begins every tag.
    const letter = characterOf(terms, complement([[0x3c, 0x3c]]), 'raw')
    return terms.repeat(letter, 0, limits.thoughtCharacters)
  }

  get #thinkEnd(): Term {
    return this.#terms.literal(this.#spell(specialTokens.thinkEnd))
  }

  #spell(special: string): string {
    const symbol = this.#specials.get(special)
    return symbol === undefined ? symbolsOf(special) : String.fromCharCode(symbol)
  }

  /** Spellings that readers of the answer would take for the special tokens. */
  #banned(more: readonly string[]): string[] {
    return [this.#markup.mark, specialTokens.endOfSentence, ...more].map(symbolsOf)
  }
}

function schemaOf({ format }: OutputConstraint): unknown {
  return format?.kind === 'json-schema' ? format.schema : null
}

/** Deeper data would end in an overflow wherever it is printed or compared. */
function checkNesting(value: unknown): void {
  let level: unknown[] = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > deepestSchema)
      throw new EngineError(
        'ENGINE_SCHEMA_TOO_LARGE',
        `A JSON Schema is nested more than ${deepestSchema} levels deep.`,
      )
    level = level.flatMap((each) => (typeof each === 'object' && each !== null ? Object.values(each) : []))
  }
}

function formatTerm(format: NonNullable<OutputConstraint['format']>, json: JsonGrammar): Term {
  if (format.kind === 'json-object') return json.anyObject
  const schemas = new SchemaGrammar(json, format.schema, 'the answer', format.strict)
  const term = schemas.root()
  schemas.finish()
  return term
}
