import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import type { FunctionTool, ToolCallItem } from '@portolan/wire'
import { bfclProblem, type BfclCall, type BfclFunction, type BfclGold } from './bfcl.ts'
import { IsolatedRunner } from './isolated.ts'
import { compareToolCalls, scoreToolCalls } from './tool-calls.ts'

const runner = new IsolatedRunner()
after(() => runner.close())

function call(name: string, args: unknown): ToolCallItem {
  const argumentsText = typeof args === 'string' ? args : JSON.stringify(args)
  return {
    kind: 'tool-call',
    callId: `c${Math.abs(argumentsText.length)}`,
    name,
    namespace: null,
    argumentsText,
    custom: false,
  }
}

function tool(name: string, properties: Record<string, unknown>, required: string[] = []): FunctionTool {
  const parameters = { type: 'object', properties, required }
  return { kind: 'function', name, namespace: null, description: null, parameters, strict: null }
}

const tools = [
  tool('weather', { city: { type: 'string' }, unit: { enum: ['C', 'F'], default: 'C' }, days: { type: 'number' } }, [
    'city',
  ]),
  tool('pay', { account: { type: 'integer' }, amount: { type: 'number' } }, ['account', 'amount']),
]

describe('tool calls', () => {
  it('are the same whatever the key order, number spelling or an omitted default', async () => {
    const got = [call('weather', '{"days":1.0,"city":"Oslo"}')]
    const want = [call('weather', '{"city":"Oslo","unit":"C","days":1}')]
    assert.ok(compareToolCalls(got, want, tools).equal)
    assert.equal((await scoreToolCalls(got, want, tools, runner)).outcome, 'pass')
  })

  it('tell invented, missing, mistyped and changed arguments apart', async () => {
    const want = [call('weather', { city: 'Oslo', days: 2 })]
    const cases: [unknown, string, string][] = [
      [{ city: 'Oslo', days: 2, lang: 'no' }, '/lang', 'unexpected'],
      [{ city: 'Oslo' }, '/days', 'missing'],
      [{ city: 'Oslo', days: '2' }, '/days', 'other-type'],
      [{ city: 'oslo', days: 2 }, '/city', 'other-value'],
    ]
    for (const [args, path, problem] of cases) {
      const { pairs, divergence } = compareToolCalls([call('weather', args)], want, tools)
      assert.equal(divergence, 'other-arguments')
      assert.deepEqual([pairs[0]!.differences[0]!.path, pairs[0]!.differences[0]!.problem], [path, problem])
      assert.equal((await scoreToolCalls([call('weather', args)], want, tools, runner)).outcome, 'fail')
    }
  })

  it('fail an answer that repeats the recording but breaks the schema, or calls a tool nobody declared', async () => {
    const bad = [call('weather', { city: 7 })]
    assert.equal((await scoreToolCalls(bad, bad, tools, runner)).outcome, 'fail')
    const unknown = [call('nobody', {})]
    assert.equal((await scoreToolCalls(unknown, unknown, tools, runner)).outcome, 'fail')
  })

  it('keep 64-bit ids apart that a double cannot tell apart', () => {
    const got = [call('pay', '{"account":9007199254740993,"amount":1}')]
    const want = [call('pay', '{"account":9007199254740992,"amount":1}')]
    assert.equal(compareToolCalls(got, want, tools).equal, false)
    assert.ok(compareToolCalls(got, got, tools).equal)
  })

  it('pair parallel calls without regard to order, unless order was declared', () => {
    const one = call('weather', { city: 'Oslo' })
    const two = call('weather', { city: 'Bergen' })
    assert.ok(compareToolCalls([two, one], [one, two], tools).equal)
    assert.equal(compareToolCalls([two, one], [one, two], tools, { ordered: true }).equal, false)
  })

  it('find the perfect pairing where the first fit would take the wrong partner', () => {
    // Two days fit both wanted calls, one day fits only the first: first come, first served would strand the second.
    const rules = { weather: [{ path: '/days', rule: { tolerance: 1 } }] }
    const days = (count: number): ToolCallItem => call('weather', { city: 'Oslo', days: count })
    assert.ok(compareToolCalls([days(2), days(1)], [days(2), days(3)], tools, { rules }).equal)
    assert.equal(compareToolCalls([days(2), days(1)], [days(2), days(3)], tools, { rules, ordered: true }).equal, false)
  })

  it('name what diverged', () => {
    const weather = call('weather', { city: 'Oslo' })
    const pay = call('pay', { account: 1, amount: 2 })
    assert.equal(compareToolCalls([], [weather], tools).divergence, 'text-only')
    assert.equal(compareToolCalls([weather, pay], [weather], tools).divergence, 'extra-call')
    assert.equal(compareToolCalls([weather], [weather, pay], tools).divergence, 'missing-call')
    assert.equal(compareToolCalls([pay], [weather], tools).divergence, 'other-tool')
    assert.equal(compareToolCalls([weather], [weather], tools).divergence, null)
  })

  it('call a changed, extra or missing irreversible call critical', async () => {
    const options = { classOf: (name: string) => (name === 'pay' ? ('irreversible' as const) : ('read' as const)) }
    const pay = call('pay', { account: 1, amount: 2 })
    const more = call('pay', { account: 1, amount: 20 })
    for (const [got, want] of [
      [[more], [pay]],
      [[pay, pay], [pay]],
      [[], [pay]],
    ] as const) {
      const verdict = await scoreToolCalls(got, want, tools, runner, options)
      assert.deepEqual([verdict.outcome, verdict.severity], ['fail', 'critical'])
    }
    const harmless = await scoreToolCalls(
      [call('weather', { city: 'A' })],
      [call('weather', { city: 'B' })],
      tools,
      runner,
      options,
    )
    assert.deepEqual([harmless.outcome, harmless.severity], ['fail', 'major'])
  })

  it('take rules by path, names mapped back, empty arguments and broken JSON as they come', async () => {
    const rules = {
      weather: [
        { path: '/days', rule: { tolerance: 1 } },
        { path: '/city', rule: 'normalised' as const },
      ],
    }
    assert.ok(
      compareToolCalls(
        [call('weather', { city: ' OSLO', days: 3 })],
        [call('weather', { city: 'Oslo', days: 2 })],
        tools,
        { rules },
      ).equal,
    )
    assert.ok(
      compareToolCalls([call('x_weather', { city: 'Oslo' })], [call('weather', { city: 'Oslo' })], tools, {
        nameOf: (name) => name.slice(2),
      }).equal,
    )
    const empty = tool('now', {})
    assert.ok(compareToolCalls([call('now', '')], [call('now', '{}')], [empty]).equal)
    const broken = await scoreToolCalls(
      [call('weather', '{"city":')],
      [call('weather', { city: 'Oslo' })],
      tools,
      runner,
    )
    assert.equal(broken.outcome, 'fail')
  })
})

