/** The table of acceptance checks in the README is true: its files exist, and each check's number stands in a title there. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'

const root = new URL('../../../', import.meta.url)
const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
const table = readme.slice(readme.indexOf('## Acceptance checks'))
const rows = [...table.matchAll(/^\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]*) \|$/gm)].map(([, number, , where]) => ({
  number: Number(number),
  paths: [...where!.matchAll(/`([\w./-]+\.ts)[^`]*`/g)].map(([, path]) => path!),
}))

describe('the table of acceptance checks', () => {
  it('has every check once, in order, with a file to run', () => {
    const numbers = rows.map(({ number }) => number)
    assert.deepEqual(
      numbers,
      [...new Set(numbers)].sort((a, b) => a - b),
    )
    assert.ok(numbers.length >= 18)
    for (const { number, paths } of rows) assert.ok(paths.length > 0, `check ${number} names a file`)
  })

  for (const { number, paths } of rows)
    it(`finds check ${number} where it says it is`, () => {
      for (const path of paths) assert.ok(existsSync(new URL(path, root)), path)
      const named = new RegExp(`checks? (?:\\d+(?:, | and ))*${number}\\b`, 'i')
      const scripts = paths.filter((path) => !path.endsWith('.test.ts'))
      const titled = paths.filter((path) => named.test(readFileSync(new URL(path, root), 'utf8')))
      assert.ok(titled.length > 0 || scripts.length > 0, `no file of check ${number} carries its number`)
    })
})
