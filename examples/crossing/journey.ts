/** The steps of a way over that every example takes: two suppliers, a recording, a plan, the decision to send, a report. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { CommandLine, type Doors } from './command-line.ts'

/** One gateway whose clients ask for any of these names and get the old supplier's `gpt-5.5`. */
export function commandLineFor(incumbentUrl: string, candidateUrl: string, names: readonly string[]): CommandLine {
  return new CommandLine(`listen: 127.0.0.1:0
upstreams:
  old: { kind: openai-compatible, baseUrl: "${incumbentUrl}/v1", apiKey: "\${SUPPLIER_KEY}", protocols: [chat], prices: openai }
  engine: { kind: embedded }
  new: { kind: openai-compatible, baseUrl: "${candidateUrl}/v1", apiKey: "\${SUPPLIER_KEY}", protocols: [chat], prices: deepseek }
models:
${names.map((name) => `  ${name}: { route: [{ upstream: old, model: gpt-5.5 }] }`).join('\n')}
`)
}

/**
 * Records what `traffic` does at the doors, all of it.
 *
 * @param traffic resolves to the number of exchanges it made; `caughtUp` waits until so many are recorded
 * @returns the recording's id
 */
export async function record(
  cli: CommandLine,
  traffic: (doors: Doors, caughtUp: (exchanges: number) => Promise<string>) => Promise<number>,
): Promise<string> {
  const doors = await cli.up()
  await cli.run('record', 'start', '--level', 'redacted', '--name', 'example')
  // A running gateway looks for new recordings once a second.
  await sleep(1500)
  const caughtUp = (exchanges: number): Promise<string> => whenRecorded(cli, exchanges)
  const recording = await caughtUp(await traffic(doors, caughtUp))
  await cli.run('record', 'stop')
  await cli.down()
  return recording
}

const toNewSupplier = ['--from', 'old:gpt-5.5', '--to', 'new:deepseek-v4-pro', '--margin', '2pt']

/** A draft (`plan.yaml`) whose data nobody may send anywhere new, until somebody decides. */
export async function planFor(cli: CommandLine, recording: string): Promise<void> {
  await cli.run('plan', 'new', '--recording', recording, ...toNewSupplier)
}

/** The same cases as whole sessions, in which a refund cannot be taken back and reading changes nothing; frozen. */
export async function planForSessions(cli: CommandLine, recording: string): Promise<string> {
  const file = 'sessions.yaml'
  await cli.run('plan', 'new', file, '--recording', recording, ...toNewSupplier)
  edit(cli, file, 'mode: step', 'mode: sessions')
  edit(
    cli,
    file,
    'tools: {}',
    'tools: { refund: { class: irreversible }, look_up: { class: read }, read_file: { class: read }, run_tests: { class: read } }',
  )
  decideEgress(cli, file)
  await cli.run('plan', 'freeze', file)
  return file
}

/**
 * A plan for the engine in this process, on so many cases. Its model is untrained and its answers are cut short. Nobody
 * has to allow anything: the data stay where they are.
 */
export async function planForEngine(cli: CommandLine, recording: string, cases: number): Promise<string> {
  const file = 'engine.yaml'
  const arms = ['--from', 'old:gpt-5.5', '--to', 'engine:deepseek-v4-pro', '--cases', String(cases)]
  await cli.run('plan', 'new', file, '--recording', recording, ...arms)
  edit(cli, file, /(candidates:[^]*?)settings: \{\}/, '$1settings: { maxOutputTokens: 32 }')
  await cli.run('plan', 'freeze', file)
  return file
}

export function decideEgress(cli: CommandLine, file = 'plan.yaml'): void {
  const today = new Date().toISOString().slice(0, 10)
  edit(
    cli,
    file,
    'egress: []',
    `egress:
  - { processor: new, decision: allowed, by: "Example Person, data protection", on: ${today}, purposes: [replay], level: redacted, data: "made-up conversations", until: null, note: null }`,
  )
}

function edit(cli: CommandLine, file: string, from: string | RegExp, to: string): void {
  const before = readFileSync(cli.path(file), 'utf8')
  const after = before.replace(from, to)
  assert.notEqual(after, before, `${file} has ${String(from)}`)
  writeFileSync(cli.path(file), after)
}

/** The recorder works behind the answers: waits until it has so many. */
async function whenRecorded(cli: CommandLine, exchanges: number): Promise<string> {
  for (let tries = 0; tries < 300; tries++) {
    const status = JSON.parse(await cli.run('record', 'status', '--json')) as unknown
    const [recording] = (Array.isArray(status) ? status : (status as { recordings: unknown[] }).recordings) as {
      id: string
      counts: { exchanges: number; dropped: number }
    }[]
    assert.equal(recording?.counts.dropped, 0, 'nothing is lost on the way to the recorder')
    if (recording && recording.counts.exchanges >= exchanges) return recording.id
    await sleep(200)
  }
  throw new Error(`Fewer than ${exchanges} exchanges were recorded.`)
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
