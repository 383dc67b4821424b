/** Sums of usage as meters: what a bill has one line for. Adds up to the nano to what it was made from. */
import type { UsageLine } from '@portolan/store'

export const meters = ['input-miss', 'input-hit', 'cache-write-5m', 'cache-write-1h', 'output', 'unsplit'] as const

export type Meter = (typeof meters)[number]

export interface MeterAmount {
  readonly meter: Meter
  readonly tokens: number
  readonly nanos: bigint
}

/** Meters with nothing on them are left out; what a price did not split by tier stands under `unsplit`. */
export function metersOf(line: UsageLine): readonly MeterAmount[] {
  const { tierNanos: tier, costNanos } = line
  const split = tier.miss + tier.hit + tier.write5m + tier.write1h + tier.output
  const amounts: readonly MeterAmount[] = [
    { meter: 'input-miss', tokens: line.missTokens, nanos: tier.miss },
    { meter: 'input-hit', tokens: line.hitTokens, nanos: tier.hit },
    { meter: 'cache-write-5m', tokens: line.writtenTokens - line.written1hTokens, nanos: tier.write5m },
    { meter: 'cache-write-1h', tokens: line.written1hTokens, nanos: tier.write1h },
    { meter: 'output', tokens: line.outputTokens, nanos: tier.output },
    { meter: 'unsplit', tokens: 0, nanos: costNanos - split },
  ]
  return amounts.filter(({ tokens, nanos }) => tokens !== 0 || nanos !== 0n)
}

/** Nano-units as a plain decimal number, exact. */
export function decimalOf(nanos: bigint): string {
  const digits = (nanos < 0n ? -nanos : nanos).toString().padStart(10, '0')
  const fraction = digits.slice(-9).replace(/0+$/, '')
  return `${nanos < 0n ? '-' : ''}${digits.slice(0, -9)}${fraction === '' ? '' : `.${fraction}`}`
}
