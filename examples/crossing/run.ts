/**
 * The whole way over in one command: `node --conditions=source examples/crossing/run.ts [sessions, default 240]`.
 *
 * Records five kinds of work at a real gateway, plans the comparison, replays it on both suppliers, makes the report and
 * signs it, all through the command line; then checks that the report found exactly what was planted
 * (`workloads.ts`): the same failures in the same tasks, the slices they are in, a slower first word and a cheaper bill,
 * and nothing else; and that the replay reached the two suppliers and no other address.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { parseReport, type CandidateReport, type ReportData } from '@portolan/crossing'
import type { Doors } from './command-line.ts'
import { commandLineFor, decideEgress, planFor, planForEngine, planForSessions, record } from './journey.ts'
import { delayMs, startSupplier } from './suppliers.ts'
import { firstTask, workloads, type AnswerMessage, type Workload } from './workloads.ts'

/** Fewer planted failures than this many sessions bring are no proof, and the report rightly shows none. */
const fewestSessions = 240
const sessions = Number(process.argv[2] ?? fewestSessions)
if (!Number.isSafeInteger(sessions) || sessions < fewestSessions || sessions > 2000) {
  console.error(`The first argument is a number of sessions, from ${fewestSessions} to 2000.`)
  process.exit(2)
}
const tasks = Math.floor(sessions / workloads.length)
const incumbent = await startSupplier('incumbent')
const candidate = await startSupplier('candidate')
const cli = commandLineFor(
  incumbent.url,
  candidate.url,
  workloads.map(({ name }) => name),
)
const arms = [incumbent, candidate].map(({ url }) => new URL(url).host)
const keep = process.env['KEEP'] !== undefined

try {
  const recording = await record(cli, traffic)
  await planFor(cli, recording)
  const refused = await cli.attempt('replay', 'run', '--pilot', '5')
  assert.match(refused.error, /No decision allows sending recorded data/, 'nothing goes to a new processor undecided')
  decideEgress(cli)
  await cli.run('replay', 'run', '--pilot', '50')
  await cli.run('plan', 'pilot', '--results', 'plan.pilot.json')
  await cli.run('plan', 'freeze')
  const replayed = await cli.guarded(arms, 'replay', 'run')
  console.log(`${replayed.error}\n\n${replayed.output}`)
  assert.equal(replayed.code, 0)
  // Nobody watches: plain lines, about one for a tenth, and the summary at the end.
  const progress = replayed.error.split('\n')
  assert.ok(progress.length <= 10 && progress.every((line) => /^\d+ of \d+ attempts \(\d+ %\), [^\r]*$/.test(line)))
  assert.match(replayed.output, /^ARM .*\n[^]*All \d+ attempts stand in /)
  assert.deepEqual(
    [...replayed.reached].sort(),
    [...arms].sort(),
    'the replay reached both suppliers, and nothing else',
  )
  assert.deepEqual(replayed.refused, [])
  await cli.run('report', 'make')
  await cli.run('report', 'sign', '--role', 'engineering', '--person', 'Example Person', '--decision', 'rejected')
  console.log(await cli.run('report', 'verify'))

  const report = parseReport(readFileSync(cli.path('plan.report.json'), 'utf8'))
  const found = report.candidates[0]!
  assert.equal(found.verdict, 'WORSE', found.reason)
  for (const workload of workloads) failuresArePlanted(report, workload)
  slicesArePlanted(report, found)
  slowerAndCheaper(found)
  console.log(`Found ${report.cases.length} planted failures in ${workloads.length} kinds of work, and no other.`)
  console.log(`${found.verdict}. ${found.reason}`)
  await asWholeSessions(recording)
  await ontoTheEngine(recording)
  if (keep) console.log(`The report: ${cli.path('plan.report.html')}`)
} finally {
  await cli.close(keep)
  await incumbent.close()
  await candidate.close()
}

/**
 * The new supplier drives whole sessions on recorded tools. What matters then is what it does to the world: the wrong
 * refund is critical, the file that it did not read is not missed, and an answer on the way that lacks a member is passed
 * over; it stops where its window is too small.
 */
async function asWholeSessions(recording: string): Promise<void> {
  const file = await planForSessions(cli, recording)
  const { code, output, reached, refused } = await cli.guarded(arms, 'replay', 'run', file)
  console.log(`\n${output}`)
  assert.deepEqual([code, [...reached].sort(), refused], [0, [...arms].sort(), []])
  await cli.run('report', 'make', file)
  const report = parseReport(readFileSync(cli.path('sessions.report.json'), 'utf8'))
  const failed = (name: string): ReportData['cases'] =>
    report.cases.filter(({ tags }) => tags.includes(`model:${name}`))
  assert.deepEqual(
    workloads.map(({ name }) => [name, failed(name).length]),
    workloads.map(({ name }) => [name, ['support', 'reading'].includes(name) ? Math.ceil(tasks / 4) : 0]),
  )
  assert.ok(failed('support').every(({ critical, why }) => critical && /session-effects/.test(why.join())))
  assert.ok(failed('reading').every(({ critical, why }) => !critical && /http-400/.test(why.join())))
  console.log(`${report.candidates[0]!.verdict}. ${report.candidates[0]!.reason}`)
}

