/** Many callers at once, and many rounds of every mischief: no socket left, no row missing, memory flat. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { startFaultProxy, type FaultProxy } from '@portolan-testing/fault-proxy'
import { readProcess, runLoad, type LoadReport } from '@portolan-testing/load'
import { startMockUpstream, type MockUpstream } from '@portolan-testing/mock-upstream'
import { protocols } from '@portolan/wire'
import { ChildHome, type ChildGateway } from './child-gateway.ts'
import { bodyFor, doorPaths, sleep, until } from './scene.ts'

describe('a crowd', () => {
  let upstream: MockUpstream
  let proxy: FaultProxy
  let home: ChildHome
  let gateway: ChildGateway
  /** Requests begun, and those whose callers were gone before they were on their way. */
  let asked = 0
  let unsent = 0
  /** Ids that callers were told, and calls that the upstream had. */
  const told: string[] = []
  let reached = 0
  before(async () => {
    upstream = await startMockUpstream({ script: () => ({ text: 'PONG' }), refuseUnknownFields: false })
    proxy = await startFaultProxy({ target: upstream.url })
    const far = { baseUrl: proxy.url, concurrency: 600 }
    home = new ChildHome({
      upstreams: {
        chat: { kind: 'openai-compatible', ...far },
        messages: { kind: 'anthropic-compatible', ...far },
        direct: { kind: 'openai-compatible', baseUrl: upstream.url, concurrency: 600 },
        narrow: { kind: 'openai-compatible', baseUrl: upstream.url, concurrency: 20 },
      },
      models: {
        'to-chat': { route: ['chat'] },
        'to-messages': { route: ['messages'] },
        'to-direct': { route: ['direct'] },
        'to-narrow': { route: ['narrow'] },
      },
      log: { level: 'error' },
    })
    gateway = await home.start()
  })
  after(async () => {
    home.close()
    await proxy.close()
    await upstream.close()
  })

  async function crowd(
    door: (typeof protocols)[number],
    model: string,
    requests: number,
    concurrency: number,
    more: object = {},
  ): Promise<LoadReport> {
    const report = await runLoad({
      url: gateway.url + doorPaths[door],
      requests,
      concurrency,
      stream: true,
      body: bodyFor(door, model, true),
      headers: { authorization: `Bearer ${gateway.key}` },
      ...more,
    })
    asked += report.sent
    unsent += report.leftUnsent
    told.push(...report.ids.filter((id) => id !== ''))
    return report
  }

  /** What the gateway itself has counted. */
  async function counted(): Promise<{ readonly running: number; readonly settled: number }> {
    const text = await (await fetch(`${gateway.url}/metrics`)).text()
    const sum = (name: string): number =>
      [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\d+)$`, 'gm'))].reduce((all, [, n]) => all + Number(n), 0)
    return { running: sum('portolan_requests_in_flight'), settled: sum('portolan_requests_total') }
  }

  /** Callers that left are settled a moment after they have gone; how long that takes is the machine's affair. */
  async function quiet(): Promise<number> {
    for (let triesLeft = 1000; triesLeft > 0; triesLeft--) {
      const { running, settled } = await counted()
      if (running === 0) return settled
      await sleep(10)
    }
    throw new Error(`the gateway is not done: ${JSON.stringify(await counted())}`)
  }

  function clear(): void {
    reached += upstream.requests.length
    upstream.clear()
  }

  it('of 500 callers at once is served whole, and every socket is given back', async () => {
    upstream.setScript(() => ({ text: 'slow words '.repeat(10), chunkDelayMs: 20 }))
    const filesBefore = readProcess(gateway.pid)!.openFiles!
    const heard = await Promise.all([
      crowd('chat', 'to-chat', 170, 170),
      crowd('messages', 'to-chat', 165, 165),
      crowd('responses', 'to-messages', 165, 165),
    ])
    for (const report of heard) assert.deepEqual([report.complete, report.byError], [report.sent, {}])
    console.log(
      `crowd: 500 streams, first byte p99 ${Math.max(...heard.map((report) => report.firstByteMs.p99 ?? 0)).toFixed(0)} ms`,
    )
    // What the gateway keeps open are idle connections to its upstream, which the upstream may close.
    const idle = () => upstream.openConnections()
    await until(
      () => readProcess(gateway.pid)!.openFiles! <= filesBefore + idle() + 2,
      3000,
      'the sockets being closed',
    )
    clear()
  })

  it('that is larger than an upstream allows is queued or told to come back, each in its own words', async () => {
    upstream.setScript(() => ({ text: 'PONG', delayMs: 50 }))
    const heard = await Promise.all(protocols.map((door) => crowd(door, 'to-narrow', 60, 60)))
    for (const report of heard) {
      assert.deepEqual(report.byError, {})
      const refused = Object.entries(report.byStatus).filter(([status]) => status !== '200')
      for (const [status] of refused) assert.ok(['429', '503', '529'].includes(status), status)
      assert.equal(report.complete + refused.reduce((sum, [, count]) => sum + count, 0), report.sent)
    }
    assert.ok(heard.reduce((sum, report) => sum + report.complete, 0) >= 60)
    clear()
  })

  it('that leaves in the middle leaves nothing behind', async () => {
    upstream.setScript(() => ({ text: 'slow words '.repeat(50), chunkDelayMs: 10 }))
    const heard = await Promise.all(protocols.map((door) => crowd(door, 'to-chat', 100, 100, { leaveAfterMs: 250 })))
    assert.equal(
      heard.reduce((sum, report) => sum + report.left, 0),
      300,
    )
    await until(() => upstream.requests.every(({ outcome }) => outcome !== 'open'), 1000, 'the aborts')
    clear()
  })

  it('of every kind, round after round, does not make the gateway grow', async () => {
    const heap: number[] = []
    const resident: number[] = []
    const round = async (): Promise<void> => {
      upstream.setScript((request) =>
        request.index % 5 === 4 ? { error: { status: 400 } } : { text: 'words '.repeat(100) },
      )
      proxy.setPlan((connection) => (connection % 7 === 6 ? { toClient: { resetAfterBytes: 1500 } } : {}))
      await Promise.all([
        ...protocols.map((door) => crowd(door, 'to-chat', 100, 10)),
        ...protocols.map((door) =>
          crowd(door, 'to-messages', 60, 6, { stream: false, body: bodyFor(door, 'to-messages', false) }),
        ),
      ])
      upstream.setScript(() => ({ text: 'slow words '.repeat(40), chunkDelayMs: 5 }))
      await Promise.all(protocols.map((door) => crowd(door, 'to-chat', 20, 20, { leaveAfterMs: 60 })))
      await Promise.all(
        protocols.map((door) => crowd(door, 'to-chat', 20, 20, { body: '{"model":"to-chat","messages":[' })),
      )
      clear()
    }
    // The heap settles over some fifteen rounds: code is compiled, tables of fixed size fill.
    for (let warm = 0; warm < 15; warm++) await round()
    for (let measured = 0; measured < 10; measured++) {
      await round()
      await quiet()
      const { heapUsed, arrayBuffers, rss } = await gateway.memory()
      heap.push(heapUsed + arrayBuffers)
      resident.push(rss)
    }
    const megabytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1)
    console.log(
      `memory over ${heap.length} rounds of 600 requests: heap ${megabytes(heap[0]!)} -> ${megabytes(heap.at(-1)!)} MB, slope ${(slope(heap) / 1024).toFixed(1)} KB a round; resident ${megabytes(resident[0]!)} -> ${megabytes(resident.at(-1)!)} MB, slope ${(slope(resident) / 1024).toFixed(0)} KB a round`,
    )
    assert.ok(
      slope(heap) < 60 * 1024,
      `the heap grows by ${(slope(heap) / 1024).toFixed(1)} KB a round of 600 requests`,
    )
    // The database's page cache fills up to its 16 MiB by the size of a row a request; nothing else may grow.
    assert.ok(
      slope(resident) < 2000 * 1024,
      `grows by ${(slope(resident) / 1024).toFixed(0)} KB a round of 600 requests`,
    )
    assert.ok(resident.at(-1)! < 400 << 20, `${megabytes(resident.at(-1)!)} MB are resident`)
  })

  // Rows were once held against requests begun: on a machine that stood still, callers had left before they had sent
  // anything, and seven rows of ten thousand seemed lost.
  it('is in the books when it has gone, each request once, also those that the end came upon', async () => {
    const settled = await quiet()
    let written = home.ledger().ids.length
    for (let waitedMs = 0; waitedMs < 5000 && written < settled; waitedMs += 50) {
      await sleep(50)
      written = home.ledger().ids.length
    }
    assert.equal(written, settled, 'one row for each request that the gateway counted')
    upstream.setScript(() => ({ text: 'slow words '.repeat(200), chunkDelayMs: 10 }))
    const unsentBefore = unsent
    const last = protocols.flatMap((door) => [
      crowd(door, 'to-direct', 30, 30),
      crowd(door, 'to-direct', 30, 30, { leaveAfterMs: 600 }),
    ])
    // What the kernel holds and the gateway has not read yet is no request of its own: all are taken before the end.
    const taken = async (): Promise<number> => {
      const now = await counted()
      return now.running + now.settled - settled
    }
    let accepted = await taken()
    for (let waitedMs = 0; waitedMs < 20_000 && accepted < 180 - (unsent - unsentBefore); waitedMs += 10) {
      await sleep(10)
      accepted = await taken()
    }
    const end = gateway.stop('SIGTERM')
    const heard = await Promise.all(last)
    assert.equal(await end, 0)
    assert.equal(gateway.complaints(), '', 'nothing unexpected was logged')
    clear()
    for (const { sent, complete, left } of heard)
      assert.equal(complete + left, sent, 'who stayed was served to the end')
    const { ids, statuses, attempts } = home.ledger()
    const story = `${asked} asked, ${unsent} of them left unsent, ${reached} calls upstream: ${JSON.stringify(statuses)}`
    console.log(`books: ${ids.length} rows, ${story}`)
    assert.equal(ids.length, settled + accepted, `one row for each request that the gateway took: ${story}`)
    assert.ok(ids.length <= asked && ids.length >= asked - unsent, `one row per accepted request: ${story}`)
    assert.ok(attempts >= reached, `${attempts} calls are on rows: ${story}`)
    const known = new Set(ids)
    assert.equal(known.size, ids.length, 'no row twice')
    assert.deepEqual(
      told.filter((id) => !known.has(id)),
      [],
      'every id that a caller was told has its row',
    )
    assert.equal(new Set(told).size, told.length)
  })
})

/** Least squares over equally spaced readings. */
function slope(values: readonly number[]): number {
  const mean = (values.length - 1) / 2
  const average = values.reduce((sum, value) => sum + value, 0) / values.length
  const above = values.reduce((sum, value, index) => sum + (index - mean) * (value - average), 0)
  return above / values.reduce((sum, _value, index) => sum + (index - mean) ** 2, 0)
}
