import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { ensureDefaultCheckpoint } from '../default-checkpoint/default-checkpoint.ts'
import { EngineThread } from './engine-thread.ts'
import type { EngineEvent, GenerationRequest } from './protocol.ts'

const room = mkdtempSync(join(tmpdir(), 'engine-thread-'))
const checkpoint = ensureDefaultCheckpoint(room)
const cacheDirectory = join(room, 'cache')
let thread = new EngineThread({ checkpoint, cacheDirectory })
after(async () => {
  await thread.close()
  rmSync(room, { recursive: true, force: true })
})

const long = 'The keeper of the light measures the depth of the bay and writes it down. '.repeat(8)
const request: GenerationRequest = {
  tenant: 'one',
  prompt: { mode: 'chat', messages: [{ role: 'user', content: long }] },
  maximumOutputTokens: 6,
  stops: [],
  sampling: { seed: 7 },
  constraint: null,
  deadlineMs: null,
}

async function collect(
  change: Partial<GenerationRequest> = {},
  signal: AbortSignal | null = null,
): Promise<EngineEvent[]> {
  const events: EngineEvent[] = []
  for await (const event of thread.generate({ ...request, ...change }, signal)) events.push(event)
  return events
}

function textOf(events: readonly EngineEvent[]): string {
  return events
    .map((event) => (event.type === 'completion' && event.event.type === 'text-delta' ? event.event.text : ''))
    .join('')
}

function endOf(events: readonly EngineEvent[]): Extract<EngineEvent, { type: 'ended' }> {
  const end = events.at(-1)!
  assert.ok(end.type === 'ended', JSON.stringify(end))
  return end
}

describe('the engine in its thread', () => {
  let firstText = ''
  let hits = 0

  it('says what it is', async () => {
    const info = await thread.ready
    assert.deepEqual([info.trained, info.diskProblem, info.efforts], [false, null, ['low', 'high', 'max']])
    assert.equal(info.forward, 'exact')
  })

  it('answers, and the same again with a hit for the whole blocks of the prompt', async () => {
    const first = await collect()
    assert.equal(first[0]?.type, 'started')
    assert.equal(endOf(first).hitTokens, 0)
    assert.equal(endOf(first).outputTokens, 6)
    firstText = textOf(first)
    assert.ok(firstText.length > 0)
    const second = await collect()
    const end = endOf(second)
    hits = end.hitTokens
    assert.equal(hits, Math.floor((end.promptTokens - 1) / 128) * 128)
    assert.ok(hits >= 128)
    assert.equal(textOf(second), firstText)
    assert.equal(endOf(await collect({ tenant: 'two' })).hitTokens, 0)
    const counters = await thread.counters()
    assert.equal(counters!.cache.hitTokens, hits)
  })

  it('knows the prefix after a restart, and answers the same from disk', async () => {
    await thread.close()
    assert.equal((await collect())[0]?.type, 'failed')
    thread = new EngineThread({ checkpoint, cacheDirectory })
    const again = await collect()
    assert.equal(endOf(again).hitTokens, hits)
    assert.equal(textOf(again), firstText)
    assert.ok((await thread.counters())!.cache.blocksFromDisk >= 1)
  })

  it('leaves the caller free while it works, and stops within a step when the caller leaves', async () => {
    const leaving = new AbortController()
    let turns = 0
    const events: EngineEvent[] = []
    const ticking = setInterval(() => turns++, 1)
    for await (const event of thread.generate({ ...request, maximumOutputTokens: 10_000 }, leaving.signal)) {
      events.push(event)
      if (events.length === 10) leaving.abort()
    }
    clearInterval(ticking)
    assert.deepEqual([events.at(-1)?.type, (events.at(-1) as { kind?: string }).kind], ['failed', 'client-closed'])
    assert.ok(events.length < 60, `${events.length} events`)
    assert.ok(turns > 5, `${turns} turns`)
    assert.equal((await thread.counters())!.scheduler.running, 0)
  })

  it('ends the job of a caller that stops reading', async () => {
    for await (const event of thread.generate({ ...request, maximumOutputTokens: 10_000 }, null))
      if (event.type === 'completion') break
    await collect({ maximumOutputTokens: 1 })
    assert.equal((await thread.counters())!.scheduler.running, 0)
  })

  it('says in words what is wrong with a request', async () => {
    const cases: [Partial<GenerationRequest>, string, string][] = [
      [{ sampling: { temperature: -1 } }, 'MODEL_SAMPLING', 'invalid-request'],
      [{ prompt: { mode: 'chat', messages: [] } }, 'MODEL_ENCODING_REQUEST', 'invalid-request'],
      [{ maximumOutputTokens: 2 ** 30 }, 'ENGINE_CONTEXT', 'context-length'],
      [{ stops: [''] }, 'MODEL_SAMPLING', 'invalid-request'],
      [{ deadlineMs: 0 }, 'ENGINE_DEADLINE', 'timeout'],
    ]
    for (const [change, code, kind] of cases) {
      const last = (await collect(change)).at(-1)!
      assert.ok(last.type === 'failed')
      assert.deepEqual([last.code, last.kind], [code, kind])
    }
  })

  it('refuses a folder that is no model, at once and to everybody', async () => {
    const broken = new EngineThread({ checkpoint: join(room, 'nowhere') })
    await assert.rejects(broken.ready, { code: 'ENGINE_STOPPED' })
    assert.equal(broken.hasStopped, true)
    for await (const event of broken.generate(request, null)) assert.equal(event.type, 'failed')
  })
})
