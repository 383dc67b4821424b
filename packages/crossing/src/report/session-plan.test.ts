import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { readFileSync } from 'node:fs'
import { bundledPricesUrl, loadPriceBook } from '@portolan/meter'
import { attemptOf, syntheticDataset, syntheticPlan } from '../compare/synthetic.test-support.ts'
import { plannedCases } from '../plan/index.ts'
import type { Attempt } from '../records/index.ts'
import { buildReport, parseReport, renderHtml, renderJson, renderJunit, renderMarkdown } from './index.ts'

const dataset = syntheticDataset()
const { replay } = syntheticPlan(dataset, ['new-model'])
const plan = syntheticPlan(dataset, ['new-model'], { replay: { ...replay, mode: 'sessions' } })
const sessions = plannedCases('sessions', dataset).primary
const runs = (arm: string, fails: (at: number) => boolean): Attempt[] =>
  sessions.map(({ id }, at) => {
    const attempt = attemptOf(id, arm, fails(at) ? 'fail' : 'pass')
    return { ...attempt, turns: [attempt.turns[0]!, attempt.turns[0]!] }
  })

describe('the report of a plan that asks for whole sessions only', () => {
  const report = buildReport({
    plan,
    dataset,
    runs: [],
    attempts: [...runs('old-model', () => false), ...runs('new-model', (at) => at % 4 === 0)],
    recordings: [],
    window: null,
    pricing: {
      book: loadPriceBook(readFileSync(bundledPricesUrl, 'utf8')),
      arms: { 'old-model': { vendor: 'openai', model: 'gpt-5.5', currency: 'USD' } },
      exchanges: null,
    },
    budget: null,
    longContext: [],
    reproduce: 'portolan report make plan.yaml',
  })

  it('takes sessions as its cases, and lists each that failed with what was said in every turn', () => {
    assert.deepEqual([report.plan.mode, report.data.cases], ['sessions', sessions.length])
    assert.equal(report.candidates[0]!.verdict, 'WORSE')
    assert.equal(report.cases.length, Math.ceil(sessions.length / 4))
    assert.match(report.cases[0]!.candidateAnswer!.text, /^\[turn 1\] [^]*\[turn 2\] /)
    assert.deepEqual(
      report.sessionRuns.map(({ arm, passed, failed }) => [arm, passed, failed]),
      [
        ['old-model', sessions.length, 0],
        ['new-model', sessions.length - report.cases.length, report.cases.length],
      ],
    )
  })

  it('has every form, and says why a reading is missing', () => {
    assert.deepEqual(parseReport(renderJson(report)), report)
    for (const text of [renderHtml(report), renderMarkdown(report), renderJunit(report)]) assert.ok(text.length > 1000)
    assert.ok(report.costs[0]!.arms.every(({ steady }) => steady.nanos === null && steady.why !== null))
  })
})