describe('bfcl-compat (check 11)', () => {
  const functions: BfclFunction[] = [
    {
      name: 'geo.distance',
      parameters: {
        properties: {
          from: { type: 'string' },
          to: { type: 'string' },
          unit: { type: 'string' },
          limit: { type: 'integer' },
        },
        required: ['from', 'to'],
      },
    },
    {
      name: 'grade',
      parameters: {
        properties: {
          scores: { type: 'array', items: { type: 'float' } },
          opts: { type: 'dict' },
          strict: { type: 'boolean' },
        },
        required: ['scores'],
      },
    },
  ]
  const distance: BfclGold = {
    'geo.distance': { from: ['New York', 'NYC'], to: ['Oslo'], unit: ['km', ''], limit: [5, ''] },
  }
  const grade: BfclGold = { grade: { scores: [[1, 2.5]], opts: [{ curve: ['on', ''] }, ''], strict: [true, ''] } }
  const right: BfclCall[] = [
    { name: 'geo_distance', arguments: { from: 'new-york', to: 'Oslo', limit: 5 } },
    { name: 'grade', arguments: { scores: [1, 2.5], opts: { curve: 'On' }, strict: true } },
  ]

  it('passes the gold, in any order', () => {
    assert.equal(bfclProblem(right, [distance, grade], functions), null)
    assert.equal(bfclProblem(right.toReversed(), [distance, grade], functions), null)
  })

  it('fails every seeded mutation: required dropped, wrong enum, extra argument, other type, other value', () => {
    const mutations: BfclCall[][] = [
      [{ name: 'geo_distance', arguments: { from: 'NYC' } }, right[1]!],
      [{ name: 'geo_distance', arguments: { from: 'NYC', to: 'Oslo', unit: 'miles' } }, right[1]!],
      [{ name: 'geo_distance', arguments: { from: 'NYC', to: 'Oslo', via: 'Paris' } }, right[1]!],
      [{ name: 'geo_distance', arguments: { from: 'NYC', to: 'Oslo', limit: '5' } }, right[1]!],
      [{ name: 'geo_distance', arguments: { from: 'NYC', to: 'Oslo', limit: 5.5 } }, right[1]!],
      [{ name: 'geo_distance', arguments: { from: 'NYC', to: 'Bergen' } }, right[1]!],
      [{ name: 'geo_distances', arguments: { from: 'NYC', to: 'Oslo' } }, right[1]!],
      [right[0]!, { name: 'grade', arguments: { scores: [1, '2.5'] } }],
      [right[0]!, { name: 'grade', arguments: { scores: [1] } }],
      [right[0]!, { name: 'grade', arguments: { scores: [1, 2.5], opts: { curve: 'off' } } }],
      [right[0]!, { name: 'grade', arguments: { scores: [1, 2.5], strict: 'true' } }],
      [right[0]!],
      [...right, right[0]!],
    ]
    for (const calls of mutations)
      assert.notEqual(bfclProblem(calls, [distance, grade], functions), null, JSON.stringify(calls))
  })

  it('passes a perfect pairing that greedy pairing in gold order misses', () => {
    const loose: BfclGold = { 'geo.distance': { from: ['NYC'], to: ['Oslo', 'Bergen'] } }
    const tight: BfclGold = { 'geo.distance': { from: ['NYC'], to: ['Oslo'] } }
    const calls = ['Oslo', 'Bergen'].map((to) => ({ name: 'geo.distance', arguments: { from: 'NYC', to } }))
    assert.equal(bfclProblem(calls, [loose, tight], functions), null)
    assert.notEqual(bfclProblem(calls, [loose, tight], functions, 'greedy'), null)
  })
})
