/**
 * Plans between their YAML file and the record: reading with line and column, writing, freezing, checking the freeze.
 *
 * The hash is over the canonical form of everything the plan promises, so that spelling, comments and order of the file
 * do not matter and every promise does.
 */
import { formatDecimal, parseDecimal } from '@portolan/meter'
import { isMap, isNode, LineCounter, parseDocument, stringify, type Document } from 'yaml'
import { CrossingError } from '../errors.ts'
import { hashOf, type Plan } from '../records/index.ts'
import { planSchema, type PlanFile } from './plan-schema.ts'

/** Larger files are no plans. */
const largestFileBytes = 4 << 20

/**
 * @param label what an error calls the text: its path.
 * @throws {CrossingError} CROSSING_BAD_PLAN with line and column.
 */
export function parsePlan(text: string, label: string): Plan {
  if (text.length > largestFileBytes) throw bad(`${label}: the file is larger than a plan can be.`)
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const at = (offset: number, message: string): CrossingError => {
    const { line, col } = lines.linePos(offset)
    return bad(`${label}:${line}:${col}: ${message}`)
  }
  const syntax = document.errors[0]
  if (syntax) throw at(syntax.pos[0], syntax.message.split('\n')[0]!)
  let value: unknown
  try {
    // A plan is read by people: nothing in it stands for something elsewhere.
    value = document.toJS({ maxAliasCount: 0 })
  } catch (error) {
    throw at(0, (error as Error).message)
  }
  const parsed = planSchema.safeParse(value ?? {})
  if (!parsed.success) {
    const { issues } = parsed.error
    const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]!
    const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))
    const unknown = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined
    const where = [...path, ...(unknown === undefined ? [] : [unknown])]
    throw at(
      offsetOf(document, where, unknown !== undefined),
      `${where.join('.') || 'the file'}: ${unknown === undefined ? issue.message : 'there is no such member'}`,
    )
  }
  const plan = fromFile(parsed.data)
  const names = [plan.incumbent, ...plan.candidates].map((arm) => arm.name)
  const twice = names.find((name, index) => names.indexOf(name) !== index || name === 'aa')
  if (twice !== undefined)
    throw at(
      offsetOf(document, ['candidates'], false),
      `candidates: the name "${twice}" is ${twice === 'aa' ? 'kept for the incumbent asked again' : 'given twice'}.`,
    )
  const checks = plan.checks.map(({ name }) => name)
  const again = checks.find((name, index) => checks.indexOf(name) !== index)
  if (again !== undefined)
    throw at(offsetOf(document, ['checks'], false), `checks: the name "${again}" is given twice.`)
  return plan
}

export function writePlan(plan: Plan): string {
  return stringify(toFile(plan), { lineWidth: 110 })
}

/** What the hash of a frozen plan covers. */
export function planHash(plan: Plan): string {
  return hashOf({ ...plan, hash: undefined })
}

/**
 * @param amended why a frozen plan changes; null for a draft.
 * @param dataSeen runs of the version before exist, so the change comes after data.
 * @throws {CrossingError} CROSSING_CONFLICT for a frozen plan without a reason.
 */
export function freezePlan(plan: Plan, nowMs: number, amended: string | null, dataSeen: boolean): Plan {
  if (plan.frozenAtMs !== null && amended === null)
    throw new CrossingError(
      'CROSSING_CONFLICT',
      `Version ${plan.version} was frozen on ${new Date(plan.frozenAtMs).toISOString()}. To change it, say why: --amend "...".`,
    )
  const again = plan.frozenAtMs !== null
  const frozen: Plan = {
    ...plan,
    version: again ? plan.version + 1 : plan.version,
    amendedAfterData: again && dataSeen ? amended : plan.amendedAfterData,
    frozenAtMs: Math.floor(nowMs),
    hash: null,
  }
  return { ...frozen, hash: planHash(frozen) }
}

