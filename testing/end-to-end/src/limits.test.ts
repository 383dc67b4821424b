/** Limits as callers meet them: whom they hold, what each protocol is told, and what operators hear. */
import assert from 'node:assert/strict'
import { createHmac, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, afterEach, before, describe, it } from 'node:test'
import { pino } from 'pino'
import { startMockUpstream, type MockUpstream } from '@portolan-testing/mock-upstream'
import { AlertDelivery } from '@portolan/gateway'
import { everyKey, type RateLimitInput } from '@portolan/store'
import type { Protocol } from '@portolan/wire'
import { bodyFor, doorPaths } from './faults/scene.ts'
import { budget, post, route, startFixture, type FixtureOptions, type RunningGateway } from './fixture.ts'

const model = 'deepseek-v4-pro'

function rate(changes: Partial<RateLimitInput> = {}): RateLimitInput {
  return { id: 'steady', unit: 'requests', amount: 60, perMs: 60_000, burst: 2, scope: everyKey, ...changes }
}

describe('limits', () => {
  let upstream: MockUpstream
  let running: RunningGateway | null = null
  before(async () => {
    upstream = await startMockUpstream({ script: () => ({}), dialect: 'deepseek' })
  })
  after(() => upstream.close())
  afterEach(async () => {
    await running?.close()
    running = null
  })

  async function start(options: Partial<FixtureOptions>): Promise<RunningGateway> {
    upstream.setScript(() => ({ text: 'ok', usage: { inputTokens: 20, outputTokens: 50 } }))
    running = await startFixture({
      upstreams: [{ name: 'deepseek', kind: 'deepseek', baseUrl: upstream.url, apiKey: 'sk-x' }],
      models: [route(model, 'deepseek')],
      ...options,
    })
    return running
  }

  const ask = (gateway: RunningGateway, door: Protocol = 'chat', more: object = {}) =>
    post(gateway, doorPaths[door], { ...bodyFor(door, model, false), ...more })

  for (const door of ['chat', 'messages', 'responses'] as const)
    it(`tell a caller at the ${door} door where it stands, and when to come again, in that protocol's words`, async () => {
      const gateway = await start({
        rates: [rate(), rate({ id: 'tpm', unit: 'tokens', amount: 100_000, burst: 100_000 })],
      })
      const name = (part: string, unit: string): string =>
        door === 'messages' ? `anthropic-ratelimit-${unit}-${part}` : `x-ratelimit-${part}-${unit}`
      const first = await ask(gateway, door)
      assert.equal(first.status, 200)
      assert.equal(first.headers.get(name('limit', 'requests')), '2')
      assert.equal(first.headers.get(name('remaining', 'requests')), '1')
      assert.equal(first.headers.get(name('limit', 'tokens')), '100000')
      const reset = first.headers.get(name('reset', 'requests'))!
      if (door === 'messages') assert.ok(Math.abs(Date.parse(reset) - Date.now()) < 3000, reset)
      else assert.match(reset, /^(1s|\d+ms|0\.\d+s)$/)
      assert.equal((await ask(gateway, door)).status, 200)
      const seen = upstream.requests.length
      const { status, headers, text } = await ask(gateway, door)
      assert.equal(status, 429)
      assert.equal(upstream.requests.length, seen, 'nothing was sent')
      assert.equal(headers.get(name('remaining', 'requests')), '0')
      assert.ok(Number(headers.get('retry-after')) === 1 && Number(headers.get('retry-after-ms')) <= 1000)
      assert.notEqual(headers.get('x-should-retry'), 'false', 'coming again does help')
      const error = (JSON.parse(text) as { type?: string; error: { type: string; message: string; code?: string } })
        .error
      assert.match(error.message, /rate limit "steady" \(60 requests per 1m, 2 at once\)/)
      if (door === 'messages') assert.equal(error.type, 'rate_limit_error')
      else assert.equal(error.code, 'rate_limit_exceeded')
      assert.equal(gateway.rows()[0]!.status, 'refused')
    })

  for (const [door, path] of [
    ['messages', '/v1/messages/count_tokens'],
    ['responses', '/v1/responses/input_tokens'],
  ] as const)
    it(`of requests hold token counts apart from what is generated (${path}); budgets and limits of tokens do not`, async () => {
      const gateway = await start({
        rates: [
          rate({ scope: { ...everyKey, each: 'key' } }),
          rate({ id: 'tpm', unit: 'tokens', amount: 1, burst: 1 }),
        ],
        budgets: [budget('spent', 0n, { unit: 'requests', currency: null })],
      })
      const count = () => post(gateway, path, bodyFor(door, model, false))
      const name = (part: string): string =>
        door === 'messages' ? `anthropic-ratelimit-requests-${part}` : `x-ratelimit-${part}-requests`
      const first = await count()
      assert.equal(first.status, 200, first.text)
      assert.deepEqual([first.headers.get(name('limit')), first.headers.get(name('remaining'))], ['2', '1'])
      assert.equal((await count()).status, 200)
      const { status, headers, text } = await count()
      assert.equal(status, 429)
      assert.match(text, /rate limit \\"steady\\" \(60 requests per 1m, 2 at once\)/)
      assert.equal(headers.get(name('remaining')), '0')
      assert.ok(headers.get('retry-after') === '1' && Number(headers.get('retry-after-ms')) <= 1000)
      assert.equal(gateway.rows().length, 0, 'nothing is billed, no row is written')
      // Nothing was taken from what may be generated.
      gateway.store.limits.removeBudget('spent', 'config')
      gateway.store.limits.removeRate('tpm', 'config')
      assert.equal((await ask(gateway, door)).headers.get(name('remaining')), '1')
      assert.equal((await ask(gateway, door)).status, 200)
      assert.equal((await ask(gateway, door)).status, 429)
    })

  it('count tokens of a rate by what requests came to', async () => {
    const gateway = await start({ rates: [rate({ unit: 'tokens', amount: 1000, burst: 1000 })] })
    const { headers } = await ask(gateway)
    const guessed = 1000 - Number(headers.get('x-ratelimit-remaining-tokens'))
    assert.ok(guessed > 10 && guessed < 60, `${guessed} tokens of prompt guessed`)
    const left = gateway.store.budgets.rateAt({ id: 'steady', subject: '' }, Date.now())!.remaining
    assert.ok(left >= 930 && left <= 940, `70 used, ${left} left`)
  })

  it('of tokens need no price; of money do', async () => {
    const unpriced = [{ name: 'own', kind: 'openai-compatible' as const, baseUrl: upstream.url }]
    const gateway = await start({
      upstreams: unpriced,
      models: [route(model, 'own')],
      budgets: [budget('tokens', 2000n, { unit: 'tokens', currency: null, period: 'rolling', windowMs: 18_000_000 })],
    })
    assert.equal((await ask(gateway, 'chat', { max_tokens: 500 })).status, 200)
    assert.equal(gateway.store.budgets.budgetAt('tokens', Date.now())!.spent, 70n)
    const { status, text } = await ask(gateway, 'chat', { max_tokens: 1950 })
    assert.equal(status, 429)
    assert.match(
      text,
      /\(2000 tokens per 5h\) has 1930 left and this request may use up to \d+\. .* is more than the whole/,
    )
    gateway.store.limits.putBudget(budget('money', 1_000_000_000n))
    assert.equal((await ask(gateway, 'chat', { max_tokens: 10 })).status, 402)
  })

  it('hold text completions as well: no door leads around them', async () => {
    const gateway = await start({ budgets: [budget('calls', 1n, { unit: 'requests', currency: null })] })
    const complete = () => post(gateway, '/v1/completions', { model, prompt: 'Once', max_tokens: 5 })
    const beta = () => post(gateway, '/beta/completions', { model, prompt: 'Once', max_tokens: 5 })
    const statuses = [(await beta()).status, (await beta()).status, (await complete()).status]
    assert.deepEqual(statuses.slice(1), [429, 429], statuses.join())
  })

  it('of a team hold its keys together and nobody else', async () => {
    const gateway = await start({ budgets: [] })
    gateway.store.teams.putTeam({ id: 'red', organisationId: 'acme' }, 'admin', Date.now())
    gateway.store.limits.putBudget(
      budget('red', 2n, { unit: 'requests', currency: null, scope: { ...everyKey, organisations: ['acme'] } }),
      'admin',
    )
    const keyOf = (teamId: string | null): { url: string; key: string } => ({
      url: gateway.url,
      key: gateway.store.keys.createKey({ name: 'k', teamId }, Date.now(), randomBytes(32)).secret,
    })
    const [one, two, other] = [keyOf('red'), keyOf('red'), keyOf(null)]
    const body = bodyFor('chat', model, false)
    const statuses: number[] = []
    for (const key of [one, two, one, two, other]) statuses.push((await post(key, '/v1/chat/completions', body)).status)
    assert.deepEqual(statuses, [200, 200, 429, 429, 200])
  })

  it('look closer before they refuse: pictures and escapes are not prompt tokens', async () => {
    const gateway = await start({ budgets: [budget('tight', 40_000n, { unit: 'tokens', currency: null })] })
    const picture = `data:image/png;base64,${'A'.repeat(200_000)}`
    const content = [
      { type: 'text', text: '\u0001'.repeat(2000) },
      { type: 'image_url', image_url: { url: picture } },
    ]
    const { status, text } = await ask(gateway, 'chat', { max_tokens: 100, messages: [{ role: 'user', content }] })
    assert.ok(status === 200 || !text.includes('GATEWAY_BUDGET_SPENT'), text)
    const { status: long } = await ask(gateway, 'chat', {
      max_tokens: 100,
      messages: [{ role: 'user', content: 'word '.repeat(9000) }],
    })
    assert.equal(long, 429, 'without a tokenizer 45,000 bytes of text may be 45,000 tokens')
  })

  it('alert a webhook once, signed, and again until it listens', async () => {
    const heard: { body: string; signature: string }[] = []
    let answer = 500
    const receiver = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        heard.push({
          body: Buffer.concat(chunks).toString(),
          signature: String(request.headers['x-portolan-signature']),
        })
        response.writeHead(answer, { location: '/elsewhere' }).end()
      })
    })
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook?a=b`
    const gateway = await start({
      budgets: [budget('calls', 2n, { unit: 'requests', currency: null, alerts: [50, 100] })],
    })
    const delivery = new AlertDelivery({
      store: gateway.store.alerts,
      target: { url, secret: 's3cret' },
      now: Date.now,
      log: pino({ level: 'silent' }),
      firstPauseMs: 1,
    })
    await ask(gateway)
    await delivery.round()
    answer = 302
    await new Promise((resolve) => setTimeout(resolve, 5))
    await delivery.round()
    assert.equal(heard.length, 2, 'a redirect is a failure, and is not followed')
    answer = 204
    await new Promise((resolve) => setTimeout(resolve, 5))
    await delivery.round()
    await delivery.round()
    assert.equal(heard.length, 3)
    const { body, signature } = heard[2]!
    const [, at, hex] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(signature)!
    assert.equal(createHmac('sha256', 's3cret').update(`${at}.${body}`).digest('hex'), hex)
    const { type, percent, budget: told } = JSON.parse(body) as Record<string, unknown>
    assert.deepEqual([type, percent], ['budget.threshold', 50])
    const { id, spent, limit, period } = told as Record<string, unknown>
    assert.deepEqual([id, spent, limit, period], ['calls', '1', '2', 'month'])
    await ask(gateway)
    await ask(gateway)
    await ask(gateway)
    await delivery.round()
    assert.deepEqual(
      gateway.store.alerts.listAlerts(10).map(({ event, state, attempts }) => [event, state, attempts]),
      [
        ['refused', 'delivered', 1],
        ['threshold-100', 'delivered', 1],
        ['threshold-50', 'delivered', 3],
      ],
    )
    await delivery.stop()
    receiver.close()
  })
})
