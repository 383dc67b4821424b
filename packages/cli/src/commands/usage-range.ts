/** What the usage commands agree on: the range of time and the filters, read from options in one way. */
import { usageGroups, type SqliteStore, type UsageGroup, type UsageQuery } from '@portolan/store'
import { CliError } from '../errors.ts'
import { readInstant } from '../instant.ts'
import type { CommonOptions } from './open.ts'

const dayMs = 86_400_000

export interface RangeOptions extends CommonOptions {
  readonly from?: string
  readonly to?: string
  /** The older names of the two. */
  readonly since?: string
  readonly until?: string
  readonly key?: string
  readonly team?: string
  readonly tag?: string
  readonly model?: string
  readonly upstream?: string
}

export interface UsageRange {
  readonly fromMs: number
  readonly untilMs: number | undefined
}

/** @throws CliError CLI_BAD_ARGUMENT where the end is not after the start. */
export function readRange(options: RangeOptions, nowMs: number): UsageRange {
  const from = options.from ?? options.since
  const to = options.to ?? options.until
  const untilMs = to === undefined ? undefined : readInstant(to, '--to')
  const fromMs = from === undefined ? (untilMs ?? nowMs) - 30 * dayMs : readInstant(from, '--from')
  if (untilMs !== undefined && untilMs <= fromMs)
    throw new CliError('CLI_BAD_ARGUMENT', `--to must be after --from; the day named by --to is not included.`)
  return { fromMs, untilMs }
}

/** A single "-" asks for those that have none. */
export function readFilters(
  options: RangeOptions,
  store: SqliteStore,
): Pick<UsageQuery, 'keyId' | 'team' | 'tag' | 'model' | 'upstream'> {
  const given = (value: string | undefined): string | undefined => (value === '-' ? '' : value)
  return {
    ...(options.key !== undefined && { keyId: options.key === '-' ? '' : keyIdOf(options.key, store) }),
    ...(options.team !== undefined && { team: given(options.team) }),
    ...(options.tag !== undefined && { tag: given(options.tag) }),
    ...(options.model !== undefined && { model: given(options.model) }),
    ...(options.upstream !== undefined && { upstream: given(options.upstream) }),
  }
}

function keyIdOf(text: string, store: SqliteStore): string {
  const keys = store.keys.listKeys()
  const byId = keys.find(({ id }) => id === text)
  const named = keys.filter(({ name }) => name === text)
  if (byId) return byId.id
  if (named.length === 1 && named[0]) return named[0].id
  throw new CliError(
    'CLI_NOT_FOUND',
    named.length === 0
      ? `There is no key "${text}"; \`portolan keys list\` shows them.`
      : `${named.length} keys are named "${text}"; give the id: ${named.map(({ id }) => id).join(', ')}.`,
  )
}

export function readGroups(text: string): readonly UsageGroup[] {
  return text.split(',').map((part) => {
    const group = usageGroups.find((known) => known === part.trim())
    if (!group)
      throw new CliError('CLI_BAD_ARGUMENT', `--by: "${part.trim()}" is not one of ${usageGroups.join(', ')}.`)
    return group
  })
}

export function keyNames(store: SqliteStore): ReadonlyMap<string, string> {
  return new Map(store.keys.listKeys().map(({ id, name }) => [id, name]))
}

/** A month such as 2026-10, half-open in UTC. */
export function readMonth(text: string): { readonly fromMs: number; readonly untilMs: number } {
  const [, year, month] = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(text) ?? []
  if (year === undefined || month === undefined)
    throw new CliError('CLI_BAD_ARGUMENT', `--month: "${text}" is not a month such as 2026-10.`)
  return { fromMs: Date.UTC(Number(year), Number(month) - 1), untilMs: Date.UTC(Number(year), Number(month)) }
}
