/**
 * Callers that leave at every point, read slowly or not at all, and share connections in odd ways. Each time the
 * upstream is let go within 50 ms and one row is settled (laws 6 and 7).
 */
import assert from 'node:assert/strict'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { after, describe, it } from 'node:test'
import { protocols, type Protocol } from '@portolan/wire'
import { bodyFor, doorPaths, pairs, sent, sleep, startScene, terminalsIn, until, worst, type Scene } from './scene.ts'

const abortLatenciesMs: number[] = []
/** Law 6. */
const abortLimitMs = 50

after(() => {
  const sorted = abortLatenciesMs.toSorted((a, b) => a - b)
  console.log(
    `leaving: ${sorted.length} aborts, median ${sorted[sorted.length >> 1]?.toFixed(1)} ms, worst ${worst(sorted).toFixed(1)} ms`,
  )
})

/** Sends a request, waits for `moment`, leaves, and holds the upstream's abort against the limit. */
async function leaveAt(
  scene: Scene,
  door: Protocol,
  far: Protocol,
  stream: boolean,
  moment: (answer: Arriving) => Promise<unknown>,
  leave: (request: ClientRequest) => void = (request) => request.destroy(),
): Promise<void> {
  const seen = scene.upstream.requests.length
  const request = scene.open(doorPaths[door])
  // From the start: on a machine that stood still the answer may have begun before the request is seen upstream.
  const answer = { bytes: 0 }
  request.on('response', (response) => {
    response.on('error', () => {})
    response.on('data', (chunk: Buffer) => (answer.bytes += chunk.length))
  })
  request.end(JSON.stringify(bodyFor(door, `to-${far}`, stream)))
  await until(() => scene.upstream.requests.length > seen, 2000, 'the request arriving upstream')
  const arrived = scene.upstream.requests[seen]!
  await moment(answer)
  assert.equal(arrived.outcome, 'open', 'the answer must still be under way')
  const leftAt = performance.now()
  leave(request)
  const stoodStillMs = await until(() => arrived.outcome !== 'open', 1000, `${door} to ${far}: the abort`)
  assert.equal(arrived.outcome, 'aborted')
  const latencyMs = arrived.abortedAtMs! - leftAt
  abortLatenciesMs.push(latencyMs)
  assert.ok(
    latencyMs - stoodStillMs < abortLimitMs,
    `${door} to ${far}: the upstream was let go only after ${latencyMs.toFixed(1)} ms`,
  )
}

/** What a caller has of its answer so far. */
interface Arriving {
  readonly bytes: number
}

function bytesThen(count: number): (answer: Arriving) => Promise<unknown> {
  return (answer) => until(() => answer.bytes >= count, 4000, `${count} bytes of the answer`)
}

const firstByte = bytesThen(1)

