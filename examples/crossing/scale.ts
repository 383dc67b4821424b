/**
 * How much memory the way over takes: `node --conditions=source examples/crossing/scale.ts [sessions, default 200]`.
 *
 * So many sessions of three turns go through a real gateway that records them; all their cases are planned and asked of
 * two scripted suppliers, the old one twice; the report is made. Every stage is a process of its own and says its peak. A
 * second size beside the first, `[sessions] [more]`, says how the peaks grow, and fails where one doubles.
 */
import { startMockUpstream, type MockUpstream } from '@portolan-testing/mock-upstream'
import { request } from 'node:http'
import { statSync } from 'node:fs'
import assert from 'node:assert/strict'
import type { Doors, Peak } from './command-line.ts'
import { commandLineFor, decideEgress, planFor, record } from './journey.ts'

const sizes = process.argv.slice(2).map(Number)
if (sizes.length === 0) sizes.push(200)
if (!sizes.every((size) => Number.isSafeInteger(size) && size >= 20)) {
  console.error('Arguments are numbers of sessions, from 20: one, or a smaller and a larger one.')
  process.exit(2)
}

const turns = 3
/** Every so many sessions the new supplier refunds the wrong order. */
const wrongEvery = 20
const system = `You are the clerk of a shop. ${'Follow the rules of the house and be brief. '.repeat(60)}`
const tools = ['look_up', 'refund'].map((name) => ({
  type: 'function',
  function: {
    name,
    description: `Calls ${name} of the shop's own system.`,
    parameters: { type: 'object', properties: { order: { type: 'integer' } }, required: ['order'] },
  },
}))

interface Stage extends Peak {
  readonly name: string
  readonly seconds: number
}

const results = new Map<number, readonly Stage[]>()
for (const size of sizes) {
  const stages = await journey(size)
  results.set(size, stages)
  console.log(`\n${size} sessions, ${size * turns} cases, ${3 * size * turns} attempts`)
  for (const { name, residentBytes, heapBytes, seconds } of stages)
    console.log(
      `${name.padEnd(14)} ${mib(residentBytes)} resident ${mib(heapBytes)} heap ${seconds.toFixed(1).padStart(8)} s`,
    )
}
const [first, last] = [results.get(sizes[0]!)!, results.get(sizes.at(-1)!)!]
if (sizes.length > 1) {
  console.log(`\nFrom ${sizes[0]} to ${sizes.at(-1)} sessions`)
  for (const [index, { name, residentBytes }] of last.entries()) {
    const growth = residentBytes / first[index]!.residentBytes
    console.log(`${name.padEnd(14)} ${growth.toFixed(2)} times the resident memory`)
    assert.ok(growth < 2, `${name}: resident memory grows less than twofold`)
  }
}

async function journey(size: number): Promise<Stage[]> {
  const [incumbent, candidate] = [await supplier(false), await supplier(true)]
  const cli = commandLineFor(incumbent.url, candidate.url, ['clerk'])
  const stages: Stage[] = []
  const stage = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const startedAt = performance.now()
    const result = await work()
    stages.push({ name, ...cli.peak(), seconds: (performance.now() - startedAt) / 1000 })
    return result
  }
  try {
    const recording = await stage('record', () => record(cli, (doors, caughtUp) => traffic(doors, size, caughtUp)))
    await stage('plan new', () => planFor(cli, recording))
    decideEgress(cli)
    await stage('plan freeze', () => cli.run('plan', 'freeze'))
    await stage('replay run', () => cli.run('replay', 'run'))
    const summary = await stage('replay again', () => cli.run('replay', 'run'))
    assert.match(summary, new RegExp(`All ${3 * turns * size} attempts stand in`))
    const made = await stage('report make', () => cli.run('report', 'make'))
    assert.match(made, /WORSE|NON-INFERIOR|NOT SHOWN/)
    for (const file of ['plan.cases.json', 'plan.attempts', 'plan.report.json', 'plan.report.html'])
      console.log(`${file.padEnd(18)} ${mib(statSync(cli.path(file)).size)}`)
    return stages
  } finally {
    await cli.close(process.env['KEEP'] !== undefined)
    await incumbent.close()
    await candidate.close()
  }
}

/** Sixteen clients at once; the recorder is waited for now and then, as it would have the time to in life. */
async function traffic(doors: Doors, size: number, caughtUp: (exchanges: number) => Promise<string>): Promise<number> {
  const orders = Array.from({ length: size }, (_, index) => index + 1)
  for (let from = 0; from < size; from += 500) {
    const open = orders.slice(from, from + 500).values()
    const client = async (): Promise<void> => {
      for (const order of open) await session(doors, order)
    }
    await Promise.all(Array.from({ length: 16 }, client))
    await caughtUp(Math.min(from + 500, size) * turns)
  }
  return size * turns
}

async function session(doors: Doors, order: number): Promise<void> {
  const messages: object[] = [
    { role: 'system', content: system },
    { role: 'user', content: `Please refund order ${order} of customer${order}@example.com. ${order} `.repeat(4) },
  ]
  for (let turn = 0; turn < turns; turn++) {
    const answer = await ask(doors, { model: 'clerk', messages, tools })
    messages.push(answer)
    for (const { id } of answer.tool_calls ?? [])
      messages.push({ role: 'tool', tool_call_id: id, content: `order ${order}: done. ${'ok '.repeat(100)}` })
  }
}

function ask({ url, key }: Doors, body: object): Promise<{ readonly tool_calls?: readonly { readonly id: string }[] }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      `${url}/v1/chat/completions`,
      { method: 'POST', headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' } },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => (text += chunk))
        response.on('error', reject)
        response.on('end', () => {
          if (response.statusCode !== 200) reject(new Error(`${response.statusCode}: ${text}`))
          else resolve((JSON.parse(text) as { choices: [{ message: object }] }).choices[0].message)
        })
      },
    )
    sent.on('error', reject)
    sent.end(JSON.stringify(body))
  })
}

async function supplier(isCandidate: boolean): Promise<MockUpstream> {
  const server: MockUpstream = await startMockUpstream({
    dialect: 'openai',
    script: ({ view }) => {
      // It keeps what it was asked; this process must not grow either.
      if (server.requests.length > 500) server.clear()
      const order = Number(/order (\d+)/.exec(view.turns.flatMap(({ texts }) => texts).join(' '))?.[1] ?? 0)
      const results = view.turns.flatMap(({ toolResults }) => toolResults).length
      const usage = { inputTokens: 900 + 120 * results, cachedTokens: 0, outputTokens: 40 }
      if (results === 0) return { usage, toolCalls: [{ name: 'look_up', arguments: { order } }] }
      const wrong = isCandidate && order % wrongEvery === 0
      if (results === 1)
        return { usage, toolCalls: [{ name: 'refund', arguments: { order: wrong ? order + 1 : order } }] }
      return { usage, text: `Order ${order} was refunded. ${'Thank you for your patience. '.repeat(10)}` }
    },
  })
  return server
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1).padStart(8)} MiB`
}