/** @throws {CrossingError} CROSSING_BAD_PLAN for a draft, or a plan that is not what was frozen. */
export function requireFrozen(plan: Plan): Plan & { readonly hash: string; readonly frozenAtMs: number } {
  const { hash, frozenAtMs } = plan
  if (hash === null || frozenAtMs === null)
    throw bad('The plan is a draft. `portolan plan freeze` fixes it; only a frozen plan is run.')
  const actual = planHash(plan)
  if (actual !== hash)
    throw bad(
      `The plan was changed after it was frozen: it says ${hash} and is ${actual}. Undo the change, or make it a new version with \`portolan plan freeze --amend "reason"\`.`,
    )
  return { ...plan, hash, frozenAtMs }
}

// ---------------------------------------------------------------------------------------- file and record

function fromFile(file: PlanFile): Plan {
  const { portolanPlan: _format, frozen, replay, sampleSize, ...same } = file
  const { spendCap, ...settings } = replay
  return {
    ...same,
    sampleSize: { ...sampleSize, pilot: pilotOf(sampleSize.pilot) },
    replay: { ...settings, spendCapNanos: spendCap === null ? null : nanosOf(spendCap) },
    amendedAfterData: frozen?.amendedAfterData ?? null,
    frozenAtMs: frozen === null ? null : Date.parse(frozen.at),
    hash: frozen?.hash ?? null,
  }
}

function pilotOf(pilot: PlanFile['sampleSize']['pilot']): Plan['sampleSize']['pilot'] {
  if (pilot === null) return null
  const { runAt, spent, projected, ...same } = pilot
  return {
    ...same,
    runAtMs: Date.parse(runAt),
    spentNanos: nanosOf(spent),
    projectedNanos: projected === null ? null : nanosOf(projected),
  }
}

function toFile(plan: Plan): PlanFile {
  const { amendedAfterData, frozenAtMs, hash, replay, sampleSize, ...same } = plan
  const { spendCapNanos, ...settings } = replay
  const { pilot } = sampleSize
  return {
    portolanPlan: 1,
    ...(structuredClone(same) as Omit<PlanFile, 'portolanPlan' | 'frozen' | 'replay' | 'sampleSize'>),
    sampleSize: { ...sampleSize, pilot: pilot === null ? null : pilotFile(pilot) },
    replay: {
      ...(structuredClone(settings) as Omit<PlanFile['replay'], 'spendCap'>),
      spendCap: spendCapNanos === null ? null : amountOf(spendCapNanos),
    },
    frozen:
      frozenAtMs === null || hash === null ? null : { at: new Date(frozenAtMs).toISOString(), hash, amendedAfterData },
  }
}

function pilotFile(pilot: NonNullable<Plan['sampleSize']['pilot']>): NonNullable<PlanFile['sampleSize']['pilot']> {
  const { runAtMs, spentNanos, projectedNanos, ...same } = pilot
  return {
    ...same,
    runAt: new Date(runAtMs).toISOString(),
    spent: amountOf(spentNanos),
    projected: projectedNanos === null ? null : amountOf(projectedNanos),
  }
}

/** At most nine decimals come in, so this is exact. */
function nanosOf(amount: string): bigint {
  const { digits, scale } = parseDecimal(amount)
  return digits * 10n ** BigInt(9 - scale)
}

function amountOf(nanos: bigint): string {
  const text = formatDecimal({ digits: nanos, scale: 9 })
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text
}

/** Character offset of a value (or of its key); the nearest enclosing node when it is absent. */
function offsetOf(document: Document, path: readonly (string | number)[], ofKey: boolean): number {
  if (ofKey) {
    const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true)
    const pair = isMap(parent) ? parent.items.find((item) => String(item.key) === String(path.at(-1))) : undefined
    if (isNode(pair?.key) && pair.key.range) return pair.key.range[0]
  }
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true)
    if (isNode(node) && node.range) return node.range[0]
  }
  return 0
}

function bad(message: string): CrossingError {
  return new CrossingError('CROSSING_BAD_PLAN', message)
}
