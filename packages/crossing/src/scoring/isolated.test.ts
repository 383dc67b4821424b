import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import type { Verdict } from '../records/index.ts'
import { IsolatedRunner } from './isolated.ts'
import { schemaProblem, scoreJson } from './json-schema.ts'
import { scoreByFile, scorePattern } from './user-check.ts'

/** Patient, so that a busy machine changes no outcome; the hasty one is for what never ends. */
const runner = new IsolatedRunner({ taskMs: 20_000, memoryMiB: 64 })
const hasty = new IsolatedRunner({ taskMs: 250, memoryMiB: 64 })
const folder = mkdtempSync(join(tmpdir(), 'portolan-checks-'))
after(async () => {
  await Promise.all([runner.close(), hasty.close()])
  rmSync(folder, { recursive: true })
})

function file(name: string, source: string): string {
  const path = join(folder, name)
  writeFileSync(path, source)
  return path
}

function reasonOf({ outcome, evidence }: Verdict): unknown {
  return [outcome, (evidence as { reason?: unknown } | null)?.reason]
}

describe('user checks with limits (check 14)', () => {
  it('end a catastrophic regular expression as unscored, and go on', async () => {
    const verdict = await scorePattern(`${'a'.repeat(40)}!`, { pattern: '^(a+)+$' }, hasty)
    assert.deepEqual(reasonOf(verdict), ['unscored', 'time-limit'])
    assert.ok('value' in (await hasty.run({ kind: 'pattern', pattern: 'ell', flags: '', text: 'hello' })))
    assert.equal((await scorePattern('hello', { pattern: 'ell' }, runner)).outcome, 'pass')
    assert.equal((await scorePattern('hello', { pattern: 'ell', absent: true }, runner)).outcome, 'fail')
  })

  it('say what is wrong with a pattern that is none', async () => {
    assert.deepEqual(reasonOf(await scorePattern('x', { pattern: '(' }, runner)), ['unscored', 'failed'])
  })

  it('run a file and take its verdict, its score and its evidence', async () => {
    const path = file(
      'length.mjs',
      'export default ({ text }) => ({ pass: text.length < 5, score: 0.5, evidence: text })',
    )
    const verdict = await scoreByFile(path, { text: 'four' }, runner)
    assert.deepEqual([verdict.outcome, verdict.score, verdict.evidence], ['pass', 0.5, 'four'])
    assert.equal((await scoreByFile(path, { text: 'eleven' }, runner)).outcome, 'fail')
  })

  it('survive files that loop, fill memory, leave, throw, answer nothing or do not exist', async () => {
    const endings: readonly (readonly [string, string, IsolatedRunner])[] = [
      ['export default () => { for (;;); }', 'time-limit', hasty],
      ['export default () => new Promise(() => {})', 'time-limit', hasty],
      ['export default () => { const all = []; for (;;) all.push(new Array(1e5).fill(0.5)) }', 'memory-limit', runner],
      ['export default () => process.exit(0)', 'stopped', runner],
      ['export default () => { throw new Error("no") }', 'failed', runner],
      ['export default () => "yes"', 'no-verdict', runner],
      [
        'setTimeout(() => { throw new Error("late") }, 5); export default () => new Promise((done) => setTimeout(done, 1000))',
        'failed',
        runner,
      ],
    ]
    for (const [at, [source, reason, by]] of endings.entries())
      assert.deepEqual(reasonOf(await scoreByFile(file(`bad-${at}.mjs`, source), {}, by)), ['unscored', reason], source)
    assert.deepEqual(reasonOf(await scoreByFile(join(folder, 'absent.mjs'), {}, runner)), ['unscored', 'failed'])
    assert.equal((await scorePattern('alive', { pattern: 'alive' }, runner)).outcome, 'pass')
  })
})

