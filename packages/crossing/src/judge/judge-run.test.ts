import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { noUsage, type OutputItem } from '@portolan/wire'
import { unknownUsage } from '@portolan/meter'
import { compareRuns, readPanels, type JudgePanel } from '../compare/index.ts'
import { attemptOf, syntheticAttempts, syntheticDataset, syntheticPlan } from '../compare/synthetic.test-support.ts'
import type { Attempt, Judge, Metric, Plan } from '../records/index.ts'
import { answerOf, call, requestOf, text, user } from '../replay/replay.test-support.ts'
import type { AskJudge } from './door.ts'
import { JudgementJournal } from './journal.ts'
import { casesToJudge, runJudge, spokenPairs, type JudgeRunInput, type JudgeRunResult } from './judge-run.ts'
import { labelSheet, readLabelSheet } from './label-sheet.ts'
import type { Preference } from './pairwise.ts'

const folder = mkdtempSync(join(tmpdir(), 'portolan-judged-'))
after(() => rmSync(folder, { recursive: true }))

const judge: Judge = {
  name: 'judge',
  upstream: 'judges',
  model: 'a-judge',
  settings: {},
  rubric: 'Names the order.',
  margin: 0.05,
  mostCases: null,
}
const gate: Metric = { name: 'judge', kind: 'difference', margin: 0.05, gate: true }
const dataset = syntheticDataset()
const withJudge = (more: Partial<Judge> = {}, metrics: readonly Metric[] = []): Plan => {
  const plain = syntheticPlan(dataset, ['new-model'])
  return syntheticPlan(dataset, ['new-model'], {
    judge: { ...judge, ...more },
    metrics: [...plain.metrics, ...metrics],
  })
}
const plan = withJudge()

/** Both arms answer in words; the candidate's are better where the number of the case says so. */
function spoken(arm: string, wordsOf: (at: number) => string): Attempt[] {
  return dataset.cases.map((test, at) => {
    const attempt = attemptOf(test.id, arm, 'pass')
    const said: readonly OutputItem[] = [text(`${wordsOf(at)} (${at})`)]
    const turn = { ...attempt.turns[0]!, request: requestOf([user(`question ${at}`)]), response: answerOf(said) }
    return { ...attempt, turns: [{ ...turn, usage: unknownUsage }] }
  })
}
const qualityAt = (at: number): string => (at % 5 < 2 ? 'splendid' : at % 5 < 4 ? 'dreadful' : 'middling')
const incumbent = spoken('old-model', () => 'middling')
const candidate = spoken('new-model', qualityAt)
const attempts = incumbent.flatMap((attempt, at) =>
  at % 2 === 0 ? [attempt, candidate[at]!] : [candidate[at]!, attempt],
)
const preferenceAt = (at: number): Preference => (at % 5 < 2 ? 'candidate' : at % 5 < 4 ? 'incumbent' : 'tie')

/** A judge with taste, who answers after a thousand nanos. */
const honest: AskJudge = ([, question]) => {
  const [, first = '', second = ''] =
    /first answer begins\n(.*)\n[^]*second answer begins\n(.*)\n/.exec(question!.content) ?? []
  const rank = (said: string): number => ['dreadful', 'middling', 'splendid'].findIndex((word) => said.startsWith(word))
  const better = rank(first) === rank(second) ? 'tie' : rank(first) > rank(second) ? 'first' : 'second'
  return Promise.resolve({ text: `{"better":"${better}"}`, usage: noUsage })
}

let journals = 0
function journalFor(of: Plan, path = join(folder, String(++journals))): JudgementJournal {
  return new JudgementJournal(path, of.hash!, () => Buffer.alloc(32, 7))
}

function judged(of: Plan, journal: JudgementJournal, more: Partial<JudgeRunInput> = {}): Promise<JudgeRunResult> {
  return runJudge({
    plan: of,
    cases: dataset.cases,
    attempts,
    journal,
    settings: { ask: honest, priceOf: () => ({ currency: 'USD', nanos: 1000n }) },
    rubric: of.judge!.rubric,
    concurrency: 4,
    spentNanos: 0n,
    spendCapNanos: null,
    ...more,
  })
}

const spokenCases = dataset.cases.filter(({ tags }) => !tags.includes('calls'))
const placeOf = new Map(dataset.cases.map(({ id }, at) => [id, at]))

