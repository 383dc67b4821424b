/** The definitions of budgets and rate limits on node:sqlite, and which of them hold a key. */
import type { DatabaseSync } from 'node:sqlite'
import { type BudgetInput, type BudgetPeriod, type BudgetUnit } from '../budgets.ts'
import { StoreError } from '../errors.ts'
import type { KeyRecord } from '../keys.ts'
import { rateShapeProblem } from '../limits-gcra.ts'
import {
  everyKey,
  limitSubjects,
  noLimits,
  scopeHolds,
  type AttachedLimit,
  type KeyLimits,
  type LimitScope,
  type LimitSource,
  type LimitStore,
  type RateLimitInput,
} from '../limits.ts'
import { inTransaction, toStoreError } from './database.ts'
import { bumpKeysVersion } from './keys.ts'
import { sourceOf } from './teams.ts'

type Fields = Readonly<Record<string, unknown>>

export class SqliteLimitStore implements LimitStore {
  readonly #database: DatabaseSync
  /** A key's record is made anew whenever a limit changes, so what was found for it holds as long as it lives. */
  readonly #found = new WeakMap<KeyRecord, KeyLimits>()

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  syncLimits(source: LimitSource, budgets: readonly BudgetInput[], rates: readonly RateLimitInput[]): void {
    const mine = { budgets: this.#budgets(source), rates: this.listRates().filter((rate) => rate.source === source) }
    if (sameAs(budgets, mine.budgets) && sameAs(rates, mine.rates.map(withoutSource))) return
    inTransaction(this.#database, () => {
      for (const budget of budgets) this.#putBudget(budget, source)
      for (const rate of rates) this.#putRate(rate, source)
      for (const { id } of mine.budgets) if (!budgets.some((budget) => budget.id === id)) this.#retire(id)
      for (const { id } of mine.rates) if (!rates.some((rate) => rate.id === id)) this.#dropRate(id)
      bumpKeysVersion(this.#database)
    })
  }

  putBudget(input: BudgetInput, source: LimitSource = 'config'): void {
    inTransaction(this.#database, () => {
      this.#putBudget(input, source)
      bumpKeysVersion(this.#database)
    })
  }

  removeBudget(id: string, source: LimitSource): boolean {
    return inTransaction(this.#database, () => {
      if (!this.#budgets(source).some((budget) => budget.id === id)) return false
      this.#retire(id)
      bumpKeysVersion(this.#database)
      return true
    })
  }

  putRate(input: RateLimitInput, source: LimitSource): void {
    inTransaction(this.#database, () => {
      this.#putRate(input, source)
      bumpKeysVersion(this.#database)
    })
  }

  removeRate(id: string, source: LimitSource): boolean {
    return inTransaction(this.#database, () => {
      if (!this.listRates().some((rate) => rate.id === id && rate.source === source)) return false
      this.#dropRate(id)
      bumpKeysVersion(this.#database)
      return true
    })
  }

  listRates(): readonly (RateLimitInput & { readonly source: LimitSource })[] {
    return this.#all('SELECT * FROM rate_limits ORDER BY id', []).map((fields) => ({
      ...toRate(fields),
      source: sourceOf(fields['source']),
    }))
  }

  limitsOf(key: KeyRecord): KeyLimits {
    const found = this.#found.get(key)
    if (found !== undefined) return found
    const budgets: AttachedLimit[] = []
    for (const { id, scope, unit } of this.#budgets(null)) if (scopeHolds(scope, key)) budgets.push({ id, scope, unit })
    const rates: AttachedLimit[] = []
    for (const { id, scope, unit } of this.listRates()) if (scopeHolds(scope, key)) rates.push({ id, scope, unit })
    const limits = budgets.length === 0 && rates.length === 0 ? noLimits : { budgets, rates }
    this.#found.set(key, limits)
    return limits
  }

  /** Those in force, of one source or (null) of both. */
  #budgets(source: LimitSource | null): BudgetInput[] {
    return this.#all('SELECT * FROM budgets WHERE retired = 0 ORDER BY id', [])
      .filter((fields) => source === null || fields['source'] === source)
      .map(toBudget)
  }

  #putBudget(input: BudgetInput, source: LimitSource): void {
    const { id, unit, limit, period, windowMs } = input
    if (limit < 0n) throw new StoreError('STORE_BAD_ROW', `Budget "${id}" has a negative limit.`)
    if ((unit === 'money') !== (input.currency !== null))
      throw new StoreError('STORE_BAD_ROW', `Budget "${id}": a currency belongs to a budget of money, and to no other.`)
    if ((period === 'rolling') !== (windowMs !== null && windowMs >= 1000))
      throw new StoreError('STORE_BAD_ROW', `Budget "${id}": a rolling window of at least a second, or a period.`)
    const [existing] = this.#all('SELECT * FROM budgets WHERE id = ?', [id])
    if (existing !== undefined) this.#keepsItsNature(toBudget(existing), input, existing, source)
    this.#database
      .prepare(
        `INSERT INTO budgets (id, name, currency, limit_amount, period, unit, window_ms, scope, alerts, source, retired)
         VALUES (?1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0)
         ON CONFLICT (id) DO UPDATE SET limit_amount = excluded.limit_amount, scope = excluded.scope,
           alerts = excluded.alerts, source = excluded.source, retired = 0`,
      )
      .run(
        id,
        input.currency ?? '',
        limit,
        period,
        unit,
        windowMs,
        JSON.stringify(input.scope),
        JSON.stringify(input.alerts),
        source,
      )
  }

  /** What a counter counts cannot change under it. */
  #keepsItsNature(before: BudgetInput, input: BudgetInput, fields: Fields, source: LimitSource): void {
    const { id } = input
    if (fields['retired'] === 0n && fields['source'] !== source)
      throw new StoreError('STORE_BAD_ROW', `Budget "${id}" was made by ${madeBy(fields)}; change it there.`)
    const nature = ({ unit, currency, period, windowMs }: BudgetInput): string =>
      `${currency ?? unit} by ${period === 'rolling' ? `windows of ${windowMs} ms` : period}`
    if (nature(before) !== nature(input))
      throw new StoreError(
        'STORE_BAD_ROW',
        `Budget "${id}" counts ${nature(before)}; make one of another name for ${nature(input)}.`,
      )
  }

  #putRate(input: RateLimitInput, source: LimitSource): void {
    const problem = rateShapeProblem(input)
    if (problem !== null) throw new StoreError('STORE_BAD_ROW', `Rate limit "${input.id}": ${problem}`)
    const [existing] = this.#all('SELECT * FROM rate_limits WHERE id = ?', [input.id])
    if (existing !== undefined && existing['source'] !== source)
      throw new StoreError(
        'STORE_BAD_ROW',
        `Rate limit "${input.id}" was made by ${madeBy(existing)}; change it there.`,
      )
    // Levels are in units of the amount: a bucket of another shape starts empty.
    const before = existing === undefined ? null : toRate(existing)
    if (
      before !== null &&
      (before.amount !== input.amount || before.perMs !== input.perMs || before.unit !== input.unit)
    )
      this.#database.prepare('DELETE FROM rate_counters WHERE limit_id = ?').run(input.id)
    this.#database
      .prepare(
        `INSERT INTO rate_limits VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET unit = excluded.unit, amount = excluded.amount, per_ms = excluded.per_ms,
           burst = excluded.burst, scope = excluded.scope`,
      )
      .run(input.id, input.unit, input.amount, input.perMs, input.burst, JSON.stringify(input.scope), source)
  }

  #retire(id: string): void {
    this.#database.prepare('UPDATE budgets SET retired = 1 WHERE id = ?').run(id)
  }

  #dropRate(id: string): void {
    this.#database.prepare('DELETE FROM rate_limits WHERE id = ?').run(id)
    this.#database.prepare('DELETE FROM rate_counters WHERE limit_id = ?').run(id)
  }

  #all(sql: string, bound: readonly string[]): readonly Fields[] {
    try {
      const statement = this.#database.prepare(sql)
      statement.setReadBigInts(true)
      return statement.all(...bound)
    } catch (error) {
      throw toStoreError(error, 'reading limits')
    }
  }
}

