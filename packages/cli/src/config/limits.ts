/** Teams, budgets, rate limits and the webhook of a configuration, as the store and the gateway want them. */
import type { AlertTarget } from '@portolan/gateway'
import { parseDecimal } from '@portolan/meter'
import {
  rateShapeProblem,
  type BudgetInput,
  type LimitScope,
  type RateLimitInput,
  type SqliteStore,
  type TeamInput,
} from '@portolan/store'
import type { z } from 'zod'
import { CliError } from '../errors.ts'
import type { LoadedConfig } from './load.ts'
import type { budgetSettings, rateLimitSettings } from './limits-schema.ts'

export type BudgetSettings = z.infer<typeof budgetSettings>
export type RateLimitSettings = z.infer<typeof rateLimitSettings>

export interface ConfiguredLimits {
  readonly teams: readonly TeamInput[]
  readonly budgets: readonly BudgetInput[]
  readonly rates: readonly RateLimitInput[]
}

/** @throws CliError `CLI_BAD_CONFIG` for a team or organisation that no setting makes. */
export function configuredLimits({ file, path }: LoadedConfig): ConfiguredLimits {
  const teams = Object.entries(file.teams ?? {}).map(([id, { organisation }]) => ({
    id,
    organisationId: organisation ?? null,
  }))
  const budgets = Object.entries(file.budgets ?? {}).map(([id, settings]) =>
    budgetOf(id, settings, file.currency ?? 'USD'),
  )
  const rates = Object.entries(file.rateLimits ?? {}).map(([id, settings]) => rateOf(id, settings))
  for (const [kind, limits] of [['budgets', budgets] as const, ['rateLimits', rates] as const])
    for (const { id, scope } of limits) {
      const problem = scopeProblem(scope, teams)
      if (problem !== null)
        throw new CliError('CLI_BAD_CONFIG', `${path ?? 'portolan.yaml'}: ${kind}.${id}: ${problem}`)
    }
  for (const rate of rates) {
    const problem = rateShapeProblem(rate)
    if (problem !== null)
      throw new CliError('CLI_BAD_CONFIG', `${path ?? 'portolan.yaml'}: rateLimits.${rate.id}: ${problem}`)
  }
  return { teams, budgets, rates }
}

/** @throws CliError `CLI_MISSING_ENV` or `CLI_BAD_CONFIG`. */
export function webhookOf({ file, path }: LoadedConfig, env: NodeJS.ProcessEnv = process.env): AlertTarget | null {
  if (file.webhook === undefined) return null
  const label = path ?? 'portolan.yaml'
  const resolved = (text: string, at: string): string =>
    text.replace(/\$\{(\w+)\}/g, (_whole, variable: string) => {
      const value = env[variable]
      if (!value)
        throw new CliError('CLI_MISSING_ENV', `${label}: ${at}: the environment variable ${variable} is not set.`)
      return value
    })
  const url = resolved(file.webhook.url, 'webhook.url')
  if (!URL.canParse(url) || !/^https?:/.test(url))
    throw new CliError('CLI_BAD_CONFIG', `${label}: webhook.url: it is not an http(s) address.`)
  return { url, secret: resolved(file.webhook.secret, 'webhook.secret') }
}

/** Comes into force; counters stay as they are, and what the admin API made is left alone. */
export function applyLimits(store: SqliteStore, { teams, budgets, rates }: ConfiguredLimits, nowMs: number): void {
  store.teams.syncTeams('config', teams, nowMs)
  store.limits.syncLimits('config', budgets, rates)
}

export function budgetOf(id: string, settings: BudgetSettings, currency: string): BudgetInput {
  const { limit, unit = 'money', period, alerts = [] } = settings
  const rolling = period !== 'day' && period !== 'month' && period !== 'total'
  return {
    id,
    unit,
    currency: unit === 'money' ? currency : null,
    limit: unit === 'money' ? nanosOf(limit) : BigInt(Math.floor(Number(limit))),
    period: rolling ? 'rolling' : period,
    windowMs: rolling ? durationMs(period) : null,
    scope: scopeOf(settings),
    alerts: [...new Set(alerts)].sort((a, b) => a - b),
  }
}

export function rateOf(id: string, settings: RateLimitSettings): RateLimitInput {
  const { requests, tokens, per, burst } = settings
  const amount = requests ?? tokens ?? 1
  return {
    id,
    unit: requests === undefined ? 'tokens' : 'requests',
    amount,
    perMs: durationMs(per),
    burst: burst ?? amount,
    scope: scopeOf(settings),
  }
}

function scopeOf({ keys, teams, organisations, models, each }: Partial<BudgetSettings>): LimitScope {
  return {
    keys: keys ?? [],
    teams: teams ?? [],
    organisations: organisations ?? [],
    models: models ?? [],
    each: each ?? null,
  }
}

export function scopeProblem(scope: LimitScope, teams: readonly TeamInput[]): string | null {
  for (const team of scope.teams)
    if (!teams.some(({ id }) => id === team)) return `there is no team "${team}"${known(teams.map(({ id }) => id))}.`
  for (const organisation of scope.organisations)
    if (!teams.some(({ organisationId }) => organisationId === organisation))
      return `no team belongs to an organisation "${organisation}".`
  return null
}

function known(names: readonly string[]): string {
  return names.length === 0 ? '; `teams` makes teams' : `; there are ${names.join(', ')}`
}

/** Currency units to nano-units, exact; digits beyond the ninth are cut. */
export function nanosOf(amount: string | number): bigint {
  const { digits, scale } = parseDecimal(String(amount))
  return scale <= 9 ? digits * 10n ** BigInt(9 - scale) : digits / 10n ** BigInt(scale - 9)
}

const unitMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `5h`; the schema has checked the form. */
function durationMs(text: string): number {
  return Number(text.slice(0, -1)) * (unitMs[text.slice(-1)] ?? 1)
}
