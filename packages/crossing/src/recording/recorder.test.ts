import { after, describe, it } from 'node:test'
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Exchange } from '../records/index.ts'
import { plantedSecrets } from './redaction/planted.test-support.ts'
import { Random } from './redaction/random.test-support.ts'
import { chatAnswer, RecordingRoom, startMs } from './recorder.test-support.ts'

type Message = Record<string, unknown>

const rooms: RecordingRoom[] = []
function room(options: ConstructorParameters<typeof RecordingRoom>[0] = {}): RecordingRoom {
  const made = new RecordingRoom(options)
  rooms.push(made)
  return made
}
after(() => {
  for (const made of rooms) made.close()
})

const ask = (text: string): Message => ({ role: 'user', content: text })
const say = (text: string): Message => ({ role: 'assistant', content: text })

function exchangesOf({ recordings }: RecordingRoom, recordingId: string): Exchange[] {
  return [...recordings.sessions(recordingId)].flatMap((session) => recordings.exchanges(session.id))
}

/** Every byte under the folder. */
function allBytes(directory: string): Buffer {
  return Buffer.concat(
    readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name))),
  )
}

describe('figures of a session', () => {
  it('are its exchanges without what lies encrypted, and stay readable when that was erased', () => {
    const here = room()
    const { id } = here.start('redacted')
    const opening = { messages: [ask('One')] }
    const going = { messages: [ask('One'), say('First'), ask('Two')] }
    here.recorder.record([here.captured(id, opening, chatAnswer({ content: 'First' }))])
    here.recorder.record([here.captured(id, going, chatAnswer({ content: 'Second' }))])
    const [session] = [...here.recordings.sessions(id)]
    const whole = here.recordings.exchanges(session!.id)
    const wordless = whole.map((exchange) => ({ ...exchange, prompt: null, content: null, redactions: null }))
    assert.equal(whole.length, 2)
    assert.deepEqual(here.recordings.figures(session!.id), wordless)
    here.recordings.erase({ sessionId: session!.id }, startMs)
    assert.throws(() => here.recordings.exchanges(session!.id), { code: 'CROSSING_ERASED' })
    assert.deepEqual(here.recordings.figures(session!.id), wordless)
  })
})

