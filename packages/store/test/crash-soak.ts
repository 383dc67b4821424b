/**
 * The long form of `crash.test.ts`: `node --conditions=source packages/store/test/crash-soak.ts [rounds]`.
 * A thousand rounds take some minutes; exit code 1 on the first lost row.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crashRounds } from './crash-rounds.ts'

const rounds = Number(process.argv[2] ?? 1000)
const directory = mkdtempSync(join(tmpdir(), 'portolan-crash-'))
let acknowledged = 0
try {
  // A fresh database now and then, so that the first pages of a file are crashed into as well.
  for (let done = 0; done < rounds; done += 50)
    acknowledged += await crashRounds(join(directory, String(done)), Math.min(50, rounds - done), Math.random)
  console.log(`${rounds} kills, ${acknowledged} acknowledged rows, none missing`)
} finally {
  rmSync(directory, { recursive: true, force: true })
}