describe('JSON and JSON Schema (check 12)', () => {
  const person = { type: 'object', properties: { age: { type: 'integer', minimum: 0 } }, required: ['age'] }

  it('pass what fits and fail what does not, or is not JSON', async () => {
    assert.equal((await scoreJson('{"age":3}', person, runner)).outcome, 'pass')
    assert.equal((await scoreJson('{"age":-3}', person, runner)).outcome, 'fail')
    assert.equal((await scoreJson('{"age":3', person, runner)).outcome, 'fail')
    assert.equal((await scoreJson('```json\n{"age":3}\n```', person, runner)).outcome, 'fail')
    assert.equal((await scoreJson('[1]', null, runner)).outcome, 'pass')
  })

  it('know formats, 2020-12 and draft-07, and draft-07 habits without a declared dialect', async () => {
    const tuple = { type: 'array', items: [{ type: 'string' }, { type: 'number' }] }
    for (const schema of [tuple, { $schema: 'http://json-schema.org/draft-07/schema#', ...tuple }]) {
      assert.equal((await scoreJson('["a",1]', schema, runner)).outcome, 'pass')
      assert.equal((await scoreJson('[1,"a"]', schema, runner)).outcome, 'fail')
    }
    const prefix = { $schema: 'https://json-schema.org/draft/2020-12/schema', prefixItems: [{ format: 'date' }] }
    assert.equal((await scoreJson('["2026-02-30"]', prefix, runner)).outcome, 'fail')
    assert.equal((await scoreJson('["2026-02-28"]', prefix, runner)).outcome, 'pass')
  })

  it('read older schemas as draft-07, and say so when their own words do not compile there', async () => {
    const old = { $schema: 'http://json-schema.org/draft-04/schema#', id: 'https://a.example/p', ...person }
    assert.equal((await scoreJson('{"age":3}', old, runner)).outcome, 'pass')
    assert.equal((await scoreJson('{"age":"3"}', old, runner)).outcome, 'fail')
    const exclusive = { ...old, properties: { age: { minimum: 0, exclusiveMinimum: true } } }
    assert.deepEqual(reasonOf(await scoreJson('{"age":0}', exclusive, runner)), ['unscored', 'schema-not-compiled'])
  })

  it('cannot be switched off by a schema: $async made every wrong answer pass (ajv 8.20.0)', async () => {
    const trap = { $async: true, ...person }
    assert.deepEqual(reasonOf(await scoreJson('{"age":"x"}', trap, runner)), ['unscored', 'schema-refused'])
    assert.deepEqual(reasonOf(await scoreJson('{}', { properties: { a: trap } }, runner)), [
      'unscored',
      'schema-refused',
    ])
    const data = { properties: { a: { maximum: { $data: '1/b' } } } }
    assert.deepEqual(reasonOf(await scoreJson('{"a":5,"b":3}', data, runner)), ['unscored', 'schema-refused'])
    // And the second wall, should the first have a hole: the thread refuses such a validator itself.
    const schemaText = JSON.stringify(trap)
    const result = await runner.run({ kind: 'schema', schemaText, valueText: '{"age":"x"}' })
    assert.ok('reason' in result && result.reason === 'failed')
    assert.equal(schemaProblem({ properties: { $async: { type: 'string' } } }), null)
  })

  it('leave unscored what cannot be compiled or does not end', async () => {
    const unscored = [
      { type: 'no-such-type' },
      { $ref: 'https://example.invalid/elsewhere.json' },
      { $ref: '#/definitions/missing' },
      { type: 'string', pattern: '(' },
      [],
      'schema',
    ]
    for (const schema of unscored) assert.equal((await scoreJson('{}', schema, runner)).outcome, 'unscored')
    const slow = { type: 'string', pattern: '^(a+)+$' }
    assert.deepEqual(reasonOf(await scoreJson(`"${'a'.repeat(40)}!"`, slow, hasty)), ['unscored', 'time-limit'])
    let deep: unknown = {}
    for (let at = 0; at < 50_000; at++) deep = { not: deep }
    assert.deepEqual(reasonOf(await scoreJson('{}', deep, runner)), ['unscored', 'schema-too-deep'])
  })

  it('do not let one schema redefine what another refers to', async () => {
    const loose = { $id: 'https://a.example/x', type: 'object' }
    const strict = { $id: 'https://a.example/x', type: 'array' }
    assert.equal((await scoreJson('{}', loose, runner)).outcome, 'pass')
    assert.equal((await scoreJson('{}', strict, runner)).outcome, 'fail')
  })
})
