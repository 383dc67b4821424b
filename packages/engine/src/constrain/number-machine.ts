/**
 * Decimal numbers within bounds, digit by digit: a place is what has been written so far.
 *
 * Written without exponent, with at most 15 digits before and 15 after the point; bounds are exact, on that grid.
 * A digit is taken only when some number within the bounds still begins like this.
 */
import type { Machine } from './terms.ts'

const integerDigits = 15
const fractionDigits = 15
const scale = 10n ** BigInt(fractionDigits)

export interface Bounds {
  readonly minimum: number | null
  readonly maximum: number | null
  readonly minimumExcluded: boolean
  readonly maximumExcluded: boolean
  readonly integer: boolean
}

export function boundedNumber(bounds: Bounds): Machine {
  const grid = bounds.integer ? scale : 1n
  const widest = 10n ** BigInt(integerDigits) * scale - 1n
  let low = bounds.minimum === null ? -widest : toGrid(bounds.minimum, grid, 'up')
  let high = bounds.maximum === null ? widest : toGrid(bounds.maximum, grid, 'down')
  if (bounds.minimumExcluded && bounds.minimum !== null && low === scaled(bounds.minimum)) low += grid
  if (bounds.maximumExcluded && bounds.maximum !== null && high === scaled(bounds.maximum)) high -= grid
  low = low < -widest ? -widest : low
  high = high > widest ? widest : high

  /** A shortest end for what was written; null when there is none. */
  const ending = (place: string): string | null => {
    const isNegative = place.startsWith('-')
    const digits = isNegative ? place.slice(1) : place
    // Bounds of what follows the sign.
    const [from, to] = isNegative ? [-high, -low] : [low, high]
    // A zero with a sign is a number too.
    const atLeast = from < 0n ? 0n : from
    if (to < atLeast) return null
    if (digits === '') return endingOfEmpty(atLeast, to)
    return endingOfDigits(digits, atLeast, to)
  }
  const endingOfEmpty = (from: bigint, to: bigint): string | null => {
    for (let count = 1; count <= integerDigits; count++) {
      const smallest = count === 1 ? 0n : 10n ** BigInt(count - 1)
      const found = within(smallest, 10n ** BigInt(count) - 1n, from, to)
      if (found !== null) return found.toString()
    }
    if (bounds.integer) return null
    const whole = (from / scale).toString()
    const rest = endingOfDigits(whole, from, to)
    return rest === null ? null : whole + rest
  }
  const endingOfDigits = (digits: string, from: bigint, to: bigint): string | null => {
    const point = digits.indexOf('.')
    if (point < 0) {
      const written = BigInt(digits)
      const room = digits === '0' ? 0 : integerDigits - digits.length
      for (let more = 0; more <= room; more++) {
        const factor = 10n ** BigInt(more)
        const found = within(written * factor, (written + 1n) * factor - 1n, from, to)
        if (found !== null) return more === 0 ? '' : (found - written * factor).toString().padStart(more, '0')
      }
      if (bounds.integer) return null
      for (let more = 0; more <= room; more++) {
        const factor = 10n ** BigInt(more)
        // Whole numbers that begin like this and whose fractions reach into the bounds.
        const first = max(written * factor, from / scale)
        const last = min((written + 1n) * factor - 1n, to / scale)
        if (first > last) continue
        const inserted = more === 0 ? '' : (first - written * factor).toString().padStart(more, '0')
        const fraction = fractionOf(first, '', from, to)
        if (fraction !== null) return `${inserted}.${fraction}`
      }
      return null
    }
    return fractionOf(BigInt(digits.slice(0, point)), digits.slice(point + 1), from, to)
  }
  /** Shortest continuation of the fraction, at least one digit altogether. */
  const fractionOf = (whole: bigint, written: string, from: bigint, to: bigint): string | null => {
    const base = whole * scale
    for (let count = Math.max(1, written.length); count <= fractionDigits; count++) {
      const unit = 10n ** BigInt(fractionDigits - count)
      const prefix = written === '' ? 0n : BigInt(written) * 10n ** BigInt(count - written.length)
      const span = 10n ** BigInt(count - written.length)
      const least = ceiling(max(from, base + prefix * unit) - base, unit)
      if (least < prefix + span && base + least * unit <= to) {
        const digits = least.toString().padStart(count, '0')
        return digits.slice(written.length)
      }
    }
    return null
  }

  const endings = new Map<string, string | null>()
  const remembered = (place: string): string | null => {
    const known = endings.get(place)
    if (known !== undefined) return known
    if (endings.size > 2048) endings.clear()
    const found = isSpelled(place, bounds.integer) ? ending(place) : null
    endings.set(place, found)
    return found
  }
  return {
    name: `number ${JSON.stringify(bounds)}`,
    step(place, symbol) {
      const next = place + String.fromCharCode(symbol)
      return remembered(next) === null ? null : next
    },
    mayEnd: (place) => remembered(place) === '',
    shortest: (place) => remembered(place) ?? '',
  }
}

