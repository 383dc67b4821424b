/**
 * Is a fact still found in a long prompt, wherever it stands? Everything is generated here from a seed: haystacks of
 * made-up log prose, facts with exact digits (what compressed attention would lose first), ten tasks.
 *
 * Task ideas: RULER (multi-key, variable chains, counting), MRCR (the i-th reply), NoLiMa (no common word between
 * question and fact); texts, tables and templates are our own. A length is in tokens of the target: estimated by
 * characters, corrected by the usage of the first answer, exact where a tokenizer is given.
 */
import type { Item } from '@portolan/wire'
import { seededRandom, type Random } from '../statistics/random.ts'
import { instruction, textOf, user } from './items.ts'
import { failed, passed, type CaseResult, type CheckCase, type CheckFinding } from './result.ts'
import { wilsonInterval } from '../statistics/proportion.ts'
import type { Ask } from './target.ts'

export const longContextTasks = [
  'needle',
  'four-needles',
  'absent',
  'many-keys',
  'chain',
  'count',
  'ith-reply',
  'no-overlap',
  'join-ends',
  'first-instruction',
  'boundary',
] as const
export type LongContextTask = (typeof longContextTasks)[number]

export interface LongContextOptions {
  readonly tasks: readonly LongContextTask[]
  readonly lengthsTokens: readonly number[]
  /** Shares of the haystack at which the fact stands, 0 to 1. */
  readonly depths: readonly number[]
  readonly repeats: number
  readonly seed: number
  /** Counts the target's tokens; null: none at hand, then `boundary` is left unscored and lengths are estimates. */
  readonly countTokens: ((text: string) => number) | null
  /** Characters a token where there is no tokenizer. */
  readonly charactersPerToken: number
}

/** Block widths of compressed attention, at whose edges facts are placed: 4 and 128 tokens. */
const blockTokens = [4, 128] as const
/** Around each edge: one before, on it, one after. */
const edgeOffsets = [-1, 0, 1] as const

export function longContextBattery(options: LongContextOptions): CheckCase[] {
  const cases: CheckCase[] = []
  for (const task of options.tasks)
    for (const lengthTokens of options.lengthsTokens)
      for (const depth of placed(task) ? options.depths : [1])
        for (let repeat = 0; repeat < options.repeats; repeat++) {
          const seed = mix(options.seed, task, lengthTokens, Math.round(depth * 100), repeat)
          cases.push({
            id: `longctx/${task}/${lengthTokens}/${Math.round(depth * 100)}/${repeat}`,
            group: `${task} at ${lengthTokens}`,
            title: `${task}, ${lengthTokens} tokens, depth ${Math.round(depth * 100)} %`,
            place: { lengthTokens, depth },
            run: async (ask) => {
              const made = makeCase(task, lengthTokens, depth, seededRandom(seed), options)
              if (made === null) return { outcome: 'unscored', detail: 'Block edges need a tokenizer (--tokenizer).' }
              const { response } = await ask({ items: made.items, stream: true, maxOutputTokens: 4096 })
              if (response.stop === 'length') return failed('The answer was cut off before it was visible.')
              return judge(textOf(response), made)
            },
          })
        }
  return cases
}

/** Tasks whose fact has one place; the others use the whole haystack. */
function placed(task: LongContextTask): boolean {
  return task === 'needle' || task === 'many-keys' || task === 'no-overlap' || task === 'boundary'
}

interface MadeCase {
  readonly items: readonly Item[]
  /** All of these, as whole words. */
  readonly wanted: readonly string[]
  /** None of these: facts that stand nearby. */
  readonly unwanted: readonly string[]
}

/** An answer that pours everything out must not pass: wrong values count, and so does length. */
const longestAnswerCharacters = 600

