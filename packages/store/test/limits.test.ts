/** Limits on the embedded store: whom they hold, that each source keeps to its own, that alerts fire once. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import {
  countersFor,
  everyKey,
  hashSecret,
  openSqliteStore,
  StoreError,
  type KeyRecord,
  type LimitScope,
  type RateLimitInput,
  type SqliteStore,
} from '@portolan/store'
import { ask, budget, cameTo } from './budgets-conformance.ts'

const root = mkdtempSync(join(tmpdir(), 'portolan-limits-'))
const opened: SqliteStore[] = []
after(() => {
  for (const store of opened) store.close()
  rmSync(root, { recursive: true, force: true })
})

function open(directory = join(root, `data-${opened.length}`)): SqliteStore {
  const store = openSqliteStore({ directory })
  opened.push(store)
  return store
}

const may = Date.UTC(2026, 4, 15, 12)
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const isBadRow = (error: unknown): boolean => error instanceof StoreError && error.code === 'STORE_BAD_ROW'

function scope(changes: Partial<LimitScope>): LimitScope {
  return { ...everyKey, ...changes }
}

function rate(changes: Partial<RateLimitInput> = {}): RateLimitInput {
  return { id: 'steady', unit: 'requests', amount: 60, perMs: 60_000, burst: 2, scope: everyKey, ...changes }
}

/** A key as the door finds it: by its secret. */
function key(store: SqliteStore, name: string, teamId: string | null = null): () => KeyRecord {
  const { secret } = store.keys.createKey({ name, teamId }, may, new Uint8Array(32).fill(name.charCodeAt(0)))
  return () => store.keys.findByHash(hashSecret(secret)) ?? assert.fail()
}

describe('teams', () => {
  it('hold keys, are held by organisations, and are known on the key', () => {
    const store = open()
    store.teams.syncTeams(
      'config',
      [
        { id: 'red', organisationId: 'acme' },
        { id: 'blue', organisationId: null },
      ],
      may,
    )
    const found = key(store, 'ci', 'red')()
    assert.deepEqual([found.teamId, found.organisationId], ['red', 'acme'])
    assert.deepEqual(
      store.teams.listTeams().map(({ id, keys }) => [id, keys]),
      [
        ['blue', 0],
        ['red', 1],
      ],
    )
    assert.throws(() => store.keys.createKey({ name: 'x', teamId: 'reed' }, may, new Uint8Array(32)), isBadRow)
    assert.equal(store.keys.listKeys().length, 1, 'nothing was made for a team that does not exist')
  })

  it('leave with the configuration, unless keys are in them', () => {
    const store = open()
    store.teams.syncTeams(
      'config',
      [
        { id: 'red', organisationId: 'acme' },
        { id: 'blue', organisationId: 'acme' },
      ],
      may,
    )
    store.teams.putTeam({ id: 'green', organisationId: null }, 'admin', may)
    key(store, 'ci', 'red')
    store.teams.syncTeams('config', [], may)
    assert.deepEqual(
      store.teams.listTeams().map(({ id }) => id),
      ['green', 'red'],
    )
    assert.equal(store.teams.removeTeam('red', 'config'), 'has-keys')
    assert.equal(store.teams.removeTeam('green', 'config'), 'other-source')
    assert.equal(store.teams.removeTeam('grey', 'admin'), 'unknown')
    assert.equal(store.teams.removeTeam('green', 'admin'), null)
    assert.deepEqual(
      store.teams.listOrganisations().map(({ id, teams }) => [id, teams]),
      [['acme', 1]],
    )
  })

  it('can be changed under a running gateway: the next turn knows', async () => {
    const [store, other] = [open(join(root, 'shared')), open(join(root, 'shared'))]
    store.teams.syncTeams('config', [{ id: 'red', organisationId: null }], may)
    const found = key(store, 'ci')
    assert.equal(found().teamId, null)
    assert.equal(other.keys.moveKey(found().id, 'red'), true)
    await turn()
    assert.equal(found().teamId, 'red')
    assert.throws(() => other.keys.moveKey(found().id, 'rod'), isBadRow)
  })
})

