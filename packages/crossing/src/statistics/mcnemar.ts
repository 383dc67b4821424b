/**
 * McNemar's test on paired outcomes: is there any difference at all?
 *
 * Conditional on the b + c discordant pairs, b is binomial(b + c, 1/2) when the arms are equal. Two-sided. Printed
 * beside the margin test and never gating: a small p does not mean that the difference matters.
 * Sources: McNemar, Psychometrika 12, 1947; Fagerland, Lydersen and Laake, BMC Med. Res. Methodol. 13:91, 2013.
 */
import { binomialCdf, binomialMass } from './distributions.ts'

export interface McNemar {
  /** Exact conditional p. Never too small, often too large. */
  readonly exact: number
  /** Mid-p: half of the observed table's probability is left out. Close to its nominal level in small samples. */
  readonly midP: number
}

/** @param wins candidate passes, incumbent fails; @param losses the other way round. Whole numbers. */
export function mcNemar(wins: number, losses: number): McNemar {
  if (!Number.isInteger(wins) || !Number.isInteger(losses) || wins < 0 || losses < 0)
    throw new RangeError(`McNemar needs two counts, not ${wins} and ${losses}`)
  const discordant = wins + losses
  if (discordant === 0) return { exact: 1, midP: 1 }
  const fewer = Math.min(wins, losses)
  const point = binomialMass(fewer, discordant, 0.5)
  if (wins === losses) return { exact: 1, midP: 1 - 0.5 * point }
  const exact = Math.min(1, 2 * binomialCdf(fewer, discordant, 0.5))
  return { exact, midP: exact - point }
}
