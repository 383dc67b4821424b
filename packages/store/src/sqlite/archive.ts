/**
 * Moves the oldest batches out of the database into compressed CSV files with a manifest each.
 *
 *   write ──▶ read back and compare with the chain ──▶ note in the ledger ──▶ delete, a few thousand at a time
 *
 * Nothing leaves before its file was read back from the disk and agreed with digests, chain and sums. Sums of usage
 * stay, and so do the lines of the batches: the chain goes on through archives. A crash in between leaves either a
 * file that nobody knows, which the next run removes (`archive-claim.ts`) and writes again, or rows that are in both
 * places, which the next run deletes.
 */
import { hash } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { gunzipSync, gzipSync } from 'node:zlib'
import { csvLine, readCsv } from '../csv.ts'
import { StoreError } from '../errors.ts'
import type { ArchiveManifest, ArchiveOptions, KnownArchive } from '../ledger-archive.ts'
import { ArchiveClaim, manifestPath } from './archive-claim.ts'
import { batchHash } from './chain.ts'
import { inTransaction } from './database.ts'
import { digestOf, readRowBody } from './entry-body.ts'
import { sumColumns } from './rollups.ts'
import { addEntry, readEntries, storedBatches, type StoredBatch, type StoredEntry, type Totals } from './verify.ts'

const header = ['kind', 'seq', 'batch', 'id', 'request_id', 'started_at', 'key_id', 'team', 'model', 'digest', 'body']
const entriesAMember = 5000
const entriesADelete = 500

/** Archives everything that is old enough; one manifest a file. */
export function archiveLedger(
  database: DatabaseSync,
  options: ArchiveOptions,
  now: () => number,
): readonly ArchiveManifest[] {
  const claim = new ArchiveClaim(database, now)
  try {
    deleteArchived(database, options.pauseMs)
    const done: ArchiveManifest[] = []
    for (;;) {
      const manifest = archiveOldest(database, options, claim, now)
      if (manifest === null) return done
      deleteArchived(database, options.pauseMs)
      done.push(manifest)
      options.onProgress?.(manifest)
    }
  } finally {
    claim.release()
  }
}

