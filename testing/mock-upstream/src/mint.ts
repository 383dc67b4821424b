/**
 * Ids and reasoning seals of the stand-in: the same server answers the same requests with the same ids.
 *
 * A seal stands for what suppliers call `signature` or `encrypted_content`: it carries the reasoning text and
 * a keyed digest, so that a seal that was altered, forged or swapped between blocks is refused as the real
 * services refuse it.
 */

import { createHash, createHmac } from 'node:crypto'
import { asObject } from './json-value.ts'

const SEAL_KEY = 'stand-in, not a secret'

export class Mint {
  readonly #seed: string
  #count = 0

  constructor(seed: string) {
    this.#seed = seed
  }

  #digest(): string {
    this.#count += 1
    return createHash('sha256').update(`${this.#seed}:${this.#count}`).digest('hex')
  }

  /** `length` letters and digits. */
  word(length: number): string {
    const letters = Buffer.from(this.#digest() + this.#digest(), 'hex')
      .toString('base64')
      .replace(/[^A-Za-z0-9]/g, '')
    return letters.padEnd(length, 'x').slice(0, length)
  }

  uuid(): string {
    const hex = this.#digest()
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
  }
}

export function sealReasoning(text: string): string {
  const body = Buffer.from(text, 'utf8').toString('base64')
  const digest = createHmac('sha256', SEAL_KEY).update(text).digest('base64')
  return Buffer.from(JSON.stringify({ body, digest })).toString('base64')
}

/** The sealed text, or undefined when this stand-in did not make the seal. */
export function openSeal(seal: string): string | undefined {
  try {
    const parsed = asObject(JSON.parse(Buffer.from(seal, 'base64').toString('utf8')))
    if (typeof parsed.body !== 'string' || typeof parsed.digest !== 'string') return undefined
    const text = Buffer.from(parsed.body, 'base64').toString('utf8')
    const digest = createHmac('sha256', SEAL_KEY).update(text).digest('base64')
    return digest === parsed.digest ? text : undefined
  } catch {
    return undefined
  }
}
