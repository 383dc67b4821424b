import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import type { CanonicalRequest, OutputItem } from '@portolan/wire'
import { allCases, plannedCases } from '../plan/index.ts'
import type { Attempt, Case, ToolPolicy } from '../records/index.ts'
import { IsolatedRunner } from '../scoring/index.ts'
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
import { replaySteps, type ReplayInput, type SessionReplay } from './runner.ts'
import { scoreSession } from './score-session.ts'
import { scoreStep } from './score-step.ts'

const folder = mkdtempSync(join(tmpdir(), 'portolan-sessions-'))
const runner = new IsolatedRunner()
after(async () => {
  await runner.close()
  rmSync(folder, { recursive: true })
})

const tools = [
  tool('search', { query: { type: 'string' } }),
  tool('refund', { order: { type: 'integer' }, note: { type: 'string' } }),
]
const search = call('search', { query: 'order 7' }, 'c1')
const refund = call('refund', { order: 7 }, 'c2')
const opening = [user('refund order 7')]
const said: readonly OutputItem[] = [search, refund, text('Refunded. Thank you!')]
const history = [opening, [search, result('c1', 'found')], [refund, result('c2', 'done')]]
const exchanges = said.map((item, seq) =>
  exchangeOf(seq, requestOf(history.slice(0, seq + 1).flat(), { tools }), answerOf([item])),
)
const events = [eventOf(search, 'found'), eventOf(refund, 'done')]
const steps = exchanges.map(caseOf)
const toolPolicies: Record<string, ToolPolicy> = {
  search: { class: 'read', arguments: [] },
  refund: { class: 'irreversible', arguments: [{ path: '/note', rule: 'ignore' }] },
}

/** What the recording holds after as many results as the request holds. */
const parrot = (request: CanonicalRequest): readonly OutputItem[] => [
  said[request.items.filter(({ kind }) => kind === 'tool-result').length]!,
]

let journals = 0
const newJournal = (): AttemptJournal =>
  new AttemptJournal(join(folder, String(++journals)), 'plan-1', () => Buffer.alloc(32, 5))

async function run(
  script: Parameters<typeof armAsk>[0],
  more: Partial<ReplayInput> & { readonly settings?: Partial<SessionReplay['settings']> } = {},
): Promise<{ readonly attempts: readonly Attempt[]; readonly state: string; readonly spentNanos: bigint }> {
  const { settings, ...rest } = more
  const journal = rest.journal ?? newJournal()
  const { state, spentNanos } = await replaySteps({
    runIdOf: (arm) => `run_${arm}`,
    arms: [armOf('new', armAsk(script))],
    cases: plannedCases('sessions', { cases: steps }).primary,
    replicates: 1,
    exchangeOf: ({ seq }) => exchanges[seq!]!,
    score: (test, recorded, turn) => scoreStep(test, recorded, turn, { runner, classes: {}, rules: {} }),
    sessions: {
      settings: { onMiss: 'stop', similar: false, tools: toolPolicies, ...settings },
      recordedOf: () => ({ exchanges, events }),
      score: (test, recorded, session) => scoreSession(test, recorded, session, null),
    },
    journal,
    seed: 1,
    concurrency: 2,
    currency: 'USD',
    spendCapNanos: null,
    retries: noRetries,
    now: () => 1,
    ...rest,
  })
  return { attempts: [...journal.attempts], state, spentNanos }
}

async function ending(
  script: Parameters<typeof armAsk>[0],
  settings: Partial<SessionReplay['settings']> = {},
): Promise<unknown[]> {
  const [attempt] = (await run(script, { settings })).attempts
  const critical = attempt!.verdicts.some(({ severity, outcome }) => severity === 'critical' && outcome === 'fail')
  return [attempt!.outcome, attempt!.divergence?.kind ?? null, critical]
}

