/** Upstreams that answer in ways nobody asked for: compressed, announced, endless, mismeasured, or with a refusal. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import type { Answer } from '@portolan-testing/mock-upstream'
import { protocols, type Protocol } from '@portolan/wire'
import { route, startFixture } from '../fixture.ts'
import { pour, startRawServer, type RawServer } from './raw-server.ts'
import {
  assertErrorBody,
  assertOneEnd,
  doorPaths,
  bodyFor,
  pairs,
  startScene,
  until,
  worst,
  type Scene,
} from './scene.ts'

const compressors = {
  gzip: gzipSync,
  'x-gzip': gzipSync,
  deflate: deflateSync,
  br: brotliCompressSync,
  zstd: zstdCompressSync,
} as const

describe('an upstream that compresses although identity was asked', () => {
  let scene: Scene
  const plain = new Map<string, string>()
  before(async () => {
    scene = await startScene({ script: () => ({ text: 'Compressed PONG, 航海. '.repeat(40) }) })
    for (const far of protocols)
      for (const stream of [true, false]) plain.set(`${far} ${stream}`, (await scene.ask(far, far, stream)).text)
  })
  after(() => scene.close())

  /** The far protocol's own bytes, compressed and cut into pieces. */
  const squeezed = (far: Protocol, stream: boolean, encoding: keyof typeof compressors, pieceBytes: number): Answer => {
    const bytes = compressors[encoding](Buffer.from(plain.get(`${far} ${stream}`)!))
    const chunks: Buffer[] = []
    for (let at = 0; at < bytes.length; at += pieceBytes) chunks.push(bytes.subarray(at, at + pieceBytes))
    return {
      raw: {
        status: 200,
        headers: {
          'content-type': stream ? 'text/event-stream' : 'application/json',
          'content-encoding': encoding,
          connection: 'close',
        },
        chunks,
      },
    }
  }

  for (const encoding of Object.keys(compressors) as (keyof typeof compressors)[])
    it(`is read all the same: ${encoding}, in pieces of 7 and of 100,000 bytes`, async () => {
      for (const stream of [true, false])
        for (const pieceBytes of [7, 100_000]) {
          scene.answer((request) => squeezed(request.protocol as Protocol, stream, encoding, pieceBytes))
          const heard = await Promise.all(pairs.map(([door, far]) => scene.ask(door, far, stream)))
          for (const [index, [door, far]] of pairs.entries()) {
            const { text, status, headers } = heard[index]!
            const story = `${door} to ${far}, ${encoding}, ${stream ? 'streamed' : 'whole'}`
            assert.equal(status, 200, story)
            assert.equal(headers['content-encoding'], undefined, story)
            assert.match(text, /航海/, story)
            if (stream) assert.equal(assertOneEnd(door, heard[index]!, story), 'ok')
            if (door === far) assert.equal(text, plain.get(`${far} ${stream}`), story)
          }
        }
      await scene.peace()
      // The Chat stream was learnt without its usage chunk, as callers see it who did not ask for one.
      for (const row of scene.newRows())
        assert.ok(row.status === 'ok' && (row.usage.source === 'reported' || row.upstreamProtocol === 'chat'))
    })

  it('is an error of the upstream when the compressed answer is cut, damaged, or no such thing', async () => {
    for (const encoding of Object.keys(compressors) as (keyof typeof compressors)[])
      for (const stream of [true, false])
        for (const harm of ['cut', 'damaged', 'not compressed at all'] as const) {
          scene.heal()
          scene.answer((request) => {
            const answer = squeezed(request.protocol as Protocol, stream, encoding, 1 << 20)
            let bytes = Buffer.from(answer.raw!.chunks[0] as Buffer)
            if (harm === 'cut') bytes = bytes.subarray(0, Math.floor(bytes.length * 0.6))
            else if (harm === 'damaged')
              bytes.fill(0xff, Math.floor(bytes.length / 3), Math.floor(bytes.length / 3) + 40)
            else bytes = Buffer.from(plain.get(`${request.protocol} ${stream}`)!)
            return { raw: { ...answer.raw!, chunks: [bytes] } }
          })
          const heard = await Promise.all(pairs.map(([door, far]) => scene.ask(door, far, stream)))
          for (const [index, [door, far]] of pairs.entries()) {
            const story = `${door} to ${far}, ${encoding} ${harm}, ${stream ? 'streamed' : 'whole'}`
            if (stream) assert.notEqual(assertOneEnd(door, heard[index]!, story), 'ok')
            else {
              assert.ok(heard[index]!.status >= 500, story)
              assertErrorBody(door, heard[index]!.text, story)
            }
          }
        }
    await scene.peace()
    scene.newRows()
  })

  it('is an error of the upstream when nobody knows the encoding', async () => {
    for (const stream of [true, false]) {
      scene.heal()
      scene.answer((request) => {
        const answer = squeezed(request.protocol as Protocol, stream, 'gzip', 1 << 20)
        return { raw: { ...answer.raw!, headers: { ...answer.raw!.headers, 'content-encoding': 'compress' } } }
      })
      for (const [door, far] of pairs) {
        const heard = await scene.ask(door, far, stream)
        assert.ok(heard.status >= 500, `${door} to ${far}, ${stream}: ${heard.status} ${heard.text.slice(0, 200)}`)
        assertErrorBody(door, heard.text, `${door} to ${far}`)
      }
    }
  })
})

