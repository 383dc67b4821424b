/** What `portolan report make` adds to a report: the budget it reads, and the replay's bill as FOCUS records. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import type { Plan, ReportData } from '@portolan/crossing'
import { plainRow, readCsv, type SqliteStore } from '@portolan/store'
import { loadConfig } from '../config/load.ts'
import { openDataDirectory } from '../data-directory.ts'
import { reportBudget } from './report-budget.ts'
import { focusOf } from './report-focus.ts'
import { focusColumns } from './usage-focus.ts'

const directory = mkdtempSync(join(tmpdir(), 'portolan-report-'))
after(() => rmSync(directory, { recursive: true, force: true }))

const dayMs = 86_400_000
const frozenAtMs = Date.UTC(2026, 9, 20, 9)
const frozenDay = Math.floor(frozenAtMs / dayMs)
/** As much of a plan as a budget is read from. */
const plan = { frozenAtMs, replay: { currency: 'USD' } } as Plan & { readonly frozenAtMs: number }

function configured(name: string, budgets: string): ReturnType<typeof loadConfig> {
  const path = join(directory, `${name}.yaml`)
  writeFileSync(path, `upstreams: { local: { kind: demo } }\n${budgets}`)
  return loadConfig(path)
}

describe('the budget of a report', () => {
  const { store } = openDataDirectory(join(directory, 'data')) as { store: SqliteStore }
  after(() => store.close())
  const two = configured(
    'two',
    'budgets: { team: { limit: 25, period: month }, all: { limit: 100, period: month }, calls: { limit: 9, unit: requests, period: day } }\n',
  )
  const one = configured('one', 'budgets: { team: { limit: 25, period: month } }\n')

  it('is the one that is configured, the one that is named, or the amount that is given', () => {
    assert.deepEqual(
      [
        reportBudget(store, one, plan, {}),
        reportBudget(store, two, plan, { budget: 'all' }),
        reportBudget(store, two, plan, { budget: '120000.5USD', monthly: '30000' }),
      ].map((budget) => budget && [budget.name, budget.amountNanos, budget.monthlyNanos, budget.firstDay]),
      [
        ['team, a month', 25_000_000_000n, null, frozenDay],
        ['all, a month', 100_000_000_000n, null, frozenDay],
        ['given', 120_000_500_000_000n, 30_000_000_000_000n, frozenDay],
      ],
    )
  })

  it('is none where several are configured and none was named, and a wrong one is refused with what there is', () => {
    assert.equal(reportBudget(store, two, plan, {}), null)
    const refused: readonly (readonly [string, RegExp])[] = [
      ['calls', /"calls" is neither an amount .* those are: team, all\./],
      ['5EUR', /counts in USD, not in EUR/],
      ['0', /above zero/],
      ['1e9', /no amount/],
    ]
    for (const [budget, message] of refused)
      assert.throws(() => reportBudget(store, two, plan, { budget }), { message }, budget)
  })

  it('takes the use of the days before the plan was frozen, whatever was spent since', () => {
    const row = (day: number): Parameters<SqliteStore['ledger']['append']>[0][number] =>
      plainRow({
        requestId: `r${day}`,
        keyId: 'key_a',
        currency: 'USD',
        costNanos: 10_000_000_000n,
        startedAtMs: day * dayMs + dayMs / 2,
      })
    store.ledger.append([frozenDay - 2, frozenDay - 1, frozenDay, frozenDay + 3].map(row))
    const budget = reportBudget(store, one, plan, { budget: '100USD' })!
    assert.deepEqual(budget.spend, [
      { day: frozenDay - 2, nanos: 10_000_000_000n },
      { day: frozenDay - 1, nanos: 10_000_000_000n },
    ])
  })
})

describe('the FOCUS records of a report', () => {
  const report = {
    plan: { id: 'plan_1', name: 'a, "b"' },
    charges: [
      {
        arm: 'new',
        day: '2026-12-31',
        currency: 'USD',
        meter: 'input-miss',
        tokens: 10,
        requests: 0,
        nanos: '1500000001',
      },
      { arm: 'aa', day: '2026-12-31', currency: 'USD', meter: 'unsplit', tokens: 0, requests: 3, nanos: '2' },
    ],
  } as unknown as ReportData
  const upstreams = new Map([['new', { upstream: 'deepseek', model: 'deepseek-v4-pro' }]])
  const [head, ...rows] = readCsv(focusOf(report, upstreams))

  it('have the 21 mandatory columns of version 1.2, filled, and ours with their prefix (check 25)', () => {
    assert.deepEqual(head, [...focusColumns])
    const mandatory = focusColumns.slice(0, 21)
    for (const row of rows)
      for (const [at, name] of mandatory.entries())
        assert.equal(row[at] === '', name === 'ChargeClass', `${name}: ${row[at]}`)
    assert.ok(head.slice(35).every((name) => name.startsWith('x_')))
  })

  it('say arm and plan, meters as tokens, and the amount to the nano', () => {
    const record = Object.fromEntries(head!.map((name, at) => [name, rows[0]![at]]))
    assert.equal(record['BilledCost'], '1.500000001')
    assert.equal(record['ChargePeriodEnd'], '2027-01-01T00:00:00Z')
    assert.equal(record['BillingPeriodStart'], '2026-12-01T00:00:00Z')
    assert.equal(record['PricingUnit'], 'Tokens')
    assert.equal(record['x_InputMissTokens'], '10')
    assert.deepEqual([record['ProviderName'], record['x_Arm'], record['x_ExperimentId']], ['deepseek', 'new', 'plan_1'])
    assert.deepEqual(JSON.parse(record['Tags']!), { plan: 'a, "b"', arm: 'new' })
    const whole = Object.fromEntries(head!.map((name, at) => [name, rows[1]![at]]))
    assert.deepEqual(
      [whole['PricingUnit'], whole['PricingQuantity'], whole['BilledCost']],
      ['Requests', '3', '0.000000002'],
    )
  })
})
