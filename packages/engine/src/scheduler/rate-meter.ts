/** Tokens a second over the last seconds, in buckets of one second: what a gauge shows of a running engine. */
const windowSec = 10

export class RateMeter {
  readonly #now: () => number
  readonly #sums = new Float64Array(windowSec)
  /** The second that each bucket was last written for. */
  readonly #seconds = new Float64Array(windowSec).fill(-1)
  #firstSec = -1

  /** @param now milliseconds of any steady clock. */
  constructor(now: () => number) {
    this.#now = now
  }

  add(tokens: number): void {
    const second = Math.floor(this.#now() / 1000)
    if (this.#firstSec < 0) this.#firstSec = second
    const bucket = second % windowSec
    if (this.#seconds[bucket] !== second) this.#sums[bucket] = 0
    this.#seconds[bucket] = second
    this.#sums[bucket]! += tokens
  }

  get perSec(): number {
    const second = Math.floor(this.#now() / 1000)
    const seconds = Math.min(windowSec, second - this.#firstSec + 1)
    const sum = this.#sums.reduce((all, tokens, at) => all + (second - this.#seconds[at]! < windowSec ? tokens : 0), 0)
    return this.#firstSec < 0 ? 0 : sum / seconds
  }
}