/** The next file, whole and known to the ledger. Null: nothing is old enough. */
function archiveOldest(
  database: DatabaseSync,
  { directory, beforeMs, maxEntries = 100_000 }: ArchiveOptions,
  claim: ArchiveClaim,
  now: () => number,
): ArchiveManifest | null {
  const { before, batches } = oldestBatches(database, beforeMs, maxEntries)
  const [first, last] = [batches[0], batches.at(-1)]
  if (first === undefined || last === undefined) return null
  makeDirectory(directory)
  const path = join(directory, fileName(first, last))
  // A file of another ledger, or of this one before it was restored from a copy: never written over.
  if (existsSync(path))
    throw new StoreError('STORE_ARCHIVE', `${path} exists and this ledger did not write it; give it another directory.`)
  claim.writing(path)
  const manifest = writeArchive(database, path, before, batches, now())
  checkArchive(directory, manifest, batches)
  writeDurably(manifestPath(path), Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`))
  inTransaction(database, () => {
    claim.written()
    const { lastInsertRowid } = database
      .prepare('INSERT INTO ledger_archives (first_batch, last_batch, file, manifest) VALUES (?, ?, ?, ?)')
      .run(manifest.firstBatch, manifest.lastBatch, path, JSON.stringify(manifest))
    const { changes } = database
      .prepare('UPDATE ledger_batches SET archive_id = ? WHERE archive_id IS NULL AND batch BETWEEN ? AND ?')
      .run(lastInsertRowid, manifest.firstBatch, manifest.lastBatch)
    if (Number(changes) !== batches.length)
      throw new StoreError('STORE_ARCHIVE', `Batches of ${path} went into another file meanwhile; this one is dropped.`)
  })
  return manifest
}

/** What the ledger has put into files, oldest first. */
export function knownArchives(database: DatabaseSync): readonly KnownArchive[] {
  return database
    .prepare('SELECT file, manifest FROM ledger_archives ORDER BY archive_id')
    .all()
    .map(({ file, manifest }) => ({ path: String(file), manifest: JSON.parse(String(manifest)) as ArchiveManifest }))
}

function fileName(first: StoredBatch, last: StoredBatch): string {
  return `ledger-${String(first.batch).padStart(9, '0')}-${String(last.batch).padStart(9, '0')}.csv.gz`
}

/** The oldest batches that are still here and old enough, and the chain's hash before them. */
function oldestBatches(
  database: DatabaseSync,
  beforeMs: number,
  maxEntries: number,
): { readonly before: string; readonly batches: readonly StoredBatch[] } {
  const batches: StoredBatch[] = []
  let before = ''
  let entries = 0
  for (const batch of storedBatches(database)) {
    if (batch.archiveId !== null || batch.lastSeq < batch.firstSeq) {
      if (batches.length > 0) break
      before = batch.hash
      continue
    }
    if (batch.committedAtMs >= beforeMs) break
    entries += batch.lastSeq - batch.firstSeq + 1
    if (batches.length > 0 && entries > maxEntries) break
    batches.push(batch)
  }
  return { before, batches }
}

function writeArchive(
  database: DatabaseSync,
  path: string,
  hashBefore: string,
  batches: readonly StoredBatch[],
  nowMs: number,
): ArchiveManifest {
  const [first, last] = [batches[0]!, batches.at(-1)!]
  const totals: Totals = new Map()
  const members: Buffer[] = []
  let lines = csvLine(header)
  let [rows, corrections, pending] = [0, 0, 0]
  const close = (): void => {
    members.push(gzipSync(lines))
    lines = ''
    pending = 0
  }
  for (const batch of batches)
    for (const entry of readEntries(database, batch.firstSeq, batch.lastSeq)) {
      lines += entryLine(batch.batch, entry)
      addEntry(totals, entry)
      if (entry.kind === 'row') rows += 1
      else corrections += 1
      pending += 1
      if (pending >= entriesAMember) close()
    }
  if (lines !== '') close()
  const bytes = Buffer.concat(members)
  writeDurably(path, bytes)
  return {
    format: 'portolan-ledger-archive-1',
    file: basename(path),
    bytes: bytes.length,
    sha256: hash('sha256', bytes),
    createdAt: new Date(nowMs).toISOString(),
    firstBatch: first.batch,
    lastBatch: last.batch,
    firstSeq: first.firstSeq,
    lastSeq: last.lastSeq,
    rows,
    corrections,
    hashBefore,
    hashAfter: last.hash,
    sums: Object.fromEntries(
      [...totals].map(([currency, sums]) => [
        currency,
        Object.fromEntries(sumColumns.map((name, index) => [name, String(sums[index])])),
      ]),
    ),
  }
}

/** What people look for stands in columns of its own; `body` is the entry as it was written. */
function entryLine(batch: number, entry: StoredEntry): string {
  const row = entry.kind === 'row' ? readRowBody(entry.body) : null
  return csvLine([
    entry.kind,
    entry.seq,
    batch,
    entry.id,
    entry.requestId,
    row === null ? null : new Date(row.startedAtMs).toISOString(),
    entry.keyId,
    row?.team ?? null,
    row?.modelServed ?? row?.modelSent ?? null,
    entry.digest,
    entry.body,
  ])
}

/** Reads the file back. @throws {StoreError} STORE_ARCHIVE naming what does not agree. */
function checkArchive(directory: string, manifest: ArchiveManifest, batches: readonly StoredBatch[]): void {
  const fail = (what: string): never => {
    throw new StoreError('STORE_ARCHIVE', `The archive ${join(directory, manifest.file)} ${what}.`)
  }
  let bytes: Buffer
  try {
    bytes = readFileSync(join(directory, manifest.file))
  } catch (cause) {
    throw new StoreError('STORE_ARCHIVE', `The archive ${join(directory, manifest.file)} cannot be read.`, { cause })
  }
  if (hash('sha256', bytes) !== manifest.sha256) fail('is not the file that was written')
  const digests = new Map<number, string>()
  const totals: Totals = new Map()
  let [entries, seq] = [0, manifest.firstSeq]
  for (const fields of readCsv(gunzipSync(bytes).toString('utf8'))) {
    if (fields[0] === 'kind') continue
    const entry = readEntry(fields)
    const legacy = fields[2] === '0'
    if (!legacy && (entry.seq !== seq || entry.digest !== digestOf(entry.body)))
      fail(`does not hold entry ${seq} ("${entry.requestId}") as it was written`)
    seq = entry.seq + 1
    entries += 1
    digests.set(Number(fields[2]), (digests.get(Number(fields[2])) ?? '') + (entry.digest ?? ''))
    addEntry(totals, entry)
  }
  if (entries !== manifest.rows + manifest.corrections) fail(`holds ${entries} entries`)
  let before = manifest.hashBefore
  for (const batch of batches) {
    const found = batchHash(before, batch.batch, batch.firstSeq, batch.committedAtMs, digests.get(batch.batch) ?? '')
    if (batch.batch > 0 && found !== batch.hash) fail(`does not follow the chain at batch ${batch.batch}`)
    before = batch.hash
  }
  for (const [currency, sums] of totals)
    for (const [index, name] of sumColumns.entries())
      if (manifest.sums[currency]?.[name] !== String(sums[index])) fail(`comes to another ${name} than its manifest`)
}

function readEntry(fields: readonly string[]): StoredEntry {
  return {
    kind: fields[0] === 'row' ? 'row' : 'correction',
    seq: Number(fields[1]),
    id: fields[3] ?? '',
    requestId: fields[4] ?? '',
    keyId: fields[6] === '' ? null : (fields[6] ?? null),
    digest: fields[9] === '' ? null : (fields[9] ?? null),
    body: fields[10] ?? '',
  }
}

/** Every archive that the ledger knows, read and compared with its manifest and the chain. Null: all are whole. */
export function archiveProblem(database: DatabaseSync): StoreError | null {
  const archives = knownArchives(database)
  const batches = archives.length === 0 ? [] : [...storedBatches(database)]
  for (const { path, manifest } of archives) {
    const held = batches.filter(({ batch }) => batch >= manifest.firstBatch && batch <= manifest.lastBatch)
    try {
      checkArchive(dirname(path), manifest, held)
    } catch (error) {
      if (error instanceof StoreError) return error
      throw error
    }
  }
  return null
}

/** Small transactions: the gateway writes rows meanwhile. */
function deleteArchived(database: DatabaseSync, pauseMs = 0): void {
  const clock = new Int32Array(new SharedArrayBuffer(4))
  const last = database.prepare('SELECT MAX(last_seq) AS seq FROM ledger_batches WHERE archive_id IS NOT NULL').get()?.[
    'seq'
  ]
  if (typeof last !== 'number') return
  for (const table of ['entries', 'corrections'])
    for (;;) {
      const { changes } = inTransaction(database, () =>
        database
          .prepare(`DELETE FROM ${table} WHERE seq IN (SELECT seq FROM ${table} WHERE seq <= ? ORDER BY seq LIMIT ?)`)
          .run(last, entriesADelete),
      )
      if (Number(changes) === 0) break
      // Nothing ever wakes it: this is a sleep, so that whoever waits for the lock gets it.
      if (pauseMs > 0) Atomics.wait(clock, 0, 0, pauseMs)
    }
}

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new StoreError('STORE_ARCHIVE', `The directory ${directory} cannot be made.`, { cause })
  }
}

/** Written aside, forced to the disk and renamed, the name forced too: a file by its final name is whole and stays. */
function writeDurably(path: string, bytes: Buffer): void {
  const draft = `${path}.part`
  try {
    const file = openSync(draft, 'w', 0o600)
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(draft, path)
    syncDirectory(dirname(path))
  } catch (cause) {
    rmSync(draft, { force: true })
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
    throw new StoreError('STORE_ARCHIVE', `The archive ${path} cannot be written (${code}).`, { cause })
  }
}

function syncDirectory(path: string): void {
  // Windows opens no directories, and writes its names through.
  if (process.platform === 'win32') return
  const directory = openSync(path, 'r')
  try {
    fsyncSync(directory)
  } finally {
    closeSync(directory)
  }
}