describe('sessions without client ids (check 4)', () => {
  it('puts at least 99 % of the exchanges of 100 interleaved conversations into the right session', () => {
    const here = room()
    const { id } = here.start('full')
    const random = new Random(4)
    const conversations = Array.from({ length: 100 }, (_unused, number) => ({
      number,
      // A third opens with the same words as others do.
      messages: [ask(number % 3 === 0 ? 'Hello' : `Question ${number}`)] as Message[],
      turns: 3 + random.below(6),
    }))
    const owner = new Map<string, number>()
    const open = [...conversations]
    let request = 0
    while (open.length > 0) {
      const place = random.below(open.length)
      const talk = open[place]!
      const requestId = `r${request++}`
      owner.set(requestId, talk.number)
      const withCall = random.below(3) === 0
      const answer: Message = withCall
        ? {
            content: null,
            tool_calls: [
              {
                id: `call_${request}`,
                type: 'function',
                function: { name: 'look', arguments: `{"b":${request}, "a": 1.0}` },
              },
            ],
          }
        : { content: `Answer ${request} to ${talk.number}.\n` }
      here.recorder.record([
        here.captured(id, { messages: talk.messages, date: request }, chatAnswer(answer), { requestId }),
      ])
      // Clients reshape what was said: white space, spelling of arguments, ids, a changed system message.
      talk.messages = [
        { role: 'system', content: `It is ${request} o'clock.` },
        ...talk.messages.filter((message) => message['role'] !== 'system'),
        ...(withCall
          ? [
              {
                role: 'assistant',
                content: '',
                tool_calls: [
                  {
                    id: `mine_${request}`,
                    type: 'function',
                    function: { name: 'look', arguments: `{"a":1,"b":${request}}` },
                  },
                ],
              },
              { role: 'tool', tool_call_id: `mine_${request}`, content: `result ${request}` },
            ]
          : [
              { role: 'assistant', content: [{ type: 'text', text: `Answer ${request} to ${talk.number}.` }] },
              ask(`More ${request}`),
            ]),
      ]
      talk.turns--
      if (talk.turns === 0) open.splice(place, 1)
    }
    let right = 0
    const sessionsByTalk = new Map<number, Set<string>>()
    for (const session of here.recordings.sessions(id)) {
      const exchanges = here.recordings.exchanges(session.id)
      const first = owner.get(exchanges[0]!.requestId)!
      sessionsByTalk.set(first, (sessionsByTalk.get(first) ?? new Set()).add(session.id))
      right += exchanges.filter((exchange) => owner.get(exchange.requestId) === first).length
    }
    // Split conversations are wrong as well: each talk has one session.
    const split = [...sessionsByTalk.values()].reduce((sum, ids) => sum + ids.size - 1, 0)
    const share = (right - split) / owner.size
    assert.ok(share >= 0.99, `${(share * 100).toFixed(2)} % of ${owner.size}`)
    assert.equal([...here.recordings.sessions(id)].length, 100)
  })

  it('keeps more equal conversations apart than it looks at, and each goes on once', () => {
    // A health check sends the same words all day; a load test holds hundreds of equal conversations open.
    const here = room()
    const { id } = here.start('hashes')
    const talks = 150
    const opening = { messages: [ask('ping')] }
    const going = { messages: [...opening.messages, say('pong'), ask('again')] }
    for (const body of [opening, going])
      for (let n = 0; n < talks; n++) here.recorder.record([here.captured(id, body, chatAnswer({ content: 'pong' }))])
    const sessions = [...here.recordings.sessions(id)]
    assert.equal(sessions.length, talks)
    assert.ok(sessions.every(({ exchanges, forkedFrom }) => exchanges === 2 && forkedFrom === null))
  })

  it('opens a fork for an edited history, and shares the draw of where it came from', () => {
    const here = room()
    const { id } = here.start('full')
    const first = [ask('One')]
    const second = [...first, say('First answer'), ask('Two')]
    here.recorder.record([
      here.captured(id, { messages: first }, chatAnswer({ content: 'First answer' })),
      here.captured(id, { messages: second }, chatAnswer({ content: 'Second answer' })),
      here.captured(
        id,
        { messages: [...first, say('First answer'), ask('Two, but edited')] },
        chatAnswer({ content: 'Other' }),
      ),
      here.captured(
        id,
        { messages: [...second, say('Second answer'), ask('Three')] },
        chatAnswer({ content: 'Third answer' }),
      ),
    ])
    const sessions = [...here.recordings.sessions(id)]
    assert.deepEqual(
      sessions.map((session) => [
        session.exchanges,
        session.forkedFrom?.sessionId ?? null,
        session.forkedFrom?.seq ?? null,
      ]),
      [
        [3, null, null],
        [1, sessions[0]!.id, 0],
      ],
    )
    assert.deepEqual(
      here.recordings.exchanges(sessions[0]!.id).map((exchange) => exchange.parentSeq),
      [null, 0, 1],
    )
  })

  it('keeps a question asked again after a failure in its session', () => {
    const here = room()
    const { id } = here.start('hashes')
    const messages = [ask('Is anybody there?')]
    here.recorder.record([
      here.captured(id, { messages }, null, { status: 'error', httpStatus: 502 }),
      here.captured(id, { messages }, chatAnswer({ content: 'Yes.' })),
      here.captured(id, { messages: [...messages, say('Yes.'), ask('Good.')] }, chatAnswer({ content: 'Bye.' })),
    ])
    const sessions = [...here.recordings.sessions(id)]
    assert.deepEqual(
      sessions.map((session) => session.exchanges),
      [3],
    )
    assert.deepEqual(
      here.recordings.exchanges(sessions[0]!.id).map((exchange) => exchange.parentSeq),
      [null, null, 1],
    )
  })

  it('believes a client that names its conversation, and never joins two keys or two end users', () => {
    const here = room()
    const { id } = here.start('full')
    const named = (name: string, text: string): ReturnType<RecordingRoom['captured']> => ({
      ...here.captured(id, { messages: [ask(text)] }, chatAnswer({ content: 'ok' })),
      clientSession: { evidence: 'header', name },
    })
    here.recorder.record([named('s1', 'a'), named('s2', 'b'), named('s1', 'unlike before')])
    const chat = [ask('Hi'), say('Hello you'), ask('And')]
    for (const key of ['key_a', 'key_b'])
      for (const user of ['ada', 'bob'])
        here.recorder.record([
          here.captured(id, { user, messages: chat.slice(0, 1) }, chatAnswer({ content: 'Hello you' }), { keyId: key }),
          here.captured(id, { user, messages: chat }, chatAnswer({ content: 'x' }), { keyId: key }),
        ])
    assert.deepEqual(
      [...here.recordings.sessions(id)].map((session) => session.exchanges),
      [2, 1, 2, 2, 2, 2],
    )
  })
})

