/** The embedded engine when much is asked of it: progress, deadlines, a full queue, and what the metrics say. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { closeEmbeddedEngines } from '@portolan/upstream'
import { post, startFixture, type RunningGateway } from './fixture.ts'

const dataDirectory = mkdtempSync(join(tmpdir(), 'engine-load-'))
const sentence = 'The harbour pilot reads the wind rose and marks every sandbank without hurry. '
const long = sentence.repeat(36)
let running: RunningGateway

before(async () => {
  const shared = { dataDirectory, memoryBytes: 2 ** 22 }
  running = await startFixture({
    upstreams: [
      { name: 'local', kind: 'embedded', model: shared, models: ['local'] },
      {
        name: 'narrow',
        kind: 'embedded',
        model: { ...shared, maximumRunning: 1, maximumQueued: 1 },
        models: ['narrow'],
      },
      { name: 'hasty', kind: 'embedded', model: { ...shared, deadlineMs: 1 }, models: ['hasty'] },
    ],
    config: { keepAliveMs: 20 },
  })
})
after(async () => {
  await running.close()
  await closeEmbeddedEngines()
  rmSync(dataDirectory, { recursive: true, force: true })
})

const chat = (model: string, content: string, change: object = {}) =>
  post(running, '/v1/chat/completions', { model, messages: [{ role: 'user', content }], max_tokens: 2, ...change })

describe('a long prompt', () => {
  it('is heard of while it is read: comments where they are harmless, pings where events count', async () => {
    const openai = await chat('local', `1 ${long}`, { stream: true })
    const counts = [...openai.text.matchAll(/^: (\d+) of (\d+) prompt tokens read$/gm)].map(([, done, of]) => [
      Number(done),
      Number(of),
    ])
    assert.ok(counts.length >= 2, openai.text.slice(0, 400))
    for (const [at, [done, of]] of counts.entries()) assert.ok(done! > (counts[at - 1]?.[0] ?? 0) && done! <= of!)
    assert.ok(openai.text.lastIndexOf('prompt tokens read') < openai.text.indexOf('data: '))
    assert.match(openai.text, /data: \[DONE\]\n\n$/)

    const claude = await post(running, '/v1/messages', {
      model: 'local',
      messages: [{ role: 'user', content: `2 ${long}` }],
      max_tokens: 2,
      stream: true,
    })
    assert.match(claude.text, /^: \d+ of \d+ prompt tokens read\nevent: ping\ndata: \{"type":"ping"\}\n\n/m)
    const responses = await post(running, '/v1/responses', {
      model: 'local',
      input: `3 ${long}`,
      max_output_tokens: 16,
      stream: true,
    })
    assert.match(responses.text, /^: \d+ of \d+ prompt tokens read\n\n/m)
  })

  it('that is known already is no news', async () => {
    const again = await chat('local', `1 ${long}`, { stream: true })
    assert.doesNotMatch(again.text, /prompt tokens read/)
  })
})

describe('more than the engine takes on', () => {
  it('is a 429 of the door that says when to come again, and does not make the upstream ill', async () => {
    const many = await Promise.all(Array.from({ length: 16 }, (_, at) => chat('narrow', `${at} ${sentence.repeat(8)}`)))
    const refused = many.filter(({ status }) => status === 429)
    assert.ok(refused.length >= 10 && many.length - refused.length >= 2, `${refused.length} refused`)
    for (const { headers, text } of refused) {
      assert.ok(Number(headers.get('retry-after')) >= 1)
      assert.match(text, /waiting for the engine already/)
    }
    assert.equal((await chat('narrow', 'x')).status, 200)
    const messages = [{ role: 'user', content: `again ${sentence.repeat(8)}` }]
    const claude = await Promise.all(
      Array.from({ length: 4 }, () => post(running, '/v1/messages', { model: 'narrow', messages, max_tokens: 2 })),
    )
    const error = claude.find(({ status }) => status === 429)!
    assert.match(error.text, /"type":"error".*"rate_limit_error"/)
  })

  it('or longer than the configuration allows ends as a timeout', async () => {
    const late = await chat('hasty', long)
    assert.ok([408, 504].includes(late.status), `${late.status} ${late.text}`)
    assert.match(late.text, /deadline/)
  })
})

describe('the engine', () => {
  it('shows in the metrics and in the health of the gateway, by upstream and nothing else', async () => {
    const text = await (await fetch(`${running.url}/metrics`)).text()
    const value = (series: string): number => {
      const line = text.split('\n').find((each) => each.startsWith(`${series} `))
      assert.ok(line, `${series} in\n${text}`)
      return Number(line.split(' ')[1])
    }
    assert.ok(value('portolan_engine_tokens_total{upstream="local",phase="prefill"}') > 1000)
    assert.ok(value('portolan_engine_tokens_total{upstream="local",phase="decode"}') > 0)
    assert.ok(value('portolan_engine_prompt_tokens_total{upstream="local",cache="hit"}') >= 128)
    assert.ok(value('portolan_engine_cache_bytes{upstream="local",tier="memory"}') > 1000)
    assert.ok(value('portolan_engine_cache_bytes{upstream="local",tier="disk"}') > 1000)
    assert.ok(value('portolan_engine_cache_blocks{upstream="local",tier="disk"}') > 3)
    assert.ok(value('portolan_engine_refused_total{upstream="narrow"}') >= 10)
    for (const tier of ['memory', 'disk']) {
      const limit = value(`portolan_engine_cache_limit_bytes{upstream="local",tier="${tier}"}`)
      assert.ok(
        value(`portolan_engine_cache_bytes{upstream="local",tier="${tier}"}`) <= limit,
        `${limit} bytes of ${tier}`,
      )
    }
    const part = (name: string): number => value(`portolan_engine_memory_bytes{upstream="local",part="${name}"}`)
    assert.ok(part('heap_used') > 10 ** 6 && part('heap') >= part('heap_used') && part('buffers') > 10 ** 6)
    const kernels = value('portolan_engine_kernels_limit_bytes{upstream="local"}')
    assert.ok(part('kernels') > 10 ** 6 && part('kernels') < kernels / 10, 'pages are touched as they are needed')
    for (const series of [
      'requests{upstream="local",state="running"}',
      'requests{upstream="local",state="waiting"}',
      'sequence_bytes{upstream="local"}',
      'preemptions_total{upstream="local"}',
    ])
      assert.equal(value(`portolan_engine_${series}`), 0)
    assert.ok(value('portolan_engine_tokens_per_second{upstream="local",phase="prefill"}') >= 0)
    const health = (await (await fetch(`${running.url}/healthz`)).json()) as { engines: object }
    assert.deepEqual(health.engines, { local: 'running', narrow: 'running', hasty: 'running' })
  })
})