/** The same way onto the engine of this process: it answers everything, and being untrained it is not shown to be fit. */
async function ontoTheEngine(recording: string): Promise<void> {
  const file = await planForEngine(cli, recording, 10)
  const old = new URL(incumbent.url).host
  const { code, output, reached, refused } = await cli.guarded([old], 'replay', 'run', file)
  console.log(`\n${output}`)
  assert.deepEqual([code, [...reached], refused], [0, [old], []])
  await cli.run('report', 'make', file)
  const report = parseReport(readFileSync(cli.path('engine.report.json'), 'utf8'))
  const engine = report.candidates[0]!
  const { outcomes } = report.arms.find(({ arm }) => arm === engine.name)!
  assert.deepEqual([outcomes.error, outcomes.missing], [0, 0], 'every question is answered')
  assert.notEqual(engine.verdict, 'NON-INFERIOR')
  console.log(`${engine.verdict}. ${engine.reason}`)
}

// ------------------------------------------------------------------------------------------------ traffic

/** Eight clients at once, each in the middle of a session of its own. */
async function traffic(doors: Doors): Promise<number> {
  const open = Array.from({ length: tasks }, (_, index) =>
    workloads.map((workload) => [workload, firstTask + index] as const),
  )
    .flat()
    .values()
  let exchanges = 0
  const client = async (): Promise<void> => {
    for (const [workload, task] of open) exchanges += await session(doors, workload, task)
  }
  await Promise.all(Array.from({ length: 8 }, client))
  return exchanges
}

async function session({ url, key }: Doors, workload: Workload, task: number): Promise<number> {
  const messages = [...workload.opening(task)]
  for (let turn = 0; ; turn++) {
    const answered = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: workload.name, messages, ...workload.settings }),
    })
    assert.equal(answered.status, 200)
    const { choices } = (await answered.json()) as { choices: [{ message: AnswerMessage }] }
    const more = workload.next(task, turn, choices[0].message)
    if (more === null) return turn + 1
    messages.push(choices[0].message, ...more)
  }
}

// --------------------------------------------------------------------------------------- found and planted

/** The failed cases of this work are those of the planted tasks, one each, for the planted reason. */
function failuresArePlanted({ cases }: ReportData, { name, planted }: Workload): void {
  const rows = cases.filter(({ tags }) => tags.includes(`model:${name}`))
  const expected: number[] = []
  if (planted !== null) for (let task = 0; task < tasks; task += planted.every) expected.push(firstTask + task)
  // The old supplier is right everywhere, so its answer names the task.
  const named = rows.map(({ incumbentAnswer }) => Number(/\b\d{3}\b/.exec(incumbentAnswer?.text ?? '')?.[0]))
  assert.deepEqual(
    named.toSorted((a, b) => a - b),
    expected,
    `${name}: the planted tasks fail, and no other`,
  )
  for (const { kind, why } of rows) {
    assert.equal(kind, 'regressed')
    assert.match(why.join('\n'), planted!.shows)
  }
}

/** The kinds of work with something planted are flagged, the others not; any other slice that is has planted cases in it. */
function slicesArePlanted({ cases }: ReportData, { slices }: CandidateReport): void {
  const flagged = slices.filter(({ decision }) => decision === 'worse').map(({ slice }) => slice!)
  assert.deepEqual(
    flagged.filter((slice) => slice.startsWith('model:')).sort(),
    workloads.flatMap(({ name, planted }) => (planted === null ? [] : [`model:${name}`])).sort(),
  )
  for (const slice of flagged)
    assert.ok(
      cases.some(({ tags }) => tags.includes(slice)),
      `${slice} holds planted failures`,
    )
}

function slowerAndCheaper({ otherComparisons }: CandidateReport): void {
  const of = (metric: string): CandidateReport['otherComparisons'][number] => {
    const found = otherComparisons.find((one) => one.metric === metric)
    assert.ok(found, metric)
    return found
  }
  const slower = of('first-visible')
  // What the doors add to both makes the ratio smaller, never larger.
  const planted = delayMs.candidate / delayMs.incumbent
  assert.ok(slower.lower > 1.2 && slower.estimate < planted, `the first word is ${slower.estimate} times as late`)
  assert.ok(of('cost').upper < 1, 'the bill is smaller')
  assert.notEqual(of('floor').decision, 'worse', 'the old supplier does not differ from itself')
}
