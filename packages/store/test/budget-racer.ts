/** Child of the race test: asks a hundred times, settles every other reservation, prints how many it got. */
import { openSqliteStore } from '@portolan/store'

const [directory = '', name = ''] = process.argv.slice(2)
const may = Date.UTC(2026, 4, 15)
const { budgets } = openSqliteStore({ directory })
let taken = 0
for (let index = 0; index < 100; index++) {
  const requestId = `${name}-${index}`
  const { kind } = budgets.reserve({
    requestId,
    budgets: [{ id: 'team', subject: '' }],
    rates: [],
    largest: { nanos: 7n, tokens: 0n },
    rateTokens: 0,
    currency: 'USD',
    owner: name,
    nowMs: may,
    expiresAtMs: may + 1000,
  })
  if (kind !== 'reserved') continue
  taken += 1
  if (taken % 2 === 0) budgets.settle({ requestId, nanos: 7n, tokens: 0n, rates: [], rateTokens: 0, nowMs: may })
}
console.log(taken)
