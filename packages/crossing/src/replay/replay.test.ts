import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import type { CanonicalRequest, OutputItem } from '@portolan/wire'
import type { Attempt } from '../records/index.ts'
import { toolEventsOf } from '../recording/tool-events.ts'
import { IsolatedRunner } from '../scoring/index.ts'
import { chooseReasoning } from './choose-reasoning.ts'
import { adaptRequest, type ReasoningChoice } from './history.ts'
import { AttemptJournal } from './journal.ts'
import {
  answerOf,
  armAsk,
  armOf,
  call,
  caseOf,
  eventOf,
  exchangeOf,
  noRetries,
  requestOf,
  result,
  text,
  tool,
  user,
} from './replay.test-support.ts'
import { replaySteps, type ReplayInput } from './runner.ts'
import { scoreStep } from './score-step.ts'
import { runSession, type SessionRun, type SessionRunOptions } from './session-run.ts'
import { StubServer } from './stub-server.ts'

/** Of no secret. */
const key = (): Buffer => Buffer.alloc(32, 5)
const folder = mkdtempSync(join(tmpdir(), 'portolan-replay-'))
const runner = new IsolatedRunner()
after(async () => {
  await runner.close()
  rmSync(folder, { recursive: true })
})
/** Of more nanos than a double holds exactly. */
const costly: Attempt = {
  runId: 'r',
  caseId: 'c',
  arm: 'new',
  replicate: 0,
  outcome: 'pass',
  reason: null,
  turns: [],
  divergence: null,
  calls: 1,
  startedAtMs: 0,
  currency: 'USD',
  costNanos: 9_007_199_254_740_993n,
  verdicts: [
    {
      scorer: 'judge',
      version: '1',
      outcome: 'pass',
      score: 1,
      severity: 'minor',
      evidence: null,
      cost: { currency: 'USD', nanos: 3n },
    },
  ],
}

let journals = 0
const newJournal = (): AttemptJournal => new AttemptJournal(join(folder, `${++journals}.jsonl`), 'plan-1', key)

const tools = [
  tool('search', { query: { type: 'string' }, limit: { type: 'integer', default: 10 } }),
  tool('refund', { order: { type: 'integer' }, note: { type: 'string' } }),
]
const asked = requestOf([user('refund order 7')], { tools })
const search = call('search', { query: 'order 7' }, 'c1')
const refund = call('refund', { order: 7 }, 'c2')
/** Three turns of one agent: search, refund, done. */
const session = [
  exchangeOf(0, asked, answerOf([search])),
  exchangeOf(1, requestOf([...asked.items, search, result('c1', 'found')], { tools }), answerOf([refund])),
  exchangeOf(
    2,
    requestOf([...asked.items, search, result('c1', 'found'), refund, result('c2', 'done')], { tools }),
    answerOf([text('Refunded.')]),
  ),
]
const events = [eventOf(search, 'found', 'read'), eventOf(refund, 'done', 'irreversible')]

const input = (more: Partial<ReplayInput>): ReplayInput => ({
  runIdOf: (arm, replicate) => `run_${arm}_${replicate}`,
  arms: [],
  cases: session.map(caseOf),
  replicates: 1,
  exchangeOf: (test) => session[test.seq!]!,
  score: (test, recorded, turn) => scoreStep(test, recorded, turn, { runner, classes: {}, rules: {} }),
  journal: newJournal(),
  seed: 3,
  concurrency: 2,
  currency: 'USD',
  spendCapNanos: null,
  retries: noRetries,
  now: () => 1,
  ...more,
})

/** What the recording holds after as many results as the request holds. */
const parrot = (request: CanonicalRequest): readonly OutputItem[] =>
  session[request.items.filter((item) => item.kind === 'tool-result').length]!.content!.response!.items

