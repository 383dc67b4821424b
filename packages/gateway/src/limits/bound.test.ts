/** Three bounds of one prompt: none below what the model can count, each tighter than the one before. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Inbound } from '../exchange/inbound.ts'
import { TokenCounters } from '../token-counters.ts'
import { bytesBound, contentBound, promptContent } from './bound.ts'
import { durationText } from './headers.ts'

const directory = mkdtempSync(join(tmpdir(), 'portolan-bound-'))
after(() => rmSync(directory, { recursive: true, force: true }))

/** A tokenizer of words: enough to be far from bytes. */
const tokenizerPath = join(directory, 'tokenizer.json')
writeFileSync(
  tokenizerPath,
  JSON.stringify({
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: 'Whitespace' },
    post_processor: null,
    decoder: null,
    model: { type: 'WordLevel', vocab: { '[UNK]': 0, word: 1 }, unk_token: '[UNK]' },
  }),
)

function inbound(body: unknown): Inbound {
  return new Inbound('chat', Buffer.from(JSON.stringify(body)), {})
}

function chat(content: unknown, more: object = {}): Inbound {
  return inbound({ model: 'm', messages: [{ role: 'user', content }], ...more })
}

describe('the bound of a prompt', () => {
  it('by bytes, by content and by count falls from step to step over ordinary text', async () => {
    const request = chat('word '.repeat(4000))
    const byBytes = bytesBound(request).tokens
    const content = promptContent(request) ?? assert.fail()
    const byContent = contentBound(content).tokens
    const counted = (await new TokenCounters().boundTexts(content.texts, tokenizerPath)) ?? assert.fail()
    const byCount = counted + content.otherTokens
    assert.ok(byBytes > 20_000 && byContent <= byBytes + 64, `${byBytes}, ${byContent}`)
    assert.ok(byCount >= 4000 && byCount < 4300, `${byCount} tokens for 4,000 words`)
  })

  it('by content takes a picture at its cap and not by its base64, wherever the protocols put it', () => {
    const data = 'A'.repeat(500_000)
    const pictures: unknown[] = [
      { type: 'image_url', image_url: { url: `data:image/png;base64,${data}` } },
      { type: 'input_image', image_url: `data:image/png;base64,${data}` },
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data } },
    ]
    for (const picture of pictures) {
      const { tokens } = contentBound(promptContent(chat([picture])) ?? assert.fail())
      assert.ok(tokens >= 16_384 && tokens < 50_000, `${tokens} for ${JSON.stringify(picture).slice(0, 60)}`)
    }
    const document = { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data } }
    assert.ok(
      contentBound(promptContent(chat([document])) ?? assert.fail()).tokens > 500_000,
      'other files may be text',
    )
  })

  it('by content is not talked out of text that only looks like a picture', () => {
    const data = 'A'.repeat(500_000)
    const url = `data:image/png;base64,${data}`
    const source = { type: 'base64', media_type: 'image/png', data }
    const disguised: readonly Inbound[] = [
      chat([{ type: 'text', text: url }]),
      chat('x', {
        tools: [{ type: 'function', function: { name: 'f', parameters: { default: { type: 'image', source } } } }],
      }),
      chat([{ type: 'tool_use', id: 't', name: 'f', input: { type: 'image_url', image_url: { url } } }]),
      chat([{ type: 'text', text: 'x', image_url: url }]),
    ]
    for (const request of disguised) assert.ok(contentBound(promptContent(request) ?? assert.fail()).tokens > 500_000)
  })

  it('by content reads what escapes stand for, and never fewer bytes than the text has', () => {
    const text = '\n\t"é漢😀'.repeat(1000)
    const { tokens } = contentBound(promptContent(chat(text)) ?? assert.fail())
    assert.ok(tokens >= Buffer.byteLength(text) && tokens < bytesBound(chat(text)).tokens)
  })

  it('multiplies the answer by everything that is generated, whether or not it is returned', () => {
    const choices = (more: object): number => inbound({ model: 'm', ...more }).choices
    assert.equal(choices({}), 1)
    assert.equal(choices({ n: 3 }), 3)
    assert.equal(choices({ n: 2, best_of: 5 }), 5)
    assert.equal(choices({ prompt: ['a', 'b', 'c'], n: 2 }), 6)
    assert.equal(choices({ prompt: [1, 2, 3] }), 1)
    assert.equal(choices({ n: -1, best_of: 'x', prompt: [] }), 1)
  })

  it('counts what templates say about tools, and pictures behind links', () => {
    assert.ok(bytesBound(chat('x', { tools: [] })).tokens >= 1024)
    const linked = chat([{ type: 'image_url', image_url: { url: 'https://x.example/a.png' } }])
    assert.ok(bytesBound(linked).tokens >= 16_384)
  })

  it('outlives nesting, and leaves alone what cannot be read', async () => {
    const deep = `{"model":"m","messages":${'['.repeat(5000)}${']'.repeat(5000)}}`
    const request = new Inbound('chat', Buffer.from(deep), {})
    assert.ok((promptContent(request) ?? assert.fail()).otherTokens > 5000)
    const huge = new Inbound('chat', Buffer.from(`{"model":"m","input":"${'x'.repeat(9 << 20)}"}`), {})
    assert.equal(promptContent(huge), null)
    assert.equal(await new TokenCounters().boundTexts(['x'], join(directory, 'none.json')), null)
    assert.equal(await new TokenCounters().boundTexts(['x'.repeat(3 << 20)], tokenizerPath), null)
  })

  it('by count cuts long texts so that others have their turn', async () => {
    let turns = 0
    const timer = setInterval(() => turns++, 0)
    const tokens = (await new TokenCounters().boundTexts(['word '.repeat(40_000)], tokenizerPath)) ?? 0
    clearInterval(timer)
    assert.ok(tokens >= 40_000 && tokens < 40_500 && turns > 2, `${tokens} tokens, ${turns} turns`)
  })
})

describe('a duration in a rate-limit header', () => {
  it('is written as SDKs of Chat read it', () => {
    const texts = [0, 120, 1000, 1907, 59_999, 60_000, 360_000, 3_600_000].map(durationText)
    assert.deepEqual(texts, ['0ms', '120ms', '1s', '1.907s', '59.999s', '1m0s', '6m0s', '1h0m0s'])
  })
})
