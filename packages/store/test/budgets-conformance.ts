/** What every budget store must do: no overspend beyond what was reserved, nothing stuck, nothing counted twice. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import * as fc from 'fast-check'
import {
  everyKey,
  StoreError,
  type BudgetInput,
  type BudgetStore,
  type ReserveInput,
  type ReserveResult,
  type SettleInput,
  type SettleResult,
} from '@portolan/store'

const may = Date.UTC(2026, 4, 15, 12)
const hourMs = 3_600_000

export function budget(changes: Partial<BudgetInput> = {}): BudgetInput {
  return {
    id: 'team',
    unit: 'money',
    currency: 'USD',
    limit: 100n,
    period: 'month',
    windowMs: null,
    scope: everyKey,
    alerts: [],
    ...changes,
  }
}

/** A request of so many nanos and ten times as many tokens. */
export function ask(requestId: string, nanos: bigint, changes: Partial<ReserveInput> = {}): ReserveInput {
  return {
    requestId,
    budgets: [{ id: 'team', subject: '' }],
    rates: [],
    largest: { nanos, tokens: nanos * 10n },
    rateTokens: 0,
    currency: 'USD',
    nowMs: may,
    expiresAtMs: may + hourMs,
    owner: 'test',
    ...changes,
  }
}

export function cameTo(requestId: string, nanos: bigint | null, nowMs: number): SettleInput {
  return { requestId, nanos, tokens: nanos === null ? null : nanos * 10n, rates: [], rateTokens: 0, nowMs }
}

const refs = (...ids: string[]): ReserveInput['budgets'] => ids.map((id) => ({ id, subject: '' }))

