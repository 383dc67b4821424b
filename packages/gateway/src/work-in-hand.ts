/**
 * Counts what is being served, so that a drain can wait for all of it.
 *
 * Sockets are no measure: a caller that left has none, and its request still has to be settled. Whoever closes the
 * ledger after a drain must know that no row is on its way.
 */
export class WorkInHand {
  #count = 0
  #idle: (() => void) | null = null

  get count(): number {
    return this.#count
  }

  /** Counts a piece of work until it ends, however it ends. */
  add(work: Promise<unknown>): void {
    this.#count++
    const end = (): void => {
      if (--this.#count === 0) this.#idle?.()
    }
    work.then(end, end)
  }

  /** Resolves when nothing is in hand, at the latest after `withinMs`: true when nothing is. */
  async idle(withinMs: number): Promise<boolean> {
    if (this.#count > 0)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, withinMs)
        this.#idle = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    return this.#count === 0
  }
}
