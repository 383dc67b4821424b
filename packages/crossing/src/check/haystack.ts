/**
 * What facts are hidden in: lines of made-up log prose from a seed, or the user's own documents, which tell more about
 * the user's own work. Whether those may be sent is asked elsewhere (`plan/egress.ts`), before a case is made.
 */
import { hash } from 'node:crypto'
import type { Random } from '../statistics/random.ts'

/** Lines of which every prompt takes as many as it needs. */
export interface Haystack {
  /** `generated`, or the SHA-256 of the documents: reports on other material are not compared. */
  readonly material: string
  /** About so many tokens as asked, no less while there is text. */
  linesOf(lengthTokens: number, random: Random, tokensOf: (line: string) => number): string[]
}

export const generatedHaystack: Haystack = {
  material: 'generated',
  linesOf(lengthTokens, random, tokensOf) {
    const pick = (words: readonly string[]): string => words[Math.floor(random() * words.length)]!
    return taken(lengthTokens, tokensOf, () => {
      const hour = 1 + Math.floor(random() * 23)
      return `${pick(subjects)} ${pick(verbs)} ${pick(objects)} ${pick(places)} at ${hour} hours.`
    })
  },
}

/** Longer lines are broken at a space, so that a fact can stand anywhere in a document without line ends. */
const longestLineCharacters = 400

/**
 * Each prompt begins at a line of its own, by the seed, and reads on from there, round the end.
 *
 * @param documents texts in an order that stays the same
 */
export function documentHaystack(documents: readonly string[]): Haystack {
  const lines = documents.flatMap(brokenLines)
  if (lines.length === 0) throw new RangeError('The documents hold no text.')
  return {
    material: `sha256:${hash('sha256', documents.join('\0'))}`,
    linesOf(lengthTokens, random, tokensOf) {
      const start = Math.floor(random() * lines.length)
      let at = 0
      return taken(lengthTokens, tokensOf, () => (at < lines.length ? lines[(start + at++) % lines.length]! : null))
    },
  }
}

function taken(lengthTokens: number, tokensOf: (line: string) => number, next: () => string | null): string[] {
  const lines: string[] = []
  for (let tokens = 0; tokens < lengthTokens;) {
    const line = next()
    if (line === null) break
    lines.push(line)
    tokens += tokensOf(line)
  }
  return lines
}

function brokenLines(text: string): string[] {
  return text
    .toWellFormed()
    .split(/\r\n?|\n/)
    .flatMap((line) => line.match(pieces) ?? [])
    .map((line) => line.trimEnd())
    .filter((line) => line !== '')
}

const pieces = new RegExp(String.raw`.{1,${longestLineCharacters}}(?:\s|$)|.{1,${longestLineCharacters}}`, 'gu')

const subjects = [
  'The harbour master',
  'A tug',
  'The night watch',
  'The pilot',
  'A freighter',
  'The dredger',
  'The customs boat',
  'The lamp keeper',
]
const verbs = ['noted', 'passed', 'reported', 'logged', 'saw', 'waited for', 'signalled', 'followed']
const objects = [
  'a slow swell',
  'two barges',
  'low cloud',
  'the evening tide',
  'a line of buoys',
  'the mail boat',
  'light rain',
  'a fishing fleet',
]
const places = [
  'off the north mole',
  'by the old dock',
  'near the sandbank',
  'at the lock',
  'under the bridge',
  'past the breakwater',
  'in the outer road',
  'beside the quay',
]
