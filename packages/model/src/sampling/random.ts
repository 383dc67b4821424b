/**
 * The random numbers of sampling: xoshiro128++ (Blackman and Vigna), seeded through SplitMix64.
 *
 * Written out here, because a seed is a promise: the same seed gives the same numbers on every machine and
 * in every later version. `Math.random` can promise neither. Not for secrets.
 */

export interface Random {
  /** 32 random bits, 0 to 2^32 - 1. */
  next(): number
  /** Uniform in [0, 1) with 53 random bits; takes two `next`. */
  uniform(): number
  /** Uniform integer in [0, limit), limit up to 2^32; without bias. */
  below(limit: number): number
  /** The four state words, for `restoreRandom`. */
  state(): readonly [number, number, number, number]
}

/** @param seed Any integer; only its low 64 bits count (two's complement for negative seeds). */
export function createRandom(seed: number | bigint): Random {
  let state = BigInt.asUintN(64, typeof seed === 'bigint' ? seed : BigInt(Math.trunc(seed)))
  const splitMix = (): bigint => {
    state = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n)
    let z = state
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n)
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn)
    return z ^ (z >> 31n)
  }
  const a = splitMix()
  const b = splitMix()
  return restoreRandom([Number(a & 0xffffffffn), Number(a >> 32n), Number(b & 0xffffffffn), Number(b >> 32n)])
}

/** Goes on from a state; the all-zero state would stay zero for ever and is moved to 1. */
export function restoreRandom(state: readonly [number, number, number, number]): Random {
  let [s0, s1, s2, s3] = state
  if ((s0 | s1 | s2 | s3) === 0) s0 = 1
  const next = (): number => {
    const sum = (s0 + s3) | 0
    const result = ((((sum << 7) | (sum >>> 25)) + s0) | 0) >>> 0
    const t = s1 << 9
    s2 ^= s0
    s3 ^= s1
    s1 ^= s2
    s0 ^= s3
    s2 ^= t
    s3 = (s3 << 11) | (s3 >>> 21)
    return result
  }
  return {
    next,
    uniform: () => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53,
    below(limit) {
      // Values past the last whole multiple of `limit` would favour small results; draw again.
      const whole = 2 ** 32 - (2 ** 32 % limit)
      let value = next()
      while (value >= whole) value = next()
      return value % limit
    },
    state: () => [s0 >>> 0, s1 >>> 0, s2 >>> 0, s3 >>> 0],
  }
}
