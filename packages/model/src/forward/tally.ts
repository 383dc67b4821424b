/**
 * Counts arithmetic where it happens: a kernel adds what it does, under the name of the work it does it for.
 *
 * Two operations per multiply-add. Norms, rotations and softmax are left out, as in every published count:
 * they are linear in the width and vanish beside the products.
 */

export type Work =
  | 'query'
  | 'key-value'
  | 'output'
  | 'compressor'
  | 'index-projection'
  | 'index-score'
  | 'attention-window'
  | 'attention-sparse'
  | 'attention-heavy'
  | 'expert'
  | 'shared-expert'
  | 'router'
  | 'hyper-connection'
  | 'prediction'
  | 'head'

export class Tally {
  readonly #operations = new Map<Work, number>()

  add(work: Work, operations: number): void {
    this.#operations.set(work, (this.#operations.get(work) ?? 0) + operations)
  }

  of(work: Work): number {
    return this.#operations.get(work) ?? 0
  }

  entries(): [Work, number][] {
    return [...this.#operations]
  }

  total(): number {
    return this.entries().reduce((sum, [, operations]) => sum + operations, 0)
  }
}