describe('the judge in a replay', () => {
  it('judges answers in words against the incumbent, pays each, and never judges one twice', async () => {
    const path = join(folder, 'resumed')
    const first = journalFor(plan, path)
    const calls = 2n * BigInt(spokenCases.length)
    const done = await judged(plan, first)
    assert.deepEqual(done, {
      state: 'finished',
      judged: spokenCases.length,
      silent: 0,
      notReached: 0,
      spentNanos: calls * 1000n,
      unpriced: 0,
    })
    first.close()
    assert.ok(!/splendid|dreadful|preference/.test(readFileSync(path, 'latin1')))
    const again = journalFor(plan, path)
    let asked = 0
    const ask: AskJudge = (messages) => (asked++, honest(messages))
    assert.deepEqual(await judged(plan, again, { settings: { ask } }), done)
    assert.equal(asked, 0)
    for (const { caseId, preference, verdict } of again.judgements) {
      assert.equal(preference, preferenceAt(placeOf.get(caseId)!))
      assert.equal(verdict.cost!.nanos, 2000n)
    }
    again.close()
  })

  it('leaves to the deterministic checks what ended in a call or in no words', () => {
    const calling = { ...candidate[1]!, turns: [{ ...candidate[1]!.turns[0]!, response: answerOf([call('x', {})]) }] }
    const failing = attemptOf(dataset.cases[2]!.id, 'new-model', 'error')
    const pairs = [...spokenPairs(plan, dataset.cases, [...incumbent.slice(0, 4), candidate[0]!, calling, failing])]
    assert.deepEqual(
      pairs.map(({ test, candidateAnswer, incumbentAnswer, task }) => [
        test.id,
        candidateAnswer,
        incumbentAnswer,
        task,
      ]),
      [[dataset.cases[0]!.id, 'splendid (0)', 'middling (0)', '[user]\nquestion 0']],
    )
  })

  it('judges a draw that does not depend on any answer where the plan wants fewer', async () => {
    const few = withJudge({ mostCases: 20 })
    const chosen = casesToJudge(few, dataset.cases)
    assert.equal(chosen.length, 20)
    assert.deepEqual(chosen, casesToJudge(few, dataset.cases.toReversed()))
    const journal = journalFor(few)
    assert.equal((await judged(few, journal)).judged, 20)
    journal.close()
  })

  it('stops at the cap that it shares with the arms, and goes on from there', async () => {
    const journal = journalFor(plan)
    const capped = await judged(plan, journal, { spentNanos: 90_000n, spendCapNanos: 100_000n, concurrency: 1 })
    assert.deepEqual([capped.state, capped.judged, capped.spentNanos], ['stopped-by-cap', 5, 10_000n])
    const rest = await judged(plan, journal)
    assert.deepEqual([rest.state, rest.judged], ['finished', spokenCases.length])
    journal.close()
  })

  it('counts silence as silence: no preference, no win, no loss', async () => {
    const journal = journalFor(plan)
    const ask: AskJudge = () => Promise.resolve({ text: 'Both are lovely.', usage: noUsage })
    const result = await judged(plan, journal, { settings: { ask } })
    assert.deepEqual([result.judged, result.silent], [spokenCases.length, spokenCases.length])
    assert.deepEqual(readPanels(plan, dataset, { judgements: journal.judgements, labels: [] }), [])
    journal.close()
  })
})

describe('a judge that cannot be reached', () => {
  it('has said nothing: the run ends soon, and another one asks those pairs again', async () => {
    const journal = journalFor(plan)
    let asked = 0
    const ask: AskJudge = () => (asked++, Promise.resolve({ problem: 'HTTP 503' }))
    const down = await judged(plan, journal, { settings: { ask }, concurrency: 2 })
    assert.deepEqual([down.state, down.judged], ['judge-not-reached', 0])
    assert.ok(down.notReached <= 9 && asked <= 18, `${down.notReached} pairs, ${asked} calls`)
    const up = await judged(plan, journal)
    assert.deepEqual([up.state, up.judged, up.notReached], ['finished', spokenCases.length, 0])
    journal.close()
  })

  it('now and then is passed over and told, and the rest is judged', async () => {
    const journal = journalFor(plan)
    let asked = 0
    const ask: AskJudge = (messages) => (asked++ % 20 < 2 ? Promise.resolve({ problem: 'HTTP 503' }) : honest(messages))
    const some = await judged(plan, journal, { settings: { ask }, concurrency: 1 })
    assert.equal(some.state, 'judge-not-reached')
    assert.ok(some.notReached > 0 && some.judged + some.notReached === spokenCases.length)
    journal.close()
  })
})

describe('labels of people', () => {
  const pairs = [...spokenPairs(plan, casesToJudge(plan, dataset.cases), attempts)]

  it('are asked for blind, on a draw that the judge has no part in, and read back as whose answer was better', () => {
    const { text: sheet, rows } = labelSheet(plan, pairs, 60)
    assert.equal(rows, 60)
    assert.ok(!/new-model|old-model|candidate|incumbent/.test(sheet), 'nothing in it tells the arms apart')
    assert.deepEqual(readLabelSheet(plan, sheet, 's'), [])
    // A person who agrees with the quality that was planted.
    const filled = sheet.replace(
      /first: (\w+) \((\d+)\)\n(\s+)second: (\w+) \(\d+\)\n\s+better: null/g,
      (row, first: string, _at, _space, second: string) => {
        const rank = (said: string): number => ['dreadful', 'middling', 'splendid'].indexOf(said)
        const better = rank(first) === rank(second) ? 'tie' : rank(first) > rank(second) ? 'first' : 'second'
        return row.replace('better: null', `better: ${better}`)
      },
    )
    const labels = readLabelSheet(plan, filled, 's')
    assert.equal(labels.length, 60)
    for (const { caseId, preference } of labels) assert.equal(preference, preferenceAt(placeOf.get(caseId)!))
    const firsts = [...filled.matchAll(/first: (middling|splendid|dreadful)/g)].filter(
      ([, word]) => word === 'middling',
    ).length
    assert.ok(firsts > 15 && firsts < 50, `the incumbent stands first in ${firsts} of 60`)
  })

  it('of another plan, or with a word that is none, are refused with the row', () => {
    const { text: sheet } = labelSheet(plan, pairs, 3)
    const refused = (from: string | RegExp, to: string): string => {
      try {
        readLabelSheet(plan, sheet.replace(from, to), 'labels.yaml')
      } catch (error) {
        assert.equal((error as { code?: unknown }).code, 'CROSSING_BAD_LABELS')
        return (error as Error).message
      }
      return 'accepted'
    }
    assert.match(refused('better: null', 'better: left'), /row 1 .*first, second, tie or null, not "left"/)
    assert.match(refused('pair: 0', 'pair: 9'), /row 1 names no case/)
    assert.match(refused('sha256:', 'sha256:0'), /another version of the plan/)
    assert.match(refused(/^portolanLabels.*$/m, ''), /no sheet of labels/)
    assert.match(refused(/[^]*/, '{{{'), /^labels\.yaml: /)
    assert.match(refused(/[^]*/, '- 1'), /no sheet/)
  })
})

