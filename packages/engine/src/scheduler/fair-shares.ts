/**
 * Who has had how much: the tenant that has had least comes first.
 *
 * Shares are tokens computed while a tenant had work. One who comes (or comes back) starts level with the least
 * served of those present, so nobody saves up a claim by staying away, and nobody waits for having been early.
 */
export class FairShares {
  readonly #served = new Map<string, number>()
  readonly #present = new Map<string, number>()

  enter(tenant: string): void {
    const jobs = this.#present.get(tenant) ?? 0
    if (jobs === 0) {
      const least = Math.min(...[...this.#present.keys()].map((other) => this.#served.get(other)!))
      this.#served.set(tenant, Number.isFinite(least) ? least : 0)
    }
    this.#present.set(tenant, jobs + 1)
  }

  leave(tenant: string): void {
    const jobs = this.#present.get(tenant)! - 1
    if (jobs > 0) {
      this.#present.set(tenant, jobs)
      return
    }
    this.#present.delete(tenant)
    this.#served.delete(tenant)
  }

  charge(tenant: string, tokens: number): void {
    this.#served.set(tenant, (this.#served.get(tenant) ?? 0) + tokens)
  }

  /** Tokens that `tenant` has had more than `other`; negative: less. */
  lead(tenant: string, other: string): number {
    return (this.#served.get(tenant) ?? 0) - (this.#served.get(other) ?? 0)
  }

  /** By share, then in the order given. */
  sorted<T extends { readonly tenant: string }>(jobs: readonly T[]): T[] {
    return jobs.toSorted((a, b) => (this.#served.get(a.tenant) ?? 0) - (this.#served.get(b.tenant) ?? 0))
  }
}