function judge(answer: string, { wanted, unwanted }: MadeCase): CheckFinding {
  const has = (value: string): boolean =>
    new RegExp(`(?<![\\w-])${value.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}(?![\\w-])`, 'i').test(answer)
  const missing = wanted.filter((value) => !has(value))
  if (missing.length > 0) return failed(`Wanted ${missing.join(', ')}; came "${answer.slice(0, 160)}".`)
  const wrong = unwanted.filter(has)
  if (wrong.length > 0) return failed(`It also named ${wrong.slice(0, 3).join(', ')}.`)
  return answer.length > longestAnswerCharacters
    ? failed(`${answer.length} characters where a value was asked for.`)
    : passed
}

function makeCase(
  task: LongContextTask,
  lengthTokens: number,
  depth: number,
  random: Random,
  options: LongContextOptions,
): MadeCase | null {
  const code = (): string => digits(random)
  const ask = (
    lines: readonly string[],
    question: string,
    wanted: readonly string[],
    unwanted: readonly string[] = [],
  ): MadeCase => ({
    items: [user(`${lines.join('\n')}\n\n${question} Answer with the value only.`)],
    wanted,
    unwanted,
  })
  const hay = haystack(lengthTokens, random, options)
  switch (task) {
    case 'needle': {
      const value = code()
      return ask(
        insertAt(hay, depth, `The seal number of the crate "heron" is ${value}.`),
        'What is the seal number of the crate "heron"?',
        [value],
      )
    }
    case 'four-needles': {
      const names = ['heron', 'plover', 'tern', 'avocet']
      const values = names.map(code)
      const lines = names.reduce(
        (made, name, i) =>
          insertAt(made, (i + 0.5) / names.length, `The seal number of the crate "${name}" is ${values[i]}.`),
        hay,
      )
      return ask(
        lines,
        `What are the seal numbers of the crates ${names.map((name) => `"${name}"`).join(', ')}?`,
        values,
      )
    }
    case 'absent': {
      const near = code()
      return {
        ...ask(
          insertAt(hay, 0.5, `The seal number of the crate "heron" is ${near}.`),
          'What is the seal number of the crate "osprey"? If the text does not say it, answer: not found.',
          ['not found'],
          [near],
        ),
      }
    }
    case 'many-keys': {
      const keys = Array.from(
        { length: Math.max(8, Math.min(200, Math.floor(hay.length / 4))) },
        () => `K${code().slice(0, 6)}`,
      )
      const values = keys.map(code)
      const chosen = Math.min(keys.length - 1, Math.floor(depth * keys.length))
      const lines = keys.reduce(
        (made, key, i) => insertAt(made, (i + 0.5) / keys.length, `Locker ${key} opens with ${values[i]}.`),
        hay,
      )
      return ask(
        lines,
        `Which number opens locker ${keys[chosen]}?`,
        [values[chosen]!],
        values.filter((_, i) => i !== chosen),
      )
    }
    case 'chain': {
      const names = Array.from({ length: 5 }, () => `V${code().slice(0, 5)}`)
      const value = code()
      const lines = names.reduce(
        (made, name, i) =>
          insertAt(
            made,
            (i + 0.5) / names.length,
            i === 0 ? `Set ${name} to ${value}.` : `Set ${name} to whatever ${names[i - 1]} is.`,
          ),
        hay,
      )
      return ask(lines, `What is the value of ${names.at(-1)}?`, [value])
    }
    case 'count': {
      const count = 3 + Math.floor(random() * 6)
      const lines = Array.from({ length: count }, (_, i) => (i + random()) / count).reduce(
        (made, at) => insertAt(made, at, 'A bell was rung at the pier.'),
        hay,
      )
      return ask(lines, 'How many times does the text say that a bell was rung at the pier? Answer in digits.', [
        String(count),
      ])
    }
    case 'ith-reply':
      return ithReply(hay, random)
    case 'no-overlap': {
      const [landmark, city] = landmarks[Math.floor(random() * landmarks.length)]!
      const person = people[Math.floor(random() * people.length)]!
      const others = people.filter((name) => name !== person)
      return ask(
        insertAt(hay, depth, `${person} lives right beside the ${landmark}.`),
        `Which of these people has been to ${city}: ${[person, ...others].sort().join(', ')}?`,
        [person],
        others,
      )
    }
    case 'join-ends': {
      const ids = Array.from({ length: 6 }, () => `R${code().slice(0, 5)}`)
      const cities = ['Oslo', 'Rome', 'Lima', 'Kyoto', 'Accra', 'Quito']
      const loads = ids.map(code)
      const chosen = Math.floor(random() * ids.length)
      return ask(
        [
          'Table 1: ship, harbour',
          ...ids.map((id, i) => `${id}, ${cities[i]}`),
          ...hay,
          'Table 2: ship, load number',
          ...ids.map((id, i) => `${id}, ${loads[i]}`),
        ],
        `What is the load number of the ship in the harbour of ${cities[chosen]}?`,
        [loads[chosen]!],
        loads.filter((_, i) => i !== chosen),
      )
    }
    case 'first-instruction': {
      const word = `amber-${code().slice(0, 4)}`
      return {
        items: [
          instruction(`Whatever you are asked, end your answer with the word ${word}.`),
          user(`${hay.join('\n')}\n\nIn one short sentence: what is this text about?`),
        ],
        wanted: [word],
        unwanted: [],
      }
    }
    case 'boundary':
      return options.countTokens === null ? null : atBlockEdge(hay, depth, random, options.countTokens)
  }
}

