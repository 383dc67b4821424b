/**
 * A drain waits for every settlement, whatever ended the request: a row that is still on its way when the sockets have
 * closed must find the ledger open (law 12). Here every row takes its time, and the gateway is closed meanwhile.
 */
import assert from 'node:assert/strict'
import { request as send, type ClientRequest } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { zstdCompressSync } from 'node:zlib'
import { startMockUpstream, type MockUpstream } from '@portolan-testing/mock-upstream'
import type { GatewayConfig } from '@portolan/gateway'
import type { LedgerRow } from '@portolan/store'
import { budget, route, startFixture, type RunningGateway } from './fixture.ts'

const settlementMs = 120

describe('a drain', () => {
  let upstream: MockUpstream
  before(async () => {
    upstream = await startMockUpstream({ script: () => ({}), refuseUnknownFields: false })
  })
  after(() => upstream.close())

  interface Late extends RunningGateway {
    /** Rows that the ledger took, and requests whose limits were settled after that. */
    readonly durable: LedgerRow[]
    readonly released: string[]
  }

  async function late(config: Partial<GatewayConfig> = {}): Promise<Late> {
    const durable: LedgerRow[] = []
    const released: string[] = []
    const running = await startFixture({
      upstreams: [{ name: 'up', kind: 'openai-compatible', baseUrl: `${upstream.url}/v1`, apiKey: 'k' }],
      models: [route('m', 'up')],
      budgets: [budget('tokens', 1_000_000_000n, { unit: 'tokens', currency: null })],
      config,
      store: (store) => ({
        ...store,
        append: async (row) => {
          await new Promise((resolve) => setTimeout(resolve, settlementMs))
          await store.append(row)
          durable.push(row)
        },
        settleLimits: (input) => {
          store.settleLimits(input)
          released.push(input.requestId)
        },
      }),
    })
    return { ...running, durable, released }
  }

  function open({ url, key }: Late): { readonly request: ClientRequest; readonly text: Promise<string> } {
    const request = send(`${url}/v1/chat/completions`, {
      method: 'POST',
      agent: false,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    })
    const text = new Promise<string>((resolve) => {
      request.on('error', () => resolve(''))
      request.on('response', (response) => {
        let read = ''
        response.on('data', (chunk: Buffer) => (read += chunk.toString()))
        response.on('error', () => {})
        response.on('close', () => resolve(read))
      })
    })
    const messages = [{ role: 'user', content: 'go on' }]
    request.end(JSON.stringify({ model: 'm', stream: true, max_tokens: 100, messages }))
    return { request, text }
  }

  const streaming = (request: ClientRequest): Promise<void> =>
    new Promise((resolve) => request.on('response', (response) => response.once('data', () => resolve())))

  async function closedWith(running: Late, statuses: readonly string[]): Promise<void> {
    await running.close()
    assert.deepEqual(
      running.durable.map(({ status }) => status),
      statuses,
    )
    assert.deepEqual(
      running.released,
      running.durable.map(({ requestId }) => requestId),
    )
  }

  it('waits for the row of a caller that has just left', async () => {
    upstream.setScript(() => ({ text: 'slow words '.repeat(200), chunkDelayMs: 5 }))
    const running = await late()
    const { request } = open(running)
    await streaming(request)
    request.destroy()
    await closedWith(running, ['aborted'])
  })

  it('waits for the row of a stream that its upstream has just cut, and the caller hears of it', async () => {
    upstream.setScript(() => ({ text: 'words '.repeat(50), cut: { afterEvents: 20, how: 'close' }, chunkDelayMs: 1 }))
    const running = await late()
    const { request, text } = open(running)
    await streaming(request)
    await closedWith(running, ['cut'])
    assert.match(await text, /"error"/)
  })

  it('waits for an answer that is ending', async () => {
    upstream.setScript(() => ({ text: 'words '.repeat(20), chunkDelayMs: 1 }))
    const running = await late()
    const { request, text } = open(running)
    await streaming(request)
    await closedWith(running, ['ok'])
    assert.match(await text, /\[DONE\]/)
  })

  it('waits for the rows of answers that it broke off because their time was over', async () => {
    upstream.setScript(() => ({ text: 'slow words '.repeat(2000), chunkDelayMs: 5 }))
    const running = await late({
      limits: { bodyBytes: 1 << 20, bodyMs: 1000, clientStallMs: 1000, drainMs: 60 },
    })
    const asked = [open(running), open(running)]
    await Promise.all(asked.map(({ request }) => streaming(request)))
    await closedWith(running, ['aborted', 'aborted'])
  })

  it('waits for a body that is still being unpacked when its caller has left', async () => {
    const running = await late()
    const packed = zstdCompressSync(Buffer.from(JSON.stringify({ model: 'm', x: ' '.repeat(30 << 20) })))
    const request = send(`${running.url}/v1/chat/completions`, {
      method: 'POST',
      agent: false,
      headers: { authorization: `Bearer ${running.key}`, 'content-encoding': 'zstd', 'content-length': packed.length },
    })
    request.on('error', () => {})
    request.end(packed)
    const { metrics } = running.gateway.parts
    const inHand = async (): Promise<boolean> => /_in_flight 1$/m.test((await metrics.expose()).text)
    for (let waitedMs = 0; waitedMs < 2000 && !(await inHand()); waitedMs++)
      await new Promise((resolve) => setTimeout(resolve, 1))
    request.destroy()
    await running.close()
    assert.equal(running.durable.length, 1)
  })
})
