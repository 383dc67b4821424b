import assert from 'node:assert/strict'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { after, afterEach, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startFaultProxy, type FaultPlan, type FaultProxy } from './index.ts'

interface Seen {
  bytes: Buffer
  chunks: number
  end: boolean
  error: string | undefined
}

function portOf(server: Server): number {
  const address = server.address()
  return address !== null && typeof address === 'object' ? address.port : 0
}

/** Connects, says something, and collects what comes until the close (or until `untilMs`). */
function talk(port: number, say: string | Buffer, options: { half?: boolean; untilMs?: number } = {}): Promise<Seen> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
    const seen: Seen = { bytes: Buffer.alloc(0), chunks: 0, end: false, error: undefined }
    const timer = options.untilMs === undefined ? undefined : setTimeout(() => socket.destroy(), options.untilMs)
    socket.on('data', (chunk: Buffer) => {
      seen.bytes = Buffer.concat([seen.bytes, chunk])
      seen.chunks += 1
    })
    socket.on('end', () => {
      seen.end = true
      socket.end()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => (seen.error = error.code))
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(seen)
    })
    socket.write(say)
    if (options.half !== false) socket.end()
  })
}

describe('fault proxy', () => {
  const sockets: Socket[] = []
  let heard: Buffer[] = []
  let targetErrors: string[] = []
  let target: Server
  let proxy: FaultProxy | undefined

  before(async () => {
    // Echoes everything, and ends when the other side ends.
    target = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.push(socket)
      socket.on('data', (chunk: Buffer) => {
        heard.push(chunk)
        socket.write(chunk)
      })
      socket.on('end', () => socket.end())
      socket.on('error', (error: NodeJS.ErrnoException) => targetErrors.push(error.code ?? ''))
    })
    await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve))
  })
  afterEach(async () => {
    await proxy?.close()
    heard = []
    targetErrors = []
  })
  after(() => {
    for (const socket of sockets) socket.destroy()
    target.close()
  })

  const start = async (plan: FaultPlan = {}): Promise<number> => {
    proxy = await startFaultProxy({ target: `http://127.0.0.1:${portOf(target)}`, plan })
    return proxy.port
  }

  it('carries bytes both ways without a plan, and ends when both sides ended', async () => {
    const port = await start()
    const big = Buffer.alloc(300_000, 'abc')
    const seen = await talk(port, big)
    assert.ok(seen.bytes.equals(big))
    assert.equal(seen.end, true)
    assert.equal(proxy?.counters.bytesToTarget, big.length)
    assert.equal(proxy?.counters.bytesToClient, big.length)
    assert.equal(await proxy?.quiet(), true)
  })

  it('sends every byte as its own packet', async () => {
    const port = await start({ toTarget: { oneBytePackets: true } })
    const seen = await talk(port, 'abcdefgh')
    assert.equal(seen.bytes.toString(), 'abcdefgh')
    // The kernel may glue what came before the target first read; from then on it is one by one.
    assert.deepEqual(
      heard.slice(-5).map((chunk) => chunk.length),
      [1, 1, 1, 1, 1],
    )
  })

  it('waits before the first byte', async () => {
    const port = await start({ toClient: { delayMs: 60 } })
    const begun = performance.now()
    await talk(port, 'x')
    assert.ok(performance.now() - begun >= 55)
  })

  it('stalls at the exact byte and keeps the connection open', async () => {
    const port = await start({ toClient: { stallAfterBytes: 5 } })
    const seen = await talk(port, '0123456789', { half: false, untilMs: 80 })
    assert.equal(seen.bytes.toString(), '01234')
    assert.equal(seen.end, false)
    assert.equal(proxy?.counters.stalls, 1)
  })

  it('goes on after a stall that has an end', async () => {
    const port = await start({ toClient: { stallAfterBytes: 5, stallForMs: 30 } })
    const seen = await talk(port, '0123456789')
    assert.equal(seen.bytes.toString(), '0123456789')
  })

  it('resets both sides at the exact byte, in either direction', async () => {
    const port = await start({ toClient: { resetAfterBytes: 4 } })
    const seen = await talk(port, '0123456789', { half: false })
    assert.equal(seen.bytes.toString(), '0123')
    assert.equal(seen.error, 'ECONNRESET')
    await proxy?.close()

    const other = await start({ toTarget: { resetAfterBytes: 3 } })
    const reset = await talk(other, '0123456789', { half: false })
    assert.equal(reset.error, 'ECONNRESET')
    await sleep(20)
    assert.deepEqual(targetErrors.at(-1), 'ECONNRESET')
    assert.equal(proxy?.counters.resets, 1)
  })

  it('closes one half while the other goes on', async () => {
    const port = await start({ toClient: { halfCloseAfterBytes: 2 } })
    const seen = await talk(port, 'abcd', { half: false })
    assert.equal(seen.bytes.toString(), 'ab')
    assert.equal(seen.end, true)
    assert.equal(seen.error, undefined)
    assert.equal(proxy?.counters.halfCloses, 1)
  })

  it('slips garbage in', async () => {
    const port = await start({ toClient: { garbage: { afterBytes: 3, bytes: '\u0000!' } } })
    const seen = await talk(port, 'abcdef')
    assert.equal(seen.bytes.toString(), 'abc\u0000!def')
  })

  it('reads slowly, so that the sender is held back', async () => {
    const port = await start({ toTarget: { readBytesPerSecond: 2_000_000 } })
    const begun = performance.now()
    const big = Buffer.alloc(200_000, 'x')
    const seen = await talk(port, big)
    assert.equal(seen.bytes.length, big.length)
    assert.ok(performance.now() - begun >= 80)
  })

  it('plans by connection number', async () => {
    const port = await start((connection) => (connection === 0 ? { refuse: true } : {}))
    assert.equal((await talk(port, 'x', { half: false })).error, 'ECONNRESET')
    assert.equal((await talk(port, 'x')).bytes.toString(), 'x')
    assert.equal(proxy?.counters.accepted, 2)
  })

  it('resets the client when nobody listens behind it', async () => {
    proxy = await startFaultProxy({ target: '127.0.0.1:1' })
    assert.equal((await talk(proxy.port, 'x', { half: false })).error, 'ECONNRESET')
  })

  it('lets go of the target when the client vanishes', async () => {
    const port = await start()
    await talk(port, 'x', { half: false, untilMs: 30 })
    assert.equal(await proxy?.quiet(), true)
    await sleep(10)
    assert.ok(sockets.every((socket) => socket.destroyed))
  })

  it('closes at once with a stalled connection open', async () => {
    const port = await start({ toTarget: { stallAfterBytes: 0 } })
    const talking = talk(port, 'x', { half: false })
    await sleep(20)
    await proxy?.close()
    assert.equal((await talking).bytes.length, 0)
    assert.equal(proxy?.counters.open, 0)
  })
})
