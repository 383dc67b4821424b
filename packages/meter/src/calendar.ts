/**
 * Peak and off-peak hours on the vendor's own calendar.
 *
 * A schedule is windows of the local wall clock, the local weekdays on which they apply and local dates that
 * are off-peak all day. Everything is read in the schedule's IANA zone: the same instant can be Friday in UTC
 * and Saturday in Beijing. Daylight saving needs no rule of its own: a skipped hour never occurs, a repeated
 * one counts twice. Unix time has no leap second, so 23:59:60 is the second before midnight again.
 */

export interface PeakSchedule {
  readonly id: string
  readonly timeZone: string
  /** Minutes of the local day, half-open `[start, end)`; 24:00 is 1440. */
  readonly windows: readonly { readonly startMin: number; readonly endMin: number }[]
  /** ISO weekdays, 1 = Monday. */
  readonly weekdays: ReadonlySet<number>
  /** Local days since 1970-01-01 that are off-peak, both ends included. */
  readonly offPeakDays: readonly { readonly firstDay: number; readonly lastDay: number }[]
}

const minuteMs = 60_000
const dayMs = 86_400_000
const quarterMs = 15 * minuteMs

export function isPeak(schedule: PeakSchedule, atMs: number): boolean {
  const localMs = atMs + zoneOffsetMs(schedule.timeZone, atMs)
  const day = Math.floor(localMs / dayMs)
  // 1970-01-01 was a Thursday, ISO weekday 4.
  const weekday = ((((day + 3) % 7) + 7) % 7) + 1
  if (!schedule.weekdays.has(weekday)) return false
  if (schedule.offPeakDays.some(({ firstDay, lastDay }) => day >= firstDay && day <= lastDay)) return false
  const minute = (localMs - day * dayMs) / minuteMs
  return schedule.windows.some(({ startMin, endMin }) => minute >= startMin && minute < endMin)
}

const formatters = new Map<string, Intl.DateTimeFormat>()
const lastOffsets = new Map<string, { quarter: number; offsetMs: number }>()

/**
 * Local minus UTC at an instant, in milliseconds.
 *
 * Asking Intl costs microseconds, so the last answer is kept per zone: modern offsets and their changes fall
 * on whole quarters of an hour.
 */
export function zoneOffsetMs(timeZone: string, atMs: number): number {
  const quarter = Math.floor(atMs / quarterMs)
  const last = lastOffsets.get(timeZone)
  if (last?.quarter === quarter) return last.offsetMs
  let formatter = formatters.get(timeZone)
  if (formatter === undefined) {
    formatter = new Intl.DateTimeFormat('en-US', {
      timeZone,
      calendar: 'gregory',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
    formatters.set(timeZone, formatter)
  }
  const second = Math.floor(atMs / 1000) * 1000
  const field: Record<string, number> = {}
  for (const part of formatter.formatToParts(second)) field[part.type] = Number(part.value)
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second: sec = 0 } = field
  const offsetMs = Date.UTC(year, month - 1, day, hour, minute, sec) - second
  lastOffsets.set(timeZone, { quarter, offsetMs })
  return offsetMs
}

export function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: name }).resolvedOptions().timeZone.length > 0
  } catch {
    return false
  }
}

/** Days since 1970-01-01 of a calendar date written `2026-10-01`; null when it is not a date. */
export function parseDay(text: string): number | null {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return null
  const ms = Date.parse(`${text}T00:00:00Z`)
  return Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 10) !== text ? null : ms / dayMs
}
