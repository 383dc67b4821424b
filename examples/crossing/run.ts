/**
 * The whole way over in one command: `node --conditions=source examples/crossing/run.ts [sessions, default 60]`.
 *
 * Records an agent's traffic at a real gateway, plans the comparison, replays it on both suppliers, makes the report and
 * signs it, all through the command line; then checks that the report found exactly what was planted: a wrong argument
 * in every seventh refund, a slower first word, a cheaper bill.
 */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { parseReport } from '@portolan/crossing'
import { startSupplier, wrongOrderEvery } from './suppliers.ts'

const sessions = Number(process.argv[2] ?? 60)
if (!Number.isSafeInteger(sessions) || sessions < 14) {
  console.error('The first argument is a number of sessions, from 14.')
  process.exit(2)
}
const bin = resolve(import.meta.dirname, '../../packages/cli/bin/portolan.js')
const folder = mkdtempSync(join(tmpdir(), 'portolan-crossing-'))
const incumbent = await startSupplier('incumbent')
const candidate = await startSupplier('candidate')
let gateway: ChildProcess | null = null

try {
  writeFileSync(
    join(folder, 'portolan.yaml'),
    `listen: 127.0.0.1:0
upstreams:
  old: { kind: openai-compatible, baseUrl: "${incumbent.url}/v1", apiKey: "\${SUPPLIER_KEY}", protocols: [chat], prices: openai }
  new: { kind: openai-compatible, baseUrl: "${candidate.url}/v1", apiKey: "\${SUPPLIER_KEY}", protocols: [chat], prices: deepseek }
models:
  gpt-5.5: { route: [old] }
`,
  )
  const doors = await up()
  await portolan('record', 'start', '--level', 'redacted', '--name', 'clerk')
  // A running gateway looks for new recordings once a second.
  await new Promise((resolve) => setTimeout(resolve, 1500))
  for (let order = 1; order <= sessions; order++) await clerk(doors, order)
  const recording = await whenRecorded(3 * sessions)
  await portolan('record', 'stop')
  await down()

  await portolan(
    'plan',
    'new',
    '--recording',
    recording,
    '--from',
    'old:gpt-5.5',
    '--to',
    'new:deepseek-v4-pro',
    '--margin',
    '2pt',
  )
  const planFile = join(folder, 'plan.yaml')
  const draft = readFileSync(planFile, 'utf8')
  const refused = await attempt('replay', 'run', '--pilot', '5')
  assert.match(refused.error, /No decision allows sending recorded data/, 'nothing goes to a new processor undecided')
  writeFileSync(
    planFile,
    draft.replace(
      'egress: []',
      `egress:
  - { processor: new, decision: allowed, by: "Example Person, data protection", on: ${new Date().toISOString().slice(0, 10)}, purposes: [replay], level: redacted, data: "made-up orders", until: null, note: null }`,
    ),
  )
  await portolan('replay', 'run', '--pilot', '20')
  await portolan('plan', 'pilot', '--results', 'plan.pilot.json')
  await portolan('plan', 'freeze')
  console.log(await portolan('replay', 'run'))
  await portolan('report', 'make')
  await portolan('report', 'sign', '--role', 'engineering', '--person', 'Example Person', '--decision', 'rejected')
  console.log(await portolan('report', 'verify'))

  const report = parseReport(readFileSync(join(folder, 'plan.report.json'), 'utf8'))
  const [found] = report.candidates
  assert.ok(found)
  const planted = Math.floor(sessions / wrongOrderEvery)
  // The report's own list of failed cases; the incumbent has none.
  assert.equal(report.cases.length, planted, 'every planted wrong argument is found, and nothing else')
  assert.ok(report.cases.every((row) => JSON.stringify(row).includes('refund')))
  const faster = found.otherComparisons.find(({ metric }) => metric === 'first-visible')
  assert.ok(faster && faster.lower > 1, 'the slower first word shows')
  const cost = found.otherComparisons.find(({ metric }) => metric === 'cost')
  assert.ok(cost && cost.upper < 1, 'the cheaper bill shows')
  console.log(`Found the ${planted} planted wrong refunds and no other failure: ${found.verdict}. ${found.reason}`)
  console.log(`The report lies in ${join(folder, 'plan.report.html')} until this ends; pass KEEP=1 to keep it.`)
} finally {
  await down()
  await incumbent.close()
  await candidate.close()
  if (process.env['KEEP'] === undefined) rmSync(folder, { recursive: true })
}

interface Doors {
  readonly url: string
  readonly key: string
}

async function up(): Promise<Doors> {
  gateway = spawn(process.execPath, ['--conditions=source', bin, 'up', '--json'], {
    cwd: folder,
    env: { ...process.env, SUPPLIER_KEY: 'sk-example' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const line of createInterface({ input: gateway.stdout! })) return JSON.parse(line) as Doors
  throw new Error('The gateway ended before it listened.')
}

function down(): Promise<void> {
  const child = gateway
  gateway = null
  if (child === null || child.exitCode !== null) return Promise.resolve()
  return new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.kill('SIGTERM')
  })
}

/** One agent session of three turns: look up, refund, say so. */
async function clerk({ url, key }: Doors, order: number): Promise<void> {
  const tools = ['look_up', 'refund'].map((name) => ({
    type: 'function',
    function: { name, parameters: { type: 'object', properties: { order: { type: 'integer' } }, required: ['order'] } },
  }))
  const messages: object[] = [{ role: 'user', content: `Please refund order ${order} of jane.doe@example.com.` }]
  for (let turn = 0; turn < 3; turn++) {
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'gpt-5.5', messages, tools }),
    })
    assert.equal(answer.status, 200)
    const { choices } = (await answer.json()) as { choices: { message: { tool_calls?: { id: string }[] } }[] }
    const { message } = choices[0]!
    messages.push(message)
    for (const { id } of message.tool_calls ?? []) messages.push({ role: 'tool', tool_call_id: id, content: 'done' })
  }
}

/** The recorder works behind the answers: waits until it has all of them. */
async function whenRecorded(exchanges: number): Promise<string> {
  for (let tries = 0; tries < 100; tries++) {
    const status = JSON.parse(await portolan('record', 'status', '--json')) as unknown
    const [recording] = (Array.isArray(status) ? status : (status as { recordings: unknown[] }).recordings) as {
      id: string
      counts: { exchanges: number }
    }[]
    if (recording && recording.counts.exchanges >= exchanges) return recording.id
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  throw new Error(`Fewer than ${exchanges} exchanges were recorded.`)
}

async function portolan(...args: string[]): Promise<string> {
  const { code, output, error } = await attempt(...args)
  if (code !== 0) throw new Error(`portolan ${args.join(' ')} ended with ${code}: ${error}${output}`)
  return output
}

function attempt(
  ...args: string[]
): Promise<{ readonly code: number | null; readonly output: string; readonly error: string }> {
  const child = spawn(process.execPath, ['--conditions=source', bin, ...args], {
    cwd: folder,
    env: { ...process.env, SUPPLIER_KEY: 'sk-example' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let error = ''
  child.stdout.on('data', (chunk) => (output += String(chunk)))
  child.stderr.on('data', (chunk) => (error += String(chunk)))
  return new Promise((resolve) =>
    child.on('close', (code) => resolve({ code, output: output.trim(), error: error.trim() })),
  )
}