/** Whether any number fits. */
export function hasNumber(machine: Machine): boolean {
  return Array.from('-0123456789').some((character) => machine.step('', character.charCodeAt(0)) !== null)
}

function isSpelled(place: string, isInteger: boolean): boolean {
  if (!/^-?(?:(?:0|[1-9]\d*)(?:\.\d*)?)?$/.test(place) || (isInteger && place.includes('.'))) return false
  const [whole = '', fraction = ''] = place.replace('-', '').split('.')
  return whole.length <= integerDigits && fraction.length <= fractionDigits
}

/** The smallest whole number n with n * scale in both ranges. */
function within(smallest: bigint, largest: bigint, from: bigint, to: bigint): bigint | null {
  const least = max(smallest, ceiling(from, scale))
  return least <= largest && least * scale <= to ? least : null
}

/** A number as a whole number of grid steps of 10^-15, rounded into the bounds. */
function toGrid(value: number, grid: bigint, direction: 'up' | 'down'): bigint {
  const { whole, isExact } = exact(value)
  const floor = floorDivide(whole, grid) * grid
  if (direction === 'down') return floor
  return floor === whole && isExact ? floor : floor + grid
}

function scaled(value: number): bigint | null {
  const { whole, isExact } = exact(value)
  return isExact ? whole : null
}

/** floor(value * 10^15) of the number's shortest decimal spelling. */
function exact(value: number): { readonly whole: bigint; readonly isExact: boolean } {
  const [mantissa = '0', exponent = '0'] = String(value).split('e')
  const [integer = '0', fraction = ''] = mantissa.split('.')
  const digits = BigInt(integer + fraction)
  const power = Number(exponent) - fraction.length + fractionDigits
  if (power >= 0) return { whole: digits * 10n ** BigInt(power), isExact: true }
  const divisor = 10n ** BigInt(-power)
  return { whole: floorDivide(digits, divisor), isExact: digits % divisor === 0n }
}

function floorDivide(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor
  return value < 0n && value % divisor !== 0n ? quotient - 1n : quotient
}

function ceiling(value: bigint, divisor: bigint): bigint {
  return -floorDivide(-value, divisor)
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}

/** Whole numbers that `step` divides, with any number of digits. */
export function multipleOf(step: number): Machine {
  // Digits that lead from each remainder to none, breadth first from the end.
  const endings = new Map<number, string>([[0, '']])
  const place = (written: string, digit: number): string | null => {
    // A leading nought is the whole number.
    if (written === 'd0') return null
    if (!written.startsWith('d')) return digit === 0 ? 'd0' : `d+${digit % step}`
    return `d+${(remainderOf(written) * 10 + digit) % step}`
  }
  const endingOf = (remainder: number): string => {
    const known = endings.get(remainder)
    if (known !== undefined) return known
    const seen = new Set([remainder])
    for (const open: [rest: number, text: string][] = [[remainder, '']]; ;) {
      const [rest, text] = open.shift()!
      if (rest === 0 && text !== '') {
        endings.set(remainder, text)
        return text
      }
      for (let digit = 0; digit < 10; digit++) {
        const next = (rest * 10 + digit) % step
        if (next === 0 || !seen.has(next)) open.push([next, text + digit])
        seen.add(next)
      }
    }
  }
  const remainderOf = (written: string): number => (written === 'd0' ? 0 : Number(written.slice(2)))
  return {
    name: `multiple ${step}`,
    step(written, symbol) {
      if (symbol === 0x2d) return written === '' ? '-' : null
      return symbol >= 0x30 && symbol <= 0x39 ? place(written, symbol - 0x30) : null
    },
    mayEnd: (written) => written.startsWith('d') && remainderOf(written) === 0,
    shortest: (written) => (written.startsWith('d') ? endingOf(remainderOf(written)) : '0'),
  }
}
