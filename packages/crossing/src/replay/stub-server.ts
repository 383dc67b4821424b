/**
 * Tools answered from a recording, so that an agent can run without touching the world.
 *
 * A call is matched in order: `exact` arguments, equal by `schema` (defaults, 1 = 1.0, key order), equal by the user's
 * `policy` for the tool, or (only when asked for) `similar`: the next unserved call of the tool. What a repeat may do
 * depends on the tool's class: `pure` results may be served again, `read` results in recorded order and then the last
 * again, `write` and `irreversible` at most once. Nobody said: `write`.
 */
import type { CanonicalRequest, Part, ToolCallItem } from '@portolan/wire'
import { canonicalJson, type StubTier, type ToolClass, type ToolEvent } from '../records/index.ts'
import { argumentDifferences, fillDefaults, parseArguments, type ArgumentRule } from '../scoring/index.ts'

export interface StubOptions {
  readonly tools: CanonicalRequest['tools']
  /** By tool name; what is missing is taken from the recording, and then counts as `write`. */
  readonly classes?: Readonly<Record<string, ToolClass>>
  readonly rules?: Readonly<Record<string, readonly ArgumentRule[]>>
  /** Serve the next call of the tool whatever its arguments. Flagged, and no evidence. */
  readonly similar?: boolean
}

export interface Served {
  readonly tier: StubTier
  /** Null on a miss, and where the recording holds no result. */
  readonly result: readonly Part[] | null
  readonly isError: boolean
}

/** The same call this often is a loop. */
const loopRepeats = 3

export class StubServer {
  readonly #recorded: readonly ToolEvent[]
  readonly #events: readonly ToolEvent[]
  readonly #options: StubOptions
  readonly #served = new Map<ToolEvent, number>()
  readonly #calls = new Map<string, number>()
  readonly #violations: string[] = []
  #hits = 0
  #asked = 0

  constructor(events: readonly ToolEvent[], options: StubOptions) {
    this.#recorded = events
    this.#events = events.filter(({ result }) => result !== null)
    this.#options = options
  }

  serve(call: ToolCallItem): Served {
    this.#asked++
    const repeats = (this.#calls.get(sameCall(call)) ?? 0) + 1
    this.#calls.set(sameCall(call), repeats)
    const found = this.#find(call)
    if (found === null) {
      if (this.classOf(call.name) === 'irreversible')
        this.#violations.push(`${call.name}(${call.argumentsText.slice(0, 200)}) was not made in the recording.`)
      return { tier: 'miss', result: null, isError: false }
    }
    this.#served.set(found.event, (this.#served.get(found.event) ?? 0) + 1)
    if (found.tier !== 'similar') this.#hits++
    return { tier: found.tier, result: found.event.result, isError: found.event.isError }
  }

  /** Share of calls answered by evidence (tiers `exact`, `schema`, `policy`); null: no call was made. */
  get coverage(): number | null {
    return this.#asked === 0 ? null : this.#hits / this.#asked
  }

  /** Different or extra irreversible calls: critical whatever the final text says. */
  get violations(): readonly string[] {
    return this.#violations
  }

  /** Recorded effects that the run never asked for. */
  unserved(): readonly ToolEvent[] {
    return this.effects().filter((event) => !this.#served.has(event))
  }

  /** Recorded calls that changed something. */
  effects(): readonly ToolEvent[] {
    return this.#events.filter(({ name }) => hasEffect(this.classOf(name)))
  }

  /** Three times the same, and more often than the recording made it: an agent that polls repeats itself honestly. */
  isLoop(call: ToolCallItem): boolean {
    const made = this.#calls.get(sameCall(call)) ?? 0
    if (made < loopRepeats || this.classOf(call.name) === 'pure') return false
    return made > this.#recorded.filter((event) => sameCall(event) === sameCall(call)).length
  }

  isKnown(name: string): boolean {
    return this.#events.some((event) => event.name === name)
  }

  classOf(name: string): ToolClass {
    const recorded = this.#events.find((event) => event.name === name && event.toolClass !== null)?.toolClass
    return this.#options.classes?.[name] ?? recorded ?? 'write'
  }

  #find(call: ToolCallItem): { readonly event: ToolEvent; readonly tier: StubTier } | null {
    const mine = parseArguments(call.argumentsText)
    const candidates = this.#events.filter(({ name, namespace }) => name === call.name && namespace === call.namespace)
    if (mine.problem === null || call.custom)
      for (const tier of ['exact', 'schema', 'policy'] as const) {
        const event = this.#pick(candidates.filter((event) => this.#matches(tier, call, event)))
        if (event) return { event, tier }
      }
    if (this.#options.similar !== true) return null
    const next = candidates.find((event) => !this.#served.has(event))
    return next ? { event: next, tier: 'similar' } : null
  }

  #matches(tier: 'exact' | 'schema' | 'policy', call: ToolCallItem, event: ToolEvent): boolean {
    if (call.custom) return tier === 'exact' && call.argumentsText === event.argumentsText
    const got = parseArguments(call.argumentsText)
    const want = parseArguments(event.argumentsText)
    if (got.problem !== null || want.problem !== null) return false
    if (tier === 'exact') return canonical(got.value) === canonical(want.value)
    const rules = tier === 'policy' ? this.#options.rules?.[call.name] : []
    if (rules === undefined) return false
    const schema = this.#options.tools.find((tool) => tool.kind === 'function' && tool.name === call.name)
    const filled = (value: unknown): unknown =>
      fillDefaults(value, schema?.kind === 'function' ? schema.parameters : null)
    return argumentDifferences(filled(got.value), filled(want.value), rules).length === 0
  }

  /** Of equal calls the first that was not served yet; after that, what the class allows. */
  #pick(equal: readonly ToolEvent[]): ToolEvent | null {
    const fresh = equal.find((event) => !this.#served.has(event))
    if (fresh) return fresh
    const last = equal.at(-1)
    return last && !hasEffect(this.classOf(last.name)) ? last : null
  }
}

export function hasEffect(toolClass: ToolClass): boolean {
  return toolClass === 'write' || toolClass === 'irreversible'
}

function sameCall(call: Pick<ToolCallItem, 'namespace' | 'name' | 'argumentsText'>): string {
  const { value, problem } = parseArguments(call.argumentsText)
  return `${call.namespace ?? ''}\0${call.name}\0${problem === null ? canonical(value) : call.argumentsText}`
}

/** Whole numbers beyond 2^53 come as bigint; their digits are the value. */
function canonical(value: unknown): string {
  return canonicalJson(withText(value))
}

function withText(value: unknown): unknown {
  if (typeof value === 'bigint') return { $integer: value.toString() }
  if (Array.isArray(value)) return value.map(withText)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, withText(member)]))
}
