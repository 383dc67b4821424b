/**
 * Is a fact still found in a long prompt, wherever it stands? Twelve tasks from a seed, with facts of exact digits (what
 * compressed attention would lose first), in a haystack made here or given by the user (`haystack.ts`).
 *
 * Task ideas: RULER (multi-key, variable chains, counting), MRCR (the i-th reply), NoLiMa (no common word between
 * question and fact); texts, tables and templates are our own. A length is in tokens of the target: estimated by
 * characters, corrected by the usage of the first answer, exact where a tokenizer is given.
 */
import type { Item } from '@portolan/wire'
import { seededRandom, type Random } from '../statistics/random.ts'
import { generatedHaystack, type Haystack } from './haystack.ts'
import { instruction, textOf, user } from './items.ts'
import { failed, passed, type CheckCase, type CheckFinding } from './result.ts'
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
  'window-edge',
] as const
export type LongContextTask = (typeof longContextTasks)[number]

export interface LongContextOptions {
  readonly tasks: readonly LongContextTask[]
  readonly lengthsTokens: readonly number[]
  /** Shares of the haystack at which the fact stands, 0 to 1. */
  readonly depths: readonly number[]
  readonly repeats: number
  readonly seed: number
  readonly haystack: Haystack
  /** Counts the target's tokens; null: none at hand, then edges are left unscored and lengths are estimates. */
  readonly countTokens: ((text: string) => number) | null
  /** Characters a token where there is no tokenizer. */
  readonly charactersPerToken: number
}

/** Block widths of compressed attention, at whose edges facts are placed: 4 and 128 tokens. */
const blockTokens = [4, 128] as const
/** Around each edge: one before, on it, one after. */
const edgeOffsets = [-1, 0, 1] as const
/**
 * Tokens from a fact's first digit to the end of the prompt, around the 128 that a sliding window holds. The endpoint
 * adds a few tokens of its own behind the prompt, how many is its business, so that the steps reach beyond the edge.
 */
const windowEdgeDistances = [96, 112, 120, 124, 126, 127, 128, 129, 130, 132, 136, 144, 160] as const

/** One prompt to be made: at a depth, at a distance from the end, or neither. */
interface Spot {
  readonly name: string
  readonly depth: number | null
  readonly fromEndTokens: number | null
}

export function longContextBattery(options: LongContextOptions): CheckCase[] {
  const cases: CheckCase[] = []
  for (const task of options.tasks)
    for (const lengthTokens of options.lengthsTokens)
      for (const spot of spotsOf(task, options.depths))
        for (let repeat = 0; repeat < options.repeats; repeat++) {
          const seed = mix(options.seed, task, lengthTokens, spot.name, repeat)
          cases.push({
            id: `longctx/${task}/${lengthTokens}/${spot.name}/${repeat}`,
            group: `${task} at ${lengthTokens}`,
            title: `${task}, ${lengthTokens} tokens, ${spot.name}`,
            place: {
              lengthTokens,
              ...(spot.depth !== null && { depth: spot.depth }),
              ...(spot.fromEndTokens !== null && { fromEndTokens: spot.fromEndTokens }),
            },
            run: async (ask) => {
              const made = makeCase(task, lengthTokens, spot, seededRandom(seed), options)
              if (typeof made === 'string') return { outcome: 'unscored', detail: made }
              const { response } = await ask({ items: made.items, stream: true, maxOutputTokens: 4096 })
              if (response.stop === 'length') return failed('The answer was cut off before it was visible.')
              return judge(textOf(response), made)
            },
          })
        }
  return cases
}

function spotsOf(task: LongContextTask, depths: readonly number[]): Spot[] {
  if (task === 'window-edge')
    return windowEdgeDistances.map((fromEndTokens) => ({
      name: `${fromEndTokens}-from-end`,
      depth: null,
      fromEndTokens,
    }))
  return placed(task)
    ? depths.map((depth) => ({ name: `${Math.round(depth * 100)}%`, depth, fromEndTokens: null }))
    : [{ name: 'whole', depth: null, fromEndTokens: null }]
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

/** @returns a sentence where the case cannot be made */
function makeCase(
  task: LongContextTask,
  lengthTokens: number,
  spot: Spot,
  random: Random,
  options: LongContextOptions,
): MadeCase | string {
  const { countTokens } = options
  const depth = spot.depth ?? 1
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
  const tokensOf = lineCounter(options)
  const hay = options.haystack.linesOf(lengthTokens, random, tokensOf)
  const tokens = hay.reduce((sum, line) => sum + tokensOf(line), 0)
  if (tokens < lengthTokens)
    return `The documents hold ${Math.floor(tokens)} tokens, fewer than the ${lengthTokens} asked for.`
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
      return countTokens === null ? edgesNeedTokenizer : atBlockEdge(hay, depth, random, countTokens)
    case 'window-edge':
      return countTokens === null ? edgesNeedTokenizer : fromTheEnd(hay, spot.fromEndTokens!, random, countTokens)
  }
}

const edgesNeedTokenizer = 'Edges of blocks and of the window need a tokenizer (--tokenizer).'

function lineCounter({
  countTokens,
  charactersPerToken,
}: Pick<LongContextOptions, 'countTokens' | 'charactersPerToken'>): (line: string) => number {
  return countTokens === null ? (line) => line.length / charactersPerToken : (line) => countTokens(`${line}\n`)
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

/** The fact's first digit stands so many tokens before the end of the prompt, by the target's own tokens. */
function fromTheEnd(
  hay: readonly string[],
  fromEndTokens: number,
  random: Random,
  countTokens: (text: string) => number,
): MadeCase {
  const value = digits(random)
  const lead = 'The seal number of the crate "heron" is '
  const question = '\n\nWhat is the seal number of the crate "heron"? Answer with the value only.'
  const behind: string[] = []
  const distance = (padding: string): number => {
    const fact = `${lead}${value}.\n${behind.map((line) => `${line}\n`).join('')}${padding}`
    return countTokens(fact + question) - countTokens(lead)
  }
  // Whole lines as far as they go, then one-token words; near its end the text is counted, not estimated.
  for (const line of hay) {
    behind.push(line)
    if (distance('') <= fromEndTokens) continue
    behind.pop()
    break
  }
  let padding = ''
  while (distance(padding) < fromEndTokens && padding.length < 8 * fromEndTokens) padding += ' so'
  const before = hay.slice(behind.length).join('\n')
  return {
    items: [user(`${before}\n${lead}${value}.\n${behind.map((line) => `${line}\n`).join('')}${padding}${question}`)],
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

/** Two lengths of one text, so that what the endpoint adds to a prompt cancels out. Null: it reports no usage. */
export async function measureCharactersPerToken(
  ask: Ask,
  haystack: Haystack = generatedHaystack,
): Promise<number | null> {
  const text = haystack.linesOf(4000, seededRandom(1), (line) => line.length / 4).join('\n')
  const [shorter, longer] = [text.slice(0, Math.min(2000, text.length / 7)), text.slice(0, 14_000)]
  const count = async (prompt: string): Promise<number | null> =>
    (await ask({ items: [user(`${prompt}\n\nAnswer: ok.`)], maxOutputTokens: 16 })).response.usage.inputTokens
  const short = await count(shorter)
  const long = await count(longer)
  return short === null || long === null || long <= short ? null : (longer.length - shorter.length) / (long - short)
}
