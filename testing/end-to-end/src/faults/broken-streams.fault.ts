/** The wire to the upstream breaks in every way a wire can: resets, tiny packets, stalls, half-closes, garbage. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { assertOneEnd, pairs, startScene, worst, type Scene } from './scene.ts'

const paragraph = 'The crossing took nine days; the wind, as promised, came from the north. Überfahrt, 航海, 🧭. '

describe('a long stream through a wire that breaks', () => {
  let scene: Scene
  /** Bytes on the wire of each protocol's stream, learnt from an unharmed run. */
  const wireBytes = new Map<string, number>()
  before(async () => {
    scene = await startScene({
      script: () => ({ text: paragraph.repeat(12), reasoning: 'Charts first.', chunkCharacters: 24 }),
    })
    for (const far of ['chat', 'messages', 'responses'] as const) {
      const before = scene.proxy.counters.bytesToClient
      assert.equal(assertOneEnd(far, await scene.ask(far, far, true), `${far} unharmed`), 'ok')
      wireBytes.set(far, scene.proxy.counters.bytesToClient - before)
    }
    scene.newRows()
  })
  after(() => scene.close())

  it('is reset after every half kilobyte, and always ends once, in the words of the door, with one row', async () => {
    const longest = worst([...wireBytes.values()])
    const seen = { ok: 0, 'error-event': 0, 'http-error': 0 }
    for (let offset = 100; offset < longest + 512; offset += 512) {
      scene.plan({ toClient: { resetAfterBytes: offset } })
      const heard = await Promise.all(pairs.map(([door, far]) => scene.ask(door, far, true)))
      for (const [index, [door, far]] of pairs.entries()) {
        const end = assertOneEnd(door, heard[index]!, `${door} to ${far}, reset after ${offset} bytes`)
        seen[end]++
      }
    }
    await scene.peace()
    const rows = scene.newRows()
    for (const row of rows) {
      assert.ok(['ok', 'cut', 'error'].includes(row.status), row.status)
      if (row.status === 'cut') {
        assert.equal(row.usage.source, 'estimated')
        assert.ok(row.usage.outputTokens! > 0)
      }
    }
    assert.ok(seen['error-event'] > 100, `${seen['error-event']} streams were cut in the middle`)
    console.log(`resets: ${rows.length} streams, ${JSON.stringify(seen)}`)
  })

  it('arrives whole when every byte is its own packet', async () => {
    scene.plan({ toClient: { oneBytePackets: true }, toTarget: { oneBytePackets: true } })
    const heard = await Promise.all(pairs.map(([door, far]) => scene.ask(door, far, true)))
    for (const [index, [door, far]] of pairs.entries()) {
      assert.equal(assertOneEnd(door, heard[index]!, `${door} to ${far} byte by byte`), 'ok')
      assert.match(heard[index]!.text, /航海/)
    }
    await scene.peace()
    for (const row of scene.newRows()) assert.deepEqual([row.status, row.usage.source], ['ok', 'reported'])
  })

  it('ends with an error when the upstream half-closes in the middle', async () => {
    for (const offset of [0, 90, 700, 2500, 5000]) {
      scene.plan({ toClient: { halfCloseAfterBytes: offset } })
      const heard = await Promise.all(pairs.map(([door, far]) => scene.ask(door, far, true)))
      for (const [index, [door, far]] of pairs.entries()) {
        const end = assertOneEnd(door, heard[index]!, `${door} to ${far}, half-closed after ${offset} bytes`)
        assert.notEqual(end, 'ok')
      }
    }
    await scene.peace()
    for (const row of scene.newRows()) assert.ok(['cut', 'error'].includes(row.status), row.status)
  })

  it('survives garbage in the wire at any place', async () => {
    const garbage = [
      Buffer.from('\r\nZZZZ\r\n'),
      Buffer.from('data: {"choices":[{"delta":{"content":\u0000}}]}\n\n'),
      Buffer.from([0xff, 0xfe, 0x00, 0x80, 0xc3, 0x28, 0x0d, 0x0a]),
      Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'),
    ]
    for (const offset of [0, 20, 200, 900, 2500, 5000])
      for (const [kind, bytes] of garbage.entries()) {
        scene.plan({ toClient: { garbage: { afterBytes: offset, bytes } } })
        const heard = await Promise.all(pairs.map(([door, far]) => scene.ask(door, far, true)))
        for (const [index, [door, far]] of pairs.entries())
          assertOneEnd(door, heard[index]!, `${door} to ${far}, garbage ${kind} after ${offset} bytes`)
      }
    await scene.peace()
    scene.newRows()
  })

  it('breaks whole answers honestly too: an error in the words of the door, never half an answer', async () => {
    for (const offset of [0, 120, 300, 600, 900]) {
      scene.plan({ toClient: { resetAfterBytes: offset } })
      const heard = await Promise.all(pairs.map(([door, far]) => scene.ask(door, far, false)))
      for (const [index, [door, far]] of pairs.entries()) {
        const { status, text, broken } = heard[index]!
        assert.equal(broken, false)
        assert.ok(
          status >= 500,
          `${door} to ${far}, whole answer reset after ${offset}: ${status} ${text.slice(0, 200)}`,
        )
      }
    }
    await scene.peace()
    for (const row of scene.newRows()) assert.equal(row.status, 'error')
  })
})