describe('levels', () => {
  it('keep no more than they say', () => {
    const here = room()
    const body = { messages: [ask('A very particular sentence.')], user: 'ada@example.com' }
    for (const level of ['metrics', 'hashes', 'redacted', 'full'] as const) {
      const recording = here.start(level)
      here.recorder.record([here.captured(recording.id, body, chatAnswer({ content: 'Quite another sentence.' }))])
      here.recordings.stop(recording.id, startMs + 1)
      const [exchange] = exchangesOf(here, recording.id)
      assert.equal(exchange!.costNanos, 1_234_567n)
      assert.equal(exchange!.prompt !== null, level !== 'metrics')
      assert.equal(exchange!.content !== null, level === 'redacted' || level === 'full')
      if (level === 'redacted') assert.match(exchange!.content!.request.endUser!, /^<EMAIL_\w{8}>$/)
      if (level === 'full') assert.equal(exchange!.content!.response!.items[0]!.kind, 'assistant-text')
      if (level === 'hashes')
        assert.doesNotMatch(
          JSON.stringify(exchange, (_k, v) => (typeof v === 'bigint' ? String(v) : v)),
          /sentence/,
        )
    }
    assert.equal(allBytes(here.directory).indexOf('sentence'), -1)
  })

  it('redacted: none of 200 planted secrets is anywhere under the folder or in what is read back (check 2)', () => {
    const planted = plantedSecrets(2)
    const here = room({
      rules: { terms: planted.flatMap(({ class: name, value }) => (name === 'TERM' ? [value] : [])), fields: [] },
    })
    const { id } = here.start('redacted')
    const pseudonyms = new Map<string, Set<string>>()
    planted.forEach(({ value }, i) => {
      const call = {
        id: `c${i}`,
        type: 'function',
        function: { name: 'find', arguments: JSON.stringify({ q: value }) },
      }
      const first = [ask(`Case ${i}: ${value} please`)]
      const answer = { content: null, tool_calls: [call] }
      here.recorder.record([
        here.captured(id, { messages: first, metadata: { v: value } }, chatAnswer(answer)),
        here.captured(
          id,
          {
            messages: [
              ...first,
              { role: 'assistant', ...answer },
              { role: 'tool', tool_call_id: `c${i}`, content: JSON.stringify([{ hit: value }]) },
            ],
          },
          chatAnswer({ content: `It is ${value}` }),
        ),
      ])
      pseudonyms.set(value, new Set())
    })
    here.recordings.stop(id, startMs + 1)
    const disk = allBytes(here.directory)
    const read = JSON.stringify(exchangesOf(here, id), (_name, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value,
    )
    assert.deepEqual(
      planted.filter(({ value }) => disk.includes(value) || read.includes(value)),
      [],
    )
    const sessions = [...here.recordings.sessions(id)]
    assert.equal(sessions.length, 200)
    for (const session of sessions) {
      const text = JSON.stringify(here.recordings.exchanges(session.id).map((exchange) => exchange.content))
      assert.equal(new Set(text.match(/<[A-Z]+_\w{8}>/g)).size, 1, text.slice(0, 300))
    }
  })
})

describe('encryption and erasure (check 3)', () => {
  it('makes one subject unreadable by destroying its key and leaves the others', () => {
    const here = room()
    const { id } = here.start('full')
    for (const user of ['ada', 'bob'])
      here.recorder.record([
        here.captured(id, { user, messages: [ask(`I am ${user}`)] }, chatAnswer({ content: 'Hello' })),
      ])
    const [ada, bob] = [...here.recordings.sessions(id)]
    const wrapped = here.database.one('SELECT wrapped FROM subjects WHERE subject = ?', ada!.subject)![
      'wrapped'
    ] as Uint8Array
    here.recorder.flush()
    assert.notEqual(allBytes(here.directory).indexOf(wrapped), -1)
    assert.deepEqual(here.recordings.erase({ keyId: 'key_a', endUser: 'ada' }, startMs), { subjects: 1, sessions: 1 })
    assert.throws(() => here.recordings.exchanges(ada!.id), { code: 'CROSSING_ERASED' })
    assert.equal(here.recordings.exchanges(bob!.id)[0]!.content!.request.endUser, 'bob')
    // Not even the wrapped key is left in the files.
    assert.equal(allBytes(here.directory).indexOf(wrapped), -1)
    // Nor does the running recorder go on for this subject.
    const later = here.recorder.record([here.captured(id, { user: 'ada', messages: [ask('Again')] }, null)])
    assert.deepEqual(later.dropped, { 'erased-subject': 1 })
    assert.throws(() => here.recordings.erase({ keyId: 'key_a', endUser: 'nobody' }, startMs), {
      code: 'CROSSING_NOT_FOUND',
    })
  })

  it('refuses a flipped bit and a record put in the place of another', () => {
    const here = room()
    const { id } = here.start('full')
    const first = [ask('One')]
    here.recorder.record([
      here.captured(id, { messages: first }, chatAnswer({ content: 'A' })),
      here.captured(id, { messages: [ask('Something else')] }, chatAnswer({ content: 'B' })),
    ])
    const [one, two] = [...here.recordings.sessions(id)]
    const row = here.database.one('SELECT file, offset, length FROM exchanges WHERE session = 1')!
    const path = join(here.directory, 'segments', id, String(row['file']))
    const bytes = readFileSync(path)
    bytes[Number(row['offset']) + 40]! ^= 1
    writeFileSync(path, bytes)
    assert.throws(() => here.recordings.exchanges(one!.id), { code: 'CROSSING_DAMAGED' })
    assert.equal(here.recordings.exchanges(two!.id).length, 1)
    here.database.run(
      'UPDATE exchanges SET offset = ?, length = ? WHERE session = 2',
      Number(row['offset']),
      Number(row['length']),
    )
    assert.throws(() => here.recordings.exchanges(two!.id), { code: 'CROSSING_DAMAGED' })
  })
})

describe('sampling', () => {
  it('takes whole sessions, at the probability of their stratum, and says what it left out', () => {
    const here = room()
    const { id } = here.start('hashes', {
      sampling: { probability: 0.2, strata: [{ when: { tools: true }, probability: 1 }] },
    })
    const tools = [{ type: 'function', function: { name: 't', parameters: {} } }]
    for (let i = 0; i < 300; i++) {
      const first = [ask(`q${i}`)]
      const more = i % 10 === 0 ? { tools } : {}
      here.recorder.record([
        here.captured(id, { ...more, messages: first }, chatAnswer({ content: `a${i}` })),
        here.captured(id, { ...more, messages: [...first, say(`a${i}`), ask('more')] }, chatAnswer({ content: 'b' })),
      ])
    }
    const sessions = [...here.recordings.sessions(id)]
    assert.equal(sessions.filter((session) => session.stratum.tools).length, 30)
    const plain = sessions.filter((session) => !session.stratum.tools)
    assert.ok(plain.length > 30 && plain.length < 80, `${plain.length} of 270`)
    assert.ok(sessions.every((session) => session.exchanges === 2))
    assert.ok(plain.every((session) => session.inclusionProbability === 0.2))
    const { counts } = here.recordings.recording(id)
    assert.equal(counts.exchanges + counts.notSampled, 600)
    // Horvitz-Thompson: the weights bring back the 300.
    const weighted = sessions.reduce((sum, session) => sum + 1 / session.inclusionProbability, 0)
    assert.ok(Math.abs(weighted - 300) < 90, String(weighted))
  })
})

describe('storage', () => {
  it('grows with what is new in a session, not with its square, and reads back every turn exactly', () => {
    const here = room()
    const { id } = here.start('full')
    const random = new Random(6)
    const messages: Message[] = [{ role: 'system', content: random.token(20_000) }]
    const sent: number[] = []
    for (let turn = 0; turn < 40; turn++) {
      messages.push(ask(random.token(2000)))
      const text = random.token(500)
      here.recorder.record([here.captured(id, { messages: [...messages] }, chatAnswer({ content: text }))])
      sent.push(messages.length)
      messages.push(say(text))
    }
    const [session] = [...here.recordings.sessions(id)]
    const exchanges = here.recordings.exchanges(session!.id)
    assert.deepEqual(
      exchanges.map((exchange) => exchange.content!.request.items.length),
      sent,
    )
    assert.equal(
      exchanges
        .at(-1)!
        .content!.request.items.map((item) =>
          'parts' in item && item.parts[0]?.type === 'text' ? item.parts[0].text : '',
        )
        .join(),
      messages
        .slice(0, -1)
        .map((message) => message['content'])
        .join(),
    )
    const stored = readdirSync(join(here.directory, 'segments', id)).reduce(
      (sum, file) => sum + statSync(join(here.directory, 'segments', id, file)).size,
      0,
    )
    // Written whole each time it would be 40 x (20,000 + 40 / 2 x 2,500) bytes, three quarters of that compressed.
    assert.ok(stored < 600_000, String(stored))
  })

  it('counts what a full folder keeps out, and goes on', () => {
    const here = room({ maxBytes: 2000 })
    const { id } = here.start('full')
    const random = new Random(7)
    const results = Array.from({ length: 20 }, (_unused, i) =>
      here.recorder.record([
        here.captured(id, { messages: [ask(`${i} ${random.token(300)}`)] }, chatAnswer({ content: 'x' })),
      ]),
    )
    const dropped = results.reduce((sum, result) => sum + (result.dropped['folder-full'] ?? 0), 0)
    assert.ok(dropped > 10 && dropped < 20)
    assert.equal(here.recordings.recording(id).counts.dropped, dropped)
    assert.equal(here.recordings.recording(id).counts.exchanges, 20 - dropped)
  })

  it('drops what it cannot read with the reason, and keeps the rest of the batch', () => {
    const here = room()
    const { id } = here.start('full')
    const good = here.captured(id, { messages: [ask('ok')] }, '{"not":"an answer"}')
    const result = here.recorder.record([
      { ...good, body: Buffer.from('{"messages": 7') },
      { ...good, body: Buffer.from('['.repeat(100_000)) },
      { ...good, body: null },
      good,
    ])
    assert.deepEqual(result, { recorded: 1, dropped: { unreadable: 2, 'too-large': 1 } })
    assert.equal(exchangesOf(here, id)[0]!.content!.response, null)
  })

  it('refuses to record one key twice at a time', () => {
    const here = room()
    here.start('metrics', { keyIds: ['key_a'] })
    here.start('full', { keyIds: ['key_b'] })
    assert.throws(() => here.start('full', { keyIds: ['key_c', 'key_a'] }), { code: 'CROSSING_CONFLICT' })
    assert.throws(() => here.start('full'), { code: 'CROSSING_CONFLICT' })
  })

  it('deletes content files that are older than they may become, and keeps the figures', () => {
    const here = room()
    const { id } = here.start('full', { retentionDays: 7 })
    here.recorder.record([here.captured(id, { messages: [ask('old')] }, chatAnswer({ content: 'x' }))])
    assert.equal(here.recordings.sweep(startMs + 6 * 86_400_000), 0)
    assert.equal(here.recordings.sweep(startMs + 8 * 86_400_000), 1)
    const [exchange] = exchangesOf(here, id)
    assert.equal(exchange!.content, null)
    assert.equal(exchange!.costNanos, 1_234_567n)
  })
})

describe('tool events', () => {
  it('join calls with results by id, and the latest call has the id', () => {
    const here = room()
    const { id } = here.start('full')
    const call = (n: number): Message => ({
      content: null,
      tool_calls: [{ id: 'call_0', type: 'function', function: { name: 'f', arguments: `{"n":${n}}` } }],
    })
    const result = (text: string): Message => ({ role: 'tool', tool_call_id: 'call_0', content: text })
    const one = [ask('go')]
    const two = [...one, { role: 'assistant', ...call(1) }, result('r1')]
    const three = [...two, { role: 'assistant', ...call(2) }, result('r2')]
    here.recorder.record([
      here.captured(id, { messages: one }, chatAnswer(call(1))),
      here.captured(id, { messages: two }, chatAnswer(call(2))),
      here.captured(id, { messages: three }, chatAnswer({ content: 'done' })),
    ])
    const [session] = [...here.recordings.sessions(id)]
    assert.deepEqual(
      here.recordings
        .toolEvents(session!.id)
        .map((event) => [event.argumentsText, event.callSeq, event.resultSeq, event.result]),
      [
        ['{"n":1}', 0, 1, [{ type: 'text', text: 'r1' }]],
        ['{"n":2}', 1, 2, [{ type: 'text', text: 'r2' }]],
      ],
    )
  })
})
