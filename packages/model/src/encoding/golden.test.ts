/** Runs the golden prompts of testing/golden/v4-encoding (see its README for where they come from). */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import assert from 'node:assert/strict'
import { Tokenizer } from '../tokenizer/tokenizer.ts'
import { ownCorpus } from '../tokenizer/own-corpus.ts'
import { trainTokenizer } from '../tokenizer/train.ts'
import { encodeChat } from './encode-chat.ts'
import type { ChatRequest } from './messages.ts'
import type { EncodingProfile } from './profile.ts'
import { promptText, promptTokens } from './segments.ts'

interface GoldenFile {
  readonly profile: EncodingProfile
  readonly cases: readonly { name: string; rule: string; request: ChatRequest; prompt: string; opens: string }[]
}

const path = join(import.meta.dirname, '../../../../testing/golden/v4-encoding/cases.json')
const golden: GoldenFile = JSON.parse(readFileSync(path, 'utf8'))
const tokenizer = new Tokenizer(trainTokenizer(ownCorpus(5, 100), { vocabularySize: 500 }))

describe('golden prompts', () => {
  for (const { name, rule, request, prompt, opens } of golden.cases) {
    it(`${name}: ${rule}`, () => {
      const encoded = encodeChat(request, golden.profile)
      assert.equal(promptText(encoded.segments), prompt)
      assert.equal(encoded.opens, opens)
      // None of these conversations forges tokens, so cutting by trust must not change the ids.
      assert.deepEqual(promptTokens(encoded.segments, tokenizer), tokenizer.encodeTrusted(prompt))
    })
  }
})
