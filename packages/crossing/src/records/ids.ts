/**
 * Ids of the way over: a word for the kind, and a ULID (48 bits of time, 80 bits of chance, Crockford base32), so
 * that ids sort by age and nobody takes a run for a plan.
 */
import { randomFillSync } from 'node:crypto'

export const idKinds = ['rec', 'ses', 'exc', 'case', 'set', 'plan', 'run', 'cmp', 'sig'] as const
export type IdKind = (typeof idKinds)[number]

const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const pool = Buffer.allocUnsafe(4096)
let used = pool.length

export function mintId(kind: IdKind, nowMs: number): string {
  if (used + 16 > pool.length) {
    randomFillSync(pool)
    used = 0
  }
  let time = ''
  for (let i = 0, rest = nowMs; i < 10; i++, rest = Math.floor(rest / 32)) time = digits[rest % 32]! + time
  let chance = ''
  // 16 digits of 5 bits: a byte each is wasteful and simple.
  for (let i = 0; i < 16; i++) chance += digits[pool[used++]! & 31]
  return `${kind}_${time}${chance}`
}

export function isId(text: string, kind: IdKind): boolean {
  return text.startsWith(`${kind}_`) && /^[0-9A-HJKMNP-TV-Z]{26}$/.test(text.slice(kind.length + 1))
}
