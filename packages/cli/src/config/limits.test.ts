/** Limits as people write them, and what is said of a slip. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CliError } from '../errors.ts'
import { configuredLimits, webhookOf } from './limits.ts'
import { parseConfig, type LoadedConfig } from './load.ts'

function loaded(text: string): LoadedConfig {
  return { file: parseConfig(text, 'portolan.yaml', {}), path: 'portolan.yaml', directory: '/' }
}

function refusal(text: string): string {
  try {
    configuredLimits(loaded(text))
  } catch (error) {
    if (error instanceof CliError) return error.message
    throw error
  }
  return 'accepted'
}

describe('limits in portolan.yaml', () => {
  it('are read to the nano and the millisecond', () => {
    const { teams, budgets, rates } = configuredLimits(
      loaded(`
currency: CNY
teams: { red: { organisation: acme }, blue: {} }
budgets:
  a: { limit: "0.000000001", period: month, teams: [red], alerts: [80, 50, 80] }
  b: { limit: 2000000, unit: tokens, period: 5h, organisations: [acme], each: key }
rateLimits:
  c: { requests: 60, per: 1m, models: ["deepseek-*"] }
  d: { tokens: 200000, per: 1m, burst: 50000, each: team }`),
    )
    assert.deepEqual(teams, [
      { id: 'red', organisationId: 'acme' },
      { id: 'blue', organisationId: null },
    ])
    assert.deepEqual(
      budgets.map(({ limit, unit, currency, period, windowMs, alerts }) => [
        limit,
        unit,
        currency,
        period,
        windowMs,
        alerts,
      ]),
      [
        [1n, 'money', 'CNY', 'month', null, [50, 80]],
        [2_000_000n, 'tokens', null, 'rolling', 18_000_000, []],
      ],
    )
    assert.deepEqual(
      rates.map(({ unit, amount, perMs, burst, scope }) => [unit, amount, perMs, burst, scope.each]),
      [
        ['requests', 60, 60_000, 60, null],
        ['tokens', 200_000, 60_000, 50_000, 'team'],
      ],
    )
  })

  it('that cannot be are refused with the place and the reason', () => {
    const slips: readonly (readonly [string, RegExp])[] = [
      ['budgets: { a: { limit: 1, period: week } }', /1:35: budgets.a.period: must be day, month, total, or a window/],
      [
        'budgets: { a: { limit: 1, period: day, teams: [rad] } }',
        /budgets.a: there is no team "rad"; `teams` makes teams/,
      ],
      [
        'teams: { red: {} }\nbudgets: { a: { limit: 1, period: day, organisations: [x] } }',
        /no team belongs to an org/,
      ],
      ['budgets: { a: { limit: 1, period: day, alerts: [120] } }', /budgets.a.alerts.0: /],
      ['rateLimits: { a: { per: 1m } }', /needs either `requests` or `tokens`/],
      ['rateLimits: { a: { tokens: 100000000000, per: 30d } }', /cannot be counted exactly; use a budget/],
      ['webhook: { url: "https://x.example", secret: plain }', /a secret belongs in the environment/],
    ]
    for (const [text, message] of slips) assert.match(refusal(text), message, text)
  })

  it('take the webhook and its secret from the environment', () => {
    const given = loaded('webhook: { url: "${HOOK}", secret: "${SECRET}" }')
    assert.deepEqual(webhookOf(given, { HOOK: 'https://x.example/h', SECRET: 's' }), {
      url: 'https://x.example/h',
      secret: 's',
    })
    assert.throws(
      () => webhookOf(given, { HOOK: 'https://x.example/h' }),
      /webhook.secret: the environment variable SECRET/,
    )
    assert.throws(() => webhookOf(given, { HOOK: 'file:///etc/passwd', SECRET: 's' }), /not an http\(s\) address/)
    assert.equal(webhookOf(loaded(''), {}), null)
  })
})