describe('an upstream that falls silent', () => {
  it('is left after the idle time in the middle of a stream, and the caller is told', async () => {
    const scene = await startScene({
      script: () => ({ text: paragraph.repeat(12) }),
      timeouts: { idleMs: 150, firstByteMs: 5000 },
    })
    try {
      for (const offset of [1500, 4000]) {
        scene.plan({ toClient: { stallAfterBytes: offset } })
        const begunAt = performance.now()
        const heard = await Promise.all(pairs.map(([door, far]) => scene.ask(door, far, true)))
        assert.ok(performance.now() - begunAt < 2500)
        for (const [index, [door, far]] of pairs.entries())
          assert.notEqual(assertOneEnd(door, heard[index]!, `${door} to ${far}, stalled after ${offset}`), 'ok')
      }
      await scene.peace()
      assert.ok(scene.newRows().every((row) => row.errorCode === 'UPSTREAM_IDLE'))
    } finally {
      await scene.close()
    }
  })

  it('is left after the first-byte time before its answer, as a timeout', async () => {
    const scene = await startScene({ timeouts: { firstByteMs: 120, idleMs: 5000 } })
    try {
      scene.plan({ toClient: { stallAfterBytes: 0 } })
      const heard = await Promise.all(pairs.map(([door, far]) => scene.ask(door, far, true)))
      for (const [index, [door, far]] of pairs.entries()) {
        assert.equal(assertOneEnd(door, heard[index]!, `${door} to ${far}, never answered`), 'http-error')
        assert.equal(heard[index]!.status, 504)
      }
      await scene.peace()
      assert.ok(scene.newRows().every((row) => row.errorCode === 'UPSTREAM_TIMEOUT_FIRST_BYTE'))
    } finally {
      await scene.close()
    }
  })

  // Some engines send the head at once and nothing more until the prompt is read, which takes minutes for a
  // million tokens. The time to the first byte holds until a byte of the body comes, not the idle time.
  it('lives through a silent prefill, before its head and after it, while the caller gets keep-alives', async () => {
    const scene = await startScene({ timeouts: { firstByteMs: 5000, idleMs: 120 }, config: { keepAliveMs: 50 } })
    try {
      for (const answer of [{ delayMs: 450 }, { prefillMs: 450 }]) {
        scene.answer(() => ({ text: 'PONG after a long prefill', ...answer }))
        const heard = await Promise.all(pairs.map(([door, far]) => scene.ask(door, far, true)))
        for (const [index, [door, far]] of pairs.entries()) {
          const story = `${door} to ${far}, ${JSON.stringify(answer)}`
          assert.equal(assertOneEnd(door, heard[index]!, story), 'ok')
          assert.match(heard[index]!.text, door === 'messages' ? /event: ping/ : /: keep-alive/, story)
        }
      }
      await scene.peace()
      assert.ok(scene.newRows().every((row) => row.status === 'ok'))
    } finally {
      await scene.close()
    }
  })

  it('keeps a stream alive that speaks only in comments for longer than the idle time', async () => {
    const scene = await startScene({
      script: () => ({ text: 'PONG', pingsBeforeFirst: 8, prefillMs: 480 }),
      timeouts: { firstByteMs: 5000, idleMs: 200 },
    })
    try {
      const heard = await Promise.all(pairs.map(([door, far]) => scene.ask(door, far, true)))
      for (const [index, [door, far]] of pairs.entries())
        assert.equal(assertOneEnd(door, heard[index]!, `${door} to ${far}, comments`), 'ok')
    } finally {
      await scene.close()
    }
  })
})
