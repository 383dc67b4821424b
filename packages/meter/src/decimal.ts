/**
 * Exact decimals: `digits * 10^-scale` in BigInt, so that a price never passes through a binary fraction.
 *
 * Only what money needs: parse, print, add, multiply, compare and one division with a stated rounding rule
 * (half to even). No general division: a third of a cent has no place here.
 */
import { MeterError } from './errors.ts'

export interface Decimal {
  readonly digits: bigint
  /** Digits after the point, >= 0. */
  readonly scale: number
}

export const zero: Decimal = { digits: 0n, scale: 0 }

// Longer text is not a price but an attack on BigInt arithmetic.
const longestText = 60
const largestExponent = 40

/**
 * Reads `12`, `0.003625` or `1.5e-07`. JavaScript numbers are read by their shortest decimal text, which is
 * what the author of a JSON file typed for up to 15 significant digits.
 *
 * @throws {MeterError} METER_BAD_DECIMAL for anything else, NaN and infinity included.
 */
export function parseDecimal(value: string | number): Decimal {
  const text = String(value)
  const match = text.length > longestText ? null : /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,3}))?$/.exec(text)
  const exponent = Number(match?.[4] ?? 0)
  if (match === null || Math.abs(exponent) > largestExponent)
    throw new MeterError('METER_BAD_DECIMAL', `"${text.slice(0, longestText)}" is not a decimal number.`)
  const fraction = match[3] ?? ''
  const digits = BigInt(`${match[1]}${match[2]}${fraction}`)
  const scale = fraction.length - exponent
  return normalise(scale >= 0 ? { digits, scale } : { digits: digits * 10n ** BigInt(-scale), scale: 0 })
}

export function formatDecimal({ digits, scale }: Decimal): string {
  const sign = digits < 0n ? '-' : ''
  const text = (digits < 0n ? -digits : digits).toString().padStart(scale + 1, '0')
  return scale === 0 ? sign + text : `${sign}${text.slice(0, -scale)}.${text.slice(-scale)}`
}

export function add(a: Decimal, b: Decimal): Decimal {
  const scale = Math.max(a.scale, b.scale)
  return { digits: digitsAt(a, scale) + digitsAt(b, scale), scale }
}

export function multiply(a: Decimal, b: Decimal): Decimal {
  return normalise({ digits: a.digits * b.digits, scale: a.scale + b.scale })
}

export function compare(a: Decimal, b: Decimal): -1 | 0 | 1 {
  const scale = Math.max(a.scale, b.scale)
  const left = digitsAt(a, scale)
  const right = digitsAt(b, scale)
  return left < right ? -1 : left > right ? 1 : 0
}

/** The whole part, towards minus infinity. */
export function floor({ digits, scale }: Decimal): bigint {
  const unit = 10n ** BigInt(scale)
  const quotient = digits / unit
  return digits % unit < 0n ? quotient - 1n : quotient
}

/** The nearest integer; exactly half goes to the even neighbour, so that many rows do not drift upwards. */
export function roundHalfEven(value: Decimal): bigint {
  const below = floor(value)
  const unit = 10n ** BigInt(value.scale)
  const twice = 2n * (value.digits - below * unit)
  if (twice < unit) return below
  if (twice > unit) return below + 1n
  return below % 2n === 0n ? below : below + 1n
}

/** The smallest integer not below the value: for upper bounds. */
export function ceiling(value: Decimal): bigint {
  return -floor({ digits: -value.digits, scale: value.scale })
}

function digitsAt(value: Decimal, scale: number): bigint {
  return value.scale === scale ? value.digits : value.digits * 10n ** BigInt(scale - value.scale)
}

/** Drops trailing zeros, so that 2.50 and 2.5 are one value. */
function normalise({ digits, scale }: Decimal): Decimal {
  while (scale > 0 && digits % 10n === 0n) {
    digits /= 10n
    scale -= 1
  }
  return { digits, scale }
}
