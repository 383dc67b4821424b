/** Several processes on one file share one counter: no overspend, no refusal while there was room. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openSqliteStore } from '@portolan/store'
import { budget } from './budgets-conformance.ts'

const root = mkdtempSync(join(tmpdir(), 'portolan-budget-'))
after(() => rmSync(root, { recursive: true, force: true }))
const child = fileURLToPath(new URL('budget-racer.ts', import.meta.url))

function race(directory: string, name: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const racer = spawn(process.execPath, ['--conditions=source', child, directory, name], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let text = ''
    racer.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    racer.on('error', reject)
    racer.on('close', () => resolve(Number(text)))
  })
}

describe('four processes on one budget', () => {
  it('take exactly what it holds', async () => {
    const directory = join(root, 'data')
    const store = openSqliteStore({ directory })
    const may = Date.UTC(2026, 4, 15)
    store.budgets.putBudget(budget({ limit: 1000n, period: 'total' }))
    // Each asks 100 times for 7: 2,800 asked, 142 x 7 = 994 fit, 143 do not.
    const taken = await Promise.all(['a', 'b', 'c', 'd'].map((name) => race(directory, name)))
    assert.equal(
      taken.reduce((sum, count) => sum + count, 0),
      142,
    )
    const state = store.budgets.budgetAt('team', may)
    // Every other request settles at 7, the rest was left behind by its process.
    assert.equal((state?.spent ?? 0n) + (state?.reserved ?? 0n), 994n)
    store.budgets.expire(may + 1000)
    assert.equal(store.budgets.budgetAt('team', may)?.reserved, 0n)
    store.close()
  })
})