describe('step replay', () => {
  it('of the recorded answers themselves agrees in everything (check 6)', async () => {
    const journal = newJournal()
    const done = await replaySteps(
      input({ arms: [armOf('old', armAsk(parrot)), armOf('new', armAsk(parrot))], journal }),
    )
    assert.deepEqual(done, { state: 'finished', done: 6, all: 6, spentNanos: 6000n, unpriced: 0 })
    assert.deepEqual(new Set([...journal.attempts].map(({ outcome }) => outcome)), new Set(['pass']))
  })

  it('lets arms take turns in going first', async () => {
    const order: string[] = []
    const ask = armAsk(() => [text('x')])
    const named = (name: string) => armOf(name, (request) => (order.push(name), ask(request)))
    await replaySteps(input({ arms: [named('a'), named('b')], concurrency: 1 }))
    assert.deepEqual(order, ['a', 'b', 'b', 'a', 'a', 'b'])
  })

  it('finds another argument, a missing call and an answer in words where a call was made', async () => {
    const journal = newJournal()
    const wrong = armAsk((request) => {
      const turn = parrot(request)
      return turn === session[1]!.content!.response!.items
        ? [call('refund', { order: 8 })]
        : turn === session[0]!.content!.response!.items
          ? [text('I would search.')]
          : turn
    })
    await replaySteps(input({ arms: [armOf('new', wrong)], journal }))
    const outcomes = Object.fromEntries([...journal.attempts].map(({ caseId, outcome }) => [caseId, outcome]))
    assert.deepEqual(outcomes, { case_ses_1_0: 'fail', case_ses_1_1: 'fail', case_ses_1_2: 'pass' })
  })

  it('asks no more once the cap is reached, beyond what is in flight', async () => {
    const journal = newJournal()
    const done = await replaySteps(
      input({ arms: [armOf('new', armAsk(parrot))], journal, spendCapNanos: 1500n, concurrency: 1 }),
    )
    assert.equal(done.state, 'stopped-by-cap')
    assert.equal(done.spentNanos, 2000n)
    assert.equal(journal.size, 2)
  })

  it('repeats what may pass by itself, and counts the calls; a refusal is not repeated', async () => {
    const journal = newJournal()
    let busy = 2
    const waits: number[] = []
    const retries = { most: 3, pause: (milliseconds: number) => (waits.push(milliseconds), Promise.resolve()) }
    await replaySteps(
      input({
        arms: [
          armOf(
            'new',
            armAsk((request) => (busy-- > 0 ? 503 : parrot(request))),
          ),
        ],
        journal,
        retries,
        concurrency: 1,
        cases: [caseOf(session[0]!)],
      }),
    )
    assert.deepEqual(
      [[...journal.attempts][0]!.calls, [...journal.attempts][0]!.outcome, waits],
      [3, 'pass', [500, 1000]],
    )
    const refusing = newJournal()
    await replaySteps(
      input({
        arms: [
          armOf(
            'new',
            armAsk(() => 400),
          ),
        ],
        journal: refusing,
        retries,
      }),
    )
    assert.ok(
      [...refusing.attempts].every(
        ({ outcome, calls, costNanos, reason }) =>
          outcome === 'error' && calls === 1 && costNanos === 0n && reason?.code === 'http-400',
      ),
    )
  })

  it('leaves out what only its supplier can run', async () => {
    const journal = newJournal()
    const own: Extract<CanonicalRequest['tools'][number], { kind: 'vendor' }> = {
      kind: 'vendor',
      protocol: 'responses',
      type: 'web_search',
      name: null,
      clientExecuted: false,
      raw: {},
    }
    const exchange = exchangeOf(0, requestOf([user('news?')], { tools: [own] }), answerOf([text('none')]))
    let calls = 0
    await replaySteps(
      input({
        arms: [
          armOf(
            'new',
            armAsk(() => (calls++, [text('x')])),
          ),
        ],
        journal,
        cases: [caseOf(exchange)],
        exchangeOf: () => exchange,
      }),
    )
    assert.deepEqual(
      [[...journal.attempts][0]!.outcome, [...journal.attempts][0]!.reason?.code, calls],
      ['unscored', 'server-tool', 0],
    )
  })
})

