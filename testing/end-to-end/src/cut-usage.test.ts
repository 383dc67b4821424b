/** A stream that ends without its usage is counted by the model's own tokenizer, where the configuration names one. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { startMockUpstream, type MockUpstream } from '@portolan-testing/mock-upstream'
import { post, route, startFixture, type RunningGateway } from './fixture.ts'

const directory = mkdtempSync(join(tmpdir(), 'portolan-cut-'))
/** A tokenizer of words, far from any estimate by length. */
const tokenizer = join(directory, 'tokenizer.json')

describe('a stream that was cut', () => {
  let upstream: MockUpstream
  let running: RunningGateway
  before(async () => {
    const wordLevel = { type: 'WordLevel', vocab: { '[UNK]': 0, word: 1 }, unk_token: '[UNK]' }
    writeFileSync(
      tokenizer,
      JSON.stringify({
        version: '1.0',
        truncation: null,
        padding: null,
        added_tokens: [],
        normalizer: null,
        pre_tokenizer: { type: 'Whitespace' },
        post_processor: null,
        decoder: null,
        model: wordLevel,
      }),
    )
    upstream = await startMockUpstream({
      script: () => ({
        text: 'word '.repeat(400),
        chunkCharacters: 5,
        chunkDelayMs: 1,
        cut: { afterEvents: 120, how: 'finish' },
      }),
    })
    running = await startFixture({
      upstreams: [{ name: 'up', kind: 'openai-compatible', baseUrl: `${upstream.url}/v1`, apiKey: 'k' }],
      models: [
        { ...route('counted', 'up'), tokenizer },
        route('without-it', 'up'),
        { ...route('unreadable', 'up'), tokenizer: join(directory, 'none.json') },
      ],
    })
  })
  after(async () => {
    await running.close()
    await upstream.close()
    rmSync(directory, { recursive: true })
  })

  const cut = async (model: string) => {
    const known = running.rows().length
    const messages = [{ role: 'user', content: 'word '.repeat(300) }]
    await post(running, '/v1/chat/completions', { model, stream: true, messages })
    const [row] = await running.settled(known + 1)
    return row!.usage
  }

  it('has the tokens of what was delivered, and stays marked as estimated', async () => {
    const usage = await cut('counted')
    assert.equal(usage.source, 'estimated')
    // 120 events of one word each, less those that open the stream.
    assert.ok(usage.outputTokens! >= 110 && usage.outputTokens! <= 120, String(usage.outputTokens))
    // 300 words and the frame around one turn.
    assert.ok(usage.inputTokens! >= 300 && usage.inputTokens! <= 310, String(usage.inputTokens))
  })

  it('is estimated by its length without a tokenizer, or with one that cannot be read', async () => {
    const byLength = await cut('without-it')
    assert.ok(byLength.outputTokens! > 140, String(byLength.outputTokens))
    assert.deepEqual(await cut('unreadable'), byLength)
  })
})
