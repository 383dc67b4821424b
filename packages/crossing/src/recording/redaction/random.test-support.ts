/** Seeded chance for tests (mulberry32). */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  digits(count: number): string {
    return this.#from('0123456789', count)
  }

  word(count: number): string {
    return this.#from('abcdefghijklmnopqrstuvwxyz', count)
  }

  token(count: number): string {
    return this.#from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', count)
  }

  #from(symbols: string, count: number): string {
    return Array.from({ length: count }, () => symbols[this.below(symbols.length)]).join('')
  }
}
