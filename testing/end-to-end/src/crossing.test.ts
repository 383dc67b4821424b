/**
 * The way over through the command line: whole sessions beside steps, checks of the plan, a judge with blind labels, and
 * a person's data erased from all of it. Three scripted suppliers on loopback stand in for models.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { startMockUpstream, type MockUpstream, type Script } from '@portolan-testing/mock-upstream'

const bin = resolve(import.meta.dirname, '../../../packages/cli/bin/portolan.js')
const folder = mkdtempSync(join(tmpdir(), 'portolan-over-'))
const sessions = 8
/** The newcomer refunds the wrong order in every fourth session, and never says thank you. */
const wrongEvery = 4

/** A clerk who looks an order up, refunds it and says so. */
const clerk =
  (isNew: boolean): Script =>
  ({ view }) => {
    const texts = view.turns.flatMap((turn) => turn.texts)
    const order = Number(/order (\d+)/.exec(texts.join(' '))?.[1] ?? 0)
    const results = view.turns.flatMap(({ toolResults }) => toolResults).length
    const usage = { inputTokens: 500 + 100 * results, cachedTokens: 0, outputTokens: 20 }
    if (results === 0) return { usage, toolCalls: [{ name: 'look_up', arguments: { order } }] }
    const wrong = isNew && order % wrongEvery === 0
    if (results === 1)
      return { usage, toolCalls: [{ name: 'refund', arguments: { order: wrong ? order + 1000 : order } }] }
    return { usage, text: isNew ? `Refunded order ${order}.` : `Refunded order ${order}. Thank you!` }
  }

/** Likes to be thanked. */
const judge: Script = ({ view }) => {
  const asked = view.turns.flatMap((turn) => turn.texts).join('\n')
  const first = /first answer begins\n([^]*?)first answer ends/.exec(asked)?.[1] ?? ''
  const better = first.includes('Thank you') ? 'first' : 'second'
  return { usage: { inputTokens: 300, cachedTokens: 0, outputTokens: 10 }, text: `{"better":"${better}"}` }
}

const suppliers: MockUpstream[] = []

interface Figure {
  readonly metric: string
  readonly estimate: number
  readonly upper: number
  readonly cases: number
  readonly decision: string
}

/** Of the report in JSON what is looked at here. */
interface Report {
  readonly plan: { readonly mode: string }
  readonly data: { readonly sessions: number }
  readonly candidates: readonly { readonly verdict: string; readonly otherComparisons: readonly Figure[] }[]
  readonly sessionRuns: readonly { readonly arm: string; readonly divergences: readonly object[] }[]
  readonly judge: readonly {
    readonly winRate: number
    readonly flipRate: number
    readonly calibrated: boolean
    readonly nanos: string | null
    readonly labels: number
  }[]
  readonly arms: readonly {
    readonly arm: string
    readonly scorers: readonly { readonly scorer: string; readonly pass: number; readonly unscored: number }[]
  }[]
  readonly excluded: readonly { readonly rule: string }[]
}

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

