/** The admin API through real HTTP: who gets in, what each path does, and that its description tells the truth. */
import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { startMockUpstream, type MockUpstream } from '@portolan-testing/mock-upstream'
import { answerAdmin, openApiDocument } from '@portolan/cli'
import { hashSecret } from '@portolan/store'
import { bodyFor } from './faults/scene.ts'
import { budget, post, route, startFixture, type RunningGateway } from './fixture.ts'

const token = `ptla_${'k'.repeat(43)}`

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly json: Record<string, unknown>
}

describe('the admin API', () => {
  let upstream: MockUpstream
  let running: RunningGateway
  let tokenHash: string | null = hashSecret(token)
  let remote = false
  before(async () => {
    upstream = await startMockUpstream({
      script: () => ({ text: 'ok', usage: { inputTokens: 20, outputTokens: 50 } }),
      dialect: 'deepseek',
    })
    running = await startFixture({
      upstreams: [{ name: 'deepseek', kind: 'deepseek', baseUrl: upstream.url, apiKey: 'sk-x' }],
      models: [route('deepseek-v4-pro', 'deepseek')],
      budgets: [budget('house', 25_000_000_000n, { alerts: [50] })],
      admin: (store) => ({
        get remote() {
          return remote
        },
        tokenHash: () => tokenHash,
        answer: (call, parts) => answerAdmin(call, store, parts),
      }),
    })
  })
  after(async () => {
    await running.close()
    await upstream.close()
  })

  async function call(method: string, path: string, body?: unknown, headers: object = {}): Promise<Answer> {
    const response = await fetch(`${running.url}/admin${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const json = (await response.json()) as Record<string, unknown>
    return { status: response.status, headers: response.headers, json }
  }
  const codeOf = ({ json }: Answer): unknown => (json['error'] as { code?: unknown } | undefined)?.code
  const fieldOf = ({ json }: Answer): unknown => (json['error'] as { field?: unknown } | undefined)?.field
  const dataOf = ({ json }: Answer): Record<string, unknown>[] => json['data'] as Record<string, unknown>[]

  it('opens to its own token only', async () => {
    assert.equal((await call('GET', '/keys')).status, 200)
    for (const wrong of ['', 'Bearer ', 'Bearer x', `Bearer ${running.key}`, `Basic ${token}`, `Bearer ${token}x`]) {
      const refused = await call('GET', '/keys', undefined, { authorization: wrong })
      assert.deepEqual([refused.status, codeOf(refused)], [401, 'ADMIN_BAD_TOKEN'], wrong)
      assert.match(refused.headers.get('www-authenticate') ?? '', /^Bearer/)
    }
    tokenHash = null
    assert.equal((await call('GET', '/keys')).status, 401, 'without a token nobody gets in')
    tokenHash = hashSecret(token)
    const asKey = await post({ url: running.url, key: token }, '/v1/chat/completions', {})
    assert.equal(asKey.status, 401, 'and the token is no key at the doors')
  })

  it('answers callers on this machine, and not those that a proxy brings', async () => {
    for (const header of ['x-forwarded-for', 'forwarded', 'via']) {
      const refused = await call('GET', '/keys', undefined, { [header]: '203.0.113.9' })
      assert.deepEqual([refused.status, codeOf(refused)], [403, 'ADMIN_NOT_LOCAL'])
    }
    remote = true
    assert.equal((await call('GET', '/keys', undefined, { 'x-forwarded-for': '203.0.113.9' })).status, 200)
    remote = false
  })

  it('makes, shows, moves and revokes keys; a secret is shown once', async () => {
    assert.equal((await call('PUT', '/teams/red', { organisation: 'acme' })).status, 200)
    const made = await call('POST', '/keys', { name: 'ci', team: 'red', models: ['deepseek-*'] })
    assert.equal(made.status, 201)
    const { id, secret } = made.json as { id: string; secret: string }
    assert.deepEqual([made.json['team'], made.json['organisation']], ['red', 'acme'])
    const body = bodyFor('chat', 'deepseek-v4-pro', false)
    assert.equal((await post({ url: running.url, key: secret }, '/v1/chat/completions', body)).status, 200)
    assert.ok(!JSON.stringify((await call('GET', '/keys')).json).includes(secret))
    assert.equal((await call('DELETE', '/teams/red')).status, 409)
    assert.equal((await call('PATCH', `/keys/${id}`, { team: null })).json['team'], null)
    assert.equal((await call('DELETE', '/teams/red')).status, 200)
    assert.equal((await call('DELETE', `/keys/${id}`)).json['state'], 'revoked')
    assert.equal((await call('DELETE', `/keys/${id}`)).status, 200, 'again changes nothing')
    assert.equal((await post({ url: running.url, key: secret }, '/v1/chat/completions', body)).status, 401)
    assert.equal(codeOf(await call('GET', '/keys/key_none')), 'ADMIN_NOT_FOUND')
    const noTeam = await call('POST', '/keys', { name: 'x', team: 'blue' })
    assert.deepEqual([noTeam.status, codeOf(noTeam), fieldOf(noTeam)], [400, 'ADMIN_BAD_FIELD', 'team'])
  })

  it('makes limits that hold at once, and leaves those of the configuration alone', async () => {
    const made = await call('PUT', '/budgets/tokens', { limit: '1000', unit: 'tokens', period: '5h', each: 'key' })
    assert.equal(made.status, 200)
    assert.deepEqual([made.json['period'], made.json['limit'], made.json['source']], ['5h', '1000', 'admin'])
    const ask = () =>
      post(running, '/v1/chat/completions', { ...bodyFor('chat', 'deepseek-v4-pro', false), max_tokens: 999 })
    assert.equal((await ask()).status, 429)
    assert.equal((await call('PUT', '/budgets/tokens', { limit: 5000, unit: 'tokens', period: '5h' })).status, 200)
    assert.equal((await ask()).status, 200)
    assert.equal((await call('PUT', '/budgets/tokens', { limit: 1, period: 'day' })).status, 409, 'another nature')
    assert.equal((await call('PUT', '/budgets/house', { limit: 1, period: 'month' })).status, 409)
    assert.equal((await call('DELETE', '/budgets/house')).status, 409)
    assert.equal((await call('DELETE', '/budgets/tokens')).status, 200)
    assert.equal((await call('DELETE', '/budgets/tokens')).status, 404)
    assert.equal((await call('PUT', '/limits/slow', { requests: 1, per: '1h', each: 'key' })).status, 200)
    assert.deepEqual([(await ask()).status, (await ask()).status], [200, 429])
    assert.equal((await call('DELETE', '/limits/slow')).status, 200)
    assert.equal((await ask()).status, 200)
    const [house] = dataOf(await call('GET', '/budgets')).filter(({ id }) => id === 'house')
    assert.equal(house?.['limit'], '25')
    assert.match(String(house?.['spent']), /^0\.000\d+$/)
  })

  it('says what is wrong with what it is given', async () => {
    const wrong: readonly (readonly [string, string, unknown, number, string, string | null])[] = [
      ['GET', '/nothing', undefined, 404, 'ADMIN_NOT_FOUND', null],
      ['GET', '/keys/a/b/c', undefined, 404, 'ADMIN_NOT_FOUND', null],
      ['GET', '/%ff', undefined, 404, 'ADMIN_NOT_FOUND', null],
      ['PUT', '/keys', {}, 405, 'ADMIN_BAD_METHOD', null],
      ['POST', '/keys', '{', 400, 'ADMIN_BAD_BODY', null],
      ['POST', '/keys', '[]', 400, 'ADMIN_BAD_FIELD', null],
      ['POST', '/keys', undefined, 400, 'ADMIN_BAD_FIELD', 'name'],
      ['POST', '/keys', { name: 'x', modles: [] }, 400, 'ADMIN_BAD_FIELD', 'modles'],
      ['POST', '/keys', { name: 'x', expiresAt: 'tomorrow' }, 400, 'ADMIN_BAD_FIELD', 'expiresAt'],
      ['GET', '/keys?limit=0', undefined, 400, 'ADMIN_BAD_FIELD', 'limit'],
      ['GET', '/keys?limt=5', undefined, 400, 'ADMIN_BAD_FIELD', 'limt'],
      ['PUT', '/budgets/..%2F..', { limit: 1, period: 'day' }, 400, 'ADMIN_BAD_FIELD', 'id'],
      ['PUT', '/budgets/x', { limit: -1, period: 'day' }, 400, 'ADMIN_BAD_FIELD', 'limit'],
      ['PUT', '/budgets/x', { limit: 1, period: 'week' }, 400, 'ADMIN_BAD_FIELD', 'period'],
      ['PUT', '/budgets/x', { limit: 1, period: 'day', teams: ['none'] }, 400, 'ADMIN_BAD_FIELD', null],
      ['PUT', '/limits/x', { requests: 1, tokens: 1, per: '1m' }, 400, 'ADMIN_BAD_FIELD', null],
      ['PUT', '/limits/x', { tokens: 1e12, per: '999d' }, 409, 'ADMIN_CONFLICT', null],
      ['GET', '/usage?by=colour', undefined, 400, 'ADMIN_BAD_FIELD', 'by'],
      ['GET', '/usage?from=yesterday', undefined, 400, 'ADMIN_BAD_FIELD', 'from'],
      ['DELETE', '/keys/x', { a: 1 }, 400, 'ADMIN_BAD_BODY', null],
      ['POST', '/keys', { name: 'x'.repeat(2 << 20) }, 400, 'ADMIN_BAD_BODY', null],
    ]
    for (const [method, path, body, status, code, field] of wrong) {
      const answer = await call(method, path, body)
      assert.deepEqual([answer.status, codeOf(answer), fieldOf(answer)], [status, code, field], `${method} ${path}`)
      if (status === 405) assert.equal(answer.headers.get('allow'), 'GET, POST')
    }
    assert.equal((await fetch(`${running.url}/administrator`)).status, 404)
    assert.equal((await fetch(`${running.url}/healthz`)).status, 200)
  })

  it('pages through every list without missing or repeating an item', async () => {
    for (let index = 0; index < 7; index++)
      assert.equal((await call('POST', '/keys', { name: `k${index}` })).status, 201)
    for (const list of ['keys', 'prices', 'requests']) {
      const all = dataOf(await call('GET', `/${list}?limit=1000`)).map(({ id }) => id)
      const paged: unknown[] = []
      let after: string | null = ''
      while (after !== null && paged.length < 1000) {
        const size = Math.ceil(all.length / 3)
        const page: Answer = await call(
          'GET',
          `/${list}?limit=${size}${after && `&after=${encodeURIComponent(after)}`}`,
        )
        paged.push(...dataOf(page).map(({ id }) => id))
        after = page.json['next'] as string | null
      }
      assert.deepEqual(paged, all, list)
    }
  })

  it('describes itself without a token, and every answer is as described', async () => {
    const response = await fetch(`${running.url}/admin/openapi.json`)
    assert.equal(response.status, 200)
    const document = (await response.json()) as Record<string, unknown>
    assert.deepEqual(document, JSON.parse(JSON.stringify(openApiDocument())))
    assert.equal(document['openapi'], '3.1.0')
    const ajv = new Ajv2020({ strict: false, validateFormats: false })
    const paths = document['paths'] as Record<string, Record<string, { responses: Record<string, unknown> }>>
    const operations = Object.values(paths).flatMap((path) => Object.values(path))
    const ids = operations.map((operation) => (operation as unknown as { operationId: string }).operationId)
    assert.equal(new Set(ids).size, ids.length, 'operation ids are unique')
    let compared = 0
    for (const [path, methods] of Object.entries(paths)) {
      if (methods['get'] === undefined || path.includes('{')) continue
      const answer = await call('GET', path.replace('/admin', ''))
      assert.equal(answer.status, 200, path)
      const described = methods['get'].responses['200'] as { content: Record<string, { schema: object }> }
      const valid = ajv.compile(described.content['application/json']!.schema)
      assert.ok(valid(answer.json), `${path}: ${ajv.errorsText(valid.errors)}`)
      compared++
    }
    assert.ok(compared >= 12, `${compared} lists`)
    const failed = await call('GET', '/nothing')
    const { responses } = document['components'] as {
      responses: { error: { content: Record<string, { schema: object }> } }
    }
    assert.ok(ajv.validate(responses.error.content['application/json']!.schema, failed.json))
  })

  it('outlives hostile callers', async () => {
    const raw = await new Promise<number>((resolve, reject) => {
      const request = httpRequest(`${running.url}/admin/keys`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-length': '1000000000' },
      })
      request.on('error', reject)
      request.on('response', (response) => {
        resolve(response.statusCode ?? 0)
        request.destroy()
      })
      request.write('{')
    })
    assert.equal(raw, 400)
    assert.equal((await call('GET', '/upstreams')).status, 200)
  })
})
