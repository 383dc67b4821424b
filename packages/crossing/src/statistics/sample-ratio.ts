/**
 * Are sessions split as they should be? A Bayes factor that may be looked at after every session.
 *
 *   BF = G(A)/G(A+n) prod G(a_i + n_i)/G(a_i) / prod p_i^n_i     a_i = 1000 p_i, A = sum a_i
 *
 * Source: Lindon and Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022. Hold at 1000 or more.
 */
import { logGamma } from './special-functions.ts'

const strength = 1000

/** @param counts sessions seen by arm; @param shares their intended shares, adding up to 1 */
export function sampleRatioFactor(counts: readonly number[], shares: readonly number[]): number {
  const total = shares.reduce((sum, share) => sum + share, 0)
  if (counts.length !== shares.length || Math.abs(total - 1) > 1e-9 || shares.some((share) => !(share > 0)))
    throw new RangeError('every arm has a count and a positive share, and the shares add up to 1')
  const seen = counts.reduce((sum, count) => sum + count, 0)
  let log = logGamma(strength) - logGamma(strength + seen)
  for (const [at, count] of counts.entries()) {
    const prior = strength * shares[at]!
    log += logGamma(prior + count) - logGamma(prior) - count * Math.log(shares[at]!)
  }
  return Math.exp(Math.min(700, log))
}
