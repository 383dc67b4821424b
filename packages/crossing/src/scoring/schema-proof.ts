/**
 * `node --conditions=source packages/crossing/src/scoring/schema-proof.ts FOLDER [EVERY]`: check 12 on labelled data.
 *
 * FOLDER is `maskbench/data` of the jsonschemabench repository (not shipped here: its licence is not stated). Every EVERYth
 * file (default 16) is read; each holds a schema and instances labelled valid or invalid. Exit code 1 when fewer than 99 % of
 * the labels are met among the schemas that can be used.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { IsolatedRunner } from './isolated.ts'
import { scoreJson } from './json-schema.ts'

const folder = process.argv[2]
const every = Number(process.argv[3] ?? 16)
if (folder === undefined || !existsSync(folder) || !Number.isInteger(every) || every < 1) {
  console.error('Name the folder maskbench/data of a copy of jsonschemabench and, if you like, which part to read: 16.')
  process.exit(2)
}

interface Labelled {
  readonly schema: unknown
  readonly tests?: readonly { readonly valid: boolean; readonly data: unknown }[]
}

const runner = new IsolatedRunner({ taskMs: 5000 })
const reasons = new Map<string, number>()
const wrong: string[] = []
let [schemas, usable, instances, agreed] = [0, 0, 0, 0]
for (const [at, name] of readdirSync(folder).sort().entries()) {
  if (at % every !== 0 || !name.endsWith('.json')) continue
  const { schema, tests = [] } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Labelled
  if (tests.length === 0) continue
  schemas++
  let isUsable = true
  for (const { valid, data } of tests) {
    const { outcome, evidence } = await scoreJson(JSON.stringify(data), schema, runner)
    if (outcome === 'unscored') {
      const { reason } = evidence as { readonly reason: string }
      if (isUsable) reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
      isUsable = false
      continue
    }
    instances++
    if ((outcome === 'pass') === valid) agreed++
    else wrong.push(`${name}: labelled ${valid ? 'valid' : 'invalid'}`)
  }
  if (isUsable) usable++
}
await runner.close()
console.log(`schemas: ${usable} of ${schemas} can be used; others: ${JSON.stringify(Object.fromEntries(reasons))}`)
console.log(`labels: ${agreed} of ${instances} met (${((100 * agreed) / instances).toFixed(2)} %)`)
for (const line of wrong.slice(0, 40)) console.log(line)
process.exitCode = agreed / instances >= 0.99 ? 0 : 1
