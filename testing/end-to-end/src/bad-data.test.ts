/** What an upstream may say that cannot be true, and what we may not know: each a clear outcome, none a silent zero. */
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { startMockUpstream, type AnswerUsage, type MockUpstream } from '@portolan-testing/mock-upstream'
import type { LedgerRow } from '@portolan/store'
import { budget, post, route, startFixture, type RunningGateway } from './fixture.ts'

const limitNanos = 5_000_000n

describe('a ledger row of', () => {
  let upstream: MockUpstream
  let running: RunningGateway
  before(async () => {
    upstream = await startMockUpstream({ script: () => ({}), dialect: 'deepseek' })
  })
  after(() => upstream.close())
  beforeEach(async () => {
    running = await startFixture({
      upstreams: [
        { name: 'priced', kind: 'deepseek', baseUrl: upstream.url, apiKey: 'sk-x' },
        { name: 'homemade', kind: 'openai-compatible', baseUrl: upstream.url },
      ],
      models: [
        route('deepseek-v4-pro', 'priced'),
        route('deepseek-v9-unheard', 'priced'),
        { ...route('namesake', 'homemade'), route: [{ upstream: 'homemade', model: 'deepseek-v4-pro' }] },
      ],
      budgets: [budget('team', limitNanos)],
    })
  })
  afterEach(() => running.close())

  /** One request, answered with this usage; its row and the sums of all rows. */
  async function rowOf(usage: AnswerUsage, model = 'deepseek-v4-pro', count = 1): Promise<LedgerRow> {
    upstream.setScript(() => ({ text: 'ok', usage }))
    const answer = await post(running, '/v1/chat/completions', {
      model,
      max_tokens: 50,
      messages: [{ role: 'user', content: 'hello' }],
    })
    assert.equal(answer.status, 200)
    const [row] = await running.settled(count)
    return row ?? assert.fail()
  }
  const sums = () => running.store.ledger.usage({ groupBy: ['upstream', 'model'] })

  it('negative tokens keeps the report as evidence, counts what passed by instead, and says that it is an estimate', async () => {
    const row = await rowOf({ inputTokens: 20, outputTokens: -7 })
    assert.equal((row.usage.raw as { completion_tokens: number }).completion_tokens, -7)
    assert.equal(row.usage.source, 'estimated')
    assert.ok((row.usage.outputTokens ?? 0) > 0 && (row.costNanos ?? 0n) > 0n)
    const [line] = sums()
    assert.deepEqual([line?.requestsEstimated, line?.outputTokens], [1, row.usage.outputTokens])
    assert.equal(line?.estimatedNanos, row.costNanos)
  })

  it('more cached tokens than there were counts no more than there were, and keeps the report', async () => {
    const row = await rowOf({ inputTokens: 20, cachedTokens: 30, outputTokens: 5 })
    assert.deepEqual([row.usage.inputTokens, row.usage.hitTokens, row.usage.missTokens], [20, 20, 0])
    assert.equal((row.usage.raw as { prompt_cache_miss_tokens: number }).prompt_cache_miss_tokens, -10)
  })

  it('usage larger than any context is unpriced, in no sum, and does not empty the budget', async () => {
    const row = await rowOf({ inputTokens: 20, outputTokens: 2 ** 40 })
    assert.equal(row.usage.outputTokens, 2 ** 40)
    assert.deepEqual([row.costNanos, row.unpricedReason], [null, 'bad-usage'])
    const [line] = sums()
    assert.deepEqual([line?.requestsUnpriced, line?.requestsWithoutUsage, line?.outputTokens], [1, 1, 0])
    const spent = running.store.budgets.budgetAt('team', Date.now())?.spent ?? -1n
    assert.ok(spent < limitNanos, `${spent} nanos were taken for an impossible report`)
  })

  it('an unknown model says so and has no cost; its tokens count', async () => {
    await running.close()
    running = await startFixture({
      upstreams: [{ name: 'priced', kind: 'deepseek', baseUrl: upstream.url, apiKey: 'sk-x' }],
      models: [route('deepseek-v9-unheard', 'priced')],
    })
    const row = await rowOf({ inputTokens: 20, outputTokens: 5 }, 'deepseek-v9-unheard')
    assert.deepEqual([row.costNanos, row.unpricedReason, row.priceVersion], [null, 'unknown-model', null])
    const [line] = sums()
    assert.deepEqual([line?.requestsUnpriced, line?.outputTokens, line?.costNanos], [1, 5, 0n])
  })

  it('one model name at two vendors has the price of the vendor that served it, and sums of their own', async () => {
    await running.close()
    running = await startFixture({
      upstreams: [
        { name: 'priced', kind: 'deepseek', baseUrl: upstream.url, apiKey: 'sk-x' },
        { name: 'homemade', kind: 'openai-compatible', baseUrl: upstream.url },
      ],
      models: [
        route('deepseek-v4-pro', 'priced'),
        { ...route('namesake', 'homemade'), route: [{ upstream: 'homemade', model: 'deepseek-v4-pro' }] },
      ],
    })
    const priced = await rowOf({ inputTokens: 20, outputTokens: 5 })
    const homemade = await rowOf({ inputTokens: 20, outputTokens: 5 }, 'namesake', 2)
    assert.ok((priced.costNanos ?? 0n) > 0n && priced.priceVersion !== null)
    assert.deepEqual(
      [homemade.modelSent, homemade.costNanos, homemade.unpricedReason],
      ['deepseek-v4-pro', null, 'unknown-vendor'],
    )
    assert.deepEqual(
      sums().map(({ group, requests, requestsUnpriced }) => [group.upstream, group.model, requests, requestsUnpriced]),
      [
        ['homemade', 'deepseek-v4-pro', 1, 1],
        ['priced', 'deepseek-v4-pro', 1, 0],
      ],
    )
  })
})