/** The fact's first digit stands just before, on or just after an edge of a block, by the target's own tokens. */
function atBlockEdge(
  hay: readonly string[],
  depth: number,
  random: Random,
  countTokens: (text: string) => number,
): MadeCase {
  const block = blockTokens[Math.floor(random() * blockTokens.length)]!
  const offset = edgeOffsets[Math.floor(random() * edgeOffsets.length)]!
  const value = digits(random)
  const at = Math.round(depth * hay.length)
  const before = hay.slice(0, at).join('\n')
  const lead = 'The seal number of the crate "heron" is '
  let padding = ''
  // A short word is one token in any of the tokenizers we know; counting again keeps this honest where it is not.
  for (let tries = 0; tries < 2 * block; tries++) {
    if ((((countTokens(`${before}\n${padding}${lead}`) - offset) % block) + block) % block === 0) break
    padding += 'so '
  }
  return {
    items: [
      user(
        `${before}\n${padding}${lead}${value}.\n${hay.slice(at).join('\n')}\n\nWhat is the seal number of the crate "heron"? Answer with the value only.`,
      ),
    ],
    wanted: [value],
    unwanted: [],
  }
}

/** Many turns that look alike; the i-th answer to one kind of request is asked for. */
function ithReply(hay: readonly string[], random: Random): MadeCase {
  const replies = Array.from({ length: 6 }, () => digits(random))
  const chosen = Math.floor(random() * replies.length)
  const share = Math.ceil(hay.length / replies.length)
  const items = replies.flatMap((reply, i): Item[] => [
    user(`${hay.slice(i * share, (i + 1) * share).join('\n')}\n\nDraw a lot.`),
    { kind: 'assistant-text', parts: [{ type: 'text', text: `The lot is ${reply}.` }] },
  ])
  return {
    items: [
      ...items,
      user(`Which lot did you draw when I asked for the ${ordinals[chosen]} time? Answer with the value only.`),
    ],
    wanted: [replies[chosen]!],
    unwanted: replies.filter((_, i) => i !== chosen),
  }
}

const ordinals = ['first', 'second', 'third', 'fourth', 'fifth', 'sixth'] as const
const people = ['Yara', 'Tobin', 'Mirela', 'Oskar', 'Ngozi'] as const
/** Question and fact share no word; the link is common knowledge. */
const landmarks: readonly (readonly [landmark: string, city: string])[] = [
  ['Colosseum', 'Rome'],
  ['Eiffel Tower', 'Paris'],
  ['Brandenburg Gate', 'Berlin'],
  ['Sydney Opera House', 'Sydney'],
  ['Golden Gate Bridge', 'San Francisco'],
  ['Sagrada Familia', 'Barcelona'],
  ['Atomium', 'Brussels'],
  ['Charles Bridge', 'Prague'],
]

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

