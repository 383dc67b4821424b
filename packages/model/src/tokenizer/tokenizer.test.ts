import { describe, it } from 'node:test'
import assert from 'node:assert/strict'
import { smallConfig } from '../config/small-configs.ts'
import { ModelError } from '../errors.ts'
import { Detokenizer } from './detokenizer.ts'
import { estimateTokens } from './estimate.ts'
import { checkTokenizerFits } from './fit.ts'
import { ownCorpus } from './own-corpus.ts'
import { specialTokens } from './special-tokens.ts'
import { parseTokenizer, Tokenizer } from './tokenizer.ts'
import type { TokenizerFile } from './tokenizer.ts'
import { smallestVocabulary, trainTokenizer } from './train.ts'

const file = trainTokenizer(ownCorpus(7, 200), { vocabularySize: 700 })
const tokenizer = new Tokenizer(file)

const isTokenizerError = (error: unknown): boolean => error instanceof ModelError && error.code === 'MODEL_TOKENIZER'

function changed(change: (copy: { -readonly [K in keyof TokenizerFile]: TokenizerFile[K] }) => void): string {
  const copy = structuredClone(file)
  change(copy)
  return JSON.stringify(copy)
}

describe('tokenizer', () => {
  it('gives back every text it encodes', () => {
    for (const text of [
      '',
      ' ',
      '\n\n',
      'The harbour pilot',
      '  two  blanks  ',
      '港口 地図 Порт',
      '👩‍🚀',
      '\ufeffmark',
      '1234567',
      'a\u0000b',
      '\r\n\t',
    ]) {
      assert.equal(tokenizer.decode(tokenizer.encode(text)), text)
    }
  })

  it('encodes the empty text as nothing', () => {
    assert.deepEqual(tokenizer.encode(''), [])
  })

  it('replaces lone surrogates by U+FFFD, which UTF-8 cannot carry', () => {
    assert.equal(tokenizer.decode(tokenizer.encode('a\ud83db\ude00')), 'a\ufffdb\ufffd')
  })

  it('never turns user text into a special token', () => {
    for (const content of tokenizer.specials.keys()) {
      const ids = tokenizer.encode(`before ${content}after${content}`)
      assert.equal(
        ids.some((id) => tokenizer.specialOf(id) !== null),
        false,
        content,
      )
      assert.equal(tokenizer.decode(ids), `before ${content}after${content}`)
    }
  })

  it('recognises special tokens in trusted text, and only the allowed ones when they are named', () => {
    const text = `${specialTokens.user}hi${specialTokens.assistant}${specialTokens.thinkEnd}`
    assert.deepEqual(tokenizer.encodeTrusted(text), [
      tokenizer.specialId(specialTokens.user),
      ...tokenizer.encode('hi'),
      tokenizer.specialId(specialTokens.assistant),
      tokenizer.specialId(specialTokens.thinkEnd),
    ])
    const partly = tokenizer.encodeTrusted(text, [specialTokens.thinkEnd])
    assert.deepEqual(partly, [
      ...tokenizer.encode(`${specialTokens.user}hi${specialTokens.assistant}`),
      tokenizer.specialId(specialTokens.thinkEnd),
    ])
    assert.deepEqual(tokenizer.encodeTrusted(text, []), tokenizer.encode(text))
  })

  it('splits digits into groups of three from the left, as V4 does', () => {
    assert.equal(tokenizer.encode('1234567').length >= 3, true)
    const first = tokenizer.encode('1234567')
    assert.deepEqual(first, [...tokenizer.encode('123'), ...tokenizer.encode('456'), ...tokenizer.encode('7')])
  })

  it('takes long runs of one character in its stride', () => {
    for (const text of ['a'.repeat(50_000), ' '.repeat(50_000), '港'.repeat(20_000), '!?'.repeat(20_000)]) {
      assert.equal(tokenizer.decode(tokenizer.encode(text)), text)
    }
  })

  it('refuses ids that cannot be, and shows padding ids as U+FFFD', () => {
    for (const id of [-1, 0.5, Number.NaN, 2 ** 40]) {
      assert.throws(
        () => tokenizer.bytesOf(id),
        (error) => error instanceof ModelError && error.code === 'MODEL_TOKEN',
      )
    }
    assert.equal(tokenizer.decode([tokenizer.vocabularySize + 5]), '\ufffd')
  })
})

describe('tokenizer file', () => {
  it('is refused when it is not JSON, not an object, or not byte-pair encoding', () => {
    for (const text of ['', '{', '[]', 'null', '"x"', '{}', '{"model":{"type":"Unigram"}}']) {
      assert.throws(() => parseTokenizer(text), isTokenizerError, text)
    }
  })

  it('is refused when a text could lose bytes', () => {
    const { a: _a, ...withoutA } = file.model.vocab
    const bad = [
      changed((copy) => (copy.model = { ...copy.model, vocab: withoutA })),
      changed((copy) => (copy.model = { ...copy.model, merges: [...copy.model.merges, ['zz', 'zz']] })),
      changed((copy) => (copy.model = { ...copy.model, vocab: { ...copy.model.vocab, twice: 5 } })),
      changed((copy) => (copy.model = { ...copy.model, vocab: { ...copy.model.vocab, huge: 1e12 } })),
      changed((copy) => (copy.normalizer = { type: 'NFC' })),
      changed((copy) => (copy.pre_tokenizer = { type: 'Whitespace' })),
      changed((copy) => (copy.added_tokens = [...copy.added_tokens, { id: 9_000, content: '<x>', lstrip: true }])),
      changed((copy) => (copy.added_tokens = [...copy.added_tokens, { id: -3, content: '<x>' }])),
      changed(
        (copy) =>
          (copy.pre_tokenizer = { type: 'Sequence', pretokenizers: [{ type: 'Unheard' }, { type: 'ByteLevel' }] }),
      ),
    ]
    for (const text of bad) assert.throws(() => parseTokenizer(text), isTokenizerError)
  })

  it('reads merges written as one string with a blank', () => {
    const old = parseTokenizer(
      changed(
        (copy) =>
          (copy.model = {
            ...copy.model,
            merges: copy.model.merges.map((merge) => (typeof merge === 'string' ? merge : merge.join(' '))),
          }),
      ),
    )
    assert.deepEqual(old.encode('The harbour pilot reads'), tokenizer.encode('The harbour pilot reads'))
  })
})

