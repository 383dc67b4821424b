/** Grammars asked whole texts, and answers drawn at random from them. */
import { createRandom, specialTokens, Tokenizer, v4CallMarkup, type Random } from '@portolan/model'
import { defaultTokenizer } from '../default-checkpoint/default-checkpoint.ts'
import { symbolsOf } from './characters.ts'
import { Constraints, type OutputConstraint } from './constraint.ts'
import { JsonGrammar, noLimits } from './json-grammar.ts'
import type { Matcher } from './matcher.ts'
import { SchemaGrammar } from './schema-grammar.ts'
import { Terms, type Term } from './terms.ts'

export const tokenizer = new Tokenizer(defaultTokenizer())
export const endTokenId = tokenizer.specialId(specialTokens.endOfSentence)

export function newConstraints(): Constraints {
  return new Constraints(tokenizer, v4CallMarkup, endTokenId)
}

export const plain: OutputConstraint = { format: null, tools: [], calls: 'none', singleCall: false, limits: null }

export function schemaConstraint(schema: unknown, strict = true): OutputConstraint {
  return { ...plain, format: { kind: 'json-schema', schema, strict } }
}

/** A schema's texts, asked one by one. */
export function acceptor(schema: unknown, strict = true): (text: string) => boolean {
  const terms = new Terms()
  const json = new JsonGrammar(terms, noLimits)
  const grammar = new SchemaGrammar(json, schema, 'the answer', strict)
  const term = grammar.root()
  grammar.finish()
  terms.settle(json.rules)
  return (text) => accepts(terms, term, text)
}

export function accepts(terms: Terms, term: Term, text: string): boolean {
  let state = term
  for (const symbol of symbolsOf(text)) state = terms.step(state, symbol.charCodeAt(0))
  return state.nullable
}

/** Draws evenly among the allowed tokens until the answer ends or the budget is spent. */
export function draw(
  matcher: Matcher,
  random: Random,
  budget: number,
): { readonly text: string; readonly ids: number[] } {
  const ids: number[] = []
  for (let left = budget; left > 0 && !matcher.isFinished; left--) {
    const id = matcher.draw((allows) => {
      const allowed = Array.from({ length: tokenizer.vocabularySize }, (_, each) => each).filter((each) => allows(each))
      if (allowed.length === 0) throw new Error('No token is allowed.')
      return allowed[random.below(allowed.length)]!
    }, left)
    if (id === endTokenId) break
    ids.push(id)
  }
  return { text: tokenizer.decode(ids), ids }
}

export function seeded(seed: number): Random {
  return createRandom(seed)
}

/** A schema's condition. Spelled by list, because an object with a member called `then` looks like a promise. */
export function condition(test: object, then: unknown, otherwise?: unknown): object {
  const said = [test, then, otherwise].flatMap((value, at): [string, unknown][] =>
    value === undefined ? [] : [[['if', 'then', 'else'][at]!, value]],
  )
  return Object.fromEntries(said)
}