describe('sessions in a replay', () => {
  it('that do as recorded pass, are paid turn by turn, and stand in the journal once', async () => {
    const journal = newJournal()
    const first = await run(parrot, { journal })
    assert.deepEqual([first.state, first.spentNanos], ['finished', 3000n])
    const [attempt] = first.attempts
    assert.deepEqual([attempt!.caseId, attempt!.outcome, attempt!.turns.length], ['case_1_run', 'pass', 3])
    let asked = 0
    const again = await run((request) => (asked++, parrot(request)), { journal })
    assert.deepEqual([again.state, asked, again.attempts.length], ['finished', 0, 1])
  })

  it('run beside the steps of the same plan, each in its own way', async () => {
    const { attempts } = await run(parrot, { cases: allCases(plannedCases('both', { cases: steps })) })
    assert.deepEqual(attempts.map(({ caseId, turns, outcome }) => `${caseId} ${turns.length} ${outcome}`).toSorted(), [
      'case_1_run 3 pass',
      'case_ses_1_0 1 pass',
      'case_ses_1_1 1 pass',
      'case_ses_1_2 1 pass',
    ])
  })

  it('stop at the cap between sessions, never within one', async () => {
    const cases = Array.from({ length: 5 }, (_, at): Case => ({
      ...plannedCases('sessions', { cases: steps }).primary[0]!,
      id: `case_${at}_run`,
    }))
    const { state, attempts, spentNanos } = await run(parrot, { cases, spendCapNanos: 4000n, concurrency: 1 })
    assert.deepEqual([state, attempts.length, spentNanos], ['stopped-by-cap', 2, 6000n])
  })

  it('have no price as soon as one turn has none', async () => {
    let turn = 0
    const arms = [armOf('new', armAsk(parrot), { priceOf: () => (turn++ === 1 ? null : 1000n) })]
    assert.equal((await run(parrot, { arms })).attempts[0]!.costNanos, null)
  })

  it('fail for what the candidate did otherwise, each with its class of divergence', async () => {
    assert.deepEqual(await ending(() => [text('Done!')]), ['fail', 'text-only', false])
    assert.deepEqual(await ending((request) => (request.items.length < 3 ? [search] : [text('Found.')])), [
      'fail',
      'premature-stop',
      false,
    ])
    assert.deepEqual(await ending(() => [call('delete_all', {})]), ['fail', 'other-tool', false])
    assert.deepEqual(await ending((request) => (request.items.length < 5 ? parrot(request) : [refund])), [
      'fail',
      'extra-call',
      true,
    ])
  })

  it('are critical when an irreversible call has another argument (check 7), unless the plan ignores that argument', async () => {
    const refunding = (order: number, note: string) => (request: CanonicalRequest) =>
      request.items.length < 3
        ? [search]
        : request.items.length < 5
          ? [call('refund', { order, note }, 'x')]
          : [text('Done.')]
    assert.deepEqual(await ending(refunding(8, '')), ['fail', 'other-arguments', true])
    assert.deepEqual(await ending(refunding(7, 'as asked')), ['pass', null, false])
  })

  it('are unscored where the recording cannot answer a harmless question: nobody knows how it would have gone on', async () => {
    const curious = (): readonly OutputItem[] => [call('search', { query: 'something else' })]
    const [attempt] = (await run(curious)).attempts
    assert.deepEqual([attempt!.outcome, attempt!.reason?.code], ['unscored', 'evidence-too-thin'])
    assert.match(attempt!.reason!.message, /answered 0 % of the calls/)
    // A tool that nobody classified might do anything, so another call of it is another deed.
    assert.deepEqual(await ending(curious, { tools: {} }), ['fail', 'other-arguments', false])
  })

  it('keep an error of the arm as an error, not as a failure of the session', async () => {
    const [attempt] = (await run((request) => (request.items.length < 3 ? [search] : 400))).attempts
    assert.deepEqual([attempt!.outcome, attempt!.reason?.code, attempt!.turns.length], ['error', 'http-400', 2])
  })

  it('meet the checks of the plan at their end', async () => {
    const checks = {
      checks: [
        { name: 'polite', scorer: 'contains', text: 'thank you', severity: 'minor', tags: [] },
        {
          name: 'short',
          scorer: 'pattern',
          pattern: '^.{0,12}$',
          flags: 'u',
          absent: false,
          severity: 'major',
          tags: [],
        },
      ],
      runner,
      pathOf: () => '',
    } as const
    const [test] = plannedCases('sessions', { cases: steps }).primary
    const { attempts } = await run(parrot, {
      sessions: {
        settings: { onMiss: 'stop', similar: false, tools: toolPolicies },
        recordedOf: () => ({ exchanges, events }),
        score: (_test, recorded, session) => scoreSession(test!, recorded, session, checks),
      },
    })
    assert.deepEqual(
      attempts[0]!.verdicts.map(({ scorer, outcome }) => [scorer, outcome]),
      [
        ['transport', 'pass'],
        ['session-effects', 'pass'],
        ['session-run', 'pass'],
        ['check:polite', 'pass'],
        ['check:short', 'fail'],
      ],
    )
    assert.equal(attempts[0]!.outcome, 'fail')
  })
})
