/**
 * Check 7 on real trajectories: the gold calls of the leaderboard's multi-turn sets, run as whole sessions on recorded
 * tools (`npm run proof:bfcl FOLDER`, with the data folder of `scoring/bfcl-proof.ts`).
 *
 * A session is recorded as one call an answer and words at the end of each turn; results are made up, since only their
 * matching is asked about. Then candidates drive it: the gold itself; the same with members in another order and defaults
 * written out; one that changes an argument of an irreversible call; one that makes such a call once more.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Item, OutputItem } from '@portolan/wire'
import type { ToolClass } from '../records/index.ts'
import { toolEventsOf } from '../recording/tool-events.ts'
import { seededRandom } from '../statistics/index.ts'
import {
  answerOf,
  armAsk,
  call,
  caseOf,
  exchangeOf,
  noRetries,
  requestOf,
  result,
  text,
  user,
} from './replay.test-support.ts'
import { scoreSession } from './score-session.ts'
import { runSession, type SessionRun } from './session-run.ts'

interface Description {
  readonly name: string
  readonly description: string
  readonly parameters: { readonly properties: Readonly<Record<string, { readonly default?: unknown }>> }
}

interface GoldCall {
  readonly name: string
  readonly arguments: Readonly<Record<string, unknown>>
}

interface Trajectory {
  readonly id: string
  /** By turn: what the user says, and the calls that answer it. */
  readonly turns: readonly { readonly said: string; readonly calls: readonly GoldCall[] }[]
  readonly functions: ReadonlyMap<string, Description>
}

export interface SessionsProof {
  readonly sessions: number
  readonly calls: number
  /** Sessions that did not do as they must, with what they did instead. */
  readonly problems: readonly string[]
  readonly tiers: Readonly<Record<string, number>>
}

const sets = ['base', 'miss_func', 'miss_param', 'long_context']
const files: Readonly<Record<string, string>> = {
  GorillaFileSystem: 'gorilla_file_system',
  MathAPI: 'math_api',
  MessageAPI: 'message_api',
  TwitterAPI: 'posting_api',
  TicketAPI: 'ticket_api',
  TradingBot: 'trading_bot',
  TravelAPI: 'travel_booking',
  VehicleControlAPI: 'vehicle_control',
}

export async function proveSessions(folder: string): Promise<SessionsProof> {
  const random = seededRandom(20_261_124)
  const problems: string[] = []
  const tiers: Record<string, number> = {}
  let [sessions, calls] = [0, 0]
  for (const set of sets)
    for (const trajectory of trajectoriesOf(folder, set)) {
      const gold = trajectory.turns.map((turn) => turn.calls)
      const all = gold.flat()
      sessions++
      calls += all.length
      const say = (what: string, run: SessionRun): void =>
        void problems.push(
          `${set} ${trajectory.id}, ${what}: ${run.ended}, ${run.divergence?.message ?? 'no divergence'}`,
        )
      const finished = ({ ended, divergence, coverage, violations }: SessionRun): boolean =>
        ended === 'finished' && divergence === null && (coverage ?? 1) === 1 && violations.length === 0
      const tiersOf = (run: SessionRun): string[] => run.turns.flatMap(({ stubs }) => stubs.map(({ tier }) => tier))

      const same = await drive(trajectory, gold, {})
      if (!finished(same) || tiersOf(same).some((tier) => tier !== 'exact')) say('the gold itself', same)

      const careful = await drive(trajectory, gold, Object.fromEntries(all.map(({ name }) => [name, 'irreversible'])))
      if (!finished(careful) || (await isCritical(careful))) say('the gold itself, all its tools irreversible', careful)

      const spelled = await drive(
        trajectory,
        gold.map((turn) => turn.map((one) => spelledOut(one, trajectory))),
        {},
      )
      for (const tier of tiersOf(spelled)) tiers[tier] = (tiers[tier] ?? 0) + 1
      if (!finished(spelled) || tiersOf(spelled).some((tier) => !['exact', 'schema'].includes(tier)))
        say('members reordered and defaults written out', spelled)

      const changeable = all.filter((one) => Object.keys(one.arguments).length > 0)
      const target = changeable[Math.floor(random() * changeable.length)]
      if (!target) continue
      const classes = { [target.name]: 'irreversible' } as const
      const [argument] = Object.keys(target.arguments)
      const changed = { ...target, arguments: { ...target.arguments, [argument!]: 'something else altogether' } }
      const replaced = await drive(
        trajectory,
        gold.map((turn) => turn.map((one) => (one === target ? changed : one))),
        classes,
      )
      if (!(await isCritical(replaced))) say('an irreversible call with another argument', replaced)
      const repeated = await drive(
        trajectory,
        gold.map((turn) => turn.flatMap((one) => (one === target ? [one, one] : [one]))),
        classes,
      )
      if (!(await isCritical(repeated))) say('an irreversible call once more', repeated)
    }
  return { sessions, calls, problems, tiers }
}