describe('a caller that leaves', () => {
  it('before its body is complete: nothing is sent upstream', async () => {
    const scene = await startScene()
    try {
      for (const door of protocols)
        for (const share of [0, 0.5, 0.99]) {
          const body = JSON.stringify(bodyFor(door, 'to-chat', true, 'x'.repeat(50_000)))
          const request = scene.open(doorPaths[door], { 'content-length': Buffer.byteLength(body) })
          request.write(body.slice(0, Math.max(1, body.length * share)))
          await until(() => (request.socket?.bytesWritten ?? 0) > 0)
          await sleep(15)
          request.destroy()
          await scene.peace()
        }
      assert.equal(scene.upstream.requests.length, 0)
      for (const row of scene.newRows())
        assert.deepEqual([row.status, row.upstream, row.costNanos], ['aborted', null, 0n])
    } finally {
      await scene.close()
    }
  })

  it('while it waits for a slot: its place is given up, and the others are served', async () => {
    let answer = (): void => {}
    const busy = new Promise<void>((resolve) => (answer = resolve))
    const scene = await startScene({ concurrency: 2, script: () => busy.then(() => ({ text: 'PONG' })) })
    try {
      const served = [scene.ask('chat', 'chat', true), scene.ask('chat', 'chat', true)]
      await until(() => scene.upstream.requests.length === 2)
      const leavers = protocols.map((door) => {
        const request = scene.open(doorPaths[door])
        request.end(JSON.stringify(bodyFor(door, 'to-chat', true)))
        return request
      })
      await until(() => scene.running.gateway.parts.health.snapshot()[0]!.waiting === leavers.length)
      for (const request of leavers) request.destroy()
      await until(() => scene.running.gateway.parts.health.snapshot()[0]!.waiting === 0, 100, 'the queue emptying')
      answer()
      for (const { text } of await Promise.all(served)) assert.equal(terminalsIn('chat', text).length, 1)
      assert.equal((await scene.ask('messages', 'chat', false)).status, 200)
      await scene.peace()
      assert.equal(scene.upstream.requests.length, 3)
      assert.equal(scene.newRows().filter((row) => row.status === 'aborted' && row.upstream === null).length, 3)
    } finally {
      answer()
      await scene.close()
    }
  })

  it('before the first byte, during keep-alives, in the middle of streams and of whole answers, at every pair', async () => {
    const scene = await startScene({ config: { keepAliveMs: 40 } })
    try {
      for (const [door, far] of pairs) {
        const text = 'a text that takes its time '.repeat(400)
        scene.answer(() => ({ text, delayMs: 2000 }))
        await leaveAt(scene, door, far, true, () => sleep(20))
        await leaveAt(scene, door, far, false, () => sleep(20))
        scene.answer(() => ({ text, chunkDelayMs: 4, delayMs: 60 }))
        await leaveAt(scene, door, far, true, bytesThen(1500))
        scene.answer(() => ({ text: 'PONG', prefillMs: 2000 }))
        await leaveAt(scene, door, far, true, firstByte)
        scene.answer(() => ({ text: 'PONG', prefillMs: 2000 }))
        await leaveAt(scene, door, far, false, () => sleep(30))
      }
      await scene.peace()
      const rows = scene.newRows()
      assert.ok(rows.every((row) => row.status === 'aborted'))
      const streaming = rows.filter((row) => row.usage.source === 'estimated')
      assert.equal(streaming.length, pairs.length, 'what was streamed is settled as an estimate')
      assert.ok(streaming.every((row) => row.usage.outputTokens! > 0))
    } finally {
      await scene.close()
    }
  })

  it('by half-closing its connection', async () => {
    const scene = await startScene({ script: () => ({ text: 'slow '.repeat(300), chunkDelayMs: 4 }) })
    try {
      for (const door of protocols)
        await leaveAt(scene, door, 'chat', true, bytesThen(800), (request) => request.socket!.end())
      await scene.peace()
      assert.ok(scene.newRows().every((row) => row.status === 'aborted'))
    } finally {
      await scene.close()
    }
  })

  it('while its request waits to be repeated: nothing more is sent', async () => {
    const scene = await startScene({ script: () => ({ error: { status: 503, retryAfter: 1 } }) })
    try {
      for (const door of protocols) {
        const seen = scene.upstream.requests.length
        const request = scene.open(doorPaths[door])
        request.end(JSON.stringify(bodyFor(door, 'to-chat', true)))
        await until(() => scene.upstream.requests.length > seen)
        await sleep(30)
        request.destroy()
        await scene.peace()
        await sleep(1200)
        assert.equal(scene.upstream.requests.length, seen + 1)
      }
      assert.ok(scene.newRows().every((row) => row.status === 'aborted'))
    } finally {
      await scene.close()
    }
  })

  it('right at the end: at its last event, and a few milliseconds around it', async () => {
    const scene = await startScene({ script: () => ({ text: 'PONG '.repeat(8) }) })
    try {
      for (const [door, far] of pairs)
        for (let round = 0; round < 12; round++) {
          const request = scene.open(doorPaths[door])
          const gone = new Promise<void>((resolve) => request.on('close', () => resolve()))
          request.on('response', (response) => {
            let text = ''
            response.on('error', () => {})
            response.on('data', (chunk: Buffer) => {
              text += chunk.toString()
              if (round < 6 ? terminalsIn(door, text).length > 0 : text.length > 200) request.destroy()
            })
          })
          request.end(JSON.stringify(bodyFor(door, `to-${far}`, true)))
          if (round >= 9) void sent(request).then(() => setTimeout(() => request.destroy(), round - 6))
          await gone
        }
      await scene.peace()
      for (const row of scene.newRows()) assert.ok(['ok', 'aborted'].includes(row.status), row.status)
    } finally {
      await scene.close()
    }
  })

  // Node gives an answer no socket while another one is ahead of it on the connection, and no `close` event
  // either: such callers were served to the end after they had gone, and their rows said `ok`.
  it('with several requests on one connection: all of them are let go', async () => {
    const scene = await startScene({ script: () => ({ text: 'slow '.repeat(2000), chunkDelayMs: 4 }) })
    try {
      const seen = scene.upstream.requests.length
      const socket = pipelined(scene, 3)
      await until(() => scene.upstream.requests.length === seen + 3)
      await sleep(60)
      const leftAt = performance.now()
      socket.destroy()
      const stoodStillMs = await until(
        () => scene.upstream.requests.every((request) => request.outcome === 'aborted'),
        1000,
        'the aborts',
      )
      for (const request of scene.upstream.requests) {
        const latencyMs = request.abortedAtMs! - leftAt
        abortLatenciesMs.push(latencyMs)
        assert.ok(latencyMs - stoodStillMs < abortLimitMs, `let go after ${latencyMs.toFixed(1)} ms`)
      }
      await scene.peace()
      assert.ok(scene.newRows().every((row) => row.status === 'aborted'))
    } finally {
      await scene.close()
    }
  })

  it('or stays: several requests on one connection are answered in their order', async () => {
    const scene = await startScene({
      script: (request) => ({ text: `echo ${request.index}`, delayMs: 60 - request.index * 20 }),
    })
    try {
      const socket = pipelined(scene, 3)
      let text = ''
      socket.on('data', (chunk) => (text += chunk.toString()))
      await until(() => terminalsIn('chat', text).length === 3)
      socket.destroy()
      assert.equal(text.match(/HTTP\/1\.1 200/g)!.length, 3)
    } finally {
      await scene.close()
    }
  })
})

