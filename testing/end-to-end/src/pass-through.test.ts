/** Endpoints that are handed through: completions with FIM, prefix completion, balance, token counts. */
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { post, route, startFixture, type RunningGateway } from './fixture.ts'

interface Seen {
  readonly url: string
  readonly headers: Record<string, string | string[] | undefined>
  readonly body: string
}

describe('endpoints that are handed through', () => {
  const seen: Seen[] = []
  let answer: { status: number; type: string; body: string } = { status: 200, type: 'application/json', body: '{}' }
  let server: Server
  let running: RunningGateway
  before(async () => {
    server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        seen.push({ url: request.url!, headers: request.headers, body: Buffer.concat(chunks).toString() })
        response.writeHead(answer.status, { 'content-type': answer.type }).end(answer.body)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    running = await startFixture({
      upstreams: [
        { name: 'deepseek', kind: 'deepseek', baseUrl, apiKey: 'sk-deep' },
        { name: 'claude', kind: 'anthropic', baseUrl, apiKey: 'sk-ant' },
      ],
      models: [route('deepseek-v4-pro', 'deepseek'), route('claude-x', 'claude')],
    })
  })
  after(async () => {
    await running.close()
    await new Promise((resolve) => {
      server.close(resolve)
      server.closeAllConnections()
    })
  })

  const completion =
    '{"id":"c1","object":"text_completion","model":"deepseek-v4-pro","choices":[{"text":"b)","index":0,"finish_reason":"stop"}],"usage":{"prompt_tokens":140,"completion_tokens":3,"total_tokens":143,"prompt_cache_hit_tokens":128,"prompt_cache_miss_tokens":12}}'

  it('completes the middle at the beta address, byte for byte, and meters it', async () => {
    answer = { status: 200, type: 'application/json', body: completion }
    const body = '{"model":"deepseek-v4-pro", "prompt":"def f(a,","suffix":"return a", "max_tokens":16}'
    for (const path of ['/v1/completions', '/completions', '/beta/completions']) {
      const { status, text } = await post(running, path, body)
      assert.deepEqual([status, text], [200, completion])
      assert.equal(seen.at(-1)!.url, '/beta/completions')
      assert.equal(seen.at(-1)!.body, body)
      assert.equal(seen.at(-1)!.headers['authorization'], 'Bearer sk-deep')
      const [row] = running.rows()
      assert.deepEqual(
        [row!.status, row!.usage.hitTokens, row!.usage.missTokens, row!.usage.outputTokens, row!.usage.source],
        ['ok', 128, 12, 3, 'reported'],
      )
      assert.ok(row!.costNanos! > 0n)
    }
  })

  it('streams completions and reads their usage in passing', async () => {
    answer = {
      status: 200,
      type: 'text/event-stream',
      body: `data: {"choices":[{"text":"b"}]}\n\ndata: ${completion}\n\ndata: [DONE]\n\n`,
    }
    const { text } = await post(running, '/v1/completions', { model: 'deepseek-v4-pro', prompt: 'a', stream: true })
    assert.equal(text, answer.body)
    assert.equal(running.rows()[0]!.usage.outputTokens, 3)
  })

  it('says plainly when no upstream of the model serves completions', async () => {
    const { status, text } = await post(running, '/v1/completions', { model: 'claude-x', prompt: 'a' })
    assert.equal(status, 404)
    assert.match(text, /GATEWAY_NOT_SUPPORTED/)
  })

  it('shows the balance of the account', async () => {
    answer = {
      status: 200,
      type: 'application/json',
      body: '{"is_available":true,"balance_infos":[{"currency":"CNY","total_balance":"12.00"}]}',
    }
    const response = await fetch(`${running.url}/user/balance`, { headers: { authorization: `Bearer ${running.key}` } })
    assert.equal(await response.text(), answer.body)
    assert.equal(seen.at(-1)!.url, '/user/balance')
  })

  it('sends prefix completion to the beta address', async () => {
    answer = {
      status: 200,
      type: 'application/json',
      body: '{"id":"x","object":"chat.completion","created":1,"model":"deepseek-v4-pro","choices":[{"index":0,"message":{"role":"assistant","content":"rest"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}',
    }
    const body =
      '{"model":"deepseek-v4-pro","messages":[{"role":"user","content":"code"},{"role":"assistant","content":"```py\\n","prefix":true}]}'
    assert.equal((await post(running, '/v1/chat/completions', body)).status, 200)
    assert.equal(seen.at(-1)!.url, '/beta/chat/completions')
    assert.equal(seen.at(-1)!.body, body)
  })

  it('lets an upstream that can count do the counting, and estimates otherwise, saying which', async () => {
    answer = { status: 200, type: 'application/json', body: '{"input_tokens":4711}' }
    const counted = await post(running, '/v1/messages/count_tokens', {
      model: 'claude-x',
      messages: [{ role: 'user', content: 'hi' }],
    })
    assert.deepEqual([counted.text, counted.headers.get('x-portolan-token-count')], ['{"input_tokens":4711}', 'exact'])
    assert.match(seen.at(-1)!.url, /count_tokens/)
    const estimated = await post(running, '/v1/messages/count_tokens', {
      model: 'deepseek-v4-pro',
      messages: [{ role: 'user', content: 'x'.repeat(3600) }],
    })
    assert.equal(estimated.headers.get('x-portolan-token-count'), 'estimate')
    const tokens = (JSON.parse(estimated.text) as { input_tokens: number }).input_tokens
    assert.ok(tokens > 900 && tokens < 1200, String(tokens))
  })
})
