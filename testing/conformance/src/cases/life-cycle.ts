/** Catalogue 88 to 93, 97 and 99: clients that leave, silence, errors, frames, several choices. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ConformanceCase } from '../case.ts'
import { textOf, type DoorProtocol } from '../heard.ts'
import type { Json } from '../json.ts'
import { ask } from '../requests.ts'
import type { Room } from '../room.ts'
import type { Play, Received } from '../scripted-upstream.ts'
import { readSse } from '../sse-frames.ts'
import { chatError, chatStream, chatUsage, chunk, done, frame, role, usageChunk } from '../wire-forms/chat.ts'
import { blockStart, delta, ending, messagesError, messagesUsage, start, text } from '../wire-forms/messages.ts'
import { json, stream } from '../wire-forms/play.ts'
import { pong } from '../wire-forms/pong.ts'
import { message, responsesFrames } from '../wire-forms/responses.ts'

const all: readonly DoorProtocol[] = ['chat', 'messages', 'responses']
const words = 'Firstwords that are delivered before the caller leaves. '

/** Begins to answer and then keeps silent until the peer leaves. */
function endless(): Play {
  return stream(role, chunk({ content: words }), chunk({ content: words }), { end: 'hang' })
}

/** Opens a stream, waits for the first words, hangs up; returns the moment of leaving. */
async function leave(room: Room): Promise<number> {
  const listening = await room.listen(ask(room.door))
  await listening.waitFor('Firstwords')
  listening.hangUp()
  return performance.now()
}

