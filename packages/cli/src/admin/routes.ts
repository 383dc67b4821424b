/** Every path of the admin API. What the configuration made is shown, and changed there; the API changes its own. */
import { randomBytes } from 'node:crypto'
import { AdminError, alertBody } from '@portolan/gateway'
import type { PriceBook, PriceRecord } from '@portolan/meter'
import { usageGroups, type KeyRecord, type UsageGroup } from '@portolan/store'
import { z } from 'zod'
import { dayMs, forecastBudgets, type ForecastPrices } from '../budget-forecast.ts'
import { budgetOf, rateOf, scopeProblem } from '../config/limits.ts'
import { retentionState } from '../retention/retention.ts'
import { pageFrom, route, type AdminContext, type AdminRoute } from './route.ts'
import * as schemas from './schemas.ts'
import * as views from './views.ts'

const page = z.strictObject(schemas.pageQuery)
/** Requests are listed so far back; sums are for what is older. */
const mostRowsBack = 10_000
const sessionRows = 2000

export const adminRoutes: readonly AdminRoute[] = [
  route('GET', '/keys', {
    summary: 'All keys, oldest first, without their secrets.',
    query: page,
    answer: schemas.pageOf(schemas.keyView),
    work: ({ store, nowMs }, { query }) => {
      const found = pageFrom(store.keys.listKeys(), ({ id }) => id, query)
      return { ...found, data: found.data.map((key) => views.keyToView(key, nowMs)) }
    },
  }),
  route('POST', '/keys', {
    summary: 'Makes a key. Its secret is in this answer and nowhere else.',
    status: 201,
    body: schemas.newKeyBody,
    answer: schemas.newKeyView,
    work: ({ store, nowMs }, { body }) => {
      const { name, models, team, expiresAt } = body
      if (team !== undefined) mustBeTeam({ store }, team)
      const expiresAtMs = expiresAt === undefined ? null : Date.parse(expiresAt)
      const made = store.keys.createKey({ name, models, teamId: team, expiresAtMs }, nowMs, randomBytes(32))
      return { ...views.keyToView(made.key, nowMs), secret: made.secret }
    },
  }),
  route('GET', '/keys/{id}', {
    summary: 'One key.',
    answer: schemas.keyView,
    work: (context, { params }) => views.keyToView(keyOf(context, params['id']), context.nowMs),
  }),
  route('PATCH', '/keys/{id}', {
    summary: 'Puts a key into a team, or takes it out.',
    body: schemas.changedKeyBody,
    answer: schemas.keyView,
    work: (context, { params, body }) => {
      const { id } = keyOf(context, params['id'])
      if (body.team !== null) mustBeTeam(context, body.team)
      context.store.keys.moveKey(id, body.team)
      return views.keyToView(keyOf(context, id), context.nowMs)
    },
  }),
  route('DELETE', '/keys/{id}', {
    summary: 'Revokes a key, as of now and for good. Revoking it again changes nothing.',
    answer: schemas.keyView,
    work: (context, { params }) => {
      const { id } = keyOf(context, params['id'])
      context.store.keys.revokeKey(id, context.nowMs)
      return views.keyToView(keyOf(context, id), context.nowMs)
    },
  }),

  route('GET', '/organisations', {
    summary: 'Organisations: they exist while a team names them.',
    query: page,
    answer: schemas.pageOf(schemas.organisationView),
    work: ({ store }, { query }) =>
      pageFrom(store.teams.listOrganisations().map(views.organisationToView), ({ id }) => id, query),
  }),
  route('GET', '/teams', {
    summary: 'Teams by name.',
    query: page,
    answer: schemas.pageOf(schemas.teamView),
    work: ({ store }, { query }) => pageFrom(store.teams.listTeams().map(views.teamToView), ({ id }) => id, query),
  }),
  route('PUT', '/teams/{id}', {
    summary: 'Makes a team, or moves it to another organisation.',
    body: schemas.teamBody,
    answer: schemas.teamView,
    work: ({ store, nowMs }, { params, body }) => {
      const id = newId(params['id'])
      if (store.teams.listTeams().some((team) => team.id === id && team.source === 'config'))
        throw new AdminError('ADMIN_CONFLICT', `Team "${id}" was made by the configuration; change it there.`)
      store.teams.putTeam({ id, organisationId: body.organisation ?? null }, 'admin', nowMs)
      return views.teamToView(store.teams.listTeams().find((team) => team.id === id)!)
    },
  }),
  route('DELETE', '/teams/{id}', {
    summary: 'Removes a team without keys.',
    answer: z.object({ id: z.string() }),
    work: ({ store }, { params }) => {
      const id = params['id'] ?? ''
      const refusal = store.teams.removeTeam(id, 'admin')
      if (refusal === 'unknown') throw notFound('team', id)
      if (refusal === 'has-keys')
        throw new AdminError('ADMIN_CONFLICT', `Team "${id}" has keys; move or revoke them first.`)
      if (refusal === 'other-source')
        throw new AdminError('ADMIN_CONFLICT', `Team "${id}" was made by the configuration; change it there.`)
      return { id }
    },
  }),

  route('GET', '/budgets', {
    summary: 'Budgets and where they stand: one item for each counter.',
    query: page,
    answer: schemas.pageOf(schemas.budgetView),
    work: ({ store, nowMs }, { query }) =>
      pageFrom(store.budgets.listBudgets(nowMs).map(views.budgetToView), ({ id, of }) => `${id}:${of ?? ''}`, query),
  }),
  route('PUT', '/budgets/{id}', {
    summary: 'Makes a budget, or changes its limit, scope and alerts. What it counts stays as it was made.',
    body: schemas.budgetBody,
    answer: schemas.budgetView,
    work: ({ store, parts, nowMs }, { params, body }) => {
      const id = newId(params['id'])
      const budget = budgetOf(id, body, parts.config.currency)
      mustHold({ store }, budget.scope)
      inStore(() => store.limits.putBudget(budget, 'admin'))
      return views.budgetToView(store.budgets.budgetAt(id, nowMs)!)
    },
  }),
  route('DELETE', '/budgets/{id}', {
    summary: 'Ends a budget. A budget of the same name that is made later goes on where this one stood.',
    answer: z.object({ id: z.string() }),
    work: ({ store, nowMs }, { params }) => {
      const id = params['id'] ?? ''
      if (store.limits.removeBudget(id, 'admin')) return { id }
      if (store.budgets.listBudgets(nowMs).some((budget) => budget.id === id))
        throw new AdminError('ADMIN_CONFLICT', `Budget "${id}" was made by the configuration; remove it there.`)
      throw notFound('budget', id)
    },
  }),

  route('GET', '/limits', {
    summary: 'Rate limits.',
    query: page,
    answer: schemas.pageOf(schemas.rateLimitView),
    work: ({ store }, { query }) => pageFrom(store.limits.listRates().map(views.rateToView), ({ id }) => id, query),
  }),
  route('PUT', '/limits/{id}', {
    summary: 'Makes a rate limit, or changes it.',
    body: schemas.rateLimitBody,
    answer: schemas.rateLimitView,
    work: ({ store }, { params, body }) => {
      const rate = rateOf(newId(params['id']), body)
      mustHold({ store }, rate.scope)
      inStore(() => store.limits.putRate(rate, 'admin'))
      return views.rateToView({ ...rate, source: 'admin' })
    },
  }),
  route('DELETE', '/limits/{id}', {
    summary: 'Ends a rate limit.',
    answer: z.object({ id: z.string() }),
    work: ({ store }, { params }) => {
      const id = params['id'] ?? ''
      if (store.limits.removeRate(id, 'admin')) return { id }
      if (store.limits.listRates().some((rate) => rate.id === id))
        throw new AdminError('ADMIN_CONFLICT', `Rate limit "${id}" was made by the configuration; remove it there.`)
      throw notFound('rate limit', id)
    },
  }),
  route('GET', '/alerts', {
    summary: 'What budgets have fired, newest first, and whether the webhook has heard it.',
    query: page,
    answer: schemas.pageOf(schemas.alertView),
    work: ({ store }, { query }) =>
      pageFrom(
        store.alerts.listAlerts(mostRowsBack).map((alert) => ({
          ...(JSON.parse(alertBody(alert)) as Omit<z.infer<typeof schemas.alertView>, 'state' | 'attempts'>),
          state: alert.state,
          attempts: alert.attempts,
        })),
        ({ id }) => id,
        query,
      ),
  }),

  route('GET', '/usage', {
    summary: 'Sums of usage and cost. Currencies are never added together.',
    query: schemas.usageQuery,
    answer: schemas.pageOf(schemas.usageView),
    work: ({ store, nowMs }, { query }) => {
      const { by = 'model', from, until, key, team, tag, model, upstream } = query
      const groupBy = by.split(',').map((name) => groupOf(name.trim()))
      const lines = store.ledger.usage({
        groupBy,
        fromMs: from === undefined ? nowMs - 30 * dayMs : Date.parse(from),
        ...(until === undefined ? {} : { untilMs: Date.parse(until) }),
        ...(key === undefined ? {} : { keyId: key }),
        ...(team === undefined ? {} : { team }),
        ...(tag === undefined ? {} : { tag }),
        ...(model === undefined ? {} : { model }),
        ...(upstream === undefined ? {} : { upstream }),
      })
      return pageFrom(
        lines.map(views.usageToView),
        ({ group, currency }) => [...groupBy.map((name) => group[name] ?? ''), currency ?? ''].join('|'),
        query,
      )
    },
  }),
  route('GET', '/requests', {
    summary: `The newest requests first, at most ${mostRowsBack} back.`,
    query: schemas.requestsQuery,
    answer: schemas.pageOf(schemas.requestView),
    work: ({ store }, { query }) => {
      const filter = query.key === undefined ? undefined : { keyId: query.key }
      const back = query.after === undefined ? (query.limit ?? 100) + 1 : mostRowsBack
      return pageFrom(store.ledger.recent(back, filter).map(views.rowToView), ({ id }) => id, query)
    },
  }),
  route('GET', '/requests/{id}', {
    summary: 'One request.',
    answer: schemas.requestView,
    work: ({ store }, { params }) => {
      const row = store.ledger.find(params['id'] ?? '')
      if (row === null) throw notFound('request', params['id'] ?? '')
      return views.rowToView(row)
    },
  }),
  route('GET', '/sessions', {
    summary: `Conversations among the newest ${sessionRows} requests, and how much of their prompts stood still.`,
    query: page,
    answer: schemas.pageOf(schemas.sessionView),
    work: ({ store }, { query }) =>
      pageFrom(views.sessionsOf(store.ledger.recent(sessionRows)), ({ session }) => session, query),
  }),

  route('GET', '/archives', {
    summary: 'Files that old rows went into, oldest first.',
    query: page,
    answer: schemas.pageOf(schemas.archiveView),
    work: ({ store }, { query }) =>
      pageFrom(store.ledger.archives().map(views.archiveToView), ({ firstBatch }) => String(firstBatch), query),
  }),
  route('GET', '/retention', {
    summary: 'How long rows stay in the ledger, and how the last daily run ended.',
    answer: schemas.retentionView,
    work: ({ store }) => views.retentionToView(retentionState(store.settings)),
  }),

  route('GET', '/prices', {
    summary: 'Dated prices, those of overrides and imported catalogues too.',
    query: schemas.pricesQuery,
    answer: schemas.pageOf(schemas.priceView),
    work: ({ parts }, { query }) => {
      const atMs = query.at === undefined ? null : Date.parse(query.at)
      const records = recordsOf(parts.priceBook).filter(
        ({ vendor, model, aliases, fromMs, untilMs }) =>
          (query.vendor === undefined || vendor === query.vendor) &&
          (query.model === undefined || model === query.model || aliases.includes(query.model)) &&
          (atMs === null || (fromMs <= atMs && (untilMs === null || atMs < untilMs))),
      )
      return pageFrom(records.map(views.priceToView), ({ id }) => id, query)
    },
  }),
  route('GET', '/upstreams', {
    summary: 'Upstreams and their health, as the process that answers sees them.',
    query: page,
    answer: schemas.pageOf(schemas.upstreamView),
    work: ({ parts }, { query }) => pageFrom(parts.health.snapshot(), ({ name }) => name, query),
  }),
  route('GET', '/forecast', {
    summary: 'The day on which each budget ends, with an interval; refused where the data are too thin.',
    answer: z.object({ data: z.array(schemas.forecastView) }),
    work: ({ store, nowMs, parts }) => ({
      data: forecastBudgets(store, store.budgets.listBudgets(nowMs), nowMs, pricesOf(parts)).map(
        ({ budget, left, forecast }) => {
          const days = forecast.kind === 'forecast' ? forecast : null
          const date = (day: number | null | undefined): string | null =>
            day == null ? null : views.iso(day * dayMs).slice(0, 10)
          return {
            budget: budget.id,
            of: budget.subject || null,
            left: views.amountText(left, budget.unit),
            kind: forecast.kind,
            endsOn: date(days?.p50Day),
            earliest: date(days?.p10Day),
            latest: date(days?.p90Day),
            assumptions: [...(days?.assumptions ?? [])],
            message: forecast.kind === 'too-little-data' ? forecast.message : null,
          }
        },
      ),
    }),
  }),
]