function pipelined(scene: Scene, count: number): Socket {
  const { hostname, port } = new URL(scene.url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {})
  const body = JSON.stringify(bodyFor('chat', 'to-chat', true))
  const one = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: ${scene.authorization.authorization}\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  socket.write(one.repeat(count))
  scene.asked += count
  return socket
}

describe('a caller that reads slowly', () => {
  const megabytes = 48
  const chunk = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm' }
  const event = `data: ${JSON.stringify({ ...chunk, choices: [{ index: 0, delta: { content: 'x'.repeat(8000) }, finish_reason: null }] })}\n\n`
  const finish = `data: ${JSON.stringify({ ...chunk, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })}\n\ndata: [DONE]\n\n`
  const flood = () => ({
    raw: { chunks: [...Array.from({ length: (megabytes << 20) / event.length }, () => event), finish] },
  })

  for (const door of ['chat', 'messages'] as const)
    it(`holds the upstream back (${door}): the gateway keeps little of it, and all of it arrives in the end`, async () => {
      const scene = await startScene({ script: flood })
      try {
        const before = scene.proxy.counters.bytesToClient
        const request = scene.open(doorPaths[door])
        request.end(JSON.stringify(bodyFor(door, 'to-chat', true)))
        const response = await new Promise<IncomingMessage>((resolve) => request.on('response', resolve))
        response.pause()
        await sleep(100)
        let taken = 0
        // It settles when every buffer on the way is full.
        for (let last = -1; last !== taken; await sleep(150)) {
          last = taken
          taken = scene.proxy.counters.bytesToClient - before
        }
        // Kernel buffers of two connections, and what three processes' streams keep: far below what is sent.
        assert.ok(taken < 24 << 20, `${(taken / 2 ** 20).toFixed(1)} MB were taken from the upstream`)
        let tail = ''
        let got = 0
        response.on('data', (bytes: Buffer) => {
          got += bytes.length
          tail = (tail + bytes.toString('latin1')).slice(-400)
        })
        response.resume()
        await new Promise((resolve) => response.on('end', resolve))
        assert.ok(got > (megabytes * 0.9) << 20)
        assert.equal(terminalsIn(door, tail).length, 1)
        await scene.peace()
        assert.equal(scene.newRows()[0]!.status, 'ok')
      } finally {
        await scene.close()
      }
    })

  it('and then not at all is given up: the upstream is let go and the row settled', async () => {
    const limits = { bodyBytes: 64 << 20, bodyMs: 60_000, clientStallMs: 250, drainMs: 30_000 }
    const scene = await startScene({ script: flood, config: { limits } })
    try {
      for (const door of ['chat', 'messages'] as const) {
        const request = scene.open(doorPaths[door])
        request.end(JSON.stringify(bodyFor(door, 'to-chat', true)))
        request.on('response', (response) => response.on('error', () => {}).pause())
        await until(() => scene.upstream.requests.at(-1)?.outcome === 'aborted', 3000, 'giving up')
        await scene.peace()
        request.destroy()
      }
      assert.ok(scene.newRows().every((row) => row.status === 'aborted'))
    } finally {
      await scene.close()
    }
  })

  // The end of an answer was handed to the socket and forgotten: whoever never read it kept its memory for ever.
  it('is given up also when the whole answer waits in its socket', async () => {
    const limits = { bodyBytes: 64 << 20, bodyMs: 60_000, clientStallMs: 250, drainMs: 30_000 }
    const scene = await startScene({
      script: () => ({ text: 'x'.repeat(24 << 20) }),
      config: { limits },
    })
    try {
      const request = scene.open(doorPaths.chat)
      request.end(JSON.stringify(bodyFor('chat', 'to-chat', false)))
      const response = await new Promise<IncomingMessage>((resolve) => request.on('response', resolve))
      response.on('error', () => {}).pause()
      await scene.peace()
      // The row is durable before the last byte is read; nothing is left but a socket full of answer.
      await sleep(1200)
      response.resume()
      await new Promise((resolve) => response.once('close', resolve))
      assert.equal(response.complete, false, 'the gateway broke the connection')
    } finally {
      await scene.close()
    }
  })

  it('but steadily keeps its connection, however small its sips', async () => {
    const limits = { bodyBytes: 64 << 20, bodyMs: 60_000, clientStallMs: 1500, drainMs: 30_000 }
    const scene = await startScene({ script: () => ({ text: 'x'.repeat(24 << 20) }), config: { limits } })
    try {
      const begunAt = performance.now()
      const request = scene.open(doorPaths.chat)
      request.end(JSON.stringify(bodyFor('chat', 'to-chat', false)))
      const heard = await new Promise<{ complete: boolean; bytes: number }>((resolve) =>
        request.on('response', (response) => {
          let bytes = 0
          response.on('data', (piece: Buffer) => {
            bytes += piece.length
            response.pause()
            setTimeout(() => response.resume(), 8)
          })
          response.on('error', () => {})
          response.on('close', () => resolve({ complete: response.complete, bytes }))
        }),
      )
      assert.deepEqual([heard.complete, heard.bytes > 24 << 20], [true, true])
      // Otherwise the limit was never put to the test.
      assert.ok(performance.now() - begunAt > limits.clientStallMs)
      await scene.peace()
    } finally {
      await scene.close()
    }
  })
})
