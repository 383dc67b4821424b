import { describe, it } from 'node:test'
import assert from 'node:assert/strict'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { attemptOf, syntheticPlan } from '../compare/synthetic.test-support.ts'
import { datasetHash } from '../plan/index.ts'
import type { Attempt } from '../records/index.ts'
import {
  buildReport,
  parseReport,
  renderHtml,
  renderJson,
  renderJunit,
  renderMarkdown,
  reportHash,
  reportJsonSchema,
  signReport,
  verifySignatures,
  type ReportData,
} from './index.ts'
import { plantedInput, plantedRun } from './planted-report.test-support.ts'

const input = plantedInput()
const { plan, dataset } = input
const attempts = [...input.attempts]
const run = plantedRun
const report = buildReport(input)

describe('the report', () => {
  it('finds exactly the planted differences', () => {
    const [fine, broken] = report.candidates
    assert.equal(fine!.verdict, 'NON-INFERIOR', fine!.reason)
    assert.equal(broken!.verdict, 'WORSE')
    assert.match(broken!.reason, /^quality is lower: .*; 1 of 300 cases have a critical failure/)
    assert.match(renderHtml(report), /none \(cheaper even without a hit\)/)
    assert.deepEqual(
      report.candidates.map(({ slices }) =>
        slices.filter(({ decision }) => decision === 'worse').map(({ slice }) => slice),
      ),
      [[], ['calls']],
    )
    assert.deepEqual(
      report.candidates.map(({ criticalFailures }) => criticalFailures.map(({ caseId }) => caseId)),
      [[], ['case_0017']],
    )
    const cost = fine!.otherComparisons.find(({ metric }) => metric === 'cost')!
    assert.ok(Math.abs(cost.estimate - 0.2) < 0.006 && cost.upper < 0.21, String(cost.estimate))
    const visible = fine!.otherComparisons.find(({ metric }) => metric === 'first-visible')!
    assert.ok(Math.abs(visible.estimate - 2) < 0.06 && visible.lower > 1.8, String(visible.estimate))
    const { months, tasks } = fine!.budget!
    assert.equal(months!.today.p50, 4)
    assert.ok(Math.abs(months!.moved.p50! - 20) < 0.5)
    assert.ok(months!.moved.p10! < months!.moved.p50! && months!.moved.p50! < months!.moved.p90!)
    assert.ok(Math.abs(tasks.moved! / tasks.today! - 5) < 0.15)
    assert.deepEqual(
      report.arms.find(({ arm }) => arm === 'new-model')!.settings.map(({ name, outcome }) => [name, outcome]),
      [['temperature', 'dropped']],
    )
  })

  it('lists every failed case once, with both answers and why', () => {
    for (const { name } of report.candidates) {
      const failed = new Set(
        attempts
          .filter(({ arm, outcome }) => (arm === name || arm === 'old-model') && outcome === 'fail')
          .map(({ caseId }) => caseId),
      )
      const rows = report.cases.filter(({ candidate }) => candidate === name)
      assert.deepEqual(new Set(rows.map(({ caseId }) => caseId)), failed)
      assert.equal(rows.length, failed.size)
      assert.ok(
        rows.every(({ why, incumbentAnswer, candidateAnswer }) => why.length > 0 && incumbentAnswer && candidateAnswer),
      )
    }
    assert.ok(report.cases.find(({ critical }) => critical)!.why.some((why) => why.includes('"want":"P-1"')))
  })

  it('is made again byte for byte, whatever the order of the attempts (check 25)', () => {
    const again = buildReport({ ...input, attempts: attempts.toReversed() })
    assert.equal(renderJson(again), renderJson(report))
    assert.equal(renderHtml(again), renderHtml(report))
    assert.equal(renderMarkdown(again), renderMarkdown(report))
    assert.equal(renderJunit(again), renderJunit(report))
  })

  it('holds to its JSON Schema, and is read back as it was (check 25)', () => {
    const validate = new Ajv2020({ strict: false }).compile(reportJsonSchema as object)
    const text = renderJson(report)
    assert.ok(validate(JSON.parse(text)), JSON.stringify(validate.errors))
    assert.deepEqual(parseReport(text), report)
    assert.equal(validate({ ...report, extra: 1 }), false)
    for (const bad of ['', '{}', text.slice(0, 500), JSON.stringify({ ...report, portolanReport: 2 })])
      assert.throws(() => parseReport(bad), { code: 'CROSSING_DAMAGED' })
  })

  it('carries sign-offs that a changed verdict, figure or plan breaks (check 25)', () => {
    const who = {
      role: 'engineering',
      person: 'A. Reader',
      decision: 'approved' as const,
      note: null,
      signedAtMs: 1_800_000_000_000,
    }
    const signed = signReport(signReport(report, who), { ...who, role: 'finance', decision: 'rejected' })
    assert.equal(reportHash(signed), reportHash(report))
    assert.deepEqual(
      verifySignatures(signed, plan).map(({ valid }) => valid),
      [true, true],
    )
    const changed: ReportData[] = [
      { ...signed, candidates: signed.candidates.map((each) => ({ ...each, verdict: 'NON-INFERIOR' as const })) },
      { ...signed, plan: { ...signed.plan, margin: 0.1 } },
      { ...signed, cases: signed.cases.slice(1) },
    ]
    for (const one of changed) assert.ok(verifySignatures(one).every(({ valid }) => !valid))
    assert.match(renderHtml(changed[0]!), /BROKEN/)
    assert.ok(verifySignatures(signed, { ...plan, alpha: 0.1 }).every(({ valid }) => !valid))
    assert.throws(() => signReport(report, { ...who, person: ' ' }), { code: 'CROSSING_CONFLICT' })
    assert.ok(verifySignatures(parseReport(renderJson(signed))).every(({ valid }) => valid))
  })

  it('refuses drafts, changed plans, and data of another plan', () => {
    assert.throws(() => buildReport({ ...input, plan: { ...plan, hash: null, frozenAtMs: null } }), {
      code: 'CROSSING_BAD_PLAN',
    })
    assert.throws(() => buildReport({ ...input, plan: { ...plan, alpha: 0.1 } }), { code: 'CROSSING_BAD_PLAN' })
    assert.throws(() => buildReport({ ...input, dataset: { ...dataset, hash: 'sha256:1' } }), {
      code: 'CROSSING_CONFLICT',
    })
    assert.throws(() => buildReport({ ...input, runs: [{ ...run('aa'), planHash: 'x' }] }), {
      code: 'CROSSING_CONFLICT',
    })
  })

  it('stays a report with one session, and with one case, and shows nothing from them', () => {
    for (const count of [1, 5]) {
      const cases = dataset.cases.slice(0, count)
      const small = { ...dataset, cases, hash: datasetHash(cases) }
      const smallPlan = syntheticPlan(small, ['new-model'])
      const made = buildReport({ ...input, plan: smallPlan, dataset: small, runs: [] })
      assert.equal(made.candidates[0]!.verdict, 'NOT SHOWN')
      assert.deepEqual(parseReport(renderJson(made)), made)
      assert.doesNotMatch(renderHtml(made) + renderMarkdown(made), /NaN|undefined|Infinity/)
    }
  })

  it('says "not known" for everything that is missing, and passes nothing', () => {
    const bare = buildReport({ ...input, attempts: [], runs: [], pricing: null, budget: null, window: null })
    assert.ok(bare.candidates.every(({ verdict }) => verdict === 'NOT SHOWN'))
    const page = renderHtml(bare)
    assert.ok((page.match(/not known/g) ?? []).length > 20)
    assert.doesNotMatch(page, /NaN|undefined|Infinity/)
    assert.doesNotMatch(renderMarkdown(bare) + renderJunit(bare), /NaN|undefined|Infinity/)
  })
})

