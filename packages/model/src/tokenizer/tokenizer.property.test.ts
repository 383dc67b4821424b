import { describe, it } from 'node:test'
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Detokenizer } from './detokenizer.ts'
import { estimateTokens } from './estimate.ts'
import { ownCorpus } from './own-corpus.ts'
import { Tokenizer } from './tokenizer.ts'
import { trainTokenizer } from './train.ts'

const tokenizer = new Tokenizer(trainTokenizer(ownCorpus(11, 100), { vocabularySize: 500 }))
const parameters = { seed: 20261123, numRuns: 300 }
const specialOrText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string(),
  fc.constantFrom(...tokenizer.specials.keys(), '<', '\n\n', '｜'),
)
const texts = fc.array(specialOrText, { maxLength: 8 }).map((parts) => parts.join(''))

describe('laws of the tokenizer', () => {
  it('decode undoes encode for every well-formed text', () => {
    fc.assert(
      fc.property(texts, (text) => assert.equal(tokenizer.decode(tokenizer.encode(text)), text.toWellFormed())),
      parameters,
    )
  })

  it('encode never yields a special token', () => {
    fc.assert(
      fc.property(texts, (text) =>
        assert.equal(
          tokenizer.encode(text).every((id) => tokenizer.specialOf(id) === null),
          true,
        ),
      ),
      parameters,
    )
  })

  it('decode undoes encodeTrusted as well', () => {
    fc.assert(
      fc.property(texts, (text) => assert.equal(tokenizer.decode(tokenizer.encodeTrusted(text)), text.toWellFormed())),
      parameters,
    )
  })

  it('pieces from any ids concatenate to the whole and never hold half a character', () => {
    const ids = fc.array(fc.integer({ min: 0, max: tokenizer.vocabularySize + 3 }), { maxLength: 40 })
    fc.assert(
      fc.property(ids, (list) => {
        const detokenizer = new Detokenizer(tokenizer)
        const pieces = list.map((id) => detokenizer.push(id))
        assert.equal(
          pieces.every((piece) => piece.isWellFormed()),
          true,
        )
        assert.equal(pieces.join('') + detokenizer.flush(), tokenizer.decode(list))
      }),
      parameters,
    )
  })

  it('the estimate is a positive integer for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), (text) => {
        const tokens = estimateTokens(text)
        assert.equal(Number.isInteger(tokens) && tokens >= 1, true)
      }),
      parameters,
    )
  })
})
