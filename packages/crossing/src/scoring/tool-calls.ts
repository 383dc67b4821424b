/**
 * Would the client have done the same? Tool calls of an answer against the recorded ones.
 *
 * Names are compared after the way back from the arm's own names, arguments after filling defaults (`arguments.ts`) and
 * against the request's own schema. Parallel calls have no order unless declared: they are paired by the best matching, because
 * the greedy one can fail where a perfect pairing exists. A changed, missing or extra call of an irreversible tool is
 * critical, whatever the text says.
 */
import type { CanonicalRequest, FunctionTool, ToolCallItem } from '@portolan/wire'
import type { Divergence, Severity, ToolClass, Verdict } from '../records/index.ts'
import {
  argumentDifferences,
  fillDefaults,
  parseArguments,
  type ArgumentDifference,
  type ArgumentRule,
} from './arguments.ts'
import { assign } from './assignment.ts'
import type { IsolatedRunner } from './isolated.ts'
import { scoreJson } from './json-schema.ts'
import { failed, passed, unscored, type ScorerName } from './verdict.ts'

export interface ToolCallOptions {
  /** The arm's tool name to the caller's. Default: as it is. */
  readonly nameOf?: (name: string) => string
  /** Default: nobody said, which counts as not irreversible here; the matcher of replay treats it as `write`. */
  readonly classOf?: (name: string) => ToolClass | null
  /** By tool name. */
  readonly rules?: Readonly<Record<string, readonly ArgumentRule[]>>
  /** Do parallel calls have to come in the recorded order? Default no. */
  readonly ordered?: boolean
  readonly severity?: Severity
}

export interface CallPair {
  readonly got: string
  readonly want: string
  readonly differences: readonly ArgumentDifference[]
}

export interface ToolCallComparison {
  readonly equal: boolean
  readonly pairs: readonly CallPair[]
  readonly missing: readonly string[]
  readonly extra: readonly string[]
  /** The first kind of divergence, worst first; null when equal. */
  readonly divergence: Divergence | null
  /** Tools whose irreversible effect would have been another one. */
  readonly irreversible: readonly string[]
}

interface ReadCall {
  readonly name: string
  readonly value: unknown
  readonly problem: string | null
  readonly text: string
}

export function compareToolCalls(
  got: readonly ToolCallItem[],
  want: readonly ToolCallItem[],
  tools: CanonicalRequest['tools'],
  { nameOf = (name) => name, classOf = () => null, rules = {}, ordered = false }: ToolCallOptions = {},
): ToolCallComparison {
  const mine = got.map((call) => readCall(call, nameOf(call.name), tools))
  const theirs = want.map((call) => readCall(call, call.name, tools))
  const compared = theirs.map((wanted) => mine.map((found) => differencesOf(found, wanted, rules[wanted.name])))
  const partner = ordered
    ? theirs.map((_, at) => (at < mine.length ? at : -1))
    : // An equal pair outweighs any number of near ones; a pair of other names is no better than none.
      assign(
        compared.map((row, at) => row.map((differences, column) => likeness(differences, theirs[at]!, mine[column]!))),
      )
  const pairs: CallPair[] = []
  const missing: string[] = []
  const taken = new Set<number>()
  for (const [at, wanted] of theirs.entries()) {
    const column = partner[at]!
    if (column < 0 || (!ordered && mine[column]!.name !== wanted.name)) missing.push(wanted.name)
    else {
      taken.add(column)
      pairs.push({ got: mine[column]!.name, want: wanted.name, differences: compared[at]![column]! })
    }
  }
  const extra = mine.flatMap((call, column) => (taken.has(column) ? [] : [call.name]))
  const changed = pairs.filter(({ differences }) => differences.length > 0)
  const touched = [...missing, ...extra, ...changed.flatMap((pair) => [pair.got, pair.want])]
  return {
    equal: changed.length === 0 && missing.length === 0 && extra.length === 0,
    pairs,
    missing,
    extra,
    divergence: divergenceOf(changed, missing, extra, mine.length),
    irreversible: [...new Set(touched)].filter((name) => classOf(name) === 'irreversible'),
  }
}

