/**
 * Doors benchmark: `node --conditions=source bench/doors/run.ts [--rounds 5] [--only json,sse] [--peers]
 * [--soak 1000000] [--profile DIR] [--write] [--smoke]`.
 *
 * Method and last numbers are in the README beside this file; `--write` replaces the numbers there. `--smoke` is
 * one short round without peers: it says nothing about time and fails when any request fails.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cells } from './cells.ts'
import { resident, Rounds, soak } from './measure.ts'
import { startPeers } from './peers.ts'
import { barsTable, memoryTable, soloTable, throughputTable, type Findings } from './report.ts'
import { direct, startFloor, startNginx, startPortolan, startUpstream, type Target } from './targets.ts'

const { values } = parseArgs({
  options: {
    smoke: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
    targets: { type: 'string', default: '' },
    peers: { type: 'boolean', default: false },
    soak: { type: 'string' },
    profile: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
})
const say = (text: string): void => console.error(text)
const roundCount = values.smoke ? 1 : Number(values.rounds)
const chosenCells = cells.filter(({ name }) => values.only === '' || values.only.split(',').includes(name))
const chosen = (name: string): boolean => values.targets === '' || values.targets.split(',').includes(name)
const root = mkdtempSync(join(tmpdir(), 'portolan-doors-'))
const started: { stop: () => Promise<void> }[] = []

try {
  const upstream = await startUpstream()
  started.push(upstream)
  const targets: Target[] = []
  const add = <T extends Target>(target: T): T => {
    started.push(target)
    targets.push(target)
    return target
  }
  if (chosen('direct')) add(direct(upstream.port))
  if (chosen('floor-pipe')) add(await startFloor(upstream.port))
  if (chosen('nginx')) {
    const nginx = await startNginx(upstream.port, root)
    if (nginx) add(nginx)
    else say('left out: nginx is not installed (Debian: nginx-light)')
  }
  if (values.peers) for (const peer of await startPeers(upstream.port, root, say)) add(peer)

  const startMs: number[] = []
  if (!values.smoke)
    for (let again = 0; again < 3; again++) {
      const briefly = await startPortolan(upstream.port, join(root, `start-${again}`), null)
      startMs.push(briefly.startMs)
      await briefly.stop()
    }
  const ours = add(await startPortolan(upstream.port, join(root, 'portolan'), values.profile ?? null))
  startMs.push(ours.startMs)

  const before = new Map(targets.map((target) => [target.name, resident(target)]))
  const loadBefore = loadavg()[0]!
  const rounds = new Rounds(targets, chosenCells, values.smoke ? 0.05 : 1, say)
  if (!values.smoke) await rounds.warmUp()
  for (let round = 0; round < roundCount; round++) {
    await rounds.round(round)
    await rounds.soloRound(round)
    say(`round ${round + 1} of ${roundCount}`)
  }
  const memory = targets.flatMap((target) => {
    const [beforeMegabytes, afterMegabytes] = [before.get(target.name) ?? null, resident(target)]
    return beforeMegabytes === null || afterMegabytes === null
      ? []
      : [{ target: target.name, beforeMegabytes, afterMegabytes }]
  })
  const soaked = values.soak === undefined ? null : await soak(ours, cells[0]!, Number(values.soak), say)
  const failed = rounds.failed + (soaked?.failed ?? 0)
  if (values.smoke) {
    const requests = [...rounds.results.values()].reduce((sum, { samples }) => sum + samples.length, 0)
    console.log(
      failed === 0 ? `doors: ${requests} shots, every answer whole.` : `doors: ${failed} requests failed; see above.`,
    )
  } else {
    const findings: Findings = {
      rounds,
      cells: chosenCells,
      memory,
      startMs,
      soakMegabytes: soaked?.residentMegabytes ?? null,
    }
    const text = report(findings, loadBefore)
    console.log(text)
    if (values.write) writeNumbers(text)
  }
  if (failed > 0) process.exitCode = 1
} finally {
  for (const { stop } of started.reverse()) await stop()
  rmSync(root, { recursive: true, force: true })
}

function report(findings: Findings, loadBefore: number): string {
  const { length: cores } = cpus()
  const machine = `${cores} cores of ${cpus()[0]?.model ?? 'unknown make'}, load ${loadBefore.toFixed(1)} at the start, Node ${process.versions.node}`
  const soaked =
    findings.soakMegabytes === null
      ? ''
      : `\nResident MB along a soak of ${values.soak} requests: ${findings.soakMegabytes.map((one) => one.toFixed(0)).join(', ')}.\n`
  return `**Last numbers** (${new Date().toISOString().slice(0, 10)}, ${machine}, medians of ${roundCount} rounds):

${barsTable(findings)}

${throughputTable(findings)}

${soloTable(findings)}

${memoryTable(findings)}
${soaked}`
}

/** Everything from the numbers' heading on is replaced. */
function writeNumbers(text: string): void {
  const path = join(import.meta.dirname, 'README.md')
  const readme = readFileSync(path, 'utf8')
  const [method = ''] = readme.split('**Last numbers**')
  writeFileSync(path, method + text)
}