function portolan(...args: string[]): Promise<Ended> {
  const child = spawn(process.execPath, ['--conditions=source', bin, ...args], {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: folder, SUPPLIER_KEY: 'sk-example' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [out, err] = ['', '']
  child.stdout.on('data', (chunk) => (out += String(chunk)))
  child.stderr.on('data', (chunk) => (err += String(chunk)))
  return new Promise((done) => child.on('close', (code) => done({ code, out: out.trim(), err: err.trim() })))
}

async function done(...args: string[]): Promise<string> {
  const { code, out, err } = await portolan(...args)
  assert.equal(code, 0, `portolan ${args.join(' ')}: ${err}${out}`)
  return out
}

const path = (name: string): string => join(folder, name)
const change = (file: string, ...changes: readonly (readonly [string | RegExp, string])[]): void => {
  let text = readFileSync(path(file), 'utf8')
  for (const [from, to] of changes) {
    assert.notEqual(text.replace(from, to), text, `nothing of ${String(from)} stands in ${file}`)
    text = text.replace(from, to)
  }
  writeFileSync(path(file), text)
}
const report = (): Report => JSON.parse(readFileSync(path('plan.report.json'), 'utf8')) as Report

/** One conversation a line, as a file of another tool has it. */
function conversation(order: number): string {
  const call = (name: string, id: string): object => ({
    role: 'assistant',
    content: null,
    tool_calls: [{ id, type: 'function', function: { name, arguments: JSON.stringify({ order }) } }],
  })
  const tools = ['look_up', 'refund'].map((name) => ({
    type: 'function',
    function: { name, parameters: { type: 'object', properties: { order: { type: 'integer' } }, required: ['order'] } },
  }))
  const messages = [
    { role: 'user', content: `Please refund order ${order} to Waldemar${order}.` },
    call('look_up', 'a'),
    { role: 'tool', tool_call_id: 'a', content: `order ${order} found` },
    call('refund', 'b'),
    { role: 'tool', tool_call_id: 'b', content: 'done' },
    { role: 'assistant', content: `Refunded order ${order}. Thank you!` },
  ]
  return JSON.stringify({ model: 'gpt-5.5', messages, tools })
}

before(async () => {
  for (const script of [clerk(false), clerk(true), judge])
    suppliers.push(await startMockUpstream({ script, dialect: 'openai' }))
  const names = ['old', 'new', 'judges']
  const prices = ['openai', 'deepseek', 'openai']
  writeFileSync(
    path('portolan.yaml'),
    `listen: 127.0.0.1:0\nupstreams:\n${suppliers
      .map(
        ({ url }, at) =>
          `  ${names[at]}: { kind: openai-compatible, baseUrl: "${url}/v1", apiKey: "\${SUPPLIER_KEY}", protocols: [chat], prices: ${prices[at]} }\n`,
      )
      .join('')}`,
  )
  writeFileSync(path('traffic.jsonl'), Array.from({ length: sessions }, (_, at) => conversation(at + 1)).join('\n'))
})
after(async () => {
  await Promise.all(suppliers.map((supplier) => supplier.close()))
  rmSync(folder, { recursive: true, force: true })
})

const egress = ['old', 'new', 'judges']
  .map(
    (processor) =>
      `\n  - { processor: ${processor}, decision: allowed, by: "A. Person, data protection", on: 2026-11-01, purposes: [${processor === 'judges' ? 'judge' : 'replay'}], level: full, data: made-up orders }`,
  )
  .join('')

describe('sessions, checks and a judge in one plan', () => {
  it('are promised in the plan, and what it cannot keep is said before the freeze', async () => {
    const imported = await done(
      'record',
      'import',
      'traffic.jsonl',
      '--from',
      'openai-chat',
      '--level',
      'full',
      '--json',
    )
    const { id } = JSON.parse(imported) as { id: string }
    await done(
      'plan',
      'new',
      '--recording',
      id,
      '--from',
      'old:gpt-5.5',
      '--to',
      'new:deepseek-v4-pro',
      '--margin',
      '2pt',
    )
    writeFileSync(
      path('names-order.mjs'),
      'export default ({ text, calls }) => calls.length > 0 || /order \\d+/.test(text)\n',
    )
    writeFileSync(
      path('loops.mjs'),
      'export default ({ task }) => { if (/order 3 /.test(task)) for (;;); return true }\n',
    )
    change(
      'plan.yaml',
      ['mode: step', 'mode: both'],
      ['tools: {}', 'tools:\n    look_up: { class: read }\n    refund: { class: irreversible }'],
      [
        'checks: []',
        `checks:
  - { name: thanks, scorer: contains, text: thank you, severity: minor }
  - { name: names-order, scorer: file, path: names-order.mjs }
  - { name: loops, scorer: file, path: loops.mjs, severity: minor, tags: [tools] }`,
      ],
      ['timeMs: 1000', 'timeMs: 100'],
      ['judge: null', 'judge: { name: judge, upstream: judges, model: gpt-5.4, rubric: Is it polite? }'],
      ['exclusions: []', 'exclusions: [{ rule: "orders above 100", reason: rare }]'],
      ['egress: []', `egress:${egress}`],
    )
    for (const name of ['.yaml', '.cases.json']) writeFileSync(path(`trial${name}`), readFileSync(path(`plan${name}`)))
    const frozen = await done('plan', 'freeze')
    assert.match(frozen, /Warning: exclusions: "orders above 100" is no rule/)
    assert.match(await done('plan', 'verify'), /Warning: exclusions: "orders above 100"/)
    assert.match(await done('plan', 'show'), /Mode +both[^]*Check +thanks: contains, minor/)
  })

  it('are tried by a pilot as often as the plan will ask, and the share that passed is what it counts', async () => {
    change('trial.yaml', ['replicates: 1', 'replicates: 2'], ['mode: both', 'mode: sessions'])
    const out = await done('replay', 'run', 'trial.yaml', '--pilot', '4', '--json')
    assert.equal((JSON.parse(out) as { all: number }).all, 3 * 4 * 2)
    const pilot = JSON.parse(readFileSync(path('trial.pilot.json'), 'utf8')) as {
      replicates: number
      cases: { candidate: number; incumbent: number; incumbentAgain: number }[]
    }
    assert.deepEqual([pilot.replicates, pilot.cases.length], [2, 4])
    assert.ok(pilot.cases.every(({ incumbent, incumbentAgain }) => incumbent === 1 && incumbentAgain === 1))
    assert.match(await done('plan', 'pilot', 'trial.yaml', '--results', 'trial.pilot.json'), /the dataset has 8/)
  })

  it('does not run with a check that was changed after the freeze', async () => {
    const kept = readFileSync(path('names-order.mjs'))
    writeFileSync(path('names-order.mjs'), 'export default () => true\n')
    const refused = await portolan('replay', 'run')
    assert.equal(refused.code, 2)
    assert.match(refused.err, /The check "names-order" \(names-order\.mjs\) was changed after the plan was frozen/)
    writeFileSync(path('names-order.mjs'), kept)
  })

  it('run with a cap between attempts, and go on from there', async () => {
    const capped = await portolan('replay', 'run', '--budget', '0.000001USD')
    assert.equal(capped.code, 1)
    assert.match(capped.out, /stopped-by-cap.*The same command goes on from there/)
    const out = await done('replay', 'run')
    assert.match(out, new RegExp(`Sessions of gpt-5\\.5: ${sessions} of ${sessions} reached their end\\.`))
    assert.match(out, /Sessions of deepseek-v4-pro: 6 of 8 reached their end; other-arguments 2\./)
    assert.match(out, /Judged by judge: 8 pairs of answers for 0\.\d+ USD/)
    assert.match(out, new RegExp(`All ${3 * 4 * sessions} attempts stand in plan\\.attempts`))
    const before = suppliers.map(({ requests }) => requests.length)
    await done('replay', 'run')
    assert.deepEqual(
      suppliers.map(({ requests }) => requests.length),
      before,
      'nothing is asked, judged or tried twice',
    )
  })

  it('are compared: where sessions left the recorded way, what each check found, and a judge that decides nothing yet', async () => {
    await done('report', 'make')
    const { candidates, sessionRuns, judge: panels, arms, plan } = report()
    assert.equal(plan.mode, 'both')
    const [found] = candidates
    assert.equal(found!.verdict, 'WORSE')
    const metric = (name: string) => found!.otherComparisons.find((one) => one.metric === name)!
    assert.ok(Math.abs(metric('session-success').estimate + 0.25) < 1e-9)
    assert.ok(metric('tokens-per-session').cases === 6 && Math.abs(metric('tokens-per-session').estimate - 1) < 1e-9)
    assert.ok(metric('check:thanks').upper < 0 && metric('check:thanks').estimate === -1)
    assert.equal(metric('check:names-order').estimate, 0)
    const checked = arms.find(({ arm }) => arm === 'deepseek-v4-pro')!.scorers
    const { pass, unscored } = checked.find(({ scorer }) => scorer === 'check:loops')!
    assert.deepEqual(
      [pass, unscored],
      [3 * sessions - 3, 3],
      'a check that never ends is unscored there, and only there',
    )
    assert.deepEqual(sessionRuns.find(({ arm }) => arm === 'deepseek-v4-pro')!.divergences, [
      { kind: 'other-arguments', runs: 2 },
    ])
    const [panel] = panels
    assert.deepEqual([panel!.winRate, panel!.flipRate, panel!.calibrated], [0, 0, false])
    assert.ok(BigInt(panel!.nanos!) > 0n)
    assert.equal(metric('judge').decision, 'shown-only')
  })

  it('let people label blind, and hold the judge against them', async () => {
    await done('report', 'label')
    const sheet = readFileSync(path('plan.labels.yaml'), 'utf8')
    assert.ok(!/deepseek|gpt-5|candidate|incumbent/.test(sheet))
    const empty = await portolan('report', 'calibrate', '--labels', 'plan.labels.yaml')
    assert.match(empty.err, /has no row with a word under `better:`/)
    writeFileSync(
      path('plan.labels.yaml'),
      sheet.replace(/first: (.*)\n([^]*?)better: null/g, (row, first: string) =>
        row.replace('better: null', `better: ${first.includes('Thank you') ? 'first' : 'second'}`),
      ),
    )
    const said = await done('report', 'calibrate', '--labels', 'plan.labels.yaml')
    assert.match(said, /deepseek-v4-pro +0\.000 .* 8 .*no, so it is information only: 8 of 60 human labels/)
    assert.ok(!/Refunded/.test(readFileSync(path('plan.labels.json'), 'utf8')), 'labels are kept without words')
    await done('report', 'make')
    assert.equal(report().judge[0]!.labels, 8)
  })

  it('forget a person: nobody reads her attempts again, no case of hers is asked, and the report says so', async () => {
    const { cases } = JSON.parse(readFileSync(path('plan.cases.json'), 'utf8')) as { cases: { sessionId: string }[] }
    const session = cases[0]!.sessionId
    for (const file of ['plan.attempts', 'plan.judged'])
      assert.ok(!/Waldemar|Refunded/.test(readFileSync(path(file), 'latin1')), `${file} holds nothing in the open`)
    await done('record', 'erase', '--session', session, '--yes')
    const out = await done('replay', 'run')
    assert.ok(!out.includes(`of ${sessions} reached their end`))
    assert.match(out, /\d+ more are of erased subjects: nobody can read them/)
    await done('report', 'make')
    const { excluded, data } = report()
    assert.ok(excluded.length > 0 && excluded.every(({ rule }) => rule === 'erased'))
    assert.ok(data.sessions < sessions)
  })
})
