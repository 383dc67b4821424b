/**
 * Free text: any whole UTF-8 characters in which certain spellings do not occur, and keys that differ from given ones.
 *
 * Spellings of special tokens are kept out of text, because whoever reads the answer knows tags by their text and
 * would take them for the real ones.
 */
import type { Machine } from './terms.ts'

/** Open ends of a UTF-8 character: what the next byte must be, and where that leads. */
const utf8Phases: readonly (readonly (readonly [low: number, high: number, next: number])[])[] = [
  [
    [0x00, 0x7f, 0],
    [0xc2, 0xdf, 1],
    [0xe0, 0xe0, 4],
    [0xe1, 0xec, 2],
    [0xed, 0xed, 5],
    [0xee, 0xef, 2],
    [0xf0, 0xf0, 6],
    [0xf1, 0xf3, 3],
    [0xf4, 0xf4, 7],
  ],
  [[0x80, 0xbf, 0]],
  [[0x80, 0xbf, 1]],
  [[0x80, 0xbf, 2]],
  [[0xa0, 0xbf, 1]],
  [[0x80, 0x9f, 1]],
  [[0x90, 0xbf, 2]],
  [[0x80, 0x8f, 2]],
]

/** Characters that no spelling of a special token goes on with, for ends of open characters. */
const neutralEnds: readonly string[] = [
  '',
  '\u0080',
  '\u0080\u0080',
  '\u0080\u0080\u0080',
  '\u00a0\u0080',
  '\u0080\u0080',
  '\u0090\u0080\u0080',
  '\u0080\u0080\u0080',
]

/** Any text without `banned` (as symbols). Places: length of the longest banned beginning, and the open character. */
export function freeText(banned: readonly string[]): Machine {
  const states = prefixesOf(banned)
  const indexOf = new Map(states.map((state, at) => [state, at]))
  const moves = new Map<number, number | null>()
  const move = (state: number, symbol: number): number | null => {
    const key = state * 256 + symbol
    const known = moves.get(key)
    if (known !== undefined) return known
    let text = states[state]! + String.fromCharCode(symbol)
    const isBanned = banned.some((spelling) => text.endsWith(spelling))
    while (!indexOf.has(text)) text = text.slice(1)
    const next = isBanned ? null : indexOf.get(text)!
    moves.set(key, next)
    return next
  }
  const machine: Machine = {
    name: `text ${banned.join('\u0001')}`,
    step(place, symbol) {
      if (symbol > 0xff) return null
      const [state, phase] = partsOf(place)
      const edge = utf8Phases[phase]!.find(([low, high]) => symbol >= low && symbol <= high)
      const next = edge === undefined ? null : move(state, symbol)
      return next === null ? null : placeOf(next, edge![2])
    },
    mayEnd: (place) => partsOf(place)[1] === 0,
    shortest(place) {
      const phase = partsOf(place)[1]
      const end = neutralEnds[phase]!
      return survives(machine, place, end) ? end : end.replace('\u0080', '\u0081')
    },
  }
  return machine
}

function survives(machine: Machine, from: string, symbols: string): boolean {
  let place: string | null = from
  for (let at = 0; at < symbols.length && place !== null; at++) place = machine.step(place, symbols.charCodeAt(at))
  return place !== null
}

/** Every beginning of a banned spelling, the empty one first. */
function prefixesOf(banned: readonly string[]): string[] {
  const prefixes = new Set([''])
  for (const spelling of banned)
    for (let length = 1; length < spelling.length; length++) prefixes.add(spelling.slice(0, length))
  return [...prefixes]
}

export const textStart = placeOf(0, 0)

function placeOf(state: number, phase: number): string {
  return String.fromCharCode(state * 8 + phase)
}

function partsOf(place: string): readonly [state: number, phase: number] {
  const packed = place.charCodeAt(0)
  return [packed >> 3, packed & 7]
}

/**
 * A key that is none of `taken` and not longer than `longest` bytes: the inside of a JSON string, escaped only where
 * quotes and backslashes must be; or a plain `name` of letters, digits, low lines and hyphens.
 */
export function otherKey(taken: readonly string[], longest: number, alphabet: 'json' | 'name'): Machine {
  const states = prefixesOf(taken.map((key) => `${key}\u0000`))
  const known = new Set(states)
  const free = '\u0001'
  // A place: kind of the prefix, length, open character, whether a backslash is open.
  const read = (place: string): KeyPlace => JSON.parse(place) as KeyPlace
  const isWhole = ({ prefix, phase, isEscaped }: KeyPlace): boolean =>
    phase === 0 && !isEscaped && (prefix === free || !taken.includes(prefix))
  const machine: Machine = {
    name: `key ${JSON.stringify(taken)} ${longest} ${alphabet}`,
    step(place, symbol) {
      const { prefix, length, phase, isEscaped } = read(place)
      // Beyond the longest only what finishes a character, or makes a taken key another one.
      if (symbol > 0xff || (length >= longest && isWhole(read(place)))) return null
      if (alphabet === 'name' && !/[A-Za-z0-9_-]/.test(String.fromCharCode(symbol))) return null
      if (isEscaped && symbol !== 0x22 && symbol !== 0x5c) return null
      if (!isEscaped && (symbol < 0x20 || symbol === 0x22)) return null
      const edge = utf8Phases[phase]!.find(([low, high]) => symbol >= low && symbol <= high)
      if (edge === undefined) return null
      const text = prefix === free ? free : prefix + String.fromCharCode(symbol)
      return JSON.stringify({
        prefix: known.has(text) ? text : free,
        length: Math.min(longest, length + 1),
        phase: edge[2],
        isEscaped: !isEscaped && symbol === 0x5c,
      } satisfies KeyPlace)
    },
    mayEnd: (place) => isWhole(read(place)),
    shortest(place) {
      const state = read(place)
      if (isWhole(state)) return ''
      const end = state.isEscaped ? '"' : neutralEnds[state.phase]!
      const after =
        end === '' ? place : Array.from(end).reduce((at, symbol) => machine.step(at, symbol.charCodeAt(0))!, place)
      // Breadth first; it ends soon, because a place that is not whole is a beginning of a taken key.
      for (const open: [place: string, text: string][] = [[after, end]]; ;) {
        const [from, text] = open.shift()!
        if (isWhole(read(from))) return text
        for (const letter of letters) open.push([machine.step(from, letter.charCodeAt(0))!, text + letter])
      }
    },
  }
  return machine
}

interface KeyPlace {
  readonly prefix: string
  readonly length: number
  readonly phase: number
  readonly isEscaped: boolean
}

const letters = Array.from('abcdefghijklmnopqrstuvwxyz0123456789')

export const keyStart = JSON.stringify({ prefix: '', length: 0, phase: 0, isEscaped: false } satisfies KeyPlace)
