/**
 * Telemetry through a real gateway and a real OTLP/HTTP receiver on loopback: what arrives, what never does, and
 * that a receiver which is down costs nobody an answer.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Writable } from 'node:stream'
import { defaultConfig, startGateway, type Gateway } from '@portolan/gateway'
import { openDataDirectory } from '../data-directory.ts'
import { runningStore } from '../gateway-store.ts'
import { readPriceBook } from '../price-files.ts'
import { makeLogger } from './log.ts'
import { boundedNames } from './otel.ts'
import { startTelemetry } from './settings.ts'

const secretPrompt = 'the harbour master sleeps at noon'
const upstreamSecret = 'sk-upstream-secret'
const cleanups: (() => Promise<void> | void)[] = []
after(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup()
})

type Json = Record<string, unknown>

interface Received {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function receiver(): Promise<{ readonly url: string; readonly received: Received[] }> {
  const received: Received[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      received.push({ path: request.url ?? '', headers: request.headers, text: Buffer.concat(chunks).toString() })
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    })
  })
  return { url: await listen(server), received }
}

/** Answers every chat request with the same usage, and keeps the headers it was sent. */
async function upstream(): Promise<{ readonly url: string; readonly seen: IncomingHttpHeaders[] }> {
  const seen: IncomingHttpHeaders[] = []
  const usage = {
    prompt_tokens: 1000,
    completion_tokens: 50,
    prompt_cache_hit_tokens: 900,
    prompt_cache_miss_tokens: 100,
  }
  const choice = { index: 0, message: { role: 'assistant', content: 'aye' }, finish_reason: 'stop' }
  const server = createServer((request, response) => {
    seen.push(request.headers)
    request.resume().on('end', () => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(
        JSON.stringify({
          id: 'r-1',
          object: 'chat.completion',
          created: 1,
          model: 'deepseek-v4-pro',
          choices: [choice],
          usage,
        }),
      )
    })
  })
  return { url: await listen(server), seen }
}

interface Running {
  readonly gateway: Gateway
  readonly key: string
  readonly lines: Json[]
  readonly telemetry: Awaited<ReturnType<typeof startTelemetry>>
  readonly ask: (model: string, headers?: Record<string, string>) => Promise<Response>
}

