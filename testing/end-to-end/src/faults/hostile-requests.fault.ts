/** Requests that are huge, malformed, cut off or hostile: an error in the door's words, one row, and a process that lives. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { after, before, describe, it } from 'node:test'
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { protocols } from '@portolan/wire'
import {
  assertErrorBody,
  assertOneEnd,
  bodyFor,
  doorPaths,
  pairs,
  sleep,
  startScene,
  until,
  type Scene,
} from './scene.ts'

describe('hostile bodies', () => {
  let scene: Scene
  before(async () => {
    scene = await startScene({ script: () => ({ text: 'PONG' }) })
  })
  after(() => scene.close())

  const deep = (open: string, close: string, depth = 1_000_000): string =>
    `{"model":"to-chat","stream":false,"max_tokens":5,"messages":[{"role":"user","content":"x"}],"input":"x","x":${open.repeat(depth)}1${close.repeat(depth)}}`

  const malformed: readonly (readonly [name: string, body: string | Buffer])[] = [
    ['nothing', ''],
    ['white space', ' \n\t '],
    ['half an object', '{"model":"to-chat","messages":[{"role":"us'],
    ['two objects', '{"model":"to-chat"}{"model":"to-chat"}'],
    ['a list', '[1,2,3]'],
    ['a string', '"to-chat"'],
    ['null', 'null'],
    ['no JSON', 'model=to-chat&messages=hello'],
    ['a single quote', "{'model':'to-chat'}"],
    ['invalid UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0xc3, 0x28, 0x22, 0x3a, 0x31, 0x7d])],
    ['NUL bytes', Buffer.alloc(5000)],
    ['a model that is a number', '{"model":5,"messages":[]}'],
    ['a model that is an object', '{"model":{"$ne":null},"messages":[]}'],
    ['a stream that is a string', '{"model":"to-chat","stream":"yes","messages":[],"input":"x"}'],
    ['no model', '{"messages":[],"input":"x","max_tokens":5}'],
    ['an unknown model', '{"model":"__proto__","messages":[],"input":"x","max_tokens":5}'],
    ['a model name of a megabyte', `{"model":"${'m'.repeat(1 << 20)}","messages":[],"input":"x","max_tokens":5}`],
    ['a lone surrogate for a model', '{"model":"\\ud800","messages":[],"input":"x","max_tokens":5}'],
    ['a comma too many', '{"model":"to-chat",}'],
    ['NaN', '{"model":"to-chat","temperature":NaN}'],
    ['unclosed lists without end', '['.repeat(1_000_000)],
    ['unclosed objects without end', '{"a":'.repeat(500_000)],
  ]
  for (const [name, body] of malformed)
    it(`are refused at every door: ${name}`, async () => {
      for (const door of protocols) {
        const { status, text, broken } = await scene.post(doorPaths[door], body)
        assert.equal(broken, false)
        assert.ok(status === 400 || status === 404 || status === 422, `${door}: ${status} ${text.slice(0, 200)}`)
        assertErrorBody(door, text, door)
        assert.ok(text.length < 4000, 'an error does not repeat what it was sent')
      }
    })

  it('nested a million deep end as an error or an answer, same protocol and translated', async () => {
    for (const [door, far] of pairs.filter(([door, far]) => door === far || far === 'chat'))
      for (const [open, close] of [
        ['[', ']'],
        ['{"a":', '}'],
      ] as const) {
        const body = deep(open, close).replace('to-chat', `to-${far}`)
        const { status, text, broken } = await scene.post(doorPaths[door], body)
        assert.equal(broken, false)
        assert.ok(
          (status >= 200 && status < 300) || (status >= 400 && status < 500),
          `${door} to ${far}: ${status} ${text.slice(0, 300)}`,
        )
      }
  })

  it('with wrong types everywhere end as an error or an answer at every pair', async () => {
    const values = [
      null,
      0,
      -1,
      1e308,
      '',
      'x',
      [],
      {},
      [null],
      [[]],
      [{}],
      { type: 'text' },
      [{ type: 'text', text: 5 }],
      [{ role: 5, content: [[]] }],
      true,
    ]
    const members = [
      'messages',
      'input',
      'system',
      'instructions',
      'tools',
      'tool_choice',
      'max_tokens',
      'metadata',
      'stop',
      'stream_options',
      'thinking',
      'reasoning',
      'response_format',
      'text',
      'prompt_cache_key',
      'user',
    ]
    for (const [door, far] of pairs) {
      const heard = await Promise.all(
        members.flatMap((member) =>
          values.map(async (value) => {
            const body = { ...bodyFor(door, `to-${far}`, false), [member]: value }
            return { member, value, answer: await scene.post(doorPaths[door], JSON.stringify(body)) }
          }),
        ),
      )
      for (const { member, value, answer } of heard) {
        const story = `${door} to ${far}, ${member} = ${JSON.stringify(value)}: ${answer.status} ${answer.text.slice(0, 200)}`
        assert.ok(answer.status === 200 || (answer.status >= 400 && answer.status < 500), story)
        if (answer.status !== 200) assertErrorBody(door, answer.text, story)
      }
    }
  })

  // Two readings of one request (ours and the upstream's) would let a caller ask for one model and pay for another.
  it('with a member twice that we read are refused; others pass as they are', async () => {
    for (const door of protocols) {
      const plain = JSON.stringify(bodyFor(door, 'to-chat', false))
      for (const twice of ['"model":"to-messages"', '"stream":true']) {
        const { status, text } = await scene.post(doorPaths[door], plain.replace('{', `{${twice},`))
        assert.equal(status, 400)
        assert.match(text, /WIRE_DUPLICATE_FIELD/)
      }
      const other = await scene.post(doorPaths[door], plain.replace('{', '{"temperature":0,"temperature":1,'))
      assert.equal(other.status, 200, other.text)
    }
  })

  it('compressed are read, unless they are no such thing or grow too large', async () => {
    const body = JSON.stringify(bodyFor('chat', 'to-chat', false))
    for (const [encoding, bytes] of [
      ['gzip', gzipSync(body)],
      ['br', brotliCompressSync(body)],
      ['zstd', zstdCompressSync(body)],
    ] as const) {
      assert.equal((await scene.post(doorPaths.chat, bytes, { 'content-encoding': encoding })).status, 200)
      const damaged = await scene.post(doorPaths.chat, Buffer.from(body), { 'content-encoding': encoding })
      assert.equal(damaged.status, 400)
    }
    const bomb = gzipSync(Buffer.alloc(200 << 20))
    assert.equal((await scene.post(doorPaths.chat, bomb, { 'content-encoding': 'gzip' })).status, 413)
    assert.equal((await scene.post(doorPaths.chat, body, { 'content-encoding': 'rot13' })).status, 400)
  })

  it('larger than the limit are refused before they are read, and while they are', async () => {
    const declared = scene.open(doorPaths.chat, { 'content-length': 1 << 30 })
    const status = new Promise((resolve) => declared.on('response', (response) => resolve(response.statusCode)))
    declared.write('{')
    assert.equal(await status, 413)
    declared.destroy()
    const endless = scene.open(doorPaths.messages)
    const refused = new Promise((resolve) => endless.on('response', (response) => resolve(response.statusCode)))
    const spaces = Readable.from(Array.from({ length: 200 }, () => Buffer.alloc(1 << 20, 0x20)))
    spaces.pipe(endless)
    void refused.then(() => spaces.destroy())
    assert.equal(await refused, 413)
    endless.destroy()
  })
})

describe('a request of 32 MB', () => {
  it('is carried at every pair, same protocol and translated', async () => {
    const scene = await startScene({
      script: (request) => ({ text: `${request.bytes.length}`, usage: { inputTokens: 8_000_000, outputTokens: 3 } }),
    })
    try {
      const text = 'thirty-two megabytes of prose. '.repeat((32 << 20) / 31)
      for (const [door, far] of pairs) {
        const begunAt = performance.now()
        const heard = await scene.ask(door, far, true, text)
        const story = `${door} to ${far}`
        assert.equal(assertOneEnd(door, heard, story), 'ok')
        const arrived = scene.upstream.requests.at(-1)!
        assert.ok(arrived.bytes.length > text.length, story)
        if (door === far)
          assert.equal(
            arrived.bytes.length,
            JSON.stringify(bodyFor(door, `to-${far}`, true, text)).length +
              (door === 'chat' ? ',"stream_options":{"include_usage":true}'.length : 0),
          )
        console.log(`32 MB ${story}: ${(performance.now() - begunAt).toFixed(0)} ms`)
        scene.upstream.clear()
      }
    } finally {
      await scene.close()
    }
  })
})

describe('requests that are no proper HTTP', () => {
  let scene: Scene
  before(async () => {
    scene = await startScene({
      config: { limits: { bodyBytes: 64 << 20, bodyMs: 200, clientStallMs: 300_000, drainMs: 30_000 } },
    })
  })
  after(() => scene.close())

  /** Speaks raw bytes, hears what comes until the gateway closes or falls silent. */
  async function speak(bytes: string | Buffer, end = false, waitMs = 1500): Promise<string> {
    const { hostname, port } = new URL(scene.url)
    const socket = connect(Number(port), hostname)
    let text = ''
    socket.on('error', () => {})
    socket.on('data', (chunk) => (text += chunk.toString('latin1')))
    socket.write(bytes)
    if (end) socket.end()
    const deadline = performance.now() + waitMs
    while (!socket.closed && performance.now() < deadline && !/\r\n\r\n[^]*[}\]]$/.test(text)) await sleep(2)
    socket.destroy()
    return text
  }
  const head = (extra: string): string =>
    `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: ${scene.authorization.authorization}\r\n${extra}\r\n`

  it('get a 400, 431 or 408, or a closed door, and no row', async () => {
    for (const bytes of [
      'nonsense\r\n\r\n',
      'GET\r\n\r\n',
      '\u0016\u0003\u0001\u0002\u0000',
      'POST /v1/chat/completions HTTP/9.9\r\n\r\n',
      'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nbad header line\r\n\r\n',
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-huge: ${'a'.repeat(100_000)}\r\n\r\n`,
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n${'x-many: a\r\n'.repeat(20_000)}\r\n`,
      `POST /${'a'.repeat(100_000)} HTTP/1.1\r\nhost: x\r\n\r\n`,
      'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      'POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: abc\r\n\r\n',
      'POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 0\r\n\r\n',
    ]) {
      const text = await speak(bytes)
      assert.match(text, /^(HTTP\/1\.1 (400|431|408|505)|$)/, JSON.stringify(bytes.slice(0, 60)))
    }
    await scene.peace()
  })

  it('wrong methods and paths are told so in the words of their dialect, without a row', async () => {
    for (const path of Object.values(doorPaths))
      for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS']) {
        const response = await fetch(scene.url + path, { method, headers: scene.authorization })
        assert.equal(response.status, 405, `${method} ${path}`)
        assert.equal(response.headers.get('allow'), 'POST')
        await response.text()
      }
    for (const path of [
      '/',
      '/v2/chat',
      '/v1/models/%zz',
      '//',
      '/v1/messages/../../etc/passwd',
      `/${'x'.repeat(8000)}`,
    ]) {
      const response = await fetch(scene.url + path, { method: 'POST', headers: scene.authorization, body: '{}' })
      assert.ok([404, 405].includes(response.status), `${path}: ${response.status}`)
      await response.text()
    }
    await scene.peace()
  })

  it('a chunked body that turns to garbage ends its request: one row, nothing sent', async () => {
    const before = scene.upstream.requests.length
    for (const garbage of ['5\r\n{"mod\r\nZZZ\r\n', '5;ext\r\n{"modXX', 'FFFFFFFFFFFFFFFFF\r\n', '-5\r\n']) {
      scene.asked++
      const text = await speak(head('transfer-encoding: chunked\r\n') + garbage)
      assert.match(text, /^(HTTP\/1\.1 (400|408)|$)/, text)
      await scene.peace()
    }
    assert.equal(scene.upstream.requests.length, before)
  })

  it('an upload that stops half-way, closed or silent, ends as one row, and nothing is sent', async () => {
    const before = scene.upstream.requests.length
    for (const end of [true, false]) {
      scene.asked++
      const text = await speak(`${head('content-length: 5000\r\n')}{"model":"to-chat",`, end)
      if (!end) {
        assert.match(text, /^HTTP\/1\.1 408/)
        assert.match(text, /GATEWAY_BODY_TIMEOUT/)
      }
      await scene.peace()
    }
    assert.equal(scene.upstream.requests.length, before)
    assert.deepEqual(
      scene
        .newRows()
        .slice(-2)
        .map((row) => row.status),
      ['aborted', 'refused'],
    )
  })

  it('garbage behind a request never gets into its answer', async () => {
    scene.answer(() => ({ text: 'slow words '.repeat(60), chunkDelayMs: 3 }))
    const body = JSON.stringify(bodyFor('chat', 'to-chat', true))
    const { hostname, port } = new URL(scene.url)
    const socket = connect(Number(port), hostname)
    let text = ''
    let closed = false
    socket.on('error', () => {})
    socket.on('close', () => (closed = true))
    socket.on('data', (chunk) => (text += chunk.toString('latin1')))
    scene.asked++
    socket.write(`${head(`content-length: ${body.length}\r\n`)}${body}`)
    await until(() => text.includes('slow'))
    socket.write('\u0000\u0001 garbage \r\n\r\n')
    await until(() => closed, 3000, 'the end of the connection')
    assert.equal(text.match(/HTTP\/1\.1/g)!.length, 1, text.slice(-300))
    await scene.peace()
  })

  it('a head that trickles in holds nothing up', async () => {
    const { hostname, port } = new URL(scene.url)
    const sockets = Array.from({ length: 100 }, () => connect(Number(port), hostname).on('error', () => {}))
    for (const socket of sockets) socket.write('POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-slow: ')
    scene.answer(() => ({ text: 'PONG' }))
    assert.equal((await scene.ask('chat', 'chat', false)).status, 200)
    for (const socket of sockets) socket.destroy()
  })
})