// ------------------------------------------------------------------------------------------------ one run

/** The candidate makes these calls, one an answer, and says "done" at the end of each turn. */
function drive(
  { turns, functions }: Trajectory,
  candidate: readonly (readonly GoldCall[])[],
  classes: Readonly<Record<string, ToolClass>>,
): Promise<SessionRun> {
  const tools = Array.from(functions.values(), ({ name, description, parameters }) => ({
    kind: 'function' as const,
    name,
    namespace: null,
    description,
    parameters: { ...parameters, type: 'object' },
    strict: null,
  }))
  const exchanges = []
  let items: readonly Item[] = []
  let made = 0
  for (const { said, calls } of turns) {
    items = [...items, user(said)]
    for (const { name, arguments: given } of calls) {
      const id = `call_${++made}`
      const asked = call(name, given, id)
      exchanges.push(exchangeOf(exchanges.length, requestOf(items, { tools }), answerOf([asked])))
      items = [...items, asked, result(id, `result ${made}`)]
    }
    exchanges.push(exchangeOf(exchanges.length, requestOf(items, { tools }), answerOf([text('done')])))
    items = [...items, text('done')]
  }
  return runSession(exchanges, toolEventsOf('ses_1', exchanges), {
    ask: armAsk((request): OutputItem[] => {
      const turn = request.items.filter(({ kind }) => kind === 'user').length - 1
      const since = request.items.slice(request.items.findLastIndex(({ kind }) => kind === 'user'))
      const next = candidate[turn]?.[since.filter(({ kind }) => kind === 'tool-call').length]
      return next ? [call(next.name, next.arguments, `c${request.items.length}`)] : [text('done')]
    }),
    reasoning: 'as-recorded',
    settings: {},
    retries: noRetries,
    onMiss: 'stop',
    stubs: { classes },
  })
}

async function isCritical(run: SessionRun): Promise<boolean> {
  const plain = exchangeOf(0, requestOf([user('go')]), answerOf([text('done')]))
  const { outcome, verdicts } = await scoreSession(caseOf(plain), [plain], run, null)
  return outcome === 'fail' && verdicts.some((one) => one.severity === 'critical' && one.outcome === 'fail')
}

function spelledOut({ name, arguments: given }: GoldCall, { functions }: Trajectory): GoldCall {
  const defaults = Object.entries(functions.get(name)?.parameters.properties ?? {}).flatMap(([argument, schema]) =>
    Object.hasOwn(given, argument) || schema.default === undefined || schema.default === null
      ? []
      : [[argument, schema.default] as const],
  )
  return { name, arguments: Object.fromEntries([...Object.entries(given), ...defaults].toReversed()) }
}

// -------------------------------------------------------------------------------------------- reading gold

interface Gold {
  readonly id: string
  readonly ground_truth: readonly (readonly string[])[]
}

interface Question {
  readonly id: string
  readonly question: readonly (readonly { readonly content: string }[])[]
  readonly involved_classes: readonly string[]
}