describe('an upstream that breaks HTTP itself', () => {
  let raw: RawServer
  let scene: Scene
  before(async () => {
    raw = await startRawServer()
    scene = await startScene({ target: raw.url, timeouts: { firstByteMs: 1500, idleMs: 400 } })
  })
  after(async () => {
    await scene.close()
    await raw.close()
  })

  const whole =
    '{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"PONG"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}'
  const head = (length: number, extra = ''): string =>
    `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\nconnection: close\r\n${extra}\r\n`
  const ask = async (door: Protocol = 'chat', stream = false) => {
    scene.heal()
    return scene.ask(door, 'chat', stream)
  }

  for (const [name, heads] of [
    [
      'early hints and processing',
      'HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n',
    ],
    ['forty announcements', 'HTTP/1.1 103 Early Hints\r\nx-a: b\r\n\r\n'.repeat(40)],
  ] as const)
    it(`waits for the answer behind 1xx heads: ${name}`, async () => {
      for (const door of protocols) {
        raw.say((socket) => {
          socket.write(heads)
          setTimeout(() => socket.end(head(whole.length) + whole), 20)
        })
        const { status, text } = await ask(door)
        assert.equal(status, 200, text)
        assert.match(text, /PONG/)
      }
    })

  it('gives up on announcements without end, after the time to the first byte', async () => {
    raw.say((socket) => {
      const timer = setInterval(() => socket.write('HTTP/1.1 103 Early Hints\r\nx-a: b\r\n\r\n'), 5)
      socket.on('close', () => clearInterval(timer))
    })
    const { status, text } = await ask()
    assert.equal(status, 504, text)
    await until(() => raw.open() === 0, 500, 'the upstream connection being dropped')
  })

  it('says an error when the upstream announces `100 Continue`, which nobody asked for, or upgrades', async () => {
    for (const first of ['HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n']) {
      raw.say((socket) => socket.end(first + head(whole.length) + whole))
      const { status, text } = await ask()
      if (status !== 200) assertErrorBody('chat', text, first)
      else assert.match(text, /PONG/)
    }
  })

  for (const [name, bytes] of [
    ['header lines', `x-filler: ${'a'.repeat(1000)}\r\n`],
    ['one header', 'a'.repeat(1000)],
  ] as const)
    it(`drops an upstream whose head never ends: ${name}`, async () => {
      const before = raw.written()
      raw.say((socket) => {
        socket.write('HTTP/1.1 200 OK\r\nx-first: ')
        pour(socket, bytes)
      })
      const { status, text } = await ask()
      assert.equal(status, 502, text)
      assertErrorBody('chat', text, name)
      await until(() => raw.open() === 0, 500, 'the upstream connection being dropped')
      assert.ok(raw.written() - before < 64 << 20, 'no more was taken than sockets buffer')
    })

  it('drops an upstream whose status line never ends', async () => {
    raw.say((socket) => {
      socket.write('HTTP/1.1 200 ')
      pour(socket, 'O'.repeat(1000))
    })
    const { status, text } = await ask()
    assert.ok(status >= 500, text)
    await until(() => raw.open() === 0, 2500, 'the upstream connection being dropped')
  })

  it('takes exactly the declared length of an answer that is longer', async () => {
    raw.say((socket) => socket.end(`${head(whole.length)}${whole}and a tail that nobody declared`))
    for (const door of protocols) {
      const { status, text } = await ask(door)
      assert.equal(status, 200, text)
      assert.doesNotMatch(text, /nobody declared/)
    }
  })

  it('says an error when an answer is shorter than declared, whether the connection ends or stays', async () => {
    for (const ends of [true, false]) {
      raw.say((socket) => {
        socket.write(head(whole.length + 100) + whole)
        if (ends) socket.end()
      })
      const heard = await Promise.all(protocols.map((door) => ask(door)))
      for (const [index, door] of protocols.entries()) {
        assert.ok(heard[index]!.status >= 500, heard[index]!.text)
        assertErrorBody(door, heard[index]!.text, `ends: ${ends}`)
      }
    }
  })

  it('says an error when the answer is no HTTP at all, empty, or contradicts itself', async () => {
    const answers = [
      '',
      '\r\n\r\n\r\n',
      'SSH-2.0-OpenSSH_9.9\r\n',
      '\u0015\u0003\u0001\u0000\u0002\u0002F',
      'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello',
      'HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nhello',
      'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\nnot-a-size\r\n',
      'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n',
      'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n[1,2',
      'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\nnull',
      'HTTP/1.1 204 No Content\r\n\r\n',
      'HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n',
      'HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n',
    ]
    for (const answer of answers) {
      raw.say((socket) => socket.end(Buffer.from(answer, 'latin1')))
      await Promise.all(
        protocols.flatMap((door) =>
          [false, true].map(async (stream) => {
            const heard = await ask(door, stream)
            const story = `${door}, ${stream ? 'stream' : 'whole'}, ${JSON.stringify(answer.slice(0, 80))}`
            assert.ok(heard.status >= 400, `${story}: ${heard.status} ${heard.text.slice(0, 200)}`)
            assertErrorBody(door, heard.text, story)
          }),
        ),
      )
    }
  })

  it('passes headers on only where they are sound, and never fails over their content', async () => {
    const odd = [
      'x-request-id: caf\xe9 \x80\xff',
      'retry-after: soon\x09enough',
      `x-ratelimit-odd: ${'\xe8\x88\xaa'.repeat(20)}`,
      'x-ratelimit-twice: 1',
      'x-ratelimit-twice: 2',
      'content-type: text/html',
      'set-cookie: a=b',
      '__proto__: x',
    ].join('\r\n')
    raw.say((socket) => socket.end(Buffer.from(head(whole.length, `${odd}\r\n`) + whole, 'latin1')))
    const { status, headers, text } = await ask()
    assert.equal(status, 200, text)
    assert.equal(headers['set-cookie'], undefined)
  })

  // The rest of an error page was once thrown away for as long as it came: the caller waited for ever.
  for (const status of [500, 400, 302])
    it(`answers while the body of a ${status} has no end`, async () => {
      for (const door of protocols) {
        raw.say((socket) => {
          socket.write(`HTTP/1.1 ${status} Odd\r\ncontent-type: text/html\r\n\r\n`)
          pour(socket, '<p>an error page without end</p>\n'.repeat(100))
        })
        const heard = await ask(door)
        assert.ok(heard.status >= 400)
        assertErrorBody(door, heard.text, door)
        await until(() => raw.open() === 0, 1500, 'the upstream connection being dropped')
      }
    })

  // A refused attempt used to leave its upstream talking into the void.
  it('drops an upstream that talks on after its answer was refused', async () => {
    for (const door of protocols) {
      raw.say((socket) => {
        socket.write(
          'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {"error":{"message":"no","type":"server_error"}}\n\n',
        )
        const timer = setInterval(() => socket.write(': still here\n\n'), 20)
        socket.on('close', () => clearInterval(timer))
      })
      const heard = await ask(door, true)
      assert.ok(heard.status >= 500, heard.text)
      await until(() => raw.open() === 0, 1500, 'the upstream connection being dropped')
    }
  })

  it('refuses one event without end, and leaves its upstream', async () => {
    raw.say((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {"choices":[{"delta":{"content":"')
      pour(socket, 'x'.repeat(1 << 16))
    })
    const heard = await ask('chat', true)
    assert.notEqual(assertOneEnd('chat', heard, 'an event without end'), 'ok')
    await until(() => raw.open() === 0, 1500, 'the upstream connection being dropped')
  })

  // A whole answer whose head has gone (blank lines while it waited) cannot become an error any more, and a
  // proper end would pass for an empty answer.
  it('breaks the connection when a whole answer fails after its head went out', async () => {
    raw.say((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n\n')
      setTimeout(() => socket.resetAndDestroy(), 60)
    })
    const heard = await ask()
    assert.deepEqual([heard.status, heard.text.trim(), heard.broken], [200, '', true])
  })

  it('streams to a caller who asked for it although the upstream sends blank lines and then one JSON', async () => {
    for (const door of protocols) {
      raw.say((socket) => {
        socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n\n')
        setTimeout(() => socket.end(whole), 30)
      })
      const heard = await ask(door, true)
      assert.equal(assertOneEnd(door, heard, door), 'ok')
      assert.match(String(heard.headers['content-type']), /event-stream/)
    }
  })
})

describe('an upstream that says 429', () => {
  it('is passed on at every door, with its retry-after where there is one', async () => {
    const scene = await startScene()
    try {
      for (const retryAfter of [30, undefined, 'Wed, 21 Oct 2099 07:28:00 GMT', 'nonsense'])
        for (const stream of [true, false]) {
          scene.heal()
          scene.answer(() => ({ error: { status: 429, retryAfter } }))
          const heard = await Promise.all(pairs.map(([door, far]) => scene.ask(door, far, stream)))
          for (const [index, [door, far]] of pairs.entries()) {
            const { status, headers, text } = heard[index]!
            const story = `${door} to ${far}, retry-after ${retryAfter}`
            assert.equal(status, 429, story)
            assertErrorBody(door, text, story)
            if (retryAfter !== undefined && retryAfter !== 'nonsense')
              assert.equal(headers['retry-after'], String(retryAfter), story)
          }
          await scene.peace()
          const rows = scene.newRows()
          assert.ok(rows.every((row) => row.status === 'error'))
          // Without a word on when, it is asked once more (where the retry budget allows); a long wait is the
          // caller's to decide.
          const known = retryAfter !== undefined && retryAfter !== 'nonsense'
          assert.equal(worst(rows.map((row) => row.attempts)), known ? 1 : 2)
        }
    } finally {
      await scene.close()
    }
  })

  it('is waited for when it asks for a second, and the answer comes', async () => {
    let left = 3
    const scene = await startScene({
      script: () => (left-- > 0 ? { error: { status: 429, retryAfter: 1 } } : { text: 'PONG' }),
    })
    try {
      const heard = await Promise.all(protocols.map((door) => scene.ask(door, 'chat', true)))
      for (const [index, door] of protocols.entries()) assert.equal(assertOneEnd(door, heard[index]!, door), 'ok')
    } finally {
      await scene.close()
    }
  })
})

describe('a model name in another script', () => {
  // Headers are ASCII: the name of the model in `x-portolan-model` once broke the answer, not the header.
  it('is served, streamed and whole', async () => {
    const raw = await startRawServer()
    const running = await startFixture({
      upstreams: [{ name: 'far', kind: 'openai-compatible', baseUrl: raw.url }],
      models: [route('航海-模型', 'far')],
    })
    try {
      const chunk = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm' }
      const events = [
        { ...chunk, choices: [{ index: 0, delta: { role: 'assistant', content: 'PONG' }, finish_reason: null }] },
        { ...chunk, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
      ]
      raw.say((socket) =>
        socket.end(
          `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n${events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')}data: [DONE]\n\n`,
        ),
      )
      for (const door of protocols)
        for (const stream of [true, false]) {
          const response = await fetch(running.url + doorPaths[door], {
            method: 'POST',
            headers: { authorization: `Bearer ${running.key}` },
            body: JSON.stringify(bodyFor(door, '航海-模型', stream)),
            signal: AbortSignal.timeout(3000),
          })
          const text = await response.text()
          assert.equal(response.status, 200, `${door}, ${stream}: ${text}`)
          assert.match(text, /PONG/)
        }
      await running.settled(6)
    } finally {
      await running.close()
      await raw.close()
    }
  })
})