async function running(endpoint: string | undefined, upstreamUrl: string): Promise<Running> {
  const directory = mkdtempSync(join(tmpdir(), 'portolan-telemetry-'))
  const data = openDataDirectory(directory)
  const { store, writer } = runningStore(data.store, Date.now)
  const lines: Json[] = []
  const log = makeLogger(
    'info',
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        lines.push(JSON.parse(chunk.toString()) as Json)
        done()
      },
    }),
  )
  let gateway: Gateway | null = null
  const telemetry = await startTelemetry(
    { endpoint, metricsIntervalMs: 60_000 },
    {
      log,
      onLost: (signal, count) => gateway?.parts.metrics.telemetryLost(signal, count),
      spansIntervalMs: 20,
      exportTimeoutMs: 300,
    },
    {},
  )
  gateway = await startGateway({
    config: {
      ...defaultConfig,
      listen: { host: '127.0.0.1', port: 0 },
      upstreams: [{ name: 'sea', kind: 'deepseek', baseUrl: upstreamUrl, apiKey: upstreamSecret }],
      models: [
        { name: 'deepseek-v4-pro', route: [{ upstream: 'sea', model: null }], lossPolicy: null, tokenizer: null },
      ],
    },
    store,
    sealer: data.sealer,
    priceBook: readPriceBook({ file: {}, directory }),
    fixedPrices: () => new Map(),
    log,
    telemetry: telemetry ?? undefined,
  })
  const running = gateway
  const { secret } = data.store.keys.createKey({ name: 'test' }, Date.now(), randomBytes(32))
  cleanups.push(async () => {
    await running.drain()
    await telemetry?.close()
    await writer.close()
    data.store.close()
    rmSync(directory, { recursive: true, force: true })
  })
  return {
    gateway,
    key: secret,
    lines,
    telemetry,
    ask: (model, headers = {}) =>
      fetch(`${running.url}/v1/chat/completions`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${secret}`,
          'content-type': 'application/json',
          connection: 'close',
          ...headers,
        },
        body: JSON.stringify({ model, messages: [{ role: 'user', content: secretPrompt }] }),
      }),
  }
}

function attributesOf(list: unknown): Json {
  return Object.fromEntries(
    (list as { key: string; value: Record<string, unknown> }[]).map(({ key, value }) => {
      const [kind, raw] = Object.entries(value)[0] ?? []
      return [key, kind === 'intValue' ? Number(raw) : raw]
    }),
  )
}

interface SpanJson {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly status: { readonly code?: number }
  readonly attributes: unknown
}

function spansOf(received: readonly Received[]): SpanJson[] {
  type Body = { resourceSpans: { scopeSpans: { spans: SpanJson[] }[] }[] }
  return received
    .filter(({ path }) => path === '/v1/traces')
    .flatMap(({ text }) => (JSON.parse(text) as Body).resourceSpans)
    .flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))
}

async function eventually(what: string, holds: () => boolean): Promise<void> {
  for (let waitedMs = 0; waitedMs < 2500; waitedMs += 10) {
    if (holds()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  assert.fail(`not within 2.5 seconds: ${what}`)
}

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const callerSpan = '00f067aa0ba902b7'

describe('telemetry of a request', () => {
  it('is a span by the GenAI conventions, a child of the caller’s, and the upstream hears of it', async () => {
    const [otlp, sea] = [await receiver(), await upstream()]
    const { ask } = await running(otlp.url, sea.url)
    const traceparent = `00-${traceId}-${callerSpan}-01`
    assert.equal((await ask('deepseek-v4-pro', { traceparent, tracestate: 'a=b' })).status, 200)
    await eventually('a span', () => spansOf(otlp.received).length === 1)
    const span = spansOf(otlp.received)[0] ?? assert.fail()
    assert.equal(span.name, 'chat deepseek-v4-pro')
    assert.equal(span.kind, 3)
    assert.deepEqual([span.traceId, span.parentSpanId], [traceId, callerSpan])
    assert.equal(sea.seen[0]?.['traceparent'], `00-${traceId}-${span.spanId}-01`)
    assert.equal(sea.seen[0]?.['tracestate'], 'a=b')
    const attributes = attributesOf(span.attributes)
    const expected: Json = {
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'deepseek',
      'gen_ai.request.model': 'deepseek-v4-pro',
      'gen_ai.response.model': 'deepseek-v4-pro',
      'gen_ai.usage.input_tokens': 1000,
      'gen_ai.usage.cache_read.input_tokens': 900,
      'gen_ai.usage.output_tokens': 50,
      'server.address': '127.0.0.1',
      'portolan.upstream': 'sea',
      'portolan.status': 'ok',
      'portolan.usage.source': 'reported',
      'portolan.cost.currency': 'USD',
    }
    for (const [name, value] of Object.entries(expected)) assert.deepEqual(attributes[name], value, name)
    assert.match(String(attributes['portolan.cost.nanos']), /^\d+$/)
  })

  it('is a failed span when the model is unknown, and no span when the caller does not sample', async () => {
    const [otlp, sea] = [await receiver(), await upstream()]
    const { ask } = await running(otlp.url, sea.url)
    await ask('deepseek-v4-pro', { traceparent: `00-${traceId}-${callerSpan}-00` })
    assert.equal(sea.seen[0]?.['traceparent']?.slice(-2), '00')
    assert.equal((await ask('no-such-model', { traceparent: 'rubbish' })).status, 404)
    await eventually('a span', () => spansOf(otlp.received).length > 0)
    const [span, ...others] = spansOf(otlp.received)
    assert.equal(others.length, 0)
    assert.equal(span?.status.code, 2)
    assert.equal(span?.parentSpanId ?? '', '')
    assert.equal(attributesOf(span?.attributes)['error.type'], 'GATEWAY_UNKNOWN_MODEL')
  })

  it('is counted in metrics, which are sent at the end too', async () => {
    const [otlp, sea] = [await receiver(), await upstream()]
    const { ask, telemetry } = await running(otlp.url, sea.url)
    await ask('deepseek-v4-pro')
    await eventually('a span', () => spansOf(otlp.received).length === 1)
    await telemetry?.close()
    type Point = { attributes: unknown; sum?: number; asDouble?: number }
    type Metric = { name: string; histogram?: { dataPoints: Point[] }; sum?: { dataPoints: Point[] } }
    const metrics = otlp.received
      .filter(({ path }) => path === '/v1/metrics')
      .flatMap(
        ({ text }) =>
          (JSON.parse(text) as { resourceMetrics: { scopeMetrics: { metrics: Metric[] }[] }[] }).resourceMetrics,
      )
      .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics))
    const tokens = metrics.find(({ name }) => name === 'gen_ai.client.token.usage')?.histogram?.dataPoints ?? []
    assert.deepEqual(
      tokens.map(({ attributes, sum }) => [attributesOf(attributes)['gen_ai.token.type'], sum]),
      [
        ['input', 1000],
        ['output', 50],
      ],
    )
    assert.ok(metrics.some(({ name }) => name === 'gen_ai.client.operation.duration'))
    const cost = metrics.find(({ name }) => name === 'portolan.cost')?.sum?.dataPoints[0]
    assert.ok((cost?.asDouble ?? 0) > 0)
  })

  it('never holds a message, a key or an upstream credential; neither does the log', async () => {
    const [otlp, sea] = [await receiver(), await upstream()]
    const { ask, key, lines, telemetry } = await running(otlp.url, sea.url)
    await ask('deepseek-v4-pro')
    await eventually('a span', () => spansOf(otlp.received).length === 1)
    await telemetry?.close()
    const everything = otlp.received.map(({ text }) => text).join() + JSON.stringify(lines)
    for (const secret of [secretPrompt, key, upstreamSecret]) assert.ok(!everything.includes(secret))
  })
})

describe('a receiver that is down', () => {
  it('delays no answer, is said once, and is counted', async () => {
    const sea = await upstream()
    const { ask, lines, gateway } = await running('http://127.0.0.1:9', sea.url)
    for (let turn = 0; turn < 3; turn++) {
      assert.equal((await ask('deepseek-v4-pro')).status, 200)
      await new Promise((resolve) => setTimeout(resolve, 30))
    }
    const lost = async (): Promise<number> =>
      Number(/telemetry_lost_total\{signal="spans"\} (\d+)/.exec((await gateway.parts.metrics.expose()).text)?.[1] ?? 0)
    for (let waitedMs = 0; waitedMs < 20_000 && (await lost()) < 1; waitedMs += 50)
      await new Promise((resolve) => setTimeout(resolve, 50))
    assert.ok((await lost()) >= 1)
    assert.equal(lines.filter(({ msg }) => String(msg).startsWith('telemetry could not')).length, 1)
  })
})

describe('telemetry that is off', () => {
  const quiet = { log: makeLogger('silent'), onLost: () => {} }

  it('is nothing without an endpoint, and the standard variables turn it on and off', async () => {
    const endpoint = 'http://127.0.0.1:9'
    assert.equal(await startTelemetry(undefined, quiet, {}), null)
    assert.equal(await startTelemetry({ endpoint }, quiet, { OTEL_SDK_DISABLED: 'true' }), null)
    assert.equal(await startTelemetry(undefined, quiet, { OTEL_EXPORTER_OTLP_ENDPOINT: 'grpc:4317' }), null)
    const on = await startTelemetry({ sampleRatio: 0.5 }, quiet, { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint })
    assert.equal(on?.sampleRatio, 0.5)
    await on?.close()
  })

  it('sends the upstream no trace', async () => {
    const sea = await upstream()
    const { ask } = await running(undefined, sea.url)
    await ask('deepseek-v4-pro', { traceparent: `00-${traceId}-${callerSpan}-01` })
    assert.equal(sea.seen[0]?.['traceparent'], undefined)
  })
})

describe('the last log line of a request', () => {
  it('has ids, models, upstream, tokens and cost', async () => {
    const sea = await upstream()
    const { ask, lines } = await running(undefined, sea.url)
    await ask('deepseek-v4-pro')
    await ask(`m${'x'.repeat(5000)}\n{"level":60}`)
    await eventually('two lines', () => lines.filter(({ msg }) => msg === 'request').length === 2)
    const [line, refused] = lines.filter(({ msg }) => msg === 'request')
    assert.match(String(line?.['requestId']), /\S{8,}/)
    assert.match(String(line?.['keyId']), /^key_/)
    const expected = { modelSent: 'deepseek-v4-pro', upstream: 'sea', status: 'ok', inputTokens: 1000, hitTokens: 900 }
    for (const [name, value] of Object.entries(expected)) assert.equal(line?.[name], value, name)
    assert.match(String(line?.['costNanos']), /^\d+$/)
    assert.equal(refused?.['status'], 'refused')
    assert.equal(String(refused?.['modelAsked']).length, 200)
    assert.ok(lines.every(({ level }) => Number(level) < 60))
  })
})

describe('labels', () => {
  it('of OpenTelemetry are bounded in the names of models', () => {
    const bounded = boundedNames(2)
    assert.deepEqual(['a', 'b', 'c', 'a', 'x'.repeat(200)].map(bounded), ['a', 'b', 'other', 'a', 'other'])
  })

  it('of Prometheus stay the same under two hundred hostile models and keys', async () => {
    const sea = await upstream()
    const { ask, gateway } = await running(undefined, sea.url)
    await ask('deepseek-v4-pro')
    await ask('warm-up')
    const series = async (): Promise<string[]> =>
      (await gateway.parts.metrics.expose()).text
        .split('\n')
        .filter((line) => line.startsWith('portolan_'))
        .map((line) => line.replace(/ \S+$/, ''))
    const before = await series()
    await Promise.all(
      Array.from({ length: 200 }, async (_unused, index) => {
        const odd = `m${index}"} 1\nportolan_evil{x="\u0000`
        await ask(odd, index % 2 === 0 ? {} : { authorization: `Bearer ${odd.replaceAll(/[^a-z0-9]/g, '')}` })
      }),
    )
    assert.deepEqual(await series(), before)
  })

  it('secrets are redacted wherever a line has them', () => {
    const lines: string[] = []
    const log = makeLogger('info', { write: (line: string) => void lines.push(line) })
    log.info(
      { headers: { authorization: 'Bearer s3cret', 'x-api-key': 's3cret' }, upstream: { apiKey: 's3cret' } },
      'a',
    )
    log.info({ apiKey: 's3cret', request: { headers: { cookie: 's3cret' } }, password: 's3cret' }, 'b')
    assert.ok(!lines.join().includes('s3cret'), lines.join())
  })
})