describe('a limit', () => {
  it('holds keys by name or id, teams, organisations, or everybody', async () => {
    const store = open()
    store.teams.syncTeams('config', [{ id: 'red', organisationId: 'acme' }], may)
    const [ci, dev] = [key(store, 'ci', 'red'), key(store, 'dev')]
    assert.deepEqual(store.limits.limitsOf(ci()), { budgets: [], rates: [] })
    store.limits.syncLimits(
      'config',
      [
        budget({ id: 'all' }),
        budget({ id: 'by-name', scope: scope({ keys: ['dev'] }) }),
        budget({ id: 'by-team', scope: scope({ teams: ['red'] }) }),
        budget({ id: 'by-organisation', scope: scope({ organisations: ['acme'], models: ['deepseek-*'] }) }),
      ],
      [rate({ scope: scope({ each: 'key' }) })],
    )
    await turn()
    const ids = (found: KeyRecord): string[] => store.limits.limitsOf(found).budgets.map(({ id }) => id)
    assert.deepEqual(ids(ci()), ['all', 'by-organisation', 'by-team'])
    assert.deepEqual(ids(dev()), ['all', 'by-name'])
    const refs = (model: string): string[] =>
      countersFor(store.limits.limitsOf(ci()).budgets, ci(), model).map(({ id }) => id)
    assert.deepEqual(refs('gpt-6-luna'), ['all', 'by-team'])
    assert.deepEqual(countersFor(store.limits.limitsOf(ci()).rates, ci(), 'x'), [{ id: 'steady', subject: ci().id }])
  })

  it('that leaves the configuration holds nobody, and has not forgotten what was spent when it comes back', async () => {
    const store = open()
    const ci = key(store, 'ci')
    store.limits.syncLimits('config', [budget()], [rate()])
    store.budgets.reserve(ask('r1', 60n))
    store.limits.syncLimits('config', [], [])
    await turn()
    assert.deepEqual(store.limits.limitsOf(ci()), { budgets: [], rates: [] })
    assert.deepEqual(store.budgets.listBudgets(may), [])
    store.budgets.settle(cameTo('r1', 50n, may))
    store.limits.syncLimits('config', [budget({ limit: 200n })], [])
    assert.equal(store.budgets.budgetAt('team', may)?.spent, 50n)
  })

  it('belongs to who made it: the configuration or the admin API', () => {
    const store = open()
    store.limits.syncLimits('config', [budget()], [rate()])
    store.limits.putBudget(budget({ id: 'mine' }), 'admin')
    store.limits.putRate(rate({ id: 'mine' }), 'admin')
    assert.throws(() => store.limits.putBudget(budget({ limit: 1n }), 'admin'), isBadRow)
    assert.throws(() => store.limits.putRate(rate({ amount: 1 }), 'admin'), isBadRow)
    assert.equal(store.limits.removeBudget('team', 'admin'), false)
    store.limits.syncLimits('config', [], [])
    assert.deepEqual(
      [store.budgets.listBudgets(may).map(({ id }) => id), store.limits.listRates().map(({ id }) => id)],
      [['mine'], ['mine']],
    )
    assert.ok(store.limits.removeBudget('mine', 'admin') && store.limits.removeRate('mine', 'admin'))
  })

  it('must make sense', () => {
    const { limits } = open()
    assert.throws(() => limits.putBudget(budget({ unit: 'tokens' })), isBadRow)
    assert.throws(() => limits.putBudget(budget({ period: 'rolling' })), isBadRow)
    assert.throws(() => limits.putBudget(budget({ windowMs: 5000 })), isBadRow)
    assert.throws(() => limits.putRate(rate({ burst: 0 }), 'admin'), isBadRow)
  })
})

describe('rate limits and budgets of one request', () => {
  it('are taken together or not at all', () => {
    const { budgets, limits } = open()
    limits.syncLimits('config', [budget()], [rate(), rate({ id: 'tokens', unit: 'tokens', amount: 1000, burst: 1000 })])
    const rates = [
      { id: 'steady', subject: '' },
      { id: 'tokens', subject: 'a' },
    ]
    const take = (id: string, nanos: bigint, rateTokens = 400) => budgets.reserve(ask(id, nanos, { rates, rateTokens }))
    const first = take('r1', 10n)
    assert.deepEqual(
      first.rates.map(({ id, remaining }) => [id, remaining]),
      [
        ['steady', 1],
        ['tokens', 600],
      ],
    )
    assert.equal(take('r2', 95n).kind, 'refused', 'no room in the budget')
    assert.equal(budgets.rateAt(rates[0]!, may)?.remaining, 1, 'so no request was counted either')
    const limited = take('r3', 10n, 700)
    assert.ok(limited.kind === 'limited')
    assert.deepEqual([limited.limit.id, limited.retryAfterMs, limited.limit.remaining], ['tokens', 6000, 600])
    assert.deepEqual([budgets.rateAt(rates[0]!, may)?.remaining, budgets.budgetAt('team', may)?.reserved], [1, 10n])
    // What was guessed is corrected by what it came to: 100 tokens of 400.
    budgets.settle({ ...cameTo('r1', 10n, may), rates, rateTokens: 400 })
    assert.equal(budgets.rateAt(rates[1]!, may)?.remaining, 900)
    assert.equal(take('r4', 10n, 700).kind, 'reserved')
    assert.equal(take('r5', 10n, 1).kind, 'limited', 'the second request used up the burst')
  })
})