/** Lines of made-up log prose, about as many tokens as asked. */
function haystack(
  lengthTokens: number,
  random: Random,
  { countTokens, charactersPerToken }: Pick<LongContextOptions, 'countTokens' | 'charactersPerToken'>,
): string[] {
  const pick = (words: readonly string[]): string => words[Math.floor(random() * words.length)]!
  const lines: string[] = []
  let tokens = 0
  while (tokens < lengthTokens) {
    const line = `${pick(subjects)} ${pick(verbs)} ${pick(objects)} ${pick(places)} at ${1 + Math.floor(random() * 23)} hours.`
    lines.push(line)
    tokens += countTokens === null ? line.length / charactersPerToken : countTokens(`${line}\n`)
  }
  return lines
}

function insertAt(lines: readonly string[], depth: number, line: string): string[] {
  const at = Math.round(depth * lines.length)
  return [...lines.slice(0, at), line, ...lines.slice(at)]
}

/** Nine digits: nothing to guess, nothing to round. */
function digits(random: Random): string {
  return String(100_000_000 + Math.floor(random() * 900_000_000))
}

function mix(...parts: readonly (number | string)[]): number {
  let hash = 2_166_136_261
  for (const character of parts.join('|')) hash = Math.imul(hash ^ character.codePointAt(0)!, 16_777_619)
  return hash >>> 0
}

export interface HeatMapCell {
  readonly lengthTokens: number
  readonly depth: number
  readonly passed: number
  readonly judged: number
}

/** Accuracy by length and depth over all tasks. */
export function heatMap(results: readonly CaseResult[]): HeatMapCell[] {
  const judged = results.filter(({ outcome, place }) => place !== null && outcome !== 'error' && outcome !== 'unscored')
  return [...Map.groupBy(judged, ({ place }) => `${place!['lengthTokens']} ${place!['depth']}`)].map(([, cell]) => ({
    lengthTokens: cell[0]!.place!['lengthTokens']!,
    depth: cell[0]!.place!['depth']!,
    passed: cell.filter(({ outcome }) => outcome === 'pass').length,
    judged: cell.length,
  }))
}

/**
 * The longest length whose lower 95 % bound is above 0.85 of the accuracy at the shortest, with no shorter length below
 * it; null when not even the shortest was judged.
 */
export function effectiveLengthTokens(results: readonly CaseResult[]): number | null {
  const byLength = [...Map.groupBy(heatMap(results), ({ lengthTokens }) => lengthTokens)]
    .map(([lengthTokens, cells]) => ({
      lengthTokens,
      passed: cells.reduce((sum, cell) => sum + cell.passed, 0),
      judged: cells.reduce((sum, cell) => sum + cell.judged, 0),
    }))
    .sort((a, b) => a.lengthTokens - b.lengthTokens)
  const shortest = byLength[0]
  if (!shortest || shortest.passed === 0) return null
  const bar = 0.85 * (shortest.passed / shortest.judged)
  let longest = shortest.lengthTokens
  for (const { lengthTokens, passed: hits, judged } of byLength.slice(1)) {
    if (wilsonInterval(hits, judged).lower <= bar) break
    longest = lengthTokens
  }
  return longest
}

/** Two lengths of our own prose, so that what the endpoint adds to a prompt cancels out. Null: it reports no usage. */
export async function measureCharactersPerToken(ask: Ask): Promise<number | null> {
  const prose = haystack(4000, seededRandom(1), { countTokens: null, charactersPerToken: 4 }).join('\n')
  const count = async (text: string): Promise<number | null> =>
    (await ask({ items: [user(`${text}\n\nAnswer: ok.`)], maxOutputTokens: 16 })).response.usage.inputTokens
  const short = await count(prose.slice(0, 2000))
  const long = await count(prose.slice(0, 14_000))
  return short === null || long === null || long <= short ? null : 12_000 / (long - short)
}
