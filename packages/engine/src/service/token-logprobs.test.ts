import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { CompletionStream, loadTokenizer, specialTokens } from '@portolan/model'
import { ensureDefaultCheckpoint } from '../default-checkpoint/default-checkpoint.ts'
import { TokenLogprobs } from './token-logprobs.ts'
import type { SampledToken } from './protocol.ts'

const room = mkdtempSync(join(tmpdir(), 'token-logprobs-'))
after(() => rmSync(room, { recursive: true, force: true }))
const tokenizer = await loadTokenizer(ensureDefaultCheckpoint(room))
const byteIds = (text: string): number[] =>
  [...Buffer.from(text)].map((byte) => {
    for (let id = 0; id < tokenizer.vocabularySize; id++) {
      const bytes = tokenizer.bytesOf(id)
      if (bytes.length === 1 && bytes[0] === byte && tokenizer.specialOf(id) === null) return id
    }
    throw new Error(`no token for the byte ${byte}`)
  })

function show(ids: readonly number[], stops: readonly string[] = [], opens: 'text' | 'reasoning' = 'text') {
  const stream = new CompletionStream({ tokenizer, opens, stops })
  const log = new TokenLogprobs(tokenizer, 2)
  const logits = new Float32Array(tokenizer.vocabularySize).fill(-Infinity)
  logits[ids[0]!] = 1
  const deltas: [string, SampledToken[]][] = []
  const take = (events: ReturnType<CompletionStream['push']>): void => {
    for (const event of events) {
      const tokens = [...log.shownBy(event)]
      if (event.type === 'text-delta' || event.type === 'reasoning-delta') deltas.push([event.text, tokens])
    }
  }
  for (const id of ids) {
    const { reasoningTokens } = stream
    const events = stream.push(id)
    log.push(id, logits, stream.reasoningTokens > reasoningTokens)
    take(events)
  }
  take(stream.finish('length'))
  return deltas
}

describe('log-probabilities beside deltas', () => {
  it('belong to the delta that shows a character, with the bytes of each of its tokens', () => {
    const deltas = show(byteIds('a€b'))
    assert.deepEqual(
      deltas.map(([text, tokens]) => [text, tokens.map(({ bytes }) => bytes)]),
      [
        ['a', [[97]]],
        ['€', [[0xe2], [0x82], [0xac]]],
        ['b', [[98]]],
      ],
    )
    assert.deepEqual(deltas[1]![1][0]!.token, '\ufffd')
  })

  it('keep every token of bytes that are no text', () => {
    const ids = byteIds('€').slice(0, 2)
    const deltas = show([...ids, ...byteIds('xy'), ids[0]!])
    assert.equal(deltas.flatMap(([, tokens]) => tokens).length, 5)
  })

  it('leave out a stop string, and give back what only looked like one', () => {
    const shown = show(byteIds('xENyEND'), ['END']).flatMap(([, tokens]) => tokens.map(({ token }) => token))
    assert.deepEqual(shown.join(''), 'xENy')
  })

  it('leave out special tokens, and keep thoughts apart', () => {
    const ids = [...byteIds('t'), tokenizer.specialId('</think>'), ...byteIds('a')]
    const deltas = show([...ids, tokenizer.specialId(specialTokens.endOfSentence)], [], 'reasoning')
    assert.deepEqual(
      deltas.map(([text, tokens]) => [text, tokens.map(({ token }) => token)]),
      [
        ['t', ['t']],
        ['a', ['a']],
      ],
    )
  })

  it('are finite where the model gives no chance', () => {
    const [[, tokens]] = show(byteIds('a')) as [[string, SampledToken[]]]
    assert.equal(tokens[0]!.logprob, 0)
    assert.deepEqual(
      tokens[0]!.top.map(({ logprob }) => logprob),
      [0, -9999],
    )
  })
})