describe('a run that is killed', () => {
  it('goes on where it stood: no case twice, none lost (check 9)', async () => {
    const journalPath = join(folder, 'killed.jsonl')
    const askedPath = join(folder, 'asked.txt')
    writeFileSync(askedPath, '')
    const run = (killAfterMs: number | null): Promise<string> =>
      new Promise((resolve) => {
        const child = spawn(
          process.execPath,
          [
            '--conditions=source',
            join(import.meta.dirname, 'killed-run.test-support.ts'),
            journalPath,
            askedPath,
            '150',
          ],
          { stdio: ['ignore', 'pipe', 'inherit'] },
        )
        let said = ''
        child.stdout.on('data', (chunk) => (said += String(chunk)))
        child.on('exit', () => resolve(said.trim()))
        if (killAfterMs === null) return
        // From the first answer on, so that a slow start is not what is killed.
        const timer = setInterval(() => {
          if (readFileSync(askedPath, 'utf8').length <= before) return
          clearInterval(timer)
          setTimeout(() => child.kill('SIGKILL'), killAfterMs)
        }, 5)
      })
    let before = 0
    for (const killAfterMs of [15, 40]) {
      await run(killAfterMs)
      before = readFileSync(askedPath, 'utf8').length
    }
    // What a crash in the middle of a line leaves behind.
    appendFileSync(journalPath, '{"runId":"run_new","caseId":"ca')
    assert.equal(await run(null), 'finished 300 300000')
    const keys = [...new AttemptJournal(journalPath, 'plan-1', key).attempts].map(
      ({ arm, caseId }) => `${arm} ${caseId}`,
    )
    assert.equal(keys.length, 300)
    assert.equal(new Set(keys).size, 300)
    // Asked twice is at most what was in flight at the two kills, four each.
    const asks = readFileSync(askedPath, 'utf8').trim().split('\n').length
    assert.ok(asks >= 300 && asks <= 308, `${asks} questions for 300 attempts`)
  })

  it('refuses a journal of another version of the plan, and one that was changed', () => {
    const path = join(folder, 'other.jsonl')
    new AttemptJournal(path, 'plan-1', key).close()
    assert.throws(() => new AttemptJournal(path, 'plan-2', key), { code: 'CROSSING_CONFLICT' })
    appendFileSync(path, 'not json\n')
    assert.throws(() => new AttemptJournal(path, 'plan-1', key), { code: 'CROSSING_DAMAGED' })
  })

  it('keeps money exact', () => {
    const path = join(folder, 'money.jsonl')
    const journal = new AttemptJournal(path, 'p', key)
    journal.append(costly, 'ses_1')
    assert.throws(() => journal.append(costly, 'ses_1'), { code: 'CROSSING_CONFLICT' })
    journal.close()
    assert.deepEqual([...new AttemptJournal(path, 'p', key).attempts], [costly])
  })

  it('keeps its attempts in the file, however long their lines, and gives them in the order written', () => {
    const path = join(folder, 'long.jsonl')
    const journal = new AttemptJournal(path, 'p', key)
    // Shorter than a block of the reader, longer than several, and one more behind it.
    const messages = ['a', 'b'.repeat(3_000_000), 'c'.repeat(1_500_000), 'd']
    const attempts = messages.map((message, index): Attempt => ({
      ...costly,
      caseId: `case_${index}`,
      reason: { code: 'fault', message },
    }))
    for (const attempt of attempts) journal.append(attempt, 'ses_1')
    assert.deepEqual([...journal.attempts], attempts)
    journal.close()
    truncateSync(path, statSync(path).size - 7)
    const again = new AttemptJournal(path, 'p', key)
    assert.deepEqual([...again.attempts], attempts.slice(0, 3))
    again.append(attempts[3]!, 'ses_1')
    assert.deepEqual([...again.attempts], [...again.attempts])
    assert.equal(again.size, 4)
    again.close()
  })

  it('shows nothing of what was asked to somebody without the key', async () => {
    const path = join(folder, 'sealed.jsonl')
    const journal = new AttemptJournal(path, 'plan-1', key)
    await replaySteps(input({ arms: [armOf('new', armAsk(parrot))], journal }))
    journal.close()
    assert.ok(!/refund|Refunded|order/.test(readFileSync(path, 'utf8')))
    assert.throws(() => new AttemptJournal(path, 'plan-1', () => Buffer.alloc(32, 6)), { code: 'CROSSING_DAMAGED' })
  })
})

