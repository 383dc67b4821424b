import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { attemptOf, syntheticDataset, syntheticPlan } from '../compare/synthetic.test-support.ts'
import { datasetHash } from '../plan/index.ts'
import type { Attempt, Case, Dataset } from '../records/index.ts'
import { buildReport, renderHtml, type ReportData } from './index.ts'

const size = 1200
const plain = syntheticDataset()
const cases = Array.from({ length: size }, (_, number): Case => ({
  ...plain.cases[0]!,
  id: `case_${String(number).padStart(5, '0')}`,
  sessionId: `ses_${Math.floor(number / 4)}`,
}))
const dataset: Dataset = { ...plain, cases, hash: datasetHash(cases) }
const plan = syntheticPlan(dataset, ['new-model'])

/** Every case fails at the candidate; the last one critically. Made while they are read: nobody can keep them all. */
function* attempts(): Generator<Attempt> {
  for (const [number, { id }] of cases.entries()) {
    yield attemptOf(id, 'old-model', number % 2 === 0 ? 'pass' : 'unscored')
    yield attemptOf(id, 'new-model', 'fail', { critical: number === size - 1, said: 'w'.repeat(10_000) })
  }
}

function made(): { readonly report: ReportData; readonly passes: number } {
  let passes = 0
  const report = buildReport({
    plan,
    dataset,
    runs: [],
    attempts: {
      [Symbol.iterator]: () => {
        passes++
        return attempts()
      },
    },
    recordings: [],
    window: null,
    pricing: null,
    budget: null,
    longContext: [],
    reproduce: 'portolan report make',
  })
  return { report, passes }
}

describe('the report of a candidate that fails everything', () => {
  const { report, passes } = made()

  it('lists every failed case and shows the words of the worst thousand', () => {
    assert.equal(report.cases.length, size)
    assert.equal(report.cases[0]!.caseId, 'case_01199')
    assert.ok(report.cases[0]!.critical)
    for (const [place, { why, candidateAnswer, incumbentAnswer }] of report.cases.entries()) {
      assert.equal(candidateAnswer?.outcome, 'fail')
      assert.notEqual(incumbentAnswer, null)
      assert.equal(candidateAnswer.text === '', place >= 1000)
      assert.equal(why[0]!.startsWith('Not printed: '), place >= 1000)
    }
    assert.equal(report.unscored.length, size / 2)
    assert.ok(report.unscored.every(({ code }) => code === 'server-tool'))
    assert.ok(renderHtml(report).length < 8_000_000)
  })

  it('goes through the attempts twice and keeps none', () => {
    assert.equal(passes, 2)
  })
})
