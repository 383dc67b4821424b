/**
 * LiteLLM's `off_peak_pricing`: cheaper rates in stated hours and weekdays of UTC.
 *
 * There the entry's own rates are the peak rates; our record has it the other way round, with the hours that are
 * peak. Read only where all peak weekdays share their hours, which is what our schedules can say.
 */
import { asEntry, perToken, readRates, type CatalogueSchedule, type Entry } from './catalogue.ts'

export interface OffPeak {
  readonly schedule: CatalogueSchedule
  readonly rates: Readonly<Record<string, string>>
}

/** Null: the entry says something that a schedule cannot hold. */
export function readOffPeak(value: unknown, rateFields: Readonly<Record<string, string>>): OffPeak | null {
  const entry = asEntry(value)
  const windows = Array.isArray(entry?.['windows']) ? (entry['windows'] as unknown[]).map(asEntry) : []
  if (entry === null || windows.length === 0) return null
  const rates = readRates(entry, rateFields, perToken)
  if (rates['input'] === undefined || rates['output'] === undefined) return null
  const peakWeekdays: number[] = []
  let peakHours: string | null = null
  for (let weekday = 1; weekday <= 7; weekday++) {
    const offPeak = offPeakMinutes(windows, weekday)
    if (offPeak === null) return null
    const hours = JSON.stringify(complement(offPeak))
    if (hours === '[]') continue
    if (peakHours !== null && peakHours !== hours) return null
    peakHours = hours
    peakWeekdays.push(weekday)
  }
  if (peakHours === null) return null
  const peak = (JSON.parse(peakHours) as [number, number][]).map(([start, end]) => [clock(start), clock(end)] as const)
  return { schedule: { timezone: 'UTC', peak_windows: peak, peak_weekdays: peakWeekdays, off_peak_dates: [] }, rates }
}

type Span = readonly [start: number, end: number]

/** Minutes of one UTC weekday; null when a window is not understood. */
function offPeakMinutes(windows: readonly (Entry | null)[], weekday: number): readonly Span[] | null {
  const spans: Span[] = []
  for (const window of windows) {
    const hours = window?.['hours_utc']
    const listed = window?.['weekdays']
    const texts = typeof hours === 'string' ? [hours] : Array.isArray(hours) ? (hours as unknown[]) : []
    if (texts.length === 0 || (listed !== undefined && !Array.isArray(listed))) return null
    // Numbers arrive as their text.
    if (Array.isArray(listed) && !listed.map(Number).includes(weekday)) continue
    for (const text of texts) {
      const match = /^(\d{2}):(\d{2})-(\d{2}):(\d{2})$/.exec(String(text))
      if (match === null) return null
      const [h1 = 0, m1 = 0, h2 = 0, m2 = 0] = match.slice(1).map(Number)
      const start = h1 * 60 + m1
      // An end of 00:00 is the end of the day.
      const end = h2 * 60 + m2 || 1440
      if (end <= start || end > 1440) return null
      spans.push([start, end])
    }
  }
  return spans.sort((a, b) => a[0] - b[0])
}

function complement(spans: readonly Span[]): readonly Span[] {
  const rest: Span[] = []
  let at = 0
  for (const [start, end] of spans) {
    if (start > at) rest.push([at, start])
    at = Math.max(at, end)
  }
  return at < 1440 ? [...rest, [at, 1440]] : rest
}

function clock(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`
}
