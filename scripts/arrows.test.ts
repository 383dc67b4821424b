import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ArrowCheck } from './arrows.ts'
import { codeLines, importsOf } from './import-scan.ts'

/** Findings about one file, without those about allowances that this one file does not need. */
function findingsOf(file: string, source: string): string[] {
  const check = new ArrowCheck()
  check.read(file, source)
  return check
    .findings()
    .filter(({ message }) => !message.startsWith('the allowance'))
    .map(({ line, message }) => `${line}: ${message}`)
}

describe('import scan', () => {
  it('finds imports over several lines, exports, side effects and dynamic imports, with their lines', () => {
    const source = [
      '/** import x from "in-a-comment" is not at a line start */',
      'import {',
      '  a,',
      '  type B,',
      "} from './one.ts'",
      "export type * from './two.ts'",
      "import './three.ts'",
      "const four = await import('./four.ts')",
      'const text = \'say "from here"\'',
    ].join('\n')
    assert.deepEqual(
      importsOf(source).map(({ specifier, line }) => [specifier, line]),
      [
        ['./one.ts', 2],
        ['./two.ts', 6],
        ['./three.ts', 7],
        ['./four.ts', 8],
      ],
    )
  })

  it('takes comments off and keeps addresses in strings', () => {
    const source = "/**\n * openai\n */\nconst url = 'http://localhost' // anthropic\n// deepseek"
    assert.deepEqual(
      codeLines(source).map(({ text }) => text.trim()),
      ["const url = 'http://localhost'"],
    )
  })
})

describe('arrows', () => {
  it('let a package know what is below it, by name and through the public entry', () => {
    assert.deepEqual(
      findingsOf('packages/store/src/ledger.ts', "import type { UsageRecord } from '@portolan/meter'"),
      [],
    )
    assert.match(
      findingsOf('packages/wire/src/a.ts', "import { priceAt } from '@portolan/meter'")[0]!,
      /wire may not know meter/,
    )
    assert.match(
      findingsOf('packages/gateway/src/a.ts', "import { b } from '@portolan/wire/src/chat/adapter.ts'")[0]!,
      /past the public entry/,
    )
    assert.match(
      findingsOf('packages/gateway/src/a.ts', "import { b } from '../../wire/src/errors.ts'")[0]!,
      /reaches into packages\/wire by path/,
    )
  })

  it('keep testing out of what is shipped, and let tests use it', () => {
    const source = "import { startMock } from '@portolan-testing/mock-upstream'"
    assert.match(findingsOf('packages/gateway/src/a.ts', source)[0]!, /only tests may/)
    assert.deepEqual(findingsOf('packages/gateway/src/a.test.ts', source), [])
  })

  it('keep wire and meter pure: no files, clock, randomness, environment or timers', () => {
    for (const line of [
      "import { readFileSync } from 'node:fs'",
      'const at = Date.now()',
      'const at = new Date()',
      'const nonce = randomBytes(12)',
      "const key = process.env['KEY']",
      'setTimeout(retry, 10)',
    ])
      assert.equal(findingsOf('packages/meter/src/cost.ts', line).length, 1, line)
    assert.deepEqual(findingsOf('packages/wire/src/seal/sealer.ts', "import { createHmac } from 'node:crypto'"), [])
    assert.deepEqual(findingsOf('packages/meter/src/calendar.ts', 'const day = new Date(atMs)'), [])
    assert.deepEqual(findingsOf('packages/meter/src/price-file.test.ts', "import { readFileSync } from 'node:fs'"), [])
  })

  it('keep HTTP, undici and SQLite each in their one place', () => {
    const serve = "import { createServer, type IncomingMessage } from 'node:http'"
    assert.deepEqual(findingsOf('packages/gateway/src/gateway.ts', serve), [])
    assert.equal(findingsOf('packages/gateway/src/route.ts', serve).length, 1)
    assert.deepEqual(findingsOf('packages/gateway/src/body.ts', "import type { IncomingMessage } from 'node:http'"), [])
    assert.equal(findingsOf('packages/upstream/src/retry.ts', "import { Pool } from 'undici'").length, 1)
    assert.equal(
      findingsOf('packages/store/src/ledger.ts', "import type { DatabaseSync } from 'node:sqlite'").length,
      1,
    )
  })

  it('keep vendor names out of shared code, except at the places that are named with a reason', () => {
    assert.match(
      findingsOf('packages/gateway/src/route.ts', "if (kind === 'deepseek') retry()")[0]!,
      /"deepseek" in shared code/,
    )
    assert.deepEqual(findingsOf('packages/gateway/src/route.ts', '// DeepSeek answers 402 here.'), [])
    assert.deepEqual(findingsOf('packages/upstream/src/deepseek/profiles.ts', "const model = 'deepseek-v4-pro'"), [])
    assert.deepEqual(findingsOf('packages/gateway/src/door.ts', "headers['anthropic-version'] !== undefined"), [])
  })

  it('report an allowance that nothing needs any more', () => {
    const messages = new ArrowCheck().findings().map(({ message }) => message)
    assert.ok(messages.length > 0)
    for (const message of messages) assert.match(message, /is not needed here; remove it/)
  })
})
