/** The embedded store under the conformance suites, and what only a file can get wrong. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { DatabaseSync } from 'node:sqlite'
import { budgetsConformance } from './budgets-conformance.ts'
import { keysConformance } from './keys-conformance.ts'
import { ledgerConformance } from './ledger-conformance.ts'
import { memoryConformance } from './memory-conformance.ts'
import { sampleRow } from './sample-row.ts'
import {
  hashSecret,
  InProcessReasoningMemory,
  openSqliteStore,
  StoreError,
  type SqliteStore,
  type StoreErrorCode,
} from '@portolan/store'

const root = mkdtempSync(join(tmpdir(), 'portolan-store-'))
const opened: SqliteStore[] = []
let directories = 0

function freshDirectory(): string {
  directories += 1
  return join(root, `data-${directories}`)
}

function openStore(options: Partial<Parameters<typeof openSqliteStore>[0]> = {}): SqliteStore {
  const store = openSqliteStore({ directory: freshDirectory(), ...options })
  opened.push(store)
  return store
}

function codeOf(code: StoreErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof StoreError && error.code === code
}

after(() => {
  for (const store of opened) store.close()
  rmSync(root, { recursive: true, force: true })
})

describe('sqlite ledger', () => ledgerConformance(() => openStore().ledger))
describe('sqlite budgets', () => budgetsConformance(() => openStore().budgets))
describe('sqlite keys', () => {
  keysConformance(() => openStore().keys)

  it('refuses a key that was read before and that another process revoked since', async () => {
    const directory = freshDirectory()
    const [ours, theirs] = [openStore({ directory }).keys, openStore({ directory }).keys]
    const { key, secret } = ours.createKey({ name: 'ci' }, 1000, new Uint8Array(32).fill(3))
    assert.equal(ours.findByHash(hashSecret(secret))?.revokedAtMs, null)
    theirs.revokeKey(key.id, 2000)
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(ours.findByHash(hashSecret(secret))?.revokedAtMs, 2000)
  })
})
describe('sqlite reasoning memory', () =>
  memoryConformance((memoryBounds) => openStore({ memoryBounds, memoryKey: new Uint8Array(32).fill(9) }).memory))
describe('in-process reasoning memory', () => memoryConformance((bounds) => new InProcessReasoningMemory(bounds)))

describe('the database file', () => {
  it('is private to its owner, and so is its directory', () => {
    const store = openStore()
    store.ledger.append([sampleRow('r1')])
    const directory = join(store.path, '..')
    assert.equal(statSync(directory).mode & 0o777, 0o700)
    for (const name of readdirSync(directory)) assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600, name)
  })

  it('keeps rows, keys and remembered reasoning across a restart', () => {
    const directory = freshDirectory()
    const memoryKey = new Uint8Array(32).fill(3)
    const first = openStore({ directory, memoryKey })
    first.ledger.append([sampleRow('r1')])
    const { key } = first.keys.createKey({ name: 'a' }, 1, new Uint8Array(32))
    void first.memory.put('call_1', 'key_a', { family: 'f', reasoning: 'thought', argumentsText: null }, 1)
    first.close()
    const second = openStore({ directory, memoryKey })
    assert.deepEqual(second.ledger.find('r1'), sampleRow('r1'))
    assert.deepEqual(second.keys.listKeys(), [key])
    assert.deepEqual(second.memory.get('call_1', 'key_a', 2), {
      family: 'f',
      reasoning: 'thought',
      argumentsText: null,
    })
    second.close()
    const otherKey = openStore({ directory, memoryKey: new Uint8Array(32).fill(4) })
    assert.equal(otherKey.memory.get('call_1', 'key_a', 2), null)
  })

  it('holds neither a key secret nor a thought in clear', () => {
    const store = openStore({ memoryKey: new Uint8Array(32).fill(3) })
    const { secret } = store.keys.createKey({ name: 'a' }, 1, new Uint8Array(32).fill(200))
    void store.memory.put(
      'call_1',
      'key_a',
      { family: 'f', reasoning: 'a very private thought', argumentsText: null },
      1,
    )
    const directory = join(store.path, '..')
    const everything = readdirSync(directory).map((name) => readFileSync(join(directory, name), 'latin1'))
    for (const clear of [secret, 'a very private thought'])
      assert.ok(everything.every((content) => !content.includes(clear)))
  })

  it('written by a newer program is refused and left alone', () => {
    const store = openStore()
    store.close()
    const raw = new DatabaseSync(store.path)
    raw.exec('PRAGMA user_version = 99')
    raw.close()
    assert.throws(() => openStore({ directory: join(store.path, '..') }), codeOf('STORE_NEWER_SCHEMA'))
  })

  it('that is no database says so', () => {
    const directory = freshDirectory()
    mkdirSync(directory)
    writeFileSync(join(directory, 'portolan.db'), 'just some text '.repeat(100))
    assert.throws(() => openStore({ directory }), codeOf('STORE_CORRUPT'))
  })

  it('in a directory that is a file, or below one, says so', () => {
    const directory = freshDirectory()
    writeFileSync(directory, '')
    assert.throws(() => openStore({ directory }), codeOf('STORE_CANNOT_OPEN'))
    assert.throws(() => openStore({ directory: join(directory, 'deeper') }), codeOf('STORE_CANNOT_OPEN'))
  })

  const isRoot = process.getuid?.() === 0
  it('in a directory that cannot be written says so', { skip: isRoot && 'root may write everywhere' }, () => {
    const directory = freshDirectory()
    mkdirSync(directory, { mode: 0o500 })
    assert.throws(() => openStore({ directory }), codeOf('STORE_READ_ONLY'))
    chmodSync(directory, 0o700)
  })

  it('locked by another process for longer than the timeout says so, and the rows can be sent again', () => {
    const store = openStore({ busyTimeoutMs: 20 })
    const other = new DatabaseSync(store.path)
    other.exec('BEGIN IMMEDIATE')
    assert.throws(() => store.ledger.append([sampleRow('r1')]), codeOf('STORE_BUSY'))
    other.exec('ROLLBACK')
    other.close()
    assert.deepEqual(store.ledger.append([sampleRow('r1')]), { inserted: 1, ignored: 0 })
  })

  it('that cannot grow is a full disk, nothing of the batch is kept, and writing resumes when there is room', () => {
    const store = openStore()
    const pages = new DatabaseSync(store.path)
    // The engine's own limit stands in for the disk: both answer SQLITE_FULL.
    const used = Number(pages.prepare('PRAGMA page_count').get()?.['page_count'])
    pages.close()
    const limit = (count: number): void => store.exec(`PRAGMA max_page_count = ${count}`)
    limit(used)
    const rows = Array.from({ length: 300 }, (_, index) => sampleRow(`r${index}`))
    assert.throws(() => store.ledger.append(rows), codeOf('STORE_DISK_FULL'))
    assert.deepEqual(store.ledger.usage({ groupBy: [] }), [])
    limit(1_000_000)
    assert.deepEqual(store.ledger.append(rows), { inserted: 300, ignored: 0 })
  })

  it('after close answers with an error instead of crashing', () => {
    const store = openStore()
    store.close()
    store.close()
    assert.throws(() => store.ledger.append([sampleRow('r1')]), codeOf('STORE_CLOSED'))
    assert.throws(() => store.ledger.usage({ groupBy: [] }), codeOf('STORE_CLOSED'))
  })
})