describe('history for another supplier', () => {
  const thought: OutputItem = {
    kind: 'reasoning',
    text: null,
    summary: [],
    token: { family: 'anthropic', data: 'signed' },
  }
  const recorded = requestOf([user('a'), thought, search, result('c1', 'found'), user('b')], {
    tools,
    cacheKey: 'k',
    endUser: 'u',
  })
  const kinds = (choice: ReasoningChoice): string[] =>
    adaptRequest(recorded, choice, {}).request.items.map(({ kind }) => kind)

  it('drops what only its issuer can open, and mints call ids anew in pairs', () => {
    const { request } = adaptRequest(recorded, 'as-recorded', {})
    assert.deepEqual(
      request.items.map(({ kind }) => kind),
      ['user', 'tool-call', 'tool-result', 'user'],
    )
    assert.deepEqual(
      request.items.flatMap((item) => ('callId' in item ? [item.callId] : [])),
      ['call_0001', 'call_0001'],
    )
    assert.deepEqual([request.cacheKey, request.endUser], [null, null])
  })

  it('has four ways to treat reasoning that nobody recorded', () => {
    assert.deepEqual(kinds('inject'), ['user', 'reasoning', 'tool-call', 'tool-result', 'user'])
    assert.deepEqual(kinds('flatten'), ['user', 'assistant-text', 'user', 'user'])
    assert.deepEqual(kinds('drop'), ['user', 'tool-call', 'tool-result', 'user'])
    assert.equal(adaptRequest(recorded, 'thinking-off', {}).request.thinking?.mode, 'off')
  })

  it('sets what the arm sets and leaves the rest', () => {
    const thinking = { mode: 'on', effort: 'high', budgetTokens: null, display: null } as const
    const { request } = adaptRequest({ ...recorded, thinking }, 'as-recorded', {
      thinking: { mode: 'adaptive' },
      maxOutputTokens: 9,
    })
    assert.deepEqual([request.thinking, request.maxOutputTokens], [{ ...thinking, mode: 'adaptive' }, 9])
  })

  it('a supplier that wants reasoning on tool turns is found out, and gets it (check 8)', async () => {
    const strict = armAsk((request) => {
      const { items, thinking } = request
      const called = items.findIndex((item) => item.kind === 'tool-call')
      const lacks = called !== -1 && items[called - 1]?.kind !== 'reasoning'
      return lacks && thinking?.mode !== 'off' ? 400 : [text('ok')]
    })
    const choice = await chooseReasoning(strict, [recorded], {})
    assert.equal(choice.reasoning, 'inject')
    assert.match(choice.notes[0]!, /"as-recorded" was refused/)
    const exchange = exchangeOf(0, recorded, answerOf([text('ok')]))
    const outcome = async (reasoning: ReasoningChoice): Promise<string> => {
      const journal = newJournal()
      await replaySteps(
        input({
          arms: [armOf('new', strict, { reasoning })],
          journal,
          cases: [caseOf(exchange)],
          exchangeOf: () => exchange,
        }),
      )
      return [...journal.attempts][0]!.outcome
    }
    assert.deepEqual([await outcome(choice.reasoning), await outcome('as-recorded')], ['pass', 'error'])
  })
})

describe('tools answered from the recording', () => {
  const stubs = (more: Partial<ConstructorParameters<typeof StubServer>[1]> = {}): StubServer =>
    new StubServer(events, { tools, ...more })

  it('match exactly, then by schema, then by policy, and else not', () => {
    assert.equal(stubs().serve(search).tier, 'exact')
    assert.equal(stubs().serve(call('search', { limit: 10, query: 'order 7' })).tier, 'schema')
    assert.equal(stubs().serve(call('search', { query: 'Order  7' })).tier, 'miss')
    const rules = { search: [{ path: '/query', rule: 'normalised' }] } as const
    assert.equal(stubs({ rules }).serve(call('search', { query: 'Order  7' })).tier, 'policy')
    assert.equal(stubs({ similar: true }).serve(call('search', { query: 'else' })).tier, 'similar')
  })

  it('repeat a read, never a write', () => {
    const server = stubs()
    assert.deepEqual([server.serve(search).tier, server.serve(search).tier], ['exact', 'exact'])
    assert.deepEqual([server.serve(refund).tier, server.serve(refund).tier], ['exact', 'miss'])
    assert.equal(server.violations.length, 1)
    assert.equal(server.coverage, 0.75)
  })

  it('call a changed irreversible argument critical (check 7)', () => {
    const server = stubs()
    server.serve(call('refund', { order: 8 }))
    assert.match(server.violations[0]!, /refund\(\{"order":8\}\) was not made/)
  })

  it('keep every digit of large ids', () => {
    const big = { ...call('refund', {}), argumentsText: '{"order":9007199254740993}' }
    const other = { ...big, argumentsText: '{"order":9007199254740992}' }
    assert.equal(new StubServer([eventOf(big, 'x')], { tools }).serve(other).tier, 'miss')
  })
})

