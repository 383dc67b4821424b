/** Child of the crash tests: appends rows without end and prints each id once its commit was acknowledged. */
import { writeSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { LedgerWriter, openSqliteStore } from '@portolan/store'
import { sampleRow } from './sample-row.ts'

const [directory = '', round = '0'] = process.argv.slice(2)
const store = openSqliteStore({ directory })
const writer = new LedgerWriter(store.ledger)
// A killed process writes no compile cache, and the next round would compile everything again.
flushCompileCache()
writeSync(1, 'ready\n')
// Bounded, in case nobody kills us.
for (let turn = 0; turn < 2000; turn++) {
  const ids = Array.from({ length: 1 + (turn % 7) }, (_, index) => `${round}-${turn}-${index}`)
  await Promise.all(ids.map((id) => writer.append(sampleRow(id, { costNanos: 7n, tierNanos: null }))))
  // Synchronous: what is printed was acknowledged, whenever the kill comes.
  writeSync(1, `${ids.join('\n')}\n`)
}
