/** What every budget store must do: no overspend beyond what was reserved, nothing stuck, nothing counted twice. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import * as fc from 'fast-check'
import { StoreError, type BudgetInput, type BudgetStore, type ReserveInput, type ReserveResult } from '@portolan/store'

const may = Date.UTC(2026, 4, 15, 12)
const hourMs = 3_600_000

function budget(changes: Partial<BudgetInput> = {}): BudgetInput {
  return { id: 'team', name: 'Team Red', currency: 'USD', limitNanos: 100n, period: 'month', ...changes }
}

function ask(requestId: string, amountNanos: bigint, changes: Partial<ReserveInput> = {}): ReserveInput {
  return {
    requestId,
    budgetIds: ['team'],
    amountNanos,
    currency: 'USD',
    nowMs: may,
    expiresAtMs: may + hourMs,
    ...changes,
  }
}

export function budgetsConformance(open: () => BudgetStore | Promise<BudgetStore>): void {
  const openWith = async (...budgets: BudgetInput[]): Promise<BudgetStore> => {
    const store = await open()
    for (const input of budgets) await store.putBudget(input)
    return store
  }
  const sums = async (store: BudgetStore, id = 'team', atMs = may): Promise<bigint[]> => {
    const state = (await store.budgetAt(id, atMs)) ?? assert.fail()
    return [state.spentNanos, state.reservedNanos, state.overrunNanos]
  }

  it('reserves an upper bound, then spends the truth', async () => {
    const store = await openWith(budget())
    assert.deepEqual(await store.reserve(ask('r1', 60n)), { kind: 'reserved' })
    assert.deepEqual(await sums(store), [0n, 60n, 0n])
    assert.equal(await store.settle('r1', 25n, may), 'settled')
    assert.deepEqual(await sums(store), [25n, 0n, 0n])
  })

  it('has room to the last nano and not one further; a refusal names the budget and when it resets', async () => {
    const store = await openWith(budget())
    assert.equal((await store.reserve(ask('r1', 60n))).kind, 'reserved')
    const refused: ReserveResult = await store.reserve(ask('r2', 41n))
    assert.ok(refused.kind === 'refused')
    assert.equal(refused.availableNanos, 40n)
    assert.equal(refused.budget.name, 'Team Red')
    assert.equal(refused.budget.resetsAtMs, Date.UTC(2026, 5, 1))
    assert.equal((await store.reserve(ask('r3', 40n))).kind, 'reserved')
  })

  it('takes from all budgets of a request or from none', async () => {
    const store = await openWith(budget(), budget({ id: 'key', limitNanos: 10n }))
    const refused = await store.reserve(ask('r1', 20n, { budgetIds: ['team', 'key'] }))
    assert.ok(refused.kind === 'refused' && refused.budget.id === 'key')
    assert.deepEqual(await sums(store), [0n, 0n, 0n])
    assert.equal((await store.reserve(ask('r2', 5n, { budgetIds: ['team', 'key', 'team'] }))).kind, 'reserved')
    await store.settle('r2', 4n, may)
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
    await store.settle('r1', 25n, may)
    assert.equal(await store.settle('r1', 25n, may), 'already-settled')
    assert.equal(await store.settle('never', 25n, may), 'unknown')
    assert.deepEqual(await sums(store), [25n, 0n, 0n])
  })

  // litellm#27509: reservations of crashed requests pinned a team at its cap with $0.144 spent.
  it('gives back what a crash left behind, and still counts a request that settles after all', async () => {
    const store = await openWith(budget())
    await store.reserve(ask('crashed', 100n))
    assert.equal(await store.expire(may + hourMs - 1), 0)
    assert.equal(await store.expire(may + hourMs), 1)
    assert.deepEqual(await sums(store), [0n, 0n, 0n])
    assert.equal(await store.settle('crashed', 30n, may + 2 * hourMs), 'settled-late')
    assert.deepEqual(await sums(store), [30n, 0n, 30n])
    assert.equal(await store.expire(may + 3 * hourMs), 0)
  })

  it('counts a cost beyond its reservation and says by how much', async () => {
    const store = await openWith(budget())
    await store.reserve(ask('r1', 90n))
    await store.settle('r1', 120n, may)
    assert.deepEqual(await sums(store), [120n, 0n, 30n])
    const refused = await store.reserve(ask('r2', 0n))
    assert.ok(refused.kind === 'refused' && refused.availableNanos === 0n)
  })

  it('takes the reserved amount as spent when the cost is not known: unknown is never free', async () => {
    const store = await openWith(budget())
    await store.reserve(ask('r1', 60n))
    await store.settle('r1', null, may)
    assert.deepEqual(await sums(store), [60n, 0n, 0n])
  })

  it('starts each period anew, and a request belongs to the period it started in', async () => {
    const store = await openWith(budget({ period: 'day' }))
    const night = Date.UTC(2026, 4, 15, 23, 59, 59, 999)
    await store.reserve(ask('r1', 100n, { nowMs: night }))
    assert.equal((await store.reserve(ask('r2', 1n, { nowMs: night }))).kind, 'refused')
    assert.equal((await store.reserve(ask('r3', 100n, { nowMs: night + 1 }))).kind, 'reserved')
    await store.settle('r1', 80n, night + hourMs)
    assert.deepEqual(await sums(store, 'team', night), [80n, 0n, 0n])
    assert.deepEqual(await sums(store, 'team', night + 1), [0n, 100n, 0n])
  })

  it('can change its limit at once but not its currency', async () => {
    const store = await openWith(budget())
    await store.putBudget(budget({ limitNanos: 10n }))
    assert.equal((await store.reserve(ask('r1', 11n))).kind, 'refused')
    await assert.rejects(async () => store.putBudget(budget({ currency: 'CNY' })), isBadRow)
    assert.deepEqual(
      (await store.listBudgets(may)).map(({ id, limitNanos }) => [id, limitNanos]),
      [['team', 10n]],
    )
    assert.equal(await store.budgetAt('other', may), null)
  })

  it('refuses what makes no sense in words', async () => {
    const store = await openWith(budget())
    await assert.rejects(async () => store.reserve(ask('r1', 1n, { budgetIds: ['nobody'] })), isBadRow)
    await assert.rejects(async () => store.reserve(ask('r1', 1n, { currency: 'CNY' })), isBadRow)
    await assert.rejects(async () => store.reserve(ask('r1', -1n)), isBadRow)
    await assert.rejects(async () => store.settle('r1', -1n, may), isBadRow)
    await store.reserve(ask('twice', 0n))
    await assert.rejects(async () => store.reserve(ask('twice', 1n)), isBadRow)
    await assert.rejects(async () => store.putBudget(budget({ limitNanos: -1n })), isBadRow)
    assert.deepEqual(await sums(store), [0n, 0n, 0n])
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
              await store.settle(reservation.id, (reservation.amount * BigInt(action.share)) / 100n, nowMs)
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
