import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { forecastBudget, type DailySpend, type Forecast, type ForecastInput } from './forecast.ts'

const today = 20_780
const unit = 1_000_000_000n

function daily(days: number, units: (index: number, day: number) => number): DailySpend[] {
  return Array.from({ length: days }, (_, index) => {
    const day = today - days + index
    return { day, nanos: BigInt(Math.round(units(index, day) * 1e9)) }
  })
}

function forecast(changes: Partial<ForecastInput>): Forecast {
  return forecastBudget({ spend: [], firstDay: today, remainingNanos: 100n * unit, seed: 1, ...changes })
}

function days(result: Forecast): (number | null)[] {
  if (result.kind !== 'forecast') return assert.fail(JSON.stringify(result))
  return [result.p10Day, result.p50Day, result.p90Day].map((day) => (day === null ? null : day - today))
}

describe('the day a budget ends', () => {
  it('is certain when every day costs the same', () => {
    // Ten a day: the hundred is gone at the end of the tenth day.
    const result = forecast({ spend: daily(28, () => 10) })
    assert.deepEqual(days(result), [9, 9, 9])
    assert.equal(result.kind === 'forecast' && result.plainDay, today + 9)
  })

  it('moves with an announced price: a kink, not a surprise', () => {
    // Five days at 10, then 5 a day: 50 + 10 x 5.
    const changes = [{ fromDay: today + 5, factor: 0.5 }]
    assert.deepEqual(days(forecast({ spend: daily(28, () => 10), changes })), [14, 14, 14])
  })

  it('knows weekends', () => {
    // 1970-01-01 was a Thursday: days 2 and 3 of each week of seven are Saturday and Sunday.
    const spend = daily(28, (_, day) => (day % 7 === 2 || day % 7 === 3 ? 0 : 20))
    const result = days(forecast({ spend, remainingNanos: 200n * unit }))
    const weekdays = (until: number): number =>
      Array.from({ length: until + 1 }, (_, ahead) => (today + ahead) % 7).filter((day) => day !== 2 && day !== 3)
        .length
    assert.equal(weekdays(result[1] ?? 0), 10)
  })

  it('comes earlier when spend grows, and growth is not followed for ever', () => {
    const growing = daily(28, (index) => 10 * 1.05 ** index)
    const [, p50] = days(forecast({ spend: growing, remainingNanos: 1000n * unit }))
    assert.ok((p50 ?? 99) < 1000 / (10 * 1.05 ** 27), String(p50))
    const shrinking = daily(28, (index) => 10 * 0.8 ** index)
    const far = forecast({ spend: shrinking, remainingNanos: 1_000_000n * unit, horizonDays: 100 })
    assert.deepEqual(days(far), [null, null, null])
  })

  it('has an interval as wide as the data are uneven, the same for the same seed', () => {
    const spend = daily(28, (index) => [2, 30, 5, 18, 1, 9, 14, 3, 22, 7, 11][index % 11] ?? 0)
    const result = forecast({ spend, remainingNanos: 400n * unit })
    const [p10, p50, p90] = days(result).map((day) => day ?? Infinity)
    assert.ok((p10 ?? 0) < (p50 ?? 0) && (p50 ?? 0) < (p90 ?? 0), `${p10} ${p50} ${p90}`)
    assert.deepEqual(forecast({ spend, remainingNanos: 400n * unit }), result)
  })

  it('is not thrown by one odd day', () => {
    const spend = daily(28, (index) => (index === 20 ? 500 : 10))
    const result = forecast({ spend })
    assert.ok(result.kind === 'forecast' && Math.abs(result.trendPerDay) < 0.005)
  })
})

describe('a forecast is refused', () => {
  it('under two weeks of data, or with hardly a day of spend in them', () => {
    const thin = forecast({ spend: daily(13, () => 10) })
    assert.equal(thin.kind, 'too-little-data')
    assert.match(thin.kind === 'too-little-data' ? thin.message : '', /13 days/)
    assert.equal(forecast({ spend: daily(28, (index) => (index % 6 === 0 ? 10 : 0)) }).kind, 'too-little-data')
    assert.equal(forecast({}).kind, 'too-little-data')
  })

  it('when nothing is left or nothing is spent', () => {
    assert.equal(forecast({ spend: daily(28, () => 10), remainingNanos: 0n }).kind, 'already-spent')
    assert.equal(forecast({ spend: daily(28, () => 0) }).kind, 'no-spend')
  })

  it('and today’s unfinished day does not count', () => {
    const withToday = [...daily(28, () => 10), { day: today, nanos: 0n }]
    assert.deepEqual(days(forecast({ spend: withToday })), [9, 9, 9])
  })
})
