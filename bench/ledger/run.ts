/**
 * Ledger benchmark: `node --max-semi-space-size=16 --conditions=source bench/ledger/run.ts [--rows 200000] [--directory DIR]
 * [--json]`; the flag is the one that `npm start` gives. What a console asks is in `questions.ts`.
 *
 * Rows look like agent traffic: 20 keys, 4 upstreams, 12 models, starts spread over 30 days, ids that grow with
 * time as the gateway's do. Rows are made before the clock starts; CPU is user + system of this process.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { LedgerWriter, openSqliteStore, type LedgerRow, type SqliteStore } from '@portolan/store'
import { benchRow } from './row.ts'

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '200000' },
    directory: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})
const rowCount = Number(values.rows)
const root = mkdtempSync(join(values.directory ?? tmpdir(), 'portolan-bench-'))
/** Few enough that rows made outside of the clock are not collected inside of it. */
const chunkRows = 2000
const monthMs = 30 * 86_400_000
const firstMs = Date.UTC(2026, 9, 1)

interface Line {
  readonly what: string
  readonly rows: number
  readonly rowsPerSecond: number
  readonly cpuMicrosPerRow: number
  readonly bytesPerRow: number
}

interface Reading {
  readonly what: string
  readonly ms: number
}

const lines: Line[] = []
const readings: Reading[] = []

function makeRow(index: number): LedgerRow {
  return benchRow(index, firstMs + Math.floor((index / rowCount) * monthMs))
}

function open(name: string, synchronous: 'NORMAL' | 'FULL' = 'NORMAL'): SqliteStore {
  return openSqliteStore({ directory: join(root, name), synchronous })
}

function fileBytes(path: string): number {
  return ['', '-wal'].reduce((sum, suffix) => sum + (statSync(path + suffix, { throwIfNoEntry: false })?.size ?? 0), 0)
}

/** Makes rows a chunk at a time outside of the clock and hands them over inside of it. */
async function measure(
  what: string,
  store: SqliteStore,
  rows: number,
  write: (chunk: readonly LedgerRow[]) => void | Promise<void>,
): Promise<void> {
  let wallMs = 0
  let cpuMicros = 0
  for (let done = 0; done < rows; done += chunkRows) {
    const chunk = Array.from({ length: Math.min(chunkRows, rows - done) }, (_, index) => makeRow(done + index))
    const cpu = process.cpuUsage()
    const started = performance.now()
    await write(chunk)
    wallMs += performance.now() - started
    const { user, system } = process.cpuUsage(cpu)
    cpuMicros += user + system
  }
  lines.push({
    what,
    rows,
    rowsPerSecond: Math.round((rows / wallMs) * 1000),
    cpuMicrosPerRow: Number((cpuMicros / rows).toFixed(1)),
    bytesPerRow: Math.round(fileBytes(store.path) / rows),
  })
}

function inBatches(store: SqliteStore, size: number): (chunk: readonly LedgerRow[]) => void {
  return (chunk) => {
    for (let at = 0; at < chunk.length; at += size) store.ledger.append(chunk.slice(at, at + size))
  }
}

function read(what: string, query: () => unknown): void {
  query()
  const started = performance.now()
  query()
  readings.push({ what, ms: Number((performance.now() - started).toFixed(2)) })
}

try {
  for (const [size, rows] of [
    [1000, rowCount],
    [100, rowCount / 2],
    [1, rowCount / 10],
  ] as const) {
    const store = open(`batch-${size}`)
    await measure(`batch of ${size}`, store, rows, inBatches(store, size))
    store.close()
  }
  const full = open('full', 'FULL')
  await measure('batch of 100, synchronous=FULL', full, rowCount / 20, inBatches(full, 100))
  full.close()

  const grouped = open('writer')
  const writer = new LedgerWriter(grouped.ledger)
  await measure('LedgerWriter, 64 requests in flight', grouped, rowCount / 2, async (chunk) => {
    let next = 0
    const oneCaller = async (): Promise<void> => {
      for (let row = chunk[next++]; row !== undefined; row = chunk[next++]) await writer.append(row)
    }
    await Promise.all(Array.from({ length: 64 }, oneCaller))
  })
  await writer.close()
  grouped.close()

  const started = performance.now()
  const store = open('batch-1000')
  readings.push({ what: 'open', ms: Number((performance.now() - started).toFixed(2)) })
  read('newest 50 rows', () => store.ledger.recent(50))
  read('newest 50 rows of one key', () => store.ledger.recent(50, { keyId: 'key_0000000000000003' }))
  read('one row by id', () => store.ledger.find(makeRow(7).requestId))
  read('month by model', () => store.ledger.usage({ groupBy: ['model'] }))
  read('month by day and key', () => store.ledger.usage({ groupBy: ['day', 'key'] }))
  read('last day by hour', () => store.ledger.usage({ groupBy: ['hour'], fromMs: firstMs + monthMs - 86_400_000 }))
  store.close()

  if (values.json) console.log(JSON.stringify({ rows: rowCount, lines, readings }))
  else {
    console.log('| write | rows | rows/s | CPU µs a row | bytes a row |\n|---|---|---|---|---|')
    for (const line of lines)
      console.log(
        `| ${line.what} | ${line.rows} | ${line.rowsPerSecond} | ${line.cpuMicrosPerRow} | ${line.bytesPerRow} |`,
      )
    console.log(`\n| read (${rowCount} rows) | ms |\n|---|---|`)
    for (const { what, ms } of readings) console.log(`| ${what} | ${ms} |`)
  }
} finally {
  rmSync(root, { recursive: true, force: true })
}