describe('an alert', () => {
  const events = (store: SqliteStore): (readonly [string, string])[] =>
    store.alerts
      .listAlerts(100)
      .map(({ event, budget: { spent } }) => [event, spent] as const)
      .reverse()

  it('fires once a period at each threshold, however often it is passed', () => {
    const store = open()
    store.limits.putBudget(budget({ alerts: [50, 80, 100] }))
    const spend = (id: string, nanos: bigint, nowMs = may): void => {
      store.budgets.reserve(ask(id, nanos, { nowMs }))
      store.budgets.settle(cameTo(id, nanos, nowMs))
    }
    spend('r1', 49n)
    assert.deepEqual(events(store), [])
    spend('r2', 1n)
    spend('r3', 10n)
    assert.deepEqual(events(store), [['threshold-50', '50']])
    spend('r4', 40n)
    assert.deepEqual(events(store).slice(1), [
      ['threshold-80', '100'],
      ['threshold-100', '100'],
    ])
    spend('june', 60n, Date.UTC(2026, 5, 2))
    assert.deepEqual(events(store).slice(3), [['threshold-50', '60']])
  })

  it('fires at the first refusal of a period, once over all processes', () => {
    const directory = join(root, 'alerts')
    const stores = [open(directory), open(directory)]
    stores[0]!.limits.putBudget(budget({ alerts: [100] }))
    for (const [index, { budgets }] of [...stores, ...stores].entries())
      assert.equal(budgets.reserve(ask(`r${index}`, 101n)).kind, 'refused')
    assert.deepEqual(events(stores[0]!), [['refused', '0']])
  })

  it('fires at most once a window length where windows roll', () => {
    const store = open()
    const windowMs = 3_600_000
    store.limits.putBudget(budget({ period: 'rolling', windowMs, alerts: [10] }))
    for (const [index, afterMs] of [0, 1000, windowMs - 1, windowMs + 60_001, windowMs + 70_000].entries()) {
      const nowMs = may + afterMs
      store.budgets.reserve(ask(`r${index}`, 15n, { nowMs }))
      store.budgets.settle(cameTo(`r${index}`, 15n, nowMs))
    }
    assert.deepEqual(
      store.alerts.listAlerts(10).map(({ firedAtMs }) => firedAtMs - may),
      [windowMs + 60_001, 0],
    )
  })

  it('waits for its delivery in a queue that has an end', () => {
    const store = open()
    store.limits.putBudget(budget({ alerts: [1], scope: scope({ each: 'key' }) }))
    for (let index = 0; index < 1003; index++) {
      store.budgets.reserve(ask(`r${index}`, 5n, { budgets: [{ id: 'team', subject: `key_${index}` }] }))
      store.budgets.settle(cameTo(`r${index}`, 5n, may))
    }
    assert.equal(store.alerts.dueAlerts(may, 5000).length, 1000)
    const [first] = store.alerts.dueAlerts(may, 1)
    assert.equal(first?.budget.subject, 'key_3', 'the oldest were given up')
    store.alerts.noteDelivery(first.seq, 'waiting', may + 1000)
    assert.notEqual(store.alerts.dueAlerts(may, 1)[0]?.seq, first.seq)
    store.alerts.noteDelivery(first.seq, 'delivered', may)
    assert.deepEqual(
      store.alerts
        .listAlerts(2000)
        .filter(({ seq }) => seq === first.seq)
        .map(({ state, attempts }) => [state, attempts]),
      [['delivered', 2]],
    )
  })
})

describe('what a dead process holds', () => {
  it('is known by its owner, and can be given back before its time', () => {
    const { budgets } = open()
    budgets.putBudget(budget())
    budgets.reserve(ask('r1', 60n, { owner: 'dead' }))
    budgets.reserve(ask('r2', 30n, { owner: 'alive' }))
    const dead = budgets.openReservations().filter(({ owner }) => owner === 'dead')
    assert.equal(budgets.abandon(dead.map(({ requestId }) => requestId)), 1)
    assert.equal(budgets.budgetAt('team', may)?.reserved, 30n)
    assert.equal(budgets.settle(cameTo('r1', 20n, may)), 'settled-late')
    assert.equal(budgets.budgetAt('team', may)?.spent, 20n)
  })
})