describe('the HTML file', () => {
  const page = renderHtml(report)

  it('asks nobody for anything and runs nothing', () => {
    assert.doesNotMatch(page, /<script|<link|<img|<iframe|@import|url\(|https?:|\son[a-z]+=/i)
    assert.match(page, /default-src 'none'/)
  })

  it('links every number of page 1 to rows that are there (check 25)', () => {
    const ids = new Set([...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id))
    const targets = [...page.matchAll(/href="#([^"]+)"/g)].map(([, target]) => target!)
    assert.ok(targets.length > 60)
    for (const target of targets) assert.ok(ids.has(target), target)
    assert.equal(ids.size, [...page.matchAll(/ id="/g)].length, 'ids are unique')
    const pageOne = page.slice(page.indexOf('<section id="candidate-0">'), page.indexOf('<section id="signatures">'))
    const cells = [...pageOne.matchAll(/<td class="n">(.*?)<\/td>/gs)].map(([, cell]) => cell!)
    assert.ok(cells.length > 30)
    for (const cell of cells) assert.ok(cell === '' || cell.startsWith('<a href="#'), cell)
  })

  it('draws the interval against the margin and says it in words', () => {
    assert.match(page, /<svg class="figure"[^>]+role="img" aria-label="new-model: difference .* margin -5\.0 points\./)
  })

  it('heads every table with a caption and every row with its name', () => {
    assert.equal((page.match(/<table>/g) ?? []).length, (page.match(/<table>\s*<caption>/g) ?? []).length)
    assert.ok((page.match(/<th scope="row">/g) ?? []).length > 60)
  })
})

describe('hostile text of models', () => {
  const payload = `</pre><script>alert(1)</script><img src=x onerror=alert(1)> "'& \u0000\u001b[31m ]]> \ud800 \u0060\u0060\u0060\n# owned | x`
  const hostile: Attempt[] = attempts.map((attempt) =>
    attempt.outcome === 'fail'
      ? {
          ...attemptOf(attempt.caseId, attempt.arm, 'fail', { said: payload, costNanos: attempt.costNanos }),
          divergence: { kind: 'refusal', turn: 0, message: payload },
          verdicts: attempt.verdicts.map((verdict) => ({ ...verdict, evidence: { said: payload } })),
        }
      : attempt,
  )
  const made = buildReport({ ...input, attempts: hostile, reproduce: payload })

  it('stays text in HTML', () => {
    const page = renderHtml(made)
    assert.match(page, /&lt;script&gt;alert\(1\)&lt;\/script&gt;/)
    assert.doesNotMatch(page, /<script|<img/)
    assert.ok(!page.includes('\u0000') && !page.includes('\u001b'))
    assert.equal((page.match(/<pre/g) ?? []).length, (page.match(/<\/pre>/g) ?? []).length)
  })

  it('stays text in Markdown: the fence is longer than any inside, and headings are ours', () => {
    const text = renderMarkdown(made)
    assert.match(text, /\n\u0060{4}\n/)
    const outside = text
      .split(/^`{4}$/m)
      .filter((_, index) => index % 2 === 0)
      .join('')
    assert.doesNotMatch(outside, /^# owned/m)
    assert.doesNotMatch(outside, /(?<!\\)<script/)
  })

  it('stays text in JUnit XML, without characters that XML forbids', () => {
    const xml = renderJunit(made)
    assert.doesNotMatch(xml, /<script|<img/)
    assert.ok(!xml.includes('\u0000') && !xml.includes('\u001b'))
    assert.match(xml, /<testsuite name="new-model" tests="\d+" failures="\d+" errors="0" skipped="0">/)
  })

  it('holds to the schema in JSON', () => {
    const validate = new Ajv2020({ strict: false }).compile(reportJsonSchema as object)
    assert.ok(validate(JSON.parse(renderJson(made))), JSON.stringify(validate.errors))
  })
})