describe('a session driven by the candidate', () => {
  const options = (script: Parameters<typeof armAsk>[0], more: Partial<SessionRunOptions> = {}): SessionRunOptions => ({
    ask: armAsk(script),
    reasoning: 'as-recorded',
    settings: {},
    retries: noRetries,
    onMiss: 'stop',
    stubs: {},
    ...more,
  })

  it('that does as recorded finishes on full evidence', async () => {
    const run = await runSession(session, events, options(parrot))
    assert.deepEqual([run.ended, run.divergence, run.coverage, run.turns.length], ['finished', null, 1, 3])
    assert.deepEqual(
      run.turns.map(({ stubs }) => stubs.map(({ tier }) => tier)),
      [['exact'], ['exact'], []],
    )
  })

  const kindOf = async (
    script: Parameters<typeof armAsk>[0],
    more?: Partial<SessionRunOptions>,
  ): Promise<string | undefined> => (await runSession(session, events, options(script, more))).divergence?.kind

  it('says where and how it left the recorded path', async () => {
    assert.equal(await kindOf(() => [call('delete', {})]), 'other-tool')
    assert.equal(await kindOf(() => [call('search', { query: 'else' })]), 'other-arguments')
    assert.equal(await kindOf(() => [text('Done!')]), 'text-only')
    assert.equal(
      await kindOf((request) => (request.items.length < 3 ? [search] : [text('Found it.')])),
      'premature-stop',
    )
    assert.equal(await kindOf(() => [search]), 'loop')
    assert.equal(await kindOf((request) => (request.items.length < 5 ? parrot(request) : [refund])), 'extra-call')
  })

  it('does not call it a loop when the recording polled as often, and does when it goes on polling', async () => {
    const poll = (n: number): ReturnType<typeof call> => call('status', { job: 7 }, `poll_${n}`)
    const polled = Array.from({ length: 4 }, (_, n) => [poll(n), result(`poll_${n}`, `${25 * (n + 1)} %`)])
    const job = polled.map((_, n) =>
      exchangeOf(n, requestOf([user('wait'), ...polled.slice(0, n).flat()]), answerOf([poll(n)])),
    )
    job.push(exchangeOf(4, requestOf([user('wait'), ...polled.flat()]), answerOf([text('done')])))
    const waits = (times: number): Promise<SessionRun> =>
      runSession(
        job,
        toolEventsOf('ses_1', job),
        options(
          ({ items }) => {
            const made = items.filter(({ kind }) => kind === 'tool-call').length
            return made < times ? [poll(made)] : [text('done')]
          },
          { stubs: { classes: { status: 'read' } } },
        ),
      )
    assert.deepEqual([(await waits(4)).ended, (await waits(4)).coverage], ['finished', 1])
    assert.equal((await waits(5)).divergence?.kind, 'loop')
  })

  it('goes on after a miss where that is wanted, with an error as the result', async () => {
    const run = await runSession(
      session,
      events,
      options(
        (request) => {
          const last = request.items.at(-1)!
          if (last.kind === 'tool-result' && last.isError) return [text('I could not.')]
          return [call('search', { query: 'else' })]
        },
        { onMiss: 'error' },
      ),
    )
    assert.deepEqual([run.ended, run.coverage, run.divergence?.kind], ['finished', 0, 'premature-stop'])
  })

  it("gives the user's later words when the candidate is done", async () => {
    const two = [
      exchangeOf(0, requestOf([user('one')]), answerOf([text('1')])),
      exchangeOf(1, requestOf([user('one'), text('1'), user('two')]), answerOf([text('2')])),
    ]
    const heard: string[] = []
    const run = await runSession(
      two,
      [],
      options((request) => {
        const last = request.items.at(-1)!
        heard.push(last.kind === 'user' && last.parts[0]?.type === 'text' ? last.parts[0].text : last.kind)
        return [text('x')]
      }),
    )
    assert.deepEqual([heard, run.ended], [['one', 'two'], 'finished'])
  })
})
