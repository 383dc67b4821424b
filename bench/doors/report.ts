/** The tables, and the bars with their marks. */
import type { Cell } from './cells.ts'
import { eventsOf, median, type Rounds } from './measure.ts'

export interface Memory {
  readonly target: string
  readonly beforeMegabytes: number
  readonly afterMegabytes: number
}

export interface Findings {
  readonly rounds: Rounds
  readonly cells: readonly Cell[]
  readonly memory: readonly Memory[]
  /** From starting our process to its first answer: first start, later starts. */
  readonly startMs: readonly number[]
  readonly soakMegabytes: readonly number[] | null
}

const floor = 'floor-pipe'
const ours = 'portolan'

export function throughputTable({ rounds, cells }: Findings): string {
  const lines = [
    '| cell | target | requests/s | of floor-pipe | CPU µs a request | CPU µs an event |',
    '|---|---|---|---|---|---|',
  ]
  for (const cell of cells)
    for (const { target, samples } of [...rounds.results.values()].filter((result) => result.cell === cell)) {
      if (samples.length === 0) continue
      const cpu = cpuOf(rounds, cell, target)
      const events = eventsOf(cell)
      lines.push(
        `| ${cell.title} | ${target} | ${Math.round(median(samples.map((sample) => sample.requestsPerSecond)))} | ${
          cell.stream === 'paced' ? '(paced)' : figure(ofFloor(rounds, cell, target), 2)
        } | ${figure(cpu, 0)} | ${events === 0 || cpu === null ? '' : figure(cpu / events, 1)} |`,
      )
    }
  return lines.join('\n')
}

export function soloTable({ rounds, cells }: Findings): string {
  const lines = ['| cell | target | added to the first byte, ms | added to the whole answer, ms |', '|---|---|---|---|']
  for (const cell of cells)
    for (const { target } of [...rounds.solos.values()].filter((result) => result.cell === cell)) {
      if (target === 'direct') continue
      const { firstByteMs, latencyMs } = added(rounds, cell, target)
      lines.push(`| ${cell.title} | ${target} | ${figure(firstByteMs, 2)} | ${figure(latencyMs, 2)} |`)
    }
  return lines.join('\n')
}

export function memoryTable({ memory }: Findings): string {
  return [
    '| target | resident before, MB | resident after, MB |',
    '|---|---|---|',
    ...memory.map(
      ({ target, beforeMegabytes, afterMegabytes }) =>
        `| ${target} | ${figure(beforeMegabytes, 0)} | ${figure(afterMegabytes, 0)} |`,
    ),
  ].join('\n')
}

export function barsTable(findings: Findings): string {
  const { rounds, cells, memory, startMs, soakMegabytes } = findings
  const lines = ['| bar | wanted | measured | |', '|---|---|---|---|']
  const bar = (
    what: string,
    wanted: string,
    measured: number | null,
    digits: number,
    met: (value: number) => boolean,
  ): void => {
    if (measured !== null)
      lines.push(`| ${what} | ${wanted} | ${figure(measured, digits)} | ${met(measured) ? 'met' : '**missed**'} |`)
  }
  const cell = (name: string): Cell | undefined => cells.find((one) => one.name === name)
  const json = cell('json')
  if (json) {
    bar(
      'JSON, same protocol, of floor-pipe throughput',
      '>= 0.45',
      ofFloor(rounds, json, ours),
      2,
      (value) => value >= 0.45,
    )
    bar('JSON, same protocol, CPU µs a request', '<= 150', cpuOf(rounds, json, ours), 0, (value) => value <= 150)
  }
  for (const name of ['first', 'first-cross']) {
    const one = cell(name)
    if (one)
      bar(`added to the ${one.title}, ms`, '<= 1', added(rounds, one, ours).firstByteMs, 2, (value) => value <= 1)
  }
  for (const name of ['paced', 'paced-cross']) {
    const one = cell(name)
    const cpu = one ? cpuOf(rounds, one, ours) : null
    if (one && cpu !== null)
      bar(`CPU µs an event, ${one.title}`, '<= 20', cpu / eventsOf(one), 1, (value) => value <= 20)
  }
  for (const peer of new Set([...rounds.results.values()].map(({ target }) => target))) {
    if (!/\d\.\d/.test(peer)) continue
    for (const one of cells) {
      const [theirs, mine] = [cpuOf(rounds, one, peer), cpuOf(rounds, one, ours)]
      if (theirs !== null && mine !== null && one.stream === 'no')
        bar(`requests per CPU second against ${peer}, ${one.title}`, '>= 10x', theirs / mine, 1, (value) => value >= 10)
    }
  }
  const resident = memory.find(({ target }) => target === ours)
  bar('resident memory under load, MB', '<= 150', resident?.afterMegabytes ?? null, 0, (value) => value <= 150)
  if (soakMegabytes !== null) {
    const half = soakMegabytes.slice(soakMegabytes.length >> 1)
    bar('resident memory over the soak, largest, MB', '<= 150', Math.max(...soakMegabytes), 0, (value) => value <= 150)
    bar(
      'growth over the second half of the soak, %',
      '<= 5',
      (half.at(-1)! / half[0]! - 1) * 100,
      1,
      (value) => value <= 5,
    )
  }
  if (startMs.length > 0) bar('start to first answer, s', '<= 1', median(startMs) / 1000, 2, (value) => value <= 1)
  return lines.join('\n')
}

/** Median over rounds of the ratio within each round. */
function ofFloor(rounds: Rounds, cell: Cell, target: string): number | null {
  const mine = rounds.results.get(`${cell.name} ${target}`)?.samples ?? []
  const floors = rounds.results.get(`${cell.name} ${floor}`)?.samples ?? []
  const ratios = mine.flatMap((sample, index) => {
    const base = floors[index]
    return base ? [sample.requestsPerSecond / base.requestsPerSecond] : []
  })
  return ratios.length === 0 ? null : median(ratios)
}

function cpuOf(rounds: Rounds, cell: Cell, target: string): number | null {
  const costs = (rounds.results.get(`${cell.name} ${target}`)?.samples ?? []).flatMap(({ cpuMicrosPerRequest }) =>
    cpuMicrosPerRequest === null ? [] : [cpuMicrosPerRequest],
  )
  return costs.length === 0 ? null : median(costs)
}

/** Median over rounds of the difference to `direct` within each round. */
function added(rounds: Rounds, cell: Cell, target: string): { firstByteMs: number | null; latencyMs: number | null } {
  const mine = rounds.solos.get(`${cell.name} ${target}`)?.samples ?? []
  const base = rounds.solos.get(`${cell.name} direct`)?.samples ?? []
  const pairs = mine.flatMap((sample, index) => (base[index] ? [{ sample, base: base[index] }] : []))
  if (pairs.length === 0) return { firstByteMs: null, latencyMs: null }
  return {
    firstByteMs: median(pairs.map(({ sample, base }) => sample.firstByteMs - base.firstByteMs)),
    latencyMs: median(pairs.map(({ sample, base }) => sample.latencyMs - base.latencyMs)),
  }
}

function figure(value: number | null, digits: number): string {
  return value === null ? '' : value.toFixed(digits)
}
