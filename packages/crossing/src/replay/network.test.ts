import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import dgram from 'node:dgram'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Part } from '@portolan/wire'
import { askEndpoint, type AskEndpoint } from '../endpoint/endpoint.ts'
import { toolEventsOf } from '../recording/tool-events.ts'
import { IsolatedRunner } from '../scoring/index.ts'
import { AttemptJournal } from './journal.ts'
import { guardNetwork, type NetworkGuard } from './network-guard.test-support.ts'
import {
  answerOf,
  armOf,
  call,
  caseOf,
  exchangeOf,
  noRetries,
  requestOf,
  result,
  text,
  tool,
  user,
} from './replay.test-support.ts'
import { replaySteps } from './runner.ts'
import { scoreStep } from './score-step.ts'
import { runSession } from './session-run.ts'
import { startArm, type StreamingArm } from './streaming-arm.test-support.ts'

/** What the recorded tools would reach, if anybody called them: it counts who comes. */
let toolServer: Server
let toolAddress: string
let visits = 0
let arms: readonly StreamingArm[]
let guard: NetworkGuard
const folder = mkdtempSync(join(tmpdir(), 'portolan-guard-'))
const runner = new IsolatedRunner()

before(async () => {
  toolServer = createServer((socket) => {
    visits++
    socket.destroy()
  })
  await new Promise<void>((resolve) => toolServer.listen(0, '127.0.0.1', resolve))
  toolAddress = `127.0.0.1:${(toolServer.address() as AddressInfo).port}`
  arms = [await startArm(clerk), await startArm(clerk)]
  guard = guardNetwork(arms.map(({ address }) => address))
})

after(async () => {
  guard.remove()
  await runner.close()
  for (const arm of arms) await arm.close()
  toolServer.close()
  rmSync(folder, { recursive: true })
})

/** Both arms do as was recorded: a refund by URL, then words in a form. */
function clerk(body: unknown): { readonly atMs: number; readonly delta: Record<string, unknown> }[] {
  const { messages } = body as { readonly messages: readonly { readonly role: string }[] }
  if (messages.some(({ role }) => role === 'tool')) return [{ atMs: 0, delta: { content: '{"done":true}' } }]
  const made = { name: 'refund', arguments: JSON.stringify({ url: `http://${toolAddress}/refund`, order: 7 }) }
  return [{ atMs: 0, delta: { tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: made }] } }]
}

describe('the network while a recording is replayed', () => {
  it('holds the arms and nothing else, though every tool, picture and schema names an address (check 10)', async () => {
    const url = `http://${toolAddress}/refund`
    const tools = [
      {
        ...tool('refund', { url: { type: 'string', format: 'uri' }, order: { $ref: `${url}/order.json` } }),
        description: `POST ${url}`,
      },
    ]
    const picture: Part = { type: 'image', source: { kind: 'url', url: `${url}/picture.png` }, detail: null }
    const schema = { $schema: `${url}/meta.json`, type: 'object', properties: { done: { $ref: `${url}/done.json` } } }
    const refund = call('refund', { url, order: 7 }, 'call_1')
    const opening = [
      { ...user(`Refund order 7 at ${url}.`), parts: [{ type: 'text', text: url }, picture] } as ReturnType<
        typeof user
      >,
    ]
    const outputFormat = { type: 'json-schema', name: 'done', description: null, schema, strict: null } as const
    const asked = requestOf(opening, { tools, outputFormat })
    const exchanges = [
      exchangeOf(0, asked, answerOf([refund])),
      exchangeOf(
        1,
        { ...asked, items: [...opening, refund, result('call_1', `see ${url}`)] },
        answerOf([text('{"done":true}')]),
      ),
    ]
    const asks = arms.map((arm): AskEndpoint =>
      askEndpoint({ baseUrl: arm.url, protocol: 'chat', model: 'm', apiKey: 'k', timeoutMs: 5000 }, 'warn'),
    )

    // R0: each answer asked again, and checked.
    const journal = new AttemptJournal(join(folder, 'attempts'), 'plan', () => Buffer.alloc(32, 1))
    const steps = await replaySteps({
      runIdOf: (arm) => arm,
      arms: [armOf('old', streamed(asks[0]!)), armOf('new', streamed(asks[1]!))],
      cases: exchanges.map(caseOf),
      replicates: 1,
      exchangeOf: ({ seq }) => exchanges[seq!]!,
      score: (test, recorded, turn) => scoreStep(test, recorded, turn, { runner, classes: {}, rules: {} }),
      journal,
      seed: 1,
      concurrency: 2,
      currency: 'USD',
      spendCapNanos: null,
      retries: noRetries,
      now: Date.now,
    })
    assert.equal(steps.state, 'finished')
    for (const { turns } of journal.attempts) assert.notEqual(turns[0]!.response, null)
    journal.close()

    // R1: the whole session, its tools answered from the recording.
    for (const ask of asks) {
      const run = await runSession(exchanges, toolEventsOf('ses_1', exchanges), {
        ask: streamed(ask),
        reasoning: 'as-recorded',
        settings: {},
        retries: noRetries,
        onMiss: 'stop',
        stubs: {},
      })
      assert.deepEqual([run.ended, run.coverage, run.turns.length], ['finished', 1, 2])
    }

    assert.deepEqual([...guard.reached].sort(), arms.map(({ address }) => address).sort())
    assert.deepEqual(guard.refused, [])
    assert.deepEqual([arms.map((arm) => arm.asked()), visits], [[4, 4], 0])
  })

  it('is guarded indeed: fetch, sockets, datagrams and programs are refused and noted', async () => {
    await assert.rejects(fetch(`http://${toolAddress}/refund`), ({ cause }: Error) =>
      /network guard refuses/.test(String(cause)),
    )
    await assert.rejects(fetch('https://example.com/'), ({ cause }: Error) =>
      /network guard refuses/.test(String(cause)),
    )
    const socket = dgram.createSocket('udp4')
    assert.throws(() => socket.send('x', 53, '127.0.0.1'), /network guard refuses udp:x:53:127\.0\.0\.1/)
    socket.close()
    assert.throws(() => spawn('true'), /network guard refuses process:true/)
    assert.deepEqual(guard.refused, [toolAddress, 'example.com:443', 'udp:x:53:127.0.0.1', 'process:true'])
    assert.equal(visits, 0)
  })
})

function streamed(ask: AskEndpoint): AskEndpoint {
  return (request) => ask({ ...request, stream: true, includeUsage: true })
}
