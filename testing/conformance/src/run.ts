/** Plays the cases against a gateway, a few at a time, and tells how each ended. */
import { Client } from './client.ts'
import type { ConformanceCase } from './case.ts'
import type { DoorProtocol } from './heard.ts'
import { NotVisible, Room, type RoomOptions } from './room.ts'
import type { ScriptedUpstream } from './scripted-upstream.ts'

export type VerdictKind = 'pass' | 'fail' | 'unseen'

export interface Verdict {
  readonly id: number
  readonly door: DoorProtocol
  readonly title: string
  readonly verdict: VerdictKind
  /** Why it failed, or what could not be seen. */
  readonly reason: string | null
  readonly tookMs: number
}

export interface RunOptions {
  readonly url: string
  readonly key: string
  readonly upstream: ScriptedUpstream
  readonly cases: readonly ConformanceCase[]
  /** Only these doors; default: all. */
  readonly doors?: readonly DoorProtocol[]
  readonly modelPrefix?: string
  /** Must answers name the model that was asked for? Default false: that is a rule of ours. */
  readonly echoesModel?: boolean
  /** Sent with every request, for gateways that route by headers. */
  readonly headers?: Readonly<Record<string, string>>
  readonly silenceMs: number
  readonly ledger?: RoomOptions['ledger']
  readonly onVerdict?: (verdict: Verdict) => void
}

/** A case at one door uses one model name, so cases run side by side, but the doors of one case do not. */
const sideBySide = 8

export async function runConformance(options: RunOptions): Promise<readonly Verdict[]> {
  const client = new Client(options.url, options.key, options.headers)
  // From the end, because the cases that wait for something stand there.
  const waiting = [...options.cases]
  const verdicts: Verdict[] = []
  const worker = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop())
      for (const door of next.doors) {
        if (options.doors && !options.doors.includes(door)) continue
        const verdict = await play(next, door, client, options)
        verdicts.push(verdict)
        options.onVerdict?.(verdict)
      }
  }
  try {
    await Promise.all(Array.from({ length: sideBySide }, worker))
  } finally {
    client.close()
  }
  return verdicts.sort((a, b) => a.id - b.id || a.door.localeCompare(b.door))
}

async function play(one: ConformanceCase, door: DoorProtocol, client: Client, options: RunOptions): Promise<Verdict> {
  const room = new Room({
    id: one.id,
    door,
    client,
    upstream: options.upstream,
    modelPrefix: options.modelPrefix ?? '',
    echoesModel: options.echoesModel ?? false,
    silenceMs: options.silenceMs,
    ledger: options.ledger ?? null,
  })
  const startedAt = performance.now()
  const verdict = (kind: VerdictKind, reason: string | null): Verdict => ({
    id: one.id,
    door,
    title: one.title,
    verdict: kind,
    reason,
    tookMs: Math.round(performance.now() - startedAt),
  })
  try {
    await within(one.check(room), 20_000 + 4 * options.silenceMs)
    return verdict('pass', null)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return verdict(error instanceof NotVisible ? 'unseen' : 'fail', message)
  }
}

/** A gateway that never ends its answer must not hold up the other cases. */
async function within(work: Promise<void>, limitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end within ${limitMs} ms`)), limitMs)
  })
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
