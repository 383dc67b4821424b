/** Request ids: `req_` + 9 base36 digits of time + 12 of randomness; sortable by time, safe in any header. */
import { randomFillSync } from 'node:crypto'

const digits = '0123456789abcdefghijklmnopqrstuvwxyz'
const pool = Buffer.allocUnsafe(4096)
let used = pool.length

export function mintRequestId(nowMs: number): string {
  // One system call serves 341 ids.
  if (used + 12 > pool.length) {
    randomFillSync(pool)
    used = 0
  }
  let tail = ''
  for (let i = 0; i < 12; i++) tail += digits[pool[used++]! % 36]
  return `req_${nowMs.toString(36).padStart(9, '0')}${tail}`
}