/** The comparison as a verdict, and whether each call fits the schema that the request declared for it. */
export async function scoreToolCalls(
  got: readonly ToolCallItem[],
  want: readonly ToolCallItem[],
  tools: CanonicalRequest['tools'],
  runner: IsolatedRunner,
  options: ToolCallOptions = {},
): Promise<Verdict> {
  const name: ScorerName = { scorer: 'tool-calls', version: '1', severity: options.severity ?? 'major' }
  const invalid: { readonly tool: string; readonly problem: unknown }[] = []
  const uncheckable: string[] = []
  for (const call of got) {
    if (call.custom) continue
    const named = options.nameOf?.(call.name) ?? call.name
    const tool = toolOf(tools, named, call.namespace)
    if (!tool) {
      invalid.push({ tool: named, problem: 'the request declares no such tool' })
      continue
    }
    const { problem } = parseArguments(call.argumentsText)
    if (problem !== null) invalid.push({ tool: named, problem })
    else if (tool.parameters !== null && tool.parameters !== undefined) {
      const text = call.argumentsText.trim() === '' ? '{}' : call.argumentsText
      const verdict = await scoreJson(text, closed(tool.parameters), runner)
      if (verdict.outcome === 'fail') invalid.push({ tool: named, problem: verdict.evidence })
      if (verdict.outcome === 'unscored') uncheckable.push(named)
    }
  }
  const comparison = compareToolCalls(got, want, tools, options)
  const evidence = { ...comparison, invalid, uncheckable }
  if (comparison.irreversible.length > 0) return failed({ ...name, severity: 'critical' }, evidence)
  if (!comparison.equal || invalid.length > 0) {
    const equal = comparison.pairs.filter(({ differences }) => differences.length === 0).length
    return failed(name, evidence, equal / Math.max(got.length, want.length, 1) / (invalid.length > 0 ? 2 : 1))
  }
  if (uncheckable.length > 0)
    return unscored(name, 'schema-not-usable', `The schema of ${uncheckable.join(', ')} cannot be used for a check.`)
  return passed(name, evidence)
}

function readCall(call: ToolCallItem, name: string, tools: CanonicalRequest['tools']): ReadCall {
  if (call.custom) return { name, value: call.argumentsText, problem: null, text: call.argumentsText }
  const { value, problem } = parseArguments(call.argumentsText)
  const schema = toolOf(tools, name, call.namespace)?.parameters
  return { name, value: problem === null ? fillDefaults(value, schema) : null, problem, text: call.argumentsText }
}

function differencesOf(got: ReadCall, want: ReadCall, rules: readonly ArgumentRule[] = []): ArgumentDifference[] {
  if (got.name !== want.name) return [{ path: '', problem: 'other-value', got: got.name, want: want.name }]
  if (got.problem !== null || want.problem !== null)
    return got.text === want.text
      ? []
      : [{ path: '', problem: 'other-type', got: got.problem ?? 'an object', want: want.problem ?? 'an object' }]
  return argumentDifferences(got.value, want.value, rules)
}

function likeness(differences: readonly ArgumentDifference[], want: ReadCall, got: ReadCall): number {
  if (differences.length === 0) return 1000
  return want.name === got.name ? 1 / (1 + differences.length) : 0
}

function divergenceOf(
  changed: readonly CallPair[],
  missing: readonly string[],
  extra: readonly string[],
  calls: number,
): Divergence | null {
  if (missing.length > 0 && calls === 0) return 'text-only'
  if (missing.length > 0 && extra.length > 0) return 'other-tool'
  if (missing.length > 0) return 'missing-call'
  if (extra.length > 0) return 'extra-call'
  if (changed.some(({ got, want }) => got !== want)) return 'other-tool'
  return changed.length > 0 ? 'other-arguments' : null
}

function toolOf(tools: CanonicalRequest['tools'], name: string, namespace: string | null): FunctionTool | undefined {
  const functions = tools.filter((tool) => tool.kind === 'function' && tool.name === name) as FunctionTool[]
  return functions.find((tool) => tool.namespace === namespace) ?? functions[0]
}

/** An argument that the schema does not name is an invented one, unless the schema speaks about further members itself. */
function closed(schema: unknown): unknown {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) return schema
  const speaks = [
    'additionalProperties',
    'unevaluatedProperties',
    'patternProperties',
    '$ref',
    'allOf',
    'anyOf',
    'oneOf',
    'if',
  ]
  const hasProperties = 'properties' in schema && !speaks.some((keyword) => keyword in schema)
  return hasProperties ? { ...schema, additionalProperties: false } : schema
}