export const lifeCycle: readonly ConformanceCase[] = [
  {
    id: 88,
    title: 'a caller who hangs up ends the upstream call at once, and nobody asks again',
    sources: ['QuantumNous/new-api#4184', 'BerriAI/litellm#37140', 'BerriAI/litellm#30223'],
    doors: all,
    upstreams: ['chat', 'messages'],
    async check(room) {
      for (const flavour of ['chat', 'messages'] as const) {
        room.stage(flavour, () =>
          flavour === 'chat'
            ? endless()
            : stream(
                start(),
                blockStart(0, { type: 'text', text: '' }),
                delta(0, { type: 'text_delta', text: words }),
                { end: 'hang' },
              ),
        )
        const leftAt = await leave(room)
        const received = room.received[0]!
        await Promise.race([received.over, sleep(3000)])
        assert.ok(received.abortedAt !== null, 'the upstream call goes on without a caller')
        assert.ok(received.abortedAt - leftAt < 1000, `${Math.round(received.abortedAt - leftAt)} ms to the abort`)
        await sleep(100)
        assert.equal(room.received.length, 1, 'the request was sent again for nobody')
      }
    },
  },
  {
    id: 89,
    title: 'a caller who hangs up pays for what was streamed, neither nothing nor everything',
    sources: ['BerriAI/litellm#33736', 'Wei-Shaw/sub2api#4408'],
    doors: ['messages'],
    upstreams: ['chat'],
    async check(room) {
      room.stage('chat', endless)
      await leave(room)
      await room.received[0]?.over
      // The row is written in a batch right after the abort.
      for (let tries = 0; ; tries++) {
        await sleep(200)
        const [line] = await room.ledger()
        if (!line && tries < 5) continue
        assert.equal(line?.status, 'aborted')
        assert.ok(line.inputTokens !== null && line.inputTokens > 0)
        assert.ok(line.outputTokens !== null && line.outputTokens >= 5 && line.outputTokens < 100)
        return
      }
    },
  },
  {
    id: 90,
    title: 'many callers who leave at many points harm none who stay',
    sources: ['maximhq/bifrost#6143', 'maximhq/bifrost#6979'],
    doors: all,
    upstreams: ['chat'],
    async check(room) {
      const pieces = Array.from({ length: 20 }, (_, index) => ({ content: `${index} ` }))
      room.stage('chat', () =>
        stream(
          role,
          ...pieces.flatMap((piece) => [chunk(piece), { pauseMs: 2 }]),
          chunk({}, 'stop'),
          usageChunk(chatUsage(20, 20)),
          done,
        ),
      )
      const whole = pieces.map((piece) => piece.content).join('')
      const body = ask(room.door)
      await Promise.all(
        Array.from({ length: 24 }, async (_, index) => {
          if (index % 3 === 0) {
            assert.equal(textOf(await room.ask(body)), whole)
            return
          }
          const listening = await room.listen(body)
          await sleep(index * 2)
          listening.hangUp()
        }),
      )
      assert.equal(textOf(await room.ask(body)), whole, 'the gateway answers as before')
    },
  },
  {
    id: 91,
    title: 'a silent prefill is bridged by keep-alives, and an error after one is said in the stream',
    sources: ['antirez/ds4@f027269', 'antirez/ds4@8d57664'],
    doors: all,
    upstreams: ['chat'],
    async check(room) {
      const body = ask(room.door)
      const quiet = async (then: (received: Received) => Play): Promise<string> => {
        room.stage('chat', (received) => {
          const play = then(received)
          return { ...play, steps: [{ pauseMs: room.silenceMs }, ...play.steps] }
        })
        const told = await room.post(body)
        assert.equal(told.status, 200)
        const first = told.text.indexOf('PONG') === -1 ? told.text.length : told.text.indexOf('PONG')
        assert.match(told.text.slice(0, first), /^:|event: ping/m, 'no keep-alive during the silence')
        const heard = room.readStream(told, body)
        return heard.error === null ? textOf(heard) : `error: ${heard.error.message}`
      }
      const good = await quiet(pong)
      const bad = await quiet(() =>
        stream(frame({ error: { message: 'engine died', type: 'invalid_request_error', code: null } })),
      )
      assert.equal(good, 'PONG')
      assert.match(bad, /error: .*engine died/)
    },
  },
  {
    id: 92,
    title: 'cached tokens are reads alone, never reads and writes',
    sources: ['antirez/ds4@6f9fecf'],
    doors: all,
    upstreams: ['messages', 'chat'],
    async check(room) {
      room.stage('messages', () =>
        stream(start(messagesUsage(20, 1, 50, 30)), text(0, 'Hello'), ending('end_turn', { output_tokens: 5 })),
      )
      const { usage } = await room.ask(ask(room.door))
      assert.deepEqual([usage?.input, usage?.hit, usage?.written], [100, 50, 30])
      if (room.door === 'chat') return
      // An engine that counts its writes as cached would make the parts larger than the whole.
      const details = { cached_tokens: 80, cache_write_tokens: 30 }
      room.stage('chat', () =>
        chatStream([{ content: 'Hello' }], 'stop', chatUsage(100, 5, { prompt_tokens_details: details })),
      )
      const mended = await room.ask(ask(room.door))
      assert.equal(mended.usage?.input, 100)
      assert.equal(mended.usage.written, 30)
      assert.ok((mended.usage.hit ?? 0) <= 70)
    },
  },
  {
    id: 93,
    title: 'error types are words of the protocol, whatever class names an upstream has',
    sources: ['ray-project/ray#65486'],
    doors: all,
    upstreams: ['chat', 'messages'],
    async check(room) {
      const expected: Readonly<Record<number, string>> = {
        400: 'invalid_request_error',
        404: 'not_found_error',
        413: 'request_too_large',
        429: 'rate_limit_error',
        500: 'api_error',
        529: 'overloaded_error',
      }
      for (const [status, word] of Object.entries(expected)) {
        const plays: readonly Play[] = [
          chatError(Number(status), 'told by the upstream', 'NotFoundError'),
          json({ detail: 'told by the upstream' }, Number(status)),
          {
            status: Number(status),
            headers: { 'content-type': 'text/html' },
            steps: ['<h1>told by the upstream</h1>'],
          },
        ]
        for (const [at, play] of plays.entries()) {
          // At the Chat door the bytes of a Chat upstream are its own; there the other protocol is the test.
          const flavour = room.door === 'chat' ? 'messages' : 'chat'
          const own = messagesError(Number(status), word, 'told by the upstream')
          room.stage(flavour, () => ({
            ...(room.door === 'chat' && at === 0 ? own : play),
            headers: { ...play.headers, 'x-should-retry': 'false' },
          }))
          const refusal = await room.refused(ask(room.door, { stream: false }))
          assert.match(refusal.message, /told by the upstream/)
          if (room.door === 'messages' && status !== '413') assert.equal(refusal.type, word)
        }
      }
      if (room.door === 'chat') return
      // Our own refusals speak the same words.
      room.stage('chat', pong)
      const wrong: Json = room.door === 'responses' ? { input: 7 } : { messages: 'no list' }
      const refusal = await room.refused(ask(room.door, { more: wrong }))
      assert.deepEqual([refusal.status, refusal.type], [400, 'invalid_request_error'])
    },
  },
  {
    id: 97,
    title: 'frames keep their delimiters: CRLF, single bytes and a last frame without its blank line',
    sources: ['Anionex/agent-vision-toolkit#5'],
    doors: all,
    upstreams: ['responses'],
    async check(room) {
      const frames = responsesFrames([message('Hello 航海')])
      const whole = frames.join('')
      const forms: Readonly<Record<string, readonly string[]>> = {
        'one write': [whole],
        CRLF: [whole.replaceAll('\n', '\r\n')],
        'cut inside the delimiter': frames.flatMap((one) => [one.slice(0, -1), '\n']),
        'no blank line at the end': [whole.slice(0, -1)],
      }
      for (const [name, pieces] of Object.entries(forms)) {
        room.stage('responses', () => stream(...pieces.flatMap((piece) => [piece, { pauseMs: 1 }])))
        const body = ask(room.door)
        const told = await room.post(body)
        assert.equal(textOf(room.read(told, body)), 'Hello 航海', name)
        // A reader that looks for the blank line must find as many frames as one that splits lines.
        const names = told.text.match(/^event: /gm) ?? []
        assert.ok(names.length <= readSse(told.text).frames.length, name)
      }
    },
  },
  {
    id: 99,
    title: 'several choices keep their indexes, or are refused where there can be only one',
    sources: ['BerriAI/litellm#3276', 'BerriAI/litellm#5236'],
    doors: ['chat'],
    upstreams: ['chat', 'messages'],
    async check(room) {
      const head = { id: 'chatcmpl-two', object: 'chat.completion.chunk', created: 1_790_000_000, model: room.model }
      const part = (index: number, delta: Json, finish: string | null = null): string =>
        frame({ ...head, choices: [{ index, delta, logprobs: null, finish_reason: finish }] })
      room.stage('chat', () =>
        stream(
          part(0, { role: 'assistant', content: '' }),
          part(1, { role: 'assistant', content: '' }),
          part(1, { content: 'tails' }),
          part(0, { content: 'heads' }),
          part(0, {}, 'stop'),
          part(1, {}, 'stop'),
          usageChunkOf(head),
          done,
        ),
      )
      const heard = await room.ask(ask('chat', { more: { n: 2 } }))
      assert.deepEqual(heard.texts, ['heads', 'tails'])
      room.stage('messages', pong)
      const told = await room.post(ask('chat', { more: { n: 2 } }))
      assert.equal(told.status, 400)
      room.readError(told)
      assert.match(told.text, /"param":"n"/)
      assert.equal(room.received.length, 0)
    },
  },
]

function usageChunkOf(head: Json): string {
  return frame({ ...head, choices: [], usage: chatUsage(20, 4) })
}