export function budgetsConformance(open: () => BudgetStore | Promise<BudgetStore>): void {
  const openWith = async (...budgets: BudgetInput[]): Promise<BudgetStore> => {
    const store = await open()
    for (const input of budgets) await store.putBudget(input)
    return store
  }
  const sums = async (store: BudgetStore, id = 'team', atMs = may): Promise<bigint[]> => {
    const state = (await store.budgetAt(id, atMs)) ?? assert.fail()
    return [state.spent, state.reserved, state.overrun]
  }
  const settle = async (
    store: BudgetStore,
    requestId: string,
    nanos: bigint | null,
    nowMs: number,
  ): Promise<SettleResult> => store.settle(cameTo(requestId, nanos, nowMs))

  it('reserves an upper bound, then spends the truth', async () => {
    const store = await openWith(budget())
    assert.deepEqual(await store.reserve(ask('r1', 60n)), { kind: 'reserved', rates: [] })
    assert.deepEqual(await sums(store), [0n, 60n, 0n])
    assert.equal(await settle(store, 'r1', 25n, may), 'settled')
    assert.deepEqual(await sums(store), [25n, 0n, 0n])
  })

  it('has room to the last nano and not one further; a refusal names the budget and when it resets', async () => {
    const store = await openWith(budget())
    assert.equal((await store.reserve(ask('r1', 60n))).kind, 'reserved')
    const refused: ReserveResult = await store.reserve(ask('r2', 41n))
    assert.ok(refused.kind === 'refused')
    assert.equal(refused.available, 40n)
    assert.equal(refused.budget.id, 'team')
    assert.equal(refused.budget.resetsAtMs, Date.UTC(2026, 5, 1))
    assert.equal((await store.reserve(ask('r3', 40n))).kind, 'reserved')
  })

  it('takes from all budgets of a request or from none', async () => {
    const store = await openWith(budget(), budget({ id: 'key', limit: 10n }))
    const refused = await store.reserve(ask('r1', 20n, { budgets: refs('team', 'key') }))
    assert.ok(refused.kind === 'refused' && refused.budget.id === 'key')
    assert.deepEqual(await sums(store), [0n, 0n, 0n])
    assert.equal((await store.reserve(ask('r2', 5n, { budgets: refs('team', 'key', 'team') }))).kind, 'reserved')
    await settle(store, 'r2', 4n, may)
    assert.deepEqual(
      [await sums(store), await sums(store, 'key')],
      [
        [4n, 0n, 0n],
        [4n, 0n, 0n],
      ],
    )
  })

  it('settles once, whatever is repeated', async () => {
    const store = await openWith(budget())
    await store.reserve(ask('r1', 60n))
    await settle(store, 'r1', 25n, may)
    assert.equal(await settle(store, 'r1', 25n, may), 'already-settled')
    assert.equal(await settle(store, 'never', 25n, may), 'unknown')
    assert.deepEqual(await sums(store), [25n, 0n, 0n])
  })

  // litellm#27509: reservations of crashed requests pinned a team at its cap with $0.144 spent.
  it('gives back what a crash left behind, and still counts a request that settles after all', async () => {
    const store = await openWith(budget())
    await store.reserve(ask('crashed', 100n))
    assert.equal(await store.expire(may + hourMs - 1), 0)
    assert.equal(await store.expire(may + hourMs), 1)
    assert.deepEqual(await sums(store), [0n, 0n, 0n])
    assert.equal(await settle(store, 'crashed', 30n, may + 2 * hourMs), 'settled-late')
    assert.deepEqual(await sums(store), [30n, 0n, 30n])
    assert.equal(await store.expire(may + 3 * hourMs), 0)
  })

  it('counts a cost beyond its reservation and says by how much', async () => {
    const store = await openWith(budget())
    await store.reserve(ask('r1', 90n))
    await settle(store, 'r1', 120n, may)
    assert.deepEqual(await sums(store), [120n, 0n, 30n])
    const refused = await store.reserve(ask('r2', 0n))
    assert.ok(refused.kind === 'refused' && refused.available === 0n)
  })

  it('takes the reserved amount as spent when the cost is not known: unknown is never free', async () => {
    const store = await openWith(budget())
    await store.reserve(ask('r1', 60n))
    await settle(store, 'r1', null, may)
    assert.deepEqual(await sums(store), [60n, 0n, 0n])
  })

  it('starts each period anew, and a request belongs to the period it started in', async () => {
    const store = await openWith(budget({ period: 'day' }))
    const night = Date.UTC(2026, 4, 15, 23, 59, 59, 999)
    await store.reserve(ask('r1', 100n, { nowMs: night }))
    assert.equal((await store.reserve(ask('r2', 1n, { nowMs: night }))).kind, 'refused')
    assert.equal((await store.reserve(ask('r3', 100n, { nowMs: night + 1 }))).kind, 'reserved')
    await settle(store, 'r1', 80n, night + hourMs)
    assert.deepEqual(await sums(store, 'team', night), [80n, 0n, 0n])
    assert.deepEqual(await sums(store, 'team', night + 1), [0n, 100n, 0n])
  })

  it('can change its limit at once but not what it counts', async () => {
    const store = await openWith(budget())
    await store.putBudget(budget({ limit: 10n }))
    assert.equal((await store.reserve(ask('r1', 11n))).kind, 'refused')
    await assert.rejects(async () => store.putBudget(budget({ currency: 'CNY' })), isBadRow)
    assert.deepEqual(
      (await store.listBudgets(may)).map(({ id, limit }) => [id, limit]),
      [['team', 10n]],
    )
    assert.equal(await store.budgetAt('other', may), null)
  })

  it('refuses what makes no sense in words', async () => {
    const store = await openWith(budget())
    await assert.rejects(async () => store.reserve(ask('r1', 1n, { budgets: refs('nobody') })), isBadRow)
    await assert.rejects(async () => store.reserve(ask('r1', 1n, { currency: 'CNY' })), isBadRow)
    await assert.rejects(async () => store.reserve(ask('r1', -1n)), isBadRow)
    await assert.rejects(async () => settle(store, 'r1', -1n, may), isBadRow)
    await store.reserve(ask('twice', 0n))
    await assert.rejects(async () => store.reserve(ask('twice', 1n)), isBadRow)
    await assert.rejects(async () => store.putBudget(budget({ limit: -1n })), isBadRow)
    assert.deepEqual(await sums(store), [0n, 0n, 0n])
  })

  it('counts tokens and requests as well as money, each in a budget of its own', async () => {
    const store = await openWith(
      budget(),
      budget({ id: 'tokens', unit: 'tokens', currency: null, limit: 250n }),
      budget({ id: 'requests', unit: 'requests', currency: null, limit: 2n }),
    )
    const budgets = refs('team', 'tokens', 'requests')
    assert.equal((await store.reserve(ask('r1', 20n, { budgets }))).kind, 'reserved')
    assert.deepEqual(await sums(store, 'tokens'), [0n, 200n, 0n])
    assert.deepEqual(await sums(store, 'requests'), [0n, 1n, 0n])
    const tooMany = await store.reserve(ask('r2', 6n, { budgets }))
    assert.ok(tooMany.kind === 'refused' && tooMany.budget.id === 'tokens' && tooMany.available === 50n)
    await settle(store, 'r1', 5n, may)
    assert.deepEqual(
      [await sums(store, 'tokens'), await sums(store, 'requests')],
      [
        [50n, 0n, 0n],
        [1n, 0n, 0n],
      ],
    )
    assert.equal((await store.reserve(ask('r3', 1n, { budgets }))).kind, 'reserved')
    const third = await store.reserve(ask('r4', 1n, { budgets }))
    assert.ok(third.kind === 'refused' && third.budget.id === 'requests')
  })

  it('counts each key apart where it is told to', async () => {
    const store = await openWith(budget({ scope: { ...everyKey, each: 'key' } }))
    const of = (subject: string): Partial<ReserveInput> => ({ budgets: [{ id: 'team', subject }] })
    assert.equal((await store.reserve(ask('r1', 100n, of('key_a')))).kind, 'reserved')
    assert.equal((await store.reserve(ask('r2', 1n, of('key_a')))).kind, 'refused')
    assert.equal((await store.reserve(ask('r3', 100n, of('key_b')))).kind, 'reserved')
    assert.deepEqual(
      (await store.listBudgets(may)).map(({ subject, reserved }) => [subject, reserved]),
      [
        ['key_a', 100n],
        ['key_b', 100n],
      ],
    )
  })

  it('gives back a rolling window between one window and a slot after, and says when', async () => {
    const windowMs = 5 * hourMs
    const store = await openWith(budget({ period: 'rolling', windowMs }))
    const slotMs = windowMs / 60
    const start = Math.floor(may / slotMs) * slotMs + 1000
    await store.reserve(ask('r1', 70n, { nowMs: start }))
    await settle(store, 'r1', 60n, start + 10)
    await store.reserve(ask('r2', 40n, { nowMs: start + hourMs }))
    const at = async (nowMs: number, id: string): Promise<ReserveResult> => store.reserve(ask(id, 1n, { nowMs }))
    const refused = await at(start + windowMs, 'r3')
    assert.ok(refused.kind === 'refused')
    assert.equal(refused.freeAtMs, start - 1000 + slotMs + windowMs)
    assert.equal((await at(refused.freeAtMs - 1, 'r4')).kind, 'refused')
    assert.equal((await at(refused.freeAtMs, 'r5')).kind, 'reserved')
    const never = await store.reserve(ask('r6', 101n, { nowMs: start + windowMs }))
    assert.ok(never.kind === 'refused' && never.freeAtMs === null, 'what is larger than the limit never fits')
  })

  it('is not fooled by a clock that was an hour ahead for a moment', async () => {
    const store = await openWith(budget({ period: 'rolling', windowMs: 5 * hourMs }))
    await store.reserve(ask('ahead', 100n, { nowMs: may + hourMs }))
    assert.equal((await store.reserve(ask('back', 1n))).kind, 'refused')
  })

  it('in no window of its length spends more than its limit, and keeps nobody out a slot too long', async () => {
    const windowMs = 60_000
    const step = fc.record({ afterMs: fc.nat(20_000), amount: fc.bigInt(1n, 60n) })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const store = await openWith(budget({ period: 'rolling', windowMs }))
        const taken: { atMs: number; amount: bigint }[] = []
        const within = (nowMs: number, length: number): bigint =>
          taken.filter(({ atMs }) => atMs > nowMs - length).reduce((sum, { amount }) => sum + amount, 0n)
        let nowMs = may
        for (const [index, { afterMs, amount }] of steps.entries()) {
          nowMs += afterMs
          const { kind } = await store.reserve(ask(`r${index}`, amount, { nowMs, expiresAtMs: nowMs + hourMs }))
          if (kind === 'reserved') taken.push({ atMs: nowMs, amount })
          else assert.ok(within(nowMs, windowMs + windowMs / 60) + amount > 100n, 'refused while there was room')
          assert.ok(within(nowMs, windowMs) <= 100n, 'overspent')
        }
      }),
      { seed: 12, numRuns: 25 },
    )
  })

  it('holds its law under any order of reserving, settling, crashing and expiring', async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('reserve' as const), amount: fc.bigInt(0n, 60n) }),
      fc.record({ do: fc.constant('settle' as const), pick: fc.nat(20), share: fc.nat(100) }),
      fc.record({ do: fc.constant('expire' as const), hours: fc.nat(2) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const store = await openWith(budget())
        let nowMs = may
        const held: { id: string; amount: bigint }[] = []
        for (const [index, action] of steps.entries()) {
          if (action.do === 'expire') {
            nowMs += action.hours * hourMs
            await store.expire(nowMs)
          } else if (action.do === 'settle') {
            const reservation = held[action.pick % Math.max(held.length, 1)]
            if (reservation !== undefined)
              await settle(store, reservation.id, (reservation.amount * BigInt(action.share)) / 100n, nowMs)
          } else {
            const id = `r${index}`
            const [before = 0n, taken = 0n] = await sums(store)
            const { kind } = await store.reserve(ask(id, action.amount, { nowMs, expiresAtMs: nowMs + hourMs }))
            // Never refused while there was room, never taken when there was none.
            assert.equal(kind === 'reserved', before + taken + action.amount <= 100n)
            if (kind === 'reserved') held.push({ id, amount: action.amount })
          }
          const [spent = 0n, reserved = 0n, overrun = 0n] = await sums(store)
          assert.ok(spent + reserved <= 100n + overrun, `${spent} + ${reserved} > 100 + ${overrun}`)
          assert.ok(reserved >= 0n)
        }
        await store.expire(nowMs + 10 * hourMs)
        assert.equal((await sums(store))[1], 0n, 'nothing stays reserved beyond its expiry')
      }),
      { seed: 11, numRuns: 25 },
    )
  })
}

function isBadRow(error: unknown): boolean {
  return error instanceof StoreError && error.code === 'STORE_BAD_ROW'
}