function madeBy(fields: Fields): string {
  return fields['source'] === 'admin' ? 'the admin API' : 'the configuration'
}

export function toBudget(fields: Fields): BudgetInput {
  const unit = String(fields['unit'])
  const period = String(fields['period'])
  return {
    id: String(fields['id']),
    unit: (['money', 'tokens', 'requests'] as const).find((known): known is BudgetUnit => known === unit) ?? 'money',
    currency: fields['currency'] === '' ? null : String(fields['currency']),
    limit: typeof fields['limit_amount'] === 'bigint' ? fields['limit_amount'] : 0n,
    period:
      (['day', 'month', 'total', 'rolling'] as const).find((known): known is BudgetPeriod => known === period) ??
      'total',
    windowMs: fields['window_ms'] === null ? null : Number(fields['window_ms']),
    scope: toScope(fields['scope']),
    alerts: toAlerts(fields['alerts']),
  }
}

export function toRate(fields: Fields): RateLimitInput {
  return {
    id: String(fields['id']),
    unit: fields['unit'] === 'tokens' ? 'tokens' : 'requests',
    amount: Number(fields['amount']),
    perMs: Number(fields['per_ms']),
    burst: Number(fields['burst']),
    scope: toScope(fields['scope']),
  }
}

function toScope(text: unknown): LimitScope {
  if (text === '{}') return everyKey
  const { keys, teams, organisations, models, each } = JSON.parse(String(text)) as Record<string, unknown>
  return {
    keys: texts(keys),
    teams: texts(teams),
    organisations: texts(organisations),
    models: texts(models),
    each: limitSubjects.find((known) => known === each) ?? null,
  }
}

export function toAlerts(text: unknown): readonly number[] {
  if (text === '[]') return []
  const parsed: unknown = JSON.parse(String(text))
  return Array.isArray(parsed) ? parsed.map(Number) : []
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : []
}

function withoutSource({ id, unit, amount, perMs, burst, scope }: RateLimitInput): RateLimitInput {
  return { id, unit, amount, perMs, burst, scope }
}

/** Lists of plain data, in any order. */
function sameAs(a: readonly { readonly id: string }[], b: readonly { readonly id: string }[]): boolean {
  const text = (items: readonly { readonly id: string }[]): string =>
    items
      .map((item) => JSON.stringify(item, sorted))
      .sort((x, y) => (x < y ? -1 : 1))
      .join('\n')
  return text(a) === text(b)
}

function sorted(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
