import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isPeak, parseDay, zoneOffsetMs, type PeakSchedule } from './calendar.ts'

const workdays = new Set([1, 2, 3, 4, 5])

function schedule(changes: Partial<PeakSchedule>): PeakSchedule {
  return {
    id: 'test',
    timeZone: 'Asia/Shanghai',
    windows: [{ startMin: 0, endMin: 1440 }],
    weekdays: workdays,
    offPeakDays: [],
    ...changes,
  }
}

function peakAt(changes: Partial<PeakSchedule>, instant: string): boolean {
  return isPeak(schedule(changes), Date.parse(instant))
}

describe('peak hours', () => {
  // The real windows give the same answer for both readings in all 168 hours of a week, so only a schedule
  // that covers midnight can catch a weekday that was read off the UTC calendar.
  it('read the weekday off the vendor’s calendar, not off UTC', () => {
    assert.equal(peakAt({}, '2026-08-28T15:59:59.999Z'), true, 'Friday 23:59 in Beijing')
    assert.equal(peakAt({}, '2026-08-28T16:30:00Z'), false, 'Friday in UTC, Saturday 00:30 in Beijing')
    assert.equal(peakAt({}, '2026-08-30T15:59:59.999Z'), false, 'Sunday 23:59 in Beijing')
    assert.equal(peakAt({}, '2026-08-30T16:30:00Z'), true, 'Sunday in UTC, Monday 00:30 in Beijing')
  })

  it('read holidays off the same calendar, both ends included', () => {
    const holiday = { offPeakDays: [{ firstDay: parseDay('2026-10-01') ?? 0, lastDay: parseDay('2026-10-02') ?? 0 }] }
    assert.equal(peakAt(holiday, '2026-09-30T15:59:59.999Z'), true)
    assert.equal(peakAt(holiday, '2026-09-30T16:00:00Z'), false)
    assert.equal(peakAt(holiday, '2026-10-02T15:59:59.999Z'), false)
    // 3 October is a Saturday; Monday the 5th is an ordinary day in this schedule.
    assert.equal(peakAt(holiday, '2026-10-05T02:00:00Z'), true)
  })

  it('are half-open', () => {
    const morning = { windows: [{ startMin: 9 * 60, endMin: 12 * 60 }] }
    assert.equal(peakAt(morning, '2026-08-24T00:59:59.999Z'), false)
    assert.equal(peakAt(morning, '2026-08-24T01:00:00.000Z'), true)
    assert.equal(peakAt(morning, '2026-08-24T03:59:59.999Z'), true)
    assert.equal(peakAt(morning, '2026-08-24T04:00:00.000Z'), false)
  })
})

describe('daylight saving', () => {
  const newYork = { timeZone: 'America/New_York', weekdays: new Set([1, 2, 3, 4, 5, 6, 7]) }
  // 2026-03-08 02:00 EST becomes 03:00 EDT; 2026-11-01 02:00 EDT becomes 01:00 EST.
  it('skips a window that falls into the missing hour', () => {
    const window = { ...newYork, windows: [{ startMin: 120, endMin: 180 }] }
    for (let minute = 0; minute < 24 * 60; minute += 15)
      assert.equal(isPeak(schedule(window), Date.UTC(2026, 2, 8, 5, minute)), false, String(minute))
  })

  it('lets a window in the repeated hour last two hours', () => {
    const window = { ...newYork, windows: [{ startMin: 60, endMin: 120 }] }
    const minutes = Array.from({ length: 24 * 60 }, (_, minute) => Date.UTC(2026, 10, 1, 4, minute))
    assert.equal(minutes.filter((atMs) => isPeak(schedule(window), atMs)).length, 120)
  })

  it('moves a morning window by an hour in UTC', () => {
    const window = { ...newYork, windows: [{ startMin: 540, endMin: 600 }] }
    assert.equal(isPeak(schedule(window), Date.parse('2026-03-07T14:00:00Z')), true)
    assert.equal(isPeak(schedule(window), Date.parse('2026-03-09T13:00:00Z')), true)
    assert.equal(isPeak(schedule(window), Date.parse('2026-03-09T14:00:00Z')), false)
  })

  it('knows offsets of half and quarter hours, before 1970 too', () => {
    assert.equal(zoneOffsetMs('Asia/Kathmandu', Date.UTC(2026, 0, 1)), (5 * 60 + 45) * 60_000)
    assert.equal(zoneOffsetMs('America/St_Johns', Date.UTC(2026, 0, 1)), -(3 * 60 + 30) * 60_000)
    assert.equal(zoneOffsetMs('UTC', Date.UTC(1965, 0, 1, 0, 0, 0, 1)), 0)
  })
})

it('knows which texts are dates', () => {
  assert.equal(parseDay('1970-01-02'), 1)
  for (const text of ['2026-02-30', '2026-13-01', '2026-1-1', '', 'tomorrow']) assert.equal(parseDay(text), null, text)
})
