/** Law 5 through the real gateway: no overspend with any number of requests in flight, none stuck, none refused while there is room. */
import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { startMockUpstream, type MockUpstream } from '@portolan-testing/mock-upstream'
import { budget, post, route, startFixture, type RunningGateway } from './fixture.ts'

const limitNanos = 5_000_000n

describe('a budget', () => {
  let upstream: MockUpstream
  let running: RunningGateway
  let serial = 0
  before(async () => {
    upstream = await startMockUpstream({ script: () => ({}), dialect: 'deepseek' })
  })
  after(() => upstream.close())
  beforeEach(async () => {
    upstream.setScript(() => ({ text: 'ok', delayMs: 5, usage: { inputTokens: 20, outputTokens: 50 } }))
    running = await startFixture({
      upstreams: [
        { name: 'deepseek', kind: 'deepseek', baseUrl: upstream.url, apiKey: 'sk-x' },
        { name: 'unpriced', kind: 'openai-compatible', baseUrl: upstream.url },
      ],
      models: [route('deepseek-v4-pro', 'deepseek'), route('homemade', 'unpriced')],
      budgets: [budget('team', limitNanos)],
    })
  })

  afterEach(() => running.close())

  const ask = (model = 'deepseek-v4-pro', extra: Record<string, unknown> = {}) =>
    post(running, '/v1/chat/completions', {
      model,
      max_tokens: 100,
      messages: [{ role: 'user', content: `question ${serial++}` }],
      ...extra,
    })
  const state = () => running.store.budgets.budgetAt('team', Date.now())!

  it('is never overspent by 64 requests in flight, and is used up to the last request that fits', async () => {
    let served = 0
    let refused = 0
    const worker = async (): Promise<void> => {
      for (let i = 0; i < 12; i++)
        if ((await ask()).status === 200) served++
        else refused++
    }
    await Promise.all(Array.from({ length: 64 }, worker))
    for (;;) {
      // Alone now: whatever still fits must be let through.
      const { status, text, headers } = await ask()
      if (status === 200) continue
      assert.equal(status, 429)
      assert.match(
        text,
        /The budget \\"team\\" \(0\.005 USD per month\) has .* left and this request may cost up to .* It resets at \d{4}-/,
      )
      assert.equal(headers.get('x-should-retry'), 'false')
      break
    }
    const { spent, reserved, overrun } = state()
    assert.ok(served > 5 && refused > 5, `${served} served, ${refused} refused`)
    assert.ok(spent <= limitNanos, `${spent} spent`)
    assert.deepEqual([reserved, overrun], [0n, 0n])
    const rows = running.rows()
    assert.equal(
      rows.reduce((sum, row) => sum + (row.costNanos ?? 0n), 0n),
      spent,
    )
  })

  it('gets back what failed and left requests did not use', async () => {
    upstream.setScript(() => ({ error: { status: 400, message: 'no' } }))
    assert.equal((await ask()).status, 400)
    upstream.setScript(() => ({ error: { status: 503 } }))
    assert.equal((await ask()).status, 503)
    assert.deepEqual([state().spent, state().reserved], [0n, 0n])

    upstream.setScript(() => ({ text: 'x'.repeat(500), chunkDelayMs: 5 }))
    const request = httpRequest(`${running.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${running.key}` },
    })
    request.on('error', () => {})
    request.on('response', (response) => response.once('data', () => request.destroy()).on('error', () => {}))
    request.end(
      JSON.stringify({
        model: 'deepseek-v4-pro',
        max_tokens: 100,
        stream: true,
        messages: [{ role: 'user', content: 'x' }],
      }),
    )
    const rows = await running.settled(3)
    for (let i = 0; i < 100 && state().reserved > 0n; i++) await new Promise((done) => setTimeout(done, 5))
    assert.equal(rows[0]!.status, 'aborted')
    assert.deepEqual([state().spent, state().reserved], [rows[0]!.costNanos, 0n])
  })

  it('refuses what it cannot price, and says so', async () => {
    const { status, text } = await ask('homemade')
    assert.equal(status, 402)
    assert.match(text, /has no complete price, so the budget of this key cannot be held/)
  })

  it('refuses a request whose largest bill alone is too large, before anything is sent', async () => {
    const seen = upstream.requests.length
    assert.equal((await ask('deepseek-v4-pro', { max_tokens: 390_000 })).status, 429)
    assert.equal((await ask('deepseek-v4-pro', { max_tokens: undefined })).status, 429)
    assert.equal(upstream.requests.length, seen)
  })
})
