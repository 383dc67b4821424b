/** Sections that not every report has, in all its forms: from data in which each was planted. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { batteryVersions } from '../check/index.ts'
import {
  buildReport,
  longContextChecks,
  parseReport,
  renderHtml,
  renderJson,
  renderJunit,
  renderMarkdown,
  reportJsonSchema,
  type ReportData,
} from './index.ts'
import { longContextCheck, plantedAttempts, plantedInput, richInput } from './planted-report.test-support.ts'

const rich = buildReport(richInput())
const page = renderHtml(rich)
const section = (id: string): string => {
  const from = page.indexOf(`<section id="${id}">`)
  assert.ok(from >= 0, `there is a section ${id}`)
  return page.slice(from, page.indexOf('</section>', from))
}
const plain = (markup: string): string => markup.replaceAll(/<[^>]+>/g, ' ').replaceAll(/\s+/g, ' ')

describe('the first screen', () => {
  it('says verdict, difference with interval and margin, cost, latency, critical failures and budget of each candidate', () => {
    const [fine, broken] = section('glance').split('<article').slice(1).map(plain)
    for (const card of [fine!, broken!]) {
      assert.match(card, /Quality against today [−+]?\d+\.\d points \([−+]?\d+\.\d to [−+]?\d+\.\d; allowed −5\.0\)/)
      assert.match(card, /Cost of a task, as billed USD 0\.\d{4} → USD 0\.\d{4} , 0\.2\dx \(0\.2\dx to 0\.2\dx\)/)
      assert.match(card, /p50 \d+ ms → \d+ ms , .*p95 \d+ ms → \d+ ms/)
      assert.match(
        card,
        /USD 120.000 lasts 3\.\d months \(3\.\d to 3\.\d\) → 15\.\d months|USD 120.000 lasts 3\.\d months → 15/,
      )
    }
    assert.match(fine!, /new-model NON-INFERIOR .*Critical failures 0 in \d+ answers/)
    assert.match(broken!, /broken-model WORSE .*Critical failures 1 case in \d+ answers/)
  })

  it('comes before everything else, and headings leave no level out', () => {
    assert.ok(page.indexOf('id="glance"') < page.indexOf('id="about"'))
    const levels = [...page.matchAll(/<h([1-6])/g)].map(([, level]) => Number(level))
    assert.equal(levels[0], 1)
    for (const [at, level] of levels.entries()) assert.ok(at === 0 || level <= levels[at - 1]! + 1)
  })
})

describe('the budget', () => {
  const { budget } = rich.candidates[0]!

  it('lasts as long as the forecast says, then with the interval of the cost ratio in it', () => {
    const { today, moved, basis } = budget!.months!
    assert.equal(basis, 'forecast')
    // About 1,020 a day: 120,000 end after 118 days.
    assert.ok(Math.abs(today.p50! - 3.9) < 0.2, String(today.p50))
    assert.ok(Math.abs(moved.p50! - today.p50! / budget!.ratio) < 0.3, String(moved.p50))
    assert.ok(moved.p10! < moved.p50! && moved.p50! < moved.p90!)
    const { tasks } = budget!
    assert.ok(tasks.movedLower! < tasks.moved! && tasks.moved! < tasks.movedUpper!)
    assert.match(plain(section('budget')), /What the budget buys .*old-model .*new-model .*broken-model/)
  })

  it('says why months are not known, and still what the amount buys', () => {
    const given = plantedInput()
    const made = buildReport({ ...given, budget: { ...given.budget!, monthlyNanos: null } })
    const reading = made.candidates[0]!.budget!
    assert.equal(reading.months, null)
    assert.match(reading.monthsWhy!, /0 days, 0 of them with spend/)
    assert.ok(reading.tasks.moved! > reading.tasks.today!)
    assert.match(renderHtml(made), /months: <a href="#budget">not known/)
  })
})

describe('settings that did not carry over', () => {
  it('are those that any case lost, though the first questions of the run met none of them', () => {
    const given = plantedInput()
    const attempts = [...given.attempts].map((attempt, at) =>
      attempt.arm === 'broken-model' && at % 3 === 0
        ? {
            ...attempt,
            turns: attempt.turns.map((turn) => ({
              ...turn,
              changed: [
                { name: 'top_k', how: 'dropped' as const },
                { name: 'response_format', how: 'instructed' as const },
              ],
            })),
          }
        : attempt,
    )
    const runs = given.runs.map((run) => ({ ...run, adapter: { ...run.adapter, parameters: [] } }))
    const made = buildReport({ ...given, attempts, runs })
    const settings = (arm: string): unknown => made.arms.find((row) => row.arm === arm)!.settings
    assert.deepEqual(settings('broken-model'), [
      {
        name: 'response_format',
        outcome: 'instructed',
        note: 'said in words in the prompt, which demands nothing',
        cases: 100,
      },
      { name: 'top_k', outcome: 'dropped', note: null, cases: 100 },
    ])
    assert.deepEqual(settings('new-model'), [])
  })
})

describe('the long-context section', () => {
  it('is a heat map with a number in every cell, a caption, and heads for rows and columns', () => {
    const text = section('long-context')
    const cells = [...text.matchAll(/<td class="heat ([^"]+)">(.*?)<\/td>/gs)]
    assert.equal(cells.length, 2 * 4 * 6)
    for (const [, band, content] of cells) {
      assert.match(content!, /^\d+ % <small>\d\/8<\/small>$/)
      const share = Number.parseInt(content!, 10)
      assert.equal(band, share >= 95 ? 'h4' : share >= 85 ? 'h3' : share >= 70 ? 'h2' : share >= 50 ? 'h1' : 'h0')
    }
    assert.match(plain(text), /depth 4.000 16.000 64.000 128.000 0 % 100 % 8\/8/)
    assert.match(plain(text), /whole text/)
    assert.match(plain(page), /new-model holds up to 128.000 tokens ?; old-model holds up to 64.000 tokens/)
  })

  it('takes a check for the arm whose model or name it asked for, and refuses every other', () => {
    const { plan } = plantedInput()
    const check = longContextCheck('new-model', 64_000)
    assert.deepEqual(
      longContextChecks([check], plan).map(({ arm }) => arm),
      ['new-model'],
    )
    assert.throws(() => longContextChecks([{ ...check, battery: 'tools', version: batteryVersions.tools }], plan), {
      code: 'CROSSING_BAD_IMPORT',
      message: /a check of tools/,
    })
    assert.throws(() => longContextChecks([longContextCheck('nobody', 1)], plan), {
      code: 'CROSSING_BAD_IMPORT',
      message: /about nobody; the plan compares old-model, new-model, broken-model/,
    })
  })
})

describe('whole sessions, judge and checks of the plan', () => {
  it('have the ways in which runs diverged, by arm, and how calls were served', () => {
    const text = plain(section('sessions'))
    assert.match(text, /old-model 40 40 0 0 0 new-model 40 28 0 0 12/)
    assert.match(text, /extra-call 0 \(0\.0 %\) 4 \(10\.0 %\) 4 \(10\.0 %\)/)
    assert.match(text, /exact 40 28 28 .*miss 0 12 12/)
  })

  it('show what the judge said with its calibration, and grey where it may not count', () => {
    const text = plain(section('judge'))
    assert.match(
      text,
      /Its calibration against people .* new-model 80 .* yes broken-model 20 .* no: 20 of 60 human labels/,
    )
    assert.match(text, /new-model judge-model \(a-judge\) .* 2 USD 1\.2300 /)
    assert.match(page, /Uncalibrated \(20 of 60 human labels\), so it decides nothing/)
  })

  it("list the plan's own checks apart from those that every answer meets", () => {
    assert.match(
      plain(page),
      /Checks of your own Answers that passed, by check of the plan .*mentions-parcel 98\.\d % of/,
    )
  })

  it('are not there where nobody ran or asked them', () => {
    const bare = renderHtml(buildReport(plantedInput()))
    for (const word of ['id="sessions"', 'id="judge"', 'Checks of your own']) assert.ok(!bare.includes(word), word)
  })
})

describe('what the replay cost', () => {
  it('adds up to what the attempts were billed, by arm, day and meter', () => {
    const { charges } = buildReport(plantedInput())
    const billed = plantedAttempts(plantedInput().dataset).reduce((sum, { costNanos }) => sum + (costNanos ?? 0n), 0n)
    assert.equal(
      charges.reduce((sum, { nanos }) => sum + BigInt(nanos), 0n),
      billed,
    )
    // Planted bills are no price list's, so they are not split into meters that would not add up.
    assert.deepEqual(
      charges.map(({ arm, day, meter, requests }) => [arm, day, meter, requests]),
      ['aa', 'broken-model', 'new-model', 'old-model'].map((arm) => [arm, '2026-11-01', 'unsplit', 300]),
    )
  })

  it('is split by meter where the price book comes to the same amount', () => {
    const given = plantedInput()
    const billedByList = [...given.attempts]
      .filter(({ arm }) => arm === 'old-model')
      // 10,000 misses, 90,000 hits and 2,000 output tokens of gpt-5.5.
      .map((attempt) => ({ ...attempt, costNanos: 155_000_000n }))
    const { charges } = buildReport({ ...given, attempts: billedByList })
    assert.deepEqual(
      charges.map(({ meter, tokens, nanos }) => [meter, tokens, nanos]),
      [
        ['input-miss', 3_000_000, '15000000000'],
        ['input-hit', 27_000_000, '13500000000'],
        ['output', 600_000, '18000000000'],
      ],
    )
  })
})

describe('the forms of a report with everything', () => {
  it('hold to the JSON Schema and are read back', () => {
    const validate = new Ajv2020({ strict: true, allErrors: true }).compile(reportJsonSchema as object)
    const text = renderJson(rich)
    assert.ok(validate(JSON.parse(text)), JSON.stringify(validate.errors))
    assert.deepEqual(parseReport(text), rich)
    const wrong: ReportData[] = [
      { ...rich, charges: [{ ...rich.charges[0]!, nanos: '1.5' }] },
      { ...rich, longContext: [{ ...rich.longContext[0]!, judged: 1.5 }] },
    ]
    for (const one of wrong) assert.equal(validate(one), false)
  })

  it('say in Markdown what the page says', () => {
    const text = renderMarkdown(rich)
    assert.match(text, /months of budget \| 3\.\d months/)
    assert.match(text, /long context holds up to \| 64.000 tokens \| 128.000 tokens/)
    assert.match(text, /whole sessions passed \| 40 of 40 \| 28 of 40/)
    assert.match(text, /uncalibrated: 20 of 60 human labels/)
  })

  it('are well-formed JUnit XML whose counts are those of its tests', () => {
    const root = parsedXml(renderJunit(rich))
    assert.equal(root.name, 'testsuites')
    assert.deepEqual(
      root.children.map(({ attributes }) => attributes['name']),
      ['new-model', 'broken-model'],
    )
    const sum = { tests: 0, failures: 0, skipped: 0 }
    for (const suite of root.children) {
      assert.equal(suite.name, 'testsuite')
      const of = (name: string): number =>
        suite.children.filter(({ children }) => children.some((child) => child.name === name)).length
      const counted = { tests: suite.children.length, failures: of('failure'), skipped: of('skipped') }
      for (const [name, count] of Object.entries(counted)) {
        assert.equal(suite.attributes[name], String(count), name)
        sum[name as keyof typeof sum] += count
      }
      for (const test of suite.children) {
        assert.equal(test.name, 'testcase')
        assert.deepEqual(Object.keys(test.attributes), ['classname', 'name'])
        assert.ok(test.children.every(({ name }) => name === 'failure' || name === 'skipped'))
      }
    }
    for (const [name, count] of Object.entries(sum)) assert.equal(root.attributes[name], String(count))
  })
})

interface Element {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: Element[]
}

/** As strict as XML 1.0 is about what a report may hold: every tag closed, every attribute quoted, no bare < or &. */
function parsedXml(text: string): Element {
  const top: Element = { name: '', attributes: {}, children: [] }
  const open = [top]
  const body = text.replace(/^<\?xml version="1\.0" encoding="UTF-8"\?>\n/, '')
  assert.notEqual(body, text)
  for (const [, tag, words] of body.matchAll(/<([^>]*)>|([^<]+)/g)) {
    if (tag === undefined) {
      assert.doesNotMatch(words!, /&(?!(?:amp|lt|gt|quot|#39);)/)
      continue
    }
    if (tag.startsWith('/')) {
      assert.equal(open.pop()!.name, tag.slice(1))
      continue
    }
    const [, name, rest, closed] = /^([a-z]+)((?: [a-z]+="[^"<]*")*)(\/?)$/.exec(tag) ?? assert.fail(tag)
    const attributes = Object.fromEntries(
      [...rest!.matchAll(/ ([a-z]+)="([^"]*)"/g)].map(([, key, value]) => [key!, value!]),
    )
    const element: Element = { name: name!, attributes, children: [] }
    open.at(-1)!.children.push(element)
    if (closed === '') open.push(element)
  }
  assert.equal(open.length, 1)
  assert.equal(top.children.length, 1)
  return top.children[0]!
}
