/**
 * Names of blocks: each a hash of everything before it, salted by tenant and model.
 *
 * So equal keys mean equal prefixes of one tenant under one model, and a tenant can neither hit nor guess
 * another's blocks. A block's key needs only its predecessor's key and its own 128 tokens.
 */
import { createHash } from 'node:crypto'
import { blockTokens } from '../forward.ts'

export interface CacheSalt {
  readonly tenant: string
  /** `Forward.identity`. */
  readonly model: string
}

/** 64 hexadecimal digits. */
export type BlockKey = string

export class BlockKeys {
  readonly #root: Buffer
  readonly #keys: BlockKey[] = []
  readonly #size: number

  constructor({ tenant, model }: CacheSalt, size: number = blockTokens) {
    this.#size = size
    // Lengths keep tenant and model apart, whatever characters they have.
    this.#root = createHash('sha256').update(`portolan-kv/1 ${tenant.length} ${tenant}${model}`).digest()
  }

  /** Keys of all whole blocks of `ids`, which must continue what earlier calls were given. */
  extend(ids: readonly number[]): readonly BlockKey[] {
    const whole = Math.floor(ids.length / this.#size)
    for (let block = this.#keys.length; block < whole; block++) {
      const before = block === 0 ? this.#root : Buffer.from(this.#keys[block - 1]!, 'hex')
      const tokens = Int32Array.from({ length: this.#size }, (_, at) => ids[block * this.#size + at]!)
      this.#keys.push(createHash('sha256').update(before).update(new Uint8Array(tokens.buffer)).digest('hex'))
    }
    return this.#keys
  }
}