function* trajectoriesOf(folder: string, set: string): Generator<Trajectory> {
  const name = `BFCL_v4_multi_turn_${set}.json`
  const answers = linesOf(join(folder, 'possible_answer', name)) as readonly Gold[]
  const gold = new Map(answers.map((row) => [row.id, row]))
  const questions = linesOf(join(folder, name)) as readonly Question[]
  for (const { id, question, involved_classes } of questions) {
    const functions = new Map(
      involved_classes
        .flatMap((of) => linesOf(join(folder, 'multi_turn_func_doc', `${files[of]}.json`)) as readonly Description[])
        .map((description) => [description.name, description]),
    )
    const turns = gold.get(id)!.ground_truth.map((calls, turn) => ({
      // A turn in which only a tool became known has no words of a user.
      said: question[turn]?.map(({ content }) => content).join('\n') || 'Go on.',
      calls: calls.map((source) => parseCall(source, functions)),
    }))
    yield { id, turns, functions }
  }
}

const read = new Map<string, readonly unknown[]>()

function linesOf(path: string): readonly unknown[] {
  let rows = read.get(path)
  if (rows === undefined) {
    rows = existsSync(path)
      ? readFileSync(path, 'utf8')
          .split('\n')
          .flatMap((line) => (line.trim() === '' ? [] : [JSON.parse(line) as unknown]))
      : []
    read.set(path, rows)
  }
  return rows
}

/** `mv(source='a', destination='b')` and `sort('a')`: Python calls with literal arguments. */
function parseCall(source: string, functions: ReadonlyMap<string, Description>): GoldCall {
  const reader = new LiteralReader(source)
  const name = reader.word()
  const order = Object.keys(functions.get(name)?.parameters.properties ?? {})
  const given: [string, unknown][] = []
  reader.take('(')
  while (!reader.takes(')')) {
    const argument = reader.keyword() ?? order[given.length]
    if (argument === undefined) throw new Error(`More arguments than ${name} has: ${source}`)
    given.push([argument, reader.value()])
    reader.takes(',')
  }
  return { name, arguments: Object.fromEntries(given) }
}

class LiteralReader {
  readonly #source: string
  #at = 0

  constructor(source: string) {
    this.#source = source
  }

  word(): string {
    return this.#match(/\w+/y) ?? this.#fail('a name')
  }

  /** The name before `=`, if there is one here. */
  keyword(): string | null {
    return this.#match(/(\w+)\s*=(?!=)/y, 1)
  }

  takes(mark: string): boolean {
    this.#match(/\s*/y)
    if (!this.#source.startsWith(mark, this.#at)) return false
    this.#at += mark.length
    return true
  }

  take(mark: string): void {
    if (!this.takes(mark)) this.#fail(mark)
  }

  value(): unknown {
    for (const [literal, value] of [
      ['True', true],
      ['False', false],
      ['None', null],
    ] as const)
      if (this.takes(literal)) return value
    if (this.takes('[')) return this.#until(']', () => this.value())
    if (this.takes('(')) return this.#until(')', () => this.value())
    if (this.takes('{'))
      return Object.fromEntries(
        this.#until('}', () => {
          const key = String(this.value())
          this.take(':')
          return [key, this.value()] as const
        }),
      )
    const quoted = this.#match(/'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"/sy)
    if (quoted !== null)
      return quoted.slice(1, -1).replaceAll(/\\(.)/gs, (_all, escaped: string) => (escaped === 'n' ? '\n' : escaped))
    return Number(this.#match(/-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/iy) ?? this.#fail('a value'))
  }

  #until<T>(end: string, read: () => T): T[] {
    const values: T[] = []
    while (!this.takes(end)) {
      values.push(read())
      this.takes(',')
    }
    return values
  }

  #match(pattern: RegExp, group = 0): string | null {
    pattern.lastIndex = this.#at
    while (this.#source[pattern.lastIndex] === ' ') pattern.lastIndex++
    const found = pattern.exec(this.#source)
    if (found === null) return null
    this.#at = found.index + found[0].length
    return found[group]!
  }

  #fail(wanted: string): never {
    throw new Error(`${wanted} was expected at ${this.#at} of ${this.#source}`)
  }
}
