/**
 * Text of our own making, from a seed: prose, code, JSON, numbers, other scripts and chat markup.
 *
 * Material for test tokenizers, so that no foreign vocabulary has to be shipped. It has the texture that a
 * tokenizer cares about (repeated stems, indents, punctuation runs) and no meaning.
 */
import { createRandom } from '../sampling/random.ts'
import type { Random } from '../sampling/random.ts'

const subjects = [
  'the harbour pilot',
  'a coaster',
  'the keeper of the light',
  'our navigator',
  'the chart maker',
  'a young sailor',
]
const verbs = ['marks', 'reads', 'remembers', 'crosses', 'measures', 'describes', 'corrects', 'forgets']
const objects = [
  'the northern channel',
  'every sandbank',
  'the wind rose',
  'a letter from Genoa',
  'the depth of the bay',
  'two hundred islands',
]
const endings = [
  'before the tide turns',
  'without hurry',
  'and writes it down',
  'as the rule says',
  'again and again',
  'in the morning',
]
const other = [
  'Der Hafen liegt im Süden.',
  'Le port est fermé ce soir.',
  '港口在南方，船已经到了。',
  '地図を見てください。',
  'Порт открыт утром.',
  'Ο χάρτης είναι παλιός.',
  '🚢⚓️ 👩‍🚀',
]
const names = ['depth', 'bearing', 'harbour', 'distance', 'wind', 'cargo']

function sentence(random: Random): string {
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)]!
  const text = `${pick(subjects)} ${pick(verbs)} ${pick(objects)} ${pick(endings)}`
  return `${text[0]!.toUpperCase()}${text.slice(1)}${pick(['.', '.', '.', '!', '?', ';'])}`
}

function code(random: Random): string {
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)]!
  const name = pick(names)
  return `function ${name}At(index: number): number {\n  const ${name} = table[index] ?? ${random.below(10_000)}\n  return ${name} * ${random.below(100)}.${random.below(10)}\n}\n`
}

function record(random: Random): string {
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)]!
  return JSON.stringify({
    name: pick(names),
    value: random.below(1_000_000) / 10,
    tags: [pick(names), pick(names)],
    open: random.below(2) === 0,
    note: null,
  })
}

function call(random: Random): string {
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)]!
  return `\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name="get_${pick(names)}">\n<｜DSML｜parameter name="${pick(names)}" string="true">${pick(objects)}</｜DSML｜parameter>\n<｜DSML｜parameter name="limit" string="false">${random.below(50)}</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>`
}

/** `paragraphs` texts, the same for the same seed on every machine. */
export function* ownCorpus(seed: number, paragraphs: number): Generator<string> {
  const random = createRandom(seed)
  for (let i = 0; i < paragraphs; i++) {
    const kind = random.below(10)
    if (kind === 0) yield code(random)
    else if (kind === 1) yield record(random)
    else if (kind === 2) yield call(random)
    else if (kind === 3) yield other[random.below(other.length)]!
    else
      yield Array.from({ length: 1 + random.below(5) }, () => sentence(random)).join(
        random.below(4) === 0 ? '\n\n' : ' ',
      )
  }
}
