/**
 * `node --conditions=source packages/crossing/src/scoring/bfcl-proof.ts FOLDER`: checks 7 and 11 on the real leaderboard data.
 *
 * FOLDER is `bfcl_eval/data` of the gorilla repository (Apache-2.0; not shipped here). Every gold answer of the single-turn
 * Python sets must pass, and seeded mutations of it must fail; the multi-turn sets are run as sessions
 * (`replay/bfcl-sessions-proof.ts`). Java and JavaScript sets have types of their own and are left
 * out. Exit code 1 when fewer than 99 % of the mutations fail, or more than 1 % of the gold contradicts itself; those are listed.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { proveSessions } from '../replay/bfcl-sessions-proof.ts'
import { seededRandom } from '../statistics/random.ts'
import { bfclProblem, type BfclCall, type BfclFunction, type BfclGold } from './bfcl.ts'

const folder = process.argv[2]
if (folder === undefined || !existsSync(join(folder, 'possible_answer'))) {
  console.error('Name the folder bfcl_eval/data of a copy of the gorilla repository; it has possible_answer/ inside.')
  process.exit(2)
}
const random = seededRandom(20_261_123)
const sets = [
  'simple_python',
  'multiple',
  'parallel',
  'parallel_multiple',
  'live_simple',
  'live_multiple',
  'live_parallel',
  'live_parallel_multiple',
]

/** A value that the gold accepts: the first that is not the "may be left out" mark, dictionaries filled in turn. */
function pick(choices: readonly unknown[]): unknown {
  const chosen = choices.find((choice) => choice !== '') ?? ''
  return resolve(chosen)
}

function resolve(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(resolve)
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).filter(
    ([, choices]) => !(Array.isArray(choices) && choices.every((each) => each === '')),
  )
  return Object.fromEntries(members.map(([name, choices]) => [name, Array.isArray(choices) ? pick(choices) : choices]))
}

/** @param isShort leave out what may be left out: some gold names only values of a wrong type for those */
function goldCall(gold: BfclGold, isShort: boolean): BfclCall {
  const [name, values] = Object.entries(gold)[0]!
  const present = Object.entries(values).filter(
    ([, choices]) => choices.some((choice) => choice !== '') && !(isShort && choices.includes('')),
  )
  return { name, arguments: Object.fromEntries(present.map(([argument, choices]) => [argument, pick(choices)])) }
}

type Mutation = (call: BfclCall, described: BfclFunction) => BfclCall | null

function changed(call: BfclCall, argument: string, value: unknown): BfclCall {
  return { ...call, arguments: { ...call.arguments, [argument]: value } }
}

function anyArgument(call: BfclCall): string | null {
  const names = Object.keys(call.arguments)
  return names[Math.floor(random() * names.length)] ?? null
}

const mutations: Readonly<Record<string, Mutation>> = {
  'required dropped': (call, { parameters }) => {
    const argument = (parameters.required ?? []).find((name) => Object.hasOwn(call.arguments, name))
    if (argument === undefined) return null
    return {
      ...call,
      arguments: Object.fromEntries(Object.entries(call.arguments).filter(([name]) => name !== argument)),
    }
  },
  'extra argument': (call) => changed(call, 'invented_by_the_model', 1),
  'type changed': (call, { parameters }) => {
    const argument = anyArgument(call)
    if (argument === null || parameters.properties[argument]?.type === 'any') return null
    const value = call.arguments[argument]
    return changed(call, argument, typeof value === 'string' ? { text: value } : 'quoted')
  },
  'value changed': (call) => {
    const argument = anyArgument(call)
    if (argument === null) return null
    const value = call.arguments[argument]
    if (typeof value === 'number') return changed(call, argument, value + 987_654)
    if (typeof value === 'string') return changed(call, argument, `${value} nowhere`)
    return typeof value === 'boolean' ? changed(call, argument, !value) : null
  },
  'name changed': (call) => ({ ...call, name: `${call.name}_other` }),
}

const tally = new Map<string, { tried: number; failed: number }>()
const exceptions: string[] = []
let golds = 0
for (const set of sets) {
  const questions = linesOf(join(folder, `BFCL_v4_${set}.json`)) as { id: string; function: BfclFunction[] }[]
  const answers = new Map(
    (linesOf(join(folder, 'possible_answer', `BFCL_v4_${set}.json`)) as { id: string; ground_truth: BfclGold[] }[]).map(
      ({ id, ground_truth }) => [id, ground_truth],
    ),
  )
  for (const { id, function: functions } of questions) {
    const gold = answers.get(id)
    if (!gold) continue
    golds++
    const full = gold.map((each) => goldCall(each, false))
    const short = gold.map((each) => goldCall(each, true))
    const calls = bfclProblem(full, gold, functions) === null ? full : short
    const problem = bfclProblem(calls, gold, functions)
    if (problem !== null) {
      exceptions.push(`${id}: ${problem}`)
      continue
    }
    for (const [name, mutate] of Object.entries(mutations)) {
      const at = Math.floor(random() * calls.length)
      const plain = (text: string): string => text.replaceAll('.', '_')
      const described = functions.find((each) => plain(each.name) === plain(calls[at]!.name))
      const mutant = described ? mutate(calls[at]!, described) : null
      if (mutant === null) continue
      const result = bfclProblem(calls.with(at, mutant), gold, functions)
      const row = tally.get(name) ?? { tried: 0, failed: 0 }
      row.tried++
      // A changed truth value is right where the gold accepts both.
      if (result !== null) row.failed++
      tally.set(name, row)
    }
  }
}

let [tried, caught] = [0, 0]
for (const [name, row] of tally) {
  console.log(`${name}: ${row.failed} of ${row.tried} fail`)
  tried += row.tried
  caught += row.failed
}
console.log(`mutations: ${caught} of ${tried} fail (${((100 * caught) / tried).toFixed(2)} %)`)
console.log(`gold: ${golds - exceptions.length} of ${golds} pass; exceptions:\n${exceptions.join('\n')}`)

const run = await proveSessions(folder)
console.log(
  `multi-turn: ${run.sessions} sessions with ${run.calls} calls, ${run.problems.length} not as they must; spelled otherwise, served as`,
  run.tiers,
)
for (const problem of run.problems) console.log(problem)
process.exitCode =
  caught / tried >= 0.99 && exceptions.length <= golds / 100 && run.sessions > 0 && run.problems.length === 0 ? 0 : 1

function linesOf(path: string): unknown[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as unknown)
}
