/** Child of the archive's crash tests: archives in small files and kills itself when the clock is read a given time. */
import { writeSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { openSqliteStore } from '@portolan/store'

const [directory = '', files = '', before = '0', killAt = '0'] = process.argv.slice(2)
let readings = 0
const store = openSqliteStore({
  directory,
  now: () => {
    readings += 1
    if (readings === Number(killAt)) process.kill(process.pid, 'SIGKILL')
    return Number(before)
  },
})
flushCompileCache()
writeSync(1, 'ready\n')
store.ledger.archive({ directory: files, beforeMs: Number(before), maxEntries: 25 })
writeSync(1, 'done\n')
store.close()
