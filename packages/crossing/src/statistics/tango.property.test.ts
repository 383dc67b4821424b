/** Laws of Tango's interval over random tables (check 15). */
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { tangoInterval, tangoNonInferiority, type PairedCounts } from './tango.ts'

const share = fc.double({ min: 0, max: 1, noNaN: true })
const table = fc.tuple(fc.integer({ min: 1, max: 3000 }), share, share).map(([pairs, discordance, winning]) => {
  const discordant = Math.floor(pairs * discordance)
  const wins = Math.floor(discordant * winning)
  return { wins, losses: discordant - wins, pairs } satisfies PairedCounts
})
const confidence = fc.constantFrom(0.8, 0.9, 0.95, 0.99)
const settings = { seed: 20261123, numRuns: 300 }

describe(`laws of Tango's interval`, () => {
  it('contains the estimate and stays between -1 and 1', () => {
    fc.assert(
      fc.property(table, confidence, (counts, level) => {
        const { lower, upper } = tangoInterval(counts, level)
        const d = (counts.wins - counts.losses) / counts.pairs
        return lower >= -1 && lower <= d + 1e-12 && d <= upper + 1e-12 && upper <= 1
      }),
      settings,
    )
  })

  it('is mirrored when the arms are swapped', () => {
    fc.assert(
      fc.property(table, confidence, (counts, level) => {
        const one = tangoInterval(counts, level)
        const other = tangoInterval({ ...counts, wins: counts.losses, losses: counts.wins }, level)
        return Math.abs(one.lower + other.upper) < 1e-12 && Math.abs(one.upper + other.lower) < 1e-12
      }),
      settings,
    )
  })

  it('shrinks when the same picture is seen in more pairs', () => {
    fc.assert(
      fc.property(table, confidence, fc.integer({ min: 2, max: 9 }), (counts, level, times) => {
        const few = tangoInterval(counts, level)
        const { wins, losses, pairs } = counts
        const many = tangoInterval({ wins: wins * times, losses: losses * times, pairs: pairs * times }, level)
        return many.lower >= few.lower - 1e-12 && many.upper <= few.upper + 1e-12
      }),
      settings,
    )
  })

  it('grows with confidence', () => {
    fc.assert(
      fc.property(table, (counts) => {
        const narrow = tangoInterval(counts, 0.8)
        const wide = tangoInterval(counts, 0.99)
        return wide.lower <= narrow.lower && wide.upper >= narrow.upper
      }),
      settings,
    )
  })

  it('rejects the margin exactly when the lower end lies above it', () => {
    fc.assert(
      fc.property(table, fc.double({ min: 0.001, max: 0.5, noNaN: true }), (counts, margin) => {
        const { p } = tangoNonInferiority(counts, margin)
        const { lower } = tangoInterval(counts, 0.9)
        return Math.abs(p - 0.05) < 1e-9 || p < 0.05 === lower > -margin
      }),
      settings,
    )
  })
})
