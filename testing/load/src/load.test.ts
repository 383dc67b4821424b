import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { readStreamEnd } from './completeness.ts'
import { cpuMsDuring, percentiles, readProcess, runLoad } from './index.ts'

describe('load client', () => {
  let server: Server
  let origin: string
  let heard = 0
  let leavers = 0
  const bodies: string[] = []

  before(async () => {
    server = createServer((request, response) => {
      heard += 1
      const number = heard
      let text = ''
      request.on('data', (chunk: Buffer) => (text += chunk.toString()))
      request.on('end', () => {
        bodies.push(text)
        response.setHeader('x-request-id', `id-${number}`)
        if (request.url === '/json') response.end('{"ok":true}')
        else if (request.url === '/stream') {
          response.write('data: {"a":1}\n\n')
          setImmediate(() => response.end('data: {"b":2}\n\ndata: [DONE]\n\n'))
        } else if (request.url === '/cut') {
          response.write('data: {"a":1}\n\n')
          setImmediate(() => response.destroy())
        } else if (request.url === '/early') response.end('data: {"a":1}\n\n')
        else if (request.url === '/slow') response.once('close', () => (leavers += 1))
        else {
          response.statusCode = 429
          response.end('{}')
        }
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    origin = `http://127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}`
  })
  after(() => {
    server.close()
    server.closeAllConnections()
  })

  it('counts whole JSON answers, ids, bytes and latencies', async () => {
    const report = await runLoad({ url: `${origin}/json`, requests: 20, concurrency: 4, body: (n: number) => ({ n }) })
    assert.equal(report.complete, 20)
    assert.equal(report.failed + report.incomplete + report.left, 0)
    assert.equal(new Set(report.ids).size, 20)
    assert.equal(report.bytesReceived, 20 * 11)
    assert.equal(report.latencyMs.count, 20)
    assert.ok((report.firstByteMs.p50 ?? 0) > 0)
    assert.equal(new Set(bodies).size, 20)
  })

  it('calls a stream complete only when its terminal event came', async () => {
    const options = { requests: 4, concurrency: 2, body: {}, stream: true }
    const whole = await runLoad({ ...options, url: `${origin}/stream` })
    assert.equal(whole.complete, 4)
    assert.equal(whole.eventsReceived, 12)
    const early = await runLoad({ ...options, url: `${origin}/early` })
    assert.equal(early.incomplete, 4)
    const cut = await runLoad({ ...options, url: `${origin}/cut` })
    assert.equal(cut.complete, 0)
    assert.equal(cut.failed + cut.incomplete, 4)
  })

  it('leaves when told, and the server notices', async () => {
    const report = await runLoad({ url: `${origin}/slow`, requests: 3, concurrency: 3, body: {}, leaveAfterMs: 20 })
    assert.equal(report.left, 3)
    await sleep(30)
    assert.equal(leavers, 3)
  })

  it('counts error statuses, socket errors and timeouts apart', async () => {
    const refused = await runLoad({ url: `${origin}/limit`, requests: 2, concurrency: 1, body: {} })
    assert.deepEqual(refused.byStatus, { 429: 2 })
    assert.equal(refused.failed, 2)
    const nobody = await runLoad({ url: 'http://127.0.0.1:1/', requests: 2, concurrency: 1, body: {} })
    assert.deepEqual(nobody.byError, { ECONNREFUSED: 2 })
    const late = await runLoad({ url: `${origin}/slow`, requests: 1, concurrency: 1, body: {}, timeoutMs: 20 })
    assert.deepEqual(late.byError, { TIMEOUT: 1 })
  })

  it('refuses a run without bounds', async () => {
    await assert.rejects(runLoad({ url: origin, requests: Infinity, concurrency: 1, body: {} }), RangeError)
    await assert.rejects(runLoad({ url: origin, requests: 1, concurrency: 0, body: {} }), RangeError)
  })

  it('finds terminal events that are split between chunks, for every protocol', () => {
    for (const text of [
      'data: [DONE]\n\n',
      'event: message_stop\ndata: {"type":"message_stop"}\n\n',
      `event: response.completed\ndata: ${'x'.repeat(2000)}\n\n`,
    ]) {
      const reader = readStreamEnd('events')
      let events = 0
      for (const byte of Buffer.from(text)) events += reader.push(Uint8Array.of(byte))
      assert.equal(reader.isComplete(), true)
      assert.equal(events, 1)
    }
    const open = readStreamEnd('events')
    open.push(Buffer.from('data: {"delta":"x"}\n\n'))
    assert.equal(open.isComplete(), false)
  })

  it('gives nearest-rank percentiles, and null rather than 0 for nothing', () => {
    assert.deepEqual(percentiles([3, 1, 2, 4]), { count: 4, mean: 2.5, p50: 2, p90: 4, p99: 4, max: 4 })
    assert.equal(percentiles([]).p50, null)
  })

  it('reads CPU time and memory of a process', { skip: process.platform !== 'linux' && 'needs /proc' }, async () => {
    const reading = readProcess(process.pid)
    assert.ok(reading && reading.residentBytes > 1_000_000 && reading.threads >= 1)
    assert.ok((reading.openFiles ?? 0) > 2)
    const { cpuMs } = await cpuMsDuring(process.pid, async () => {
      // By CPU time and not by the clock: on a busy machine a process gets only a share of it.
      const begun = process.cpuUsage()
      for (let used = 0; used < 60_000;) {
        const { user, system } = process.cpuUsage(begun)
        used = user + system
      }
    })
    assert.ok(cpuMs !== undefined && cpuMs >= 20)
    assert.equal(readProcess(2 ** 30), undefined)
  })
})