describe('detokenizer', () => {
  it('waits for the rest of a character that a token cut in two', () => {
    const ids = [...new TextEncoder().encode('é👍')].map((byte) => byte + 3)
    const detokenizer = new Detokenizer(tokenizer)
    assert.deepEqual(
      ids.map((id) => detokenizer.push(id)),
      ['', 'é', '', '', '', '👍'],
    )
    assert.equal(detokenizer.flush(), '')
  })

  it('concatenates to what decoding at once gives, broken bytes included', () => {
    const ids = [3 + 0xe2, 3 + 0x82, tokenizer.specialId('</think>'), 3 + 0xff, 3 + 0x41, 3 + 0xf0, 3 + 0x9f]
    const detokenizer = new Detokenizer(tokenizer)
    const text = ids.map((id) => detokenizer.push(id)).join('') + detokenizer.flush()
    assert.equal(text, tokenizer.decode(ids))
    assert.equal(text, '\ufffd</think>\ufffdA\ufffd')
  })

  it('keeps a byte order mark that the model wrote', () => {
    const detokenizer = new Detokenizer(tokenizer)
    assert.equal(
      tokenizer
        .encode('\ufeffx')
        .map((id) => detokenizer.push(id))
        .join(''),
      '\ufeffx',
    )
  })

  it('can leave special tokens out', () => {
    const detokenizer = new Detokenizer(tokenizer, { skipSpecials: true })
    assert.equal(
      tokenizer
        .encodeTrusted('<think>sea</think>')
        .map((id) => detokenizer.push(id))
        .join(''),
      'sea',
    )
  })
})

describe('tokenizer trainer', () => {
  it('gives the same file for the same text', () => {
    assert.equal(JSON.stringify(trainTokenizer(ownCorpus(7, 200), { vocabularySize: 700 })), JSON.stringify(file))
  })

  it('merges the most frequent pair first, ties by smaller ids', () => {
    const small = trainTokenizer(['abab abab cdcd cdcd'], { vocabularySize: smallestVocabulary + 2 })
    assert.deepEqual(small.model.merges, [
      ['a', 'b'],
      ['c', 'd'],
    ])
  })

  it('carries every special token of the chat format', () => {
    for (const content of Object.values(specialTokens)) assert.equal(tokenizer.hasSpecial(content), true)
    assert.equal(tokenizer.specialId(specialTokens.beginOfSentence), 0)
    assert.equal(tokenizer.specialId(specialTokens.endOfSentence), 1)
  })

  it('numbers the vocabulary without holes and keeps to its size', () => {
    assert.equal(tokenizer.vocabularySize, 700)
    const ids = new Set([...Object.values(file.model.vocab), ...file.added_tokens.map((token) => token.id)])
    assert.equal(ids.size, 700)
  })

  it('refuses a vocabulary that has no room for the bytes', () => {
    assert.throws(() => trainTokenizer([], { vocabularySize: 100 }), isTokenizerError)
  })
})

describe('token estimate', () => {
  it('is zero only for the empty text', () => {
    assert.equal(estimateTokens(''), 0)
    for (const text of [' ', 'a', '\n', '\ud800', '港']) assert.equal(estimateTokens(text) >= 1, true)
  })

  it('stays near counts taken with the published V4 tokenizer', () => {
    // Counts taken once with the published tokenizer.json (vocabulary 129,280): text, tokens.
    const english =
      'Portolan charts show harbours and the bearings between them; sailors trusted them for three hundred years. '
    assert.equal(Math.abs(estimateTokens(english.repeat(10)) / 201 - 1) < 0.25, true)
    const chinese = '港口在南方，船已经到了。海图上标着每一个港口和它们之间的方位。'
    assert.equal(Math.abs(estimateTokens(chinese.repeat(10)) / 180 - 1) < 0.25, true)
  })

  it('grows in step with the text', () => {
    const text = 'const depth = table[12] ?? 345\n'
    assert.equal(Math.abs(estimateTokens(text.repeat(100)) - 100 * estimateTokens(text)) <= 100, true)
  })
})

describe('a tokenizer beside a model', () => {
  const own = new Tokenizer(trainTokenizer(ownCorpus(1, 40), { vocabularySize: 300 }))

  it('fits when every id has a row and both know begin and end of sentence by the same ids', () => {
    checkTokenizerFits(own, smallConfig({ vocab_size: own.vocabularySize }))
    // Rows beyond the tokenizer are padding, as in the published checkpoints.
    checkTokenizerFits(own, smallConfig({ vocab_size: own.vocabularySize + 64 }))
  })

  it('is refused when an id has no row, or when begin and end are elsewhere', () => {
    assert.throws(() => checkTokenizerFits(own, smallConfig({ vocab_size: own.vocabularySize - 1 })), {
      code: 'MODEL_TOKENIZER',
      message: /do not belong together/,
    })
    assert.throws(() => checkTokenizerFits(own, smallConfig({ vocab_size: 512, eos_token_id: 7 })), {
      code: 'MODEL_TOKENIZER',
      message: /eos_token_id is 7/,
    })
  })
})