/** Upstreams with prices of their own change when their configuration does, not on a vendor's day. */
function pricesOf({ priceBook, fixedPrices, routes }: AdminContext['parts']): ForecastPrices {
  const vendors = new Map(routes.upstreams.map(({ name, priceVendor }) => [name, priceVendor ?? name]))
  return {
    book: priceBook,
    vendorOf: (upstream) => (fixedPrices.has(upstream) ? null : (vendors.get(upstream) ?? upstream)),
  }
}

function keyOf({ store }: Pick<AdminContext, 'store'>, id: string | undefined): KeyRecord {
  const key = store.keys.listKeys().find((known) => known.id === id)
  if (key === undefined) throw notFound('key', id ?? '')
  return key
}

function mustBeTeam({ store }: Pick<AdminContext, 'store'>, team: string): void {
  if (!store.teams.listTeams().some(({ id }) => id === team))
    throw new AdminError('ADMIN_BAD_FIELD', `There is no team "${team}"; PUT /admin/teams/${team} makes one.`, 'team')
}

function mustHold({ store }: Pick<AdminContext, 'store'>, scope: Parameters<typeof scopeProblem>[0]): void {
  const problem = scopeProblem(scope, store.teams.listTeams())
  if (problem !== null) throw new AdminError('ADMIN_BAD_FIELD', problem)
}

/** What the store refuses is a contradiction of the caller's. */
function inStore(work: () => void): void {
  try {
    work()
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'STORE_BAD_ROW')
      throw new AdminError('ADMIN_CONFLICT', error.message)
    throw error
  }
}

function newId(id: string | undefined): string {
  const parsed = schemas.idSchema.safeParse(id)
  if (!parsed.success) throw new AdminError('ADMIN_BAD_FIELD', `The id ${parsed.error.issues[0]?.message}.`, 'id')
  return parsed.data
}

function notFound(what: string, id: string): AdminError {
  return new AdminError('ADMIN_NOT_FOUND', `There is no ${what} "${id.slice(0, 100)}".`)
}

function groupOf(name: string): UsageGroup {
  const group = usageGroups.find((known) => known === name)
  if (group === undefined)
    throw new AdminError('ADMIN_BAD_FIELD', `There is no group "${name}"; there are ${usageGroups.join(', ')}.`, 'by')
  return group
}

function recordsOf(book: PriceBook): PriceRecord[] {
  const records: PriceRecord[] = []
  for (let layer: PriceBook | null = book; layer !== null; layer = layer.below) records.push(...layer.records)
  return records
}