describe('a judge in the verdict', () => {
  const deterministic = [
    ...syntheticAttempts(dataset, 'old-model', { failRate: 0.02, costNanos: 10, firstVisibleMs: 10 }, 1),
    ...syntheticAttempts(dataset, 'new-model', { failRate: 0.02, costNanos: 10, firstVisibleMs: 10 }, 3),
  ]

  async function panels(of: Plan, ask: AskJudge, labelled: number): Promise<JudgePanel[]> {
    const journal = journalFor(of)
    try {
      await judged(of, journal, { settings: { ask, priceOf: () => ({ currency: 'USD', nanos: 1000n }) } })
      const labels = casesToJudge(of, dataset.cases)
        .slice(0, labelled)
        .map(({ id }) => ({ candidate: 'new-model', caseId: id, preference: preferenceAt(placeOf.get(id)!) }))
      return readPanels(of, dataset, { judgements: journal.judgements, labels })
    } finally {
      journal.close()
    }
  }

  it('is information only while nobody has calibrated it, and a gate on it stays shut', async () => {
    const gated = withJudge({}, [gate])
    const judge = await panels(gated, honest, 0)
    assert.equal(judge[0]!.panel.decision, 'shown-only')
    const { verdicts, comparisons } = compareRuns(gated, dataset, deterministic, { judge })
    assert.equal(verdicts[0]!.verdict, 'NOT SHOWN')
    assert.match(verdicts[0]!.reason, /judge is not calibrated \(0 of 60 human labels.*information only/)
    assert.equal(comparisons.find(({ metric }) => metric === 'judge')!.decision, 'shown-only')
    // Without the gate it is shown beside the verdict and does not touch it.
    const shown = compareRuns(plan, dataset, deterministic, { judge: await panels(plan, honest, 0) })
    assert.equal(shown.verdicts[0]!.verdict, 'NON-INFERIOR', shown.verdicts[0]!.reason)
    assert.ok(shown.comparisons.some(({ metric, decision }) => metric === 'judge' && decision === 'shown-only'))
  })

  it('that always picks the first answer cannot be calibrated (check 13)', async () => {
    const gated = withJudge({}, [gate])
    const biased: AskJudge = () => Promise.resolve({ text: '{"better":"first"}', usage: noUsage })
    const judge = await panels(gated, biased, 120)
    assert.deepEqual([judge[0]!.panel.winRate, judge[0]!.panel.flipRate, judge[0]!.panel.calibrated], [0.5, 1, false])
    assert.equal(compareRuns(gated, dataset, deterministic, { judge }).verdicts[0]!.verdict, 'NOT SHOWN')
  })

  it('decides once people agree with it, by its win rate, and its bill is told', async () => {
    const gated = withJudge({ margin: 0.2 }, [{ ...gate, margin: 0.2 }])
    const judge = await panels(gated, honest, 100)
    assert.deepEqual([judge[0]!.panel.calibrated, judge[0]!.panel.margin, judge[0]!.silent], [true, 0.2, 0])
    assert.equal(judge[0]!.costNanos, 2000n * BigInt(spokenCases.length))
    const { verdicts } = compareRuns(gated, dataset, deterministic, { judge })
    assert.equal(verdicts[0]!.verdict, 'NON-INFERIOR', verdicts[0]!.reason)
    assert.match(verdicts[0]!.gates.at(-1)!.reason, /win rate is 5\d\.\d %.*more than 30\.0 %/)
  })

  it('is not known where nothing was judged', () => {
    const { verdicts, notKnown } = compareRuns(withJudge({}, [gate]), dataset, deterministic)
    assert.equal(verdicts[0]!.verdict, 'NOT SHOWN')
    assert.deepEqual(
      notKnown.filter(({ metric }) => metric === 'judge').map(({ why }) => why),
      ['No answer of new-model was judged.'],
    )
  })
})
