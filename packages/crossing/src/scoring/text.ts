/**
 * Deterministic comparison of two texts: exact, normalised, contains, number, similarity.
 *
 * Similarity is Dice's coefficient over word bigrams (over characters where there are no word gaps, as in Chinese).
 * It means something only beside the incumbent's similarity with itself, so no absolute limit has a default.
 */
import type { Severity, Verdict } from '../records/index.ts'
import { failed, passed, unscored, type ScorerName } from './verdict.ts'

export type TextRule =
  | { readonly rule: 'exact' }
  | { readonly rule: 'normalised' }
  | { readonly rule: 'contains'; readonly text: string }
  | { readonly rule: 'number'; readonly tolerance: number }
  | { readonly rule: 'similarity'; readonly least: number }

/** @param recorded what the rule compares with; `contains` does not need it */
export function scoreText(
  answer: string,
  recorded: string | null,
  rule: TextRule,
  severity: Severity = 'major',
): Verdict {
  const name: ScorerName = { scorer: `text-${rule.rule}`, version: '1', severity }
  if (rule.rule === 'contains') {
    const has = normaliseText(answer).includes(normaliseText(rule.text))
    return has ? passed(name) : failed(name, { missing: rule.text })
  }
  if (recorded === null) return unscored(name, 'nothing-recorded', 'There is no recorded answer to compare with.')
  switch (rule.rule) {
    case 'exact':
      return answer === recorded ? passed(name) : failed(name, difference(answer, recorded))
    case 'normalised': {
      const [mine, theirs] = [normaliseText(answer), normaliseText(recorded)]
      return mine === theirs ? passed(name) : failed(name, difference(mine, theirs))
    }
    case 'number': {
      const [mine, theirs] = [lastNumber(answer), lastNumber(recorded)]
      if (theirs === null) return unscored(name, 'no-number', 'The recorded answer holds no number.')
      const near = mine !== null && Math.abs(mine - theirs) <= rule.tolerance
      return near ? passed(name, { got: mine, want: theirs }) : failed(name, { got: mine, want: theirs })
    }
    default: {
      const score = textSimilarity(answer, recorded)
      return score >= rule.least ? passed(name, { score }, score) : failed(name, { score, least: rule.least }, score)
    }
  }
}

/** NFKC, lower case, single spaces, no outer punctuation or mark-up signs. */
export function normaliseText(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[*_`#>]+/g, '')
    .replace(/\s+/g, ' ')
    .replace(/^[\s.,;:!?"']+|[\s.,;:!?"']+$/g, '')
}

const longestCompared = 200_000

/** 0 to 1; symmetric; 1 for equal texts. The first 200,000 characters are compared. */
export function textSimilarity(one: string, other: string): number {
  const [a, b] = [normaliseText(one.slice(0, longestCompared)), normaliseText(other.slice(0, longestCompared))]
  if (a === b) return 1
  const [mine, theirs] = [bigrams(a), bigrams(b)]
  let [shared, total] = [0, 0]
  for (const [gram, count] of mine) {
    shared += Math.min(count, theirs.get(gram) ?? 0)
    total += count
  }
  for (const count of theirs.values()) total += count
  return total === 0 ? 0 : (2 * shared) / total
}

function bigrams(text: string): Map<string, number> {
  // A run of letters of a script without word gaps is cut into its characters.
  const words =
    text.match(/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]|[\p{L}\p{N}]+/gu) ?? []
  const grams = new Map<string, number>()
  for (let at = -1; at < words.length; at++) {
    const gram = `${words[at] ?? ''} ${words[at + 1] ?? ''}`
    if (gram !== ' ') grams.set(gram, (grams.get(gram) ?? 0) + 1)
  }
  return grams
}

function lastNumber(text: string): number | null {
  const found = text.replace(/(?<=\d),(?=\d{3}\b)/g, '').match(/-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/gi)
  return found ? Number(found.at(-1)) : null
}

/** Where two texts part, with a little around it: enough for a person to see. */
function difference(mine: string, theirs: string): unknown {
  let at = 0
  while (at < mine.length && at < theirs.length && mine[at] === theirs[at]) at++
  const from = Math.max(0, at - 40)
  return { at, got: mine.slice(from, at + 80), want: theirs.slice(from, at + 80) }
}
