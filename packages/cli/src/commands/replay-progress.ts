/**
 * How far a replay is, on standard error: one line written over at a terminal; elsewhere, where lines are kept, a plain
 * one for every tenth of the work, and one a minute where that takes longer.
 */
import type { ReplayProgress } from '@portolan/crossing'
import { money } from '../output.ts'

export interface ProgressOutput {
  readonly write: (text: string) => unknown
  readonly isTerminal: boolean
  /** Milliseconds from any beginning. */
  readonly now: () => number
  readonly currency: string
  /** What is counted. Default: attempts. */
  readonly what?: string
}

const betweenRedrawsMs = 100
const betweenLinesMs = 60_000

/** @param stood attempts that earlier runs made: they say nothing about this run's pace */
export function replayProgress(output: ProgressOutput, stood: number): (progress: ReplayProgress) => void {
  const { write, isTerminal, now, currency, what = 'attempts' } = output
  const startedAt = now()
  let shownAt = isTerminal ? -Infinity : startedAt
  let shownTenths = -1
  return ({ done, all, spentNanos, unpriced }) => {
    const at = now()
    const tenths = Math.floor((10 * done) / all)
    shownTenths = shownTenths === -1 ? Math.floor((10 * stood) / all) : shownTenths
    const due = isTerminal
      ? done === all || at - shownAt >= betweenRedrawsMs
      : tenths > shownTenths || at - shownAt >= betweenLinesMs
    if (!due) return
    shownAt = at
    shownTenths = tenths
    const perSecond = (done - stood) / Math.max((at - startedAt) / 1000, 0.001)
    const line = [
      `${done} of ${all} ${what} (${Math.floor((100 * done) / all)} %)`,
      `${money(spentNanos, currency)}${unpriced === 0 ? '' : ` and ${unpriced} unpriced`}`,
      `${perSecond < 10 ? perSecond.toFixed(1) : Math.round(perSecond)} a second`,
      ...(done === all ? [] : [`${timeLeft((all - done) / perSecond)} left`]),
    ].join(', ')
    write(isTerminal ? `\r\u001b[K${line}${done === all ? '\n' : ''}` : `${line}\n`)
  }
}

function timeLeft(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`
  return `${(seconds / 3600).toFixed(1)} h`
}
