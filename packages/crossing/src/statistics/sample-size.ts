/**
 * How many cases a margin needs, from a pilot.
 *
 *   n = ( z_(1-alpha) s0 + z_(power) s1 )^2 / (D + d)^2 x design effect      s1^2 = psi - d^2
 *
 * psi is the share of discordant pairs, D the margin, d the true difference planned for (0: equally good), s0^2 the
 * variance that Tango's test will see: 2q - D (1 + D), q restricted to a difference of -D. With s0 = s1 this is the
 * familiar 6.18 psi / D^2, which plans too few where discordance is rare (measured: power 0.70 instead of 0.80 at a
 * margin of 5 points and 5 % discordance). Design effect 1 + (m - 1) icc, m the size of a session as an observation
 * sees it (Kish, 1965). Source of the first factor: Nam, Biometrics 53, 1997. The share of disagreement cannot be smaller
 * than the incumbent's with itself, so an A/A arm in the pilot sets a floor.
 */
import { normalQuantile } from './distributions.ts'
import { clusteredMean } from './clustered.ts'
import { exactUpperBound } from './proportion.ts'
import { tangoVariance } from './tango.ts'

export interface SampleSizeInput {
  /** Share of discordant pairs. */
  readonly discordance: number
  readonly margin: number
  /** One-sided. Default 0.05. */
  readonly alpha?: number
  /** Default 0.8. */
  readonly power?: number
  /** Default 0. */
  readonly trueDifference?: number
  /** Default 1. */
  readonly designEffect?: number
}

/** Cases needed, rounded up. Never below z^2 (1 - D) / D: fewer could not pass even without one discordant pair. */
export function casesNeeded(input: SampleSizeInput): number {
  const { discordance, margin, alpha = 0.05, power = 0.8, trueDifference = 0, designEffect = 1 } = input
  if (!(margin > 0 && margin < 1)) throw new RangeError(`a margin lies between 0 and 1, not ${margin}`)
  if (!(discordance >= 0 && discordance <= 1)) throw new RangeError(`a share lies between 0 and 1, not ${discordance}`)
  if (!(margin + trueDifference > 0))
    throw new RangeError('a candidate worse by the margin cannot be shown to be better')
  const z = normalQuantile(1 - alpha)
  const spread = Math.sqrt(Math.max(0, discordance - trueDifference * trueDifference))
  const expected = { wins: (discordance + trueDifference) / 2, losses: (discordance - trueDifference) / 2, pairs: 1 }
  if (expected.wins < 0 || expected.losses < 0) throw new RangeError('a difference cannot exceed the discordance')
  const seen = Math.sqrt(tangoVariance(expected, -margin))
  const planned = ((z * seen + normalQuantile(power) * spread) / (margin + trueDifference)) ** 2
  const least = (z * z * (1 - margin)) / margin
  return Math.ceil(Math.max(planned, least) * Math.max(1, designEffect))
}

/** One pilot case: shares of passing replicates, 0 to 1. */
export interface PilotCase {
  readonly session: string
  readonly candidate: number
  readonly incumbent: number
  /** The incumbent asked again; null when the pilot had no A/A arm for this case. */
  readonly incumbentAgain: number | null
}

export interface PilotReading {
  readonly cases: number
  readonly sessions: number
  readonly discordance: number
  /** The incumbent's disagreement with itself; null without an A/A arm. */
  readonly floorDiscordance: number | null
  readonly intraSessionCorrelation: number | null
  readonly designEffect: number
  /** With the larger of the two disagreements. */
  readonly casesNeeded: number
  /** With the upper 80 % bound of the disagreement: what a small pilot could be hiding. */
  readonly casesNeededAtWorst: number
}

/** @param sessionCases cases per session in the run that is planned; default: as in the pilot */
export function readPilot(
  pilot: readonly PilotCase[],
  plan: { readonly margin: number; readonly alpha?: number; readonly power?: number; readonly sessionCases?: number },
): PilotReading {
  if (pilot.length === 0) throw new RangeError('a pilot without cases says nothing')
  const differences = pilot.map(({ session, candidate, incumbent }) => ({ session, value: candidate - incumbent }))
  const { intraSessionCorrelation, sessions } = clusteredMean(differences)
  const discordance = meanOf(pilot.map((row) => discordanceOf(row.candidate, row.incumbent)))
  const again = pilot.flatMap((row) =>
    row.incumbentAgain === null ? [] : [discordanceOf(row.incumbent, row.incumbentAgain)],
  )
  const floorDiscordance = again.length === 0 ? null : meanOf(again)
  const sizes = new Map<string, number>()
  for (const { session } of pilot) sizes.set(session, (sizes.get(session) ?? 0) + 1)
  // The size of the session that a case finds itself in, which is what correlated errors multiply with.
  const seenSize = [...sizes.values()].reduce((sum, size) => sum + size * size, 0) / pilot.length
  const designEffect = 1 + ((plan.sessionCases ?? seenSize) - 1) * Math.max(0, intraSessionCorrelation ?? 0)
  const larger = Math.max(discordance, floorDiscordance ?? 0)
  const { margin, alpha, power } = plan
  const size = (share: number): number => casesNeeded({ discordance: share, margin, alpha, power, designEffect })
  return {
    cases: pilot.length,
    sessions,
    discordance,
    floorDiscordance,
    intraSessionCorrelation,
    designEffect,
    casesNeeded: size(larger),
    casesNeededAtWorst: size(exactUpperBound(larger * pilot.length, pilot.length, 0.8)),
  }
}

/** How likely one replicate of each disagree. */
function discordanceOf(one: number, other: number): number {
  return one * (1 - other) + other * (1 - one)
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
