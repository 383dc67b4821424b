/**
 * Rounds: in each, every cell goes through every target once, one after the other, so that a neighbour's noise
 * falls on all of them. Figures are medians over rounds, ratios are taken within a round.
 */
import { readProcess } from '@portolan-testing/load'
import { eventsPerStream } from './answers.ts'
import { requestOf, type Cell } from './cells.ts'
import { fire } from './load-client.ts'
import type { Target } from './targets.ts'

export interface Sample {
  readonly requestsPerSecond: number
  /** User and system time of the target's process; null for `direct`. */
  readonly cpuMicrosPerRequest: number | null
}

export interface SoloSample {
  /** Medians of one client that sends one request after the other. */
  readonly firstByteMs: number
  readonly latencyMs: number
}

export interface Result {
  readonly cell: Cell
  readonly target: string
  readonly samples: Sample[]
}

export interface SoloResult {
  readonly cell: Cell
  readonly target: string
  readonly samples: SoloSample[]
}

export class Rounds {
  readonly results = new Map<string, Result>()
  readonly solos = new Map<string, SoloResult>()
  failed = 0
  readonly #targets: readonly Target[]
  readonly #cells: readonly Cell[]
  readonly #scale: number
  readonly #say: (text: string) => void

  /** @param scale factor on the requests of each shot. */
  constructor(targets: readonly Target[], cells: readonly Cell[], scale: number, say: (text: string) => void) {
    this.#targets = targets
    this.#cells = cells
    this.#scale = scale
    this.#say = say
  }

  /** One shot of each cell that is not counted: compilers, caches, connections. */
  async warmUp(): Promise<void> {
    for (const cell of this.#cells)
      for (const target of this.#serving(cell, 0))
        if (cell.stream !== 'paced' && cell.stream !== 'first') await this.#fire(cell, target, 0.5, cell.concurrency)
  }

  async round(number: number): Promise<void> {
    for (const cell of this.#cells.filter(({ stream }) => stream !== 'first'))
      for (const target of this.#serving(cell, number)) {
        const cpuBefore = cpuMs(target)
        const report = await this.#fire(cell, target, 1, cell.concurrency)
        const cpuAfter = cpuMs(target)
        const samples = entry(this.results, cell, target.name)
        if (report.complete === 0) continue
        samples.push({
          requestsPerSecond: (report.complete / report.wallMs) * 1000,
          cpuMicrosPerRequest:
            cpuBefore === null || cpuAfter === null ? null : ((cpuAfter - cpuBefore) / report.complete) * 1000,
        })
      }
  }

  /** One client, no queueing: what a target adds to each request. */
  async soloRound(number: number): Promise<void> {
    for (const cell of this.#cells) {
      if (cell.stream === 'paced' || cell.stream === 'burst') continue
      for (const target of this.#serving(cell, number)) {
        const report = await this.#fire(cell, target, cell.stream === 'no' ? 0.05 : 0.2, 1)
        if (report.complete === 0) continue
        entry(this.solos, cell, target.name).push({
          firstByteMs: median(report.firstByteMs),
          latencyMs: median(report.latencyMs),
        })
      }
    }
  }

  /** In turning order, so that no target always follows the same one. */
  #serving(cell: Cell, number: number): readonly Target[] {
    const serving = this.#targets.filter((target) => target.serves(cell))
    const first = number % serving.length
    return [...serving.slice(first), ...serving.slice(0, first)]
  }

  async #fire(
    cell: Cell,
    target: Target,
    share: number,
    concurrency: number,
  ): Promise<Awaited<ReturnType<typeof fire>>> {
    const { bytes, stampAt, ending } = requestOf(cell, target.asks(cell), target.headers)
    const report = await fire({
      port: target.port,
      request: bytes,
      stampAt,
      ending,
      requests: Math.max(concurrency, Math.ceil(cell.requests * share * this.#scale * target.share)),
      concurrency,
      timeoutMs: 60_000,
    })
    if (report.failed > 0) {
      this.failed += report.failed
      this.#say(`${target.name}, ${cell.name}: ${report.failed} failed: ${report.firstFailure}`)
    }
    return report
  }
}

/** Distinct conversations for a long time: what the process holds on to. */
export async function soak(
  target: Target,
  cell: Cell,
  requests: number,
  say: (text: string) => void,
): Promise<{ readonly failed: number; readonly residentMegabytes: readonly number[] }> {
  const { bytes, stampAt, ending } = requestOf(cell, target.asks(cell), target.headers)
  const residentMegabytes: number[] = []
  let failed = 0
  const parts = 20
  for (let part = 0; part < parts; part++) {
    const report = await fire({
      port: target.port,
      request: bytes,
      stampAt,
      ending,
      requests: Math.ceil(requests / parts),
      concurrency: 32,
      timeoutMs: 600_000,
    })
    failed += report.failed
    residentMegabytes.push(resident(target) ?? 0)
    say(
      `soak ${(part + 1) * Math.ceil(requests / parts)} requests: ${residentMegabytes.at(-1)!.toFixed(0)} MB resident`,
    )
  }
  return { failed, residentMegabytes }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

export function resident(target: Target): number | null {
  const bytes = target.pid === null ? undefined : readProcess(target.pid)?.residentBytes
  return bytes === undefined ? null : bytes / 1e6
}

/** What opens and closes a stream comes on top of its text events. */
export function eventsOf(cell: Cell): number {
  return cell.stream === 'no' ? 0 : eventsPerStream + 4
}

function cpuMs(target: Target): number | null {
  return target.pid === null ? null : (readProcess(target.pid)?.cpuMs ?? null)
}

function entry<T>(results: Map<string, { cell: Cell; target: string; samples: T[] }>, cell: Cell, target: string): T[] {
  const name = `${cell.name} ${target}`
  let result = results.get(name)
  if (!result) results.set(name, (result = { cell, target, samples: [] }))
  return result.samples
}
