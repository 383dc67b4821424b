import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { describe, it } from 'node:test'
import { parseCheckFile } from './check-file.ts'
import { compareReports } from './compare-checks.ts'
import { generatedHaystack } from './haystack.ts'
import { jsonBattery } from './json-battery.ts'
import { longContextBattery, longContextTasks } from './long-context.ts'
import { batteryVersions, groupResults, runCases, type CaseResult, type CheckReport } from './result.ts'
import { say, scripted } from './scripted.test-support.ts'
import { toolsBattery } from './tools-battery.ts'

function report(
  outcomes: Readonly<Record<string, CaseResult['outcome']>>,
  more: Partial<CheckReport> = {},
): CheckReport {
  const cases = Object.entries(outcomes).map(([id, outcome]) => ({
    id,
    outcome,
    detail: '',
    group: id.slice(0, 1),
    title: '',
    place: null,
    calls: 1,
    totalMs: 1,
    firstVisibleMs: null,
    inputTokens: null,
    outputTokens: null,
  }))
  return {
    battery: 'tools',
    version: batteryVersions.tools,
    material: 'generated',
    target: { baseUrl: 'u', protocol: 'chat', model: 'm' },
    seed: 1,
    startedAtMs: 0,
    cases,
    groups: groupResults(cases),
    notes: [],
    ...more,
  }
}

const outcomesOf = (passes: number, fails: number, from = 0): Record<string, CaseResult['outcome']> =>
  Object.fromEntries(
    Array.from({ length: passes + fails }, (_, i) => [
      `c${String(from + i).padStart(4, '0')}`,
      i < passes ? 'pass' : 'fail',
    ]),
  )

describe('two check reports', () => {
  it('are compared case by case; what either could not judge is left out', () => {
    const difference = compareReports(
      report({ a: 'pass', b: 'pass', c: 'error', d: 'fail', e: 'pass' }),
      report({ a: 'pass', b: 'fail', c: 'pass', d: 'pass', f: 'pass' }),
    )
    assert.equal(difference.common, 3)
    assert.equal(difference.leftOut, 3)
    assert.deepEqual(difference.onlyFirstPassed, ['b'])
    assert.deepEqual(difference.onlySecondPassed, ['d'])
    assert.equal(difference.pValue, 1)
    assert.equal(difference.difference, 0)
  })

  it('have an interval on their difference, by group too: the same case decides, not the same share', () => {
    // 40 of 100 lost, none won. The interval itself is checked against its oracle in `statistics/tango.test.ts`.
    const first = report(outcomesOf(100, 0))
    const second = report(outcomesOf(60, 40))
    const { difference, interval, groups } = compareReports(first, second)
    assert.equal(difference, -0.4)
    assert.ok(interval!.lower > -0.5 && interval!.upper < -0.3, JSON.stringify(interval))
    assert.equal(interval!.confidence, 0.95)
    assert.deepEqual(
      groups.map((group) => [group.group, group.difference]),
      [['c', -0.4]],
    )
    const swapped = compareReports(second, first)
    assert.ok(Math.abs(swapped.interval!.lower + interval!.upper) < 1e-9)
  })

  it('with nothing in common show nothing, and not zero', () => {
    const { difference, interval, common } = compareReports(report({ a: 'pass' }), report({ b: 'pass' }))
    assert.deepEqual({ difference, interval, common }, { difference: null, interval: null, common: 0 })
  })

  it('of different questions are refused, by the name of what differs', () => {
    const one = report({ a: 'pass' })
    const refused: readonly (readonly [Partial<CheckReport>, RegExp])[] = [
      [{ battery: 'json' }, /batteries differ: tools against json/],
      [{ version: 9 }, /battery tools changed in between: version 1 .* version 9 .* Run the older check again/],
      [{ seed: 2 }, /seeds differ, 1 against 2/],
      [{ material: 'sha256:ab' }, /texts that facts were hidden in differ: generated against sha256:ab/],
    ]
    for (const [more, message] of refused)
      assert.throws(() => compareReports(one, { ...one, ...more }), { code: 'CROSSING_CONFLICT', message })
  })
})

describe('the file of a check', () => {
  const file = JSON.stringify({ reports: [report({ a: 'pass' })], difference: null })

  it('is read back as it was written', () => {
    assert.deepEqual(parseCheckFile(file), [report({ a: 'pass' })])
  })

  it('is not trusted: whatever else it is, is named', () => {
    const older = file.replace('"version":1,', '')
    const cases: readonly (readonly [string, RegExp])[] = [
      ['', /not JSON/],
      ['{"reports":[]}', /reports/],
      [file.slice(0, 200), /not JSON/],
      [file.replace('"pass"', '"fine"'), /\/reports\/0\/cases\/0\/outcome/],
      [file.replace('"seed":1', '"seed":-1'), /\/reports\/0\/seed/],
      [file.replace('"battery":"tools"', '"battery":"__proto__"'), /\/reports\/0\/battery/],
      [older, /which version of the battery/],
    ]
    for (const [text, message] of cases)
      assert.throws(() => parseCheckFile(text), { code: 'CROSSING_BAD_IMPORT', message })
  })
})

describe('the version of a battery', () => {
  // A changed question makes older reports incomparable. Whoever changes one raises the version here and in result.ts.
  const pinned = {
    tools: { version: 1, questions: 'eb3b54221ac39a81' },
    json: { version: 1, questions: '016448d09d6a2d5f' },
    longctx: { version: 2, questions: '8db10a25d599184d' },
  }
  const countTokens = (text: string): number => Math.ceil(text.length / 4)
  const batteries = {
    tools: toolsBattery(false),
    json: jsonBattery(false),
    longctx: longContextBattery({
      tasks: longContextTasks,
      lengthsTokens: [500],
      depths: [0, 1],
      repeats: 2,
      seed: 1,
      haystack: generatedHaystack,
      countTokens,
      charactersPerToken: 4,
    }),
  }
  for (const name of ['tools', 'json', 'longctx'] as const)
    it(`is raised when a question of ${name} changes`, async () => {
      const asked: string[] = []
      await runCases(
        batteries[name],
        scripted('chat', ({ items, tools, toolChoice, outputFormat }) => {
          asked.push(JSON.stringify([items, tools, toolChoice, outputFormat]))
          return say('x')
        }),
        { concurrency: 1 },
      )
      const questions = hash('sha256', asked.join('\n')).slice(0, 16)
      assert.deepEqual({ version: batteryVersions[name], questions }, pinned[name])
    })
})
