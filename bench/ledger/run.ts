/**
 * Ledger benchmark: `node --conditions=source bench/ledger/run.ts [--rows 200000] [--directory DIR] [--json]`.
 *
 * Rows look like agent traffic: 20 keys, 4 upstreams, 12 models, starts spread over 30 days, ids that grow with
 * time as the gateway's do. Rows are made before the clock starts; CPU is user + system of this process.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { LedgerWriter, openSqliteStore, type LedgerRow, type SqliteStore } from '@portolan/store'

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '200000' },
    directory: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})
const rowCount = Number(values.rows)
const root = mkdtempSync(join(values.directory ?? tmpdir(), 'portolan-bench-'))
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
  const hit = (index * 7919) % 90_000
  const miss = (index * 104_729) % 9000
  const output = 20 + ((index * 31) % 1500)
  const tierNanos = {
    miss: BigInt(miss) * 660n,
    hit: BigInt(hit) * 22n,
    write5m: 0n,
    write1h: 0n,
    output: BigInt(output) * 1980n,
  }
  const startedAtMs = firstMs + Math.floor((index / rowCount) * monthMs)
  return {
    requestId: `req_${startedAtMs.toString(36)}${index.toString(36).padStart(7, '0')}k3n9`,
    keyId: `key_${(index % 20).toString(16).padStart(16, '0')}`,
    team: `team-${index % 5}`,
    tag: index % 3 === 0 ? null : `tag-${index % 3}`,
    sessionId: `session-${Math.floor(index / 30)}`,
    door: 'messages',
    path: '/v1/messages',
    upstream: ['deepseek', 'cluster', 'openai', 'local'][index % 4] ?? null,
    upstreamProtocol: 'chat',
    modelAsked: 'claude-opus-4-7',
    modelSent: `model-${index % 12}`,
    modelServed: `model-${index % 12}`,
    upstreamRequestId: `0f4c9c2e-8b1d-4c58-9f7e-${index.toString(16).padStart(12, '0')}`,
    stream: true,
    status: index % 50 === 0 ? 'aborted' : 'ok',
    httpStatus: 200,
    errorCode: null,
    usage: {
      inputTokens: hit + miss,
      hitTokens: hit,
      missTokens: miss,
      writtenTokens: 0,
      written1hTokens: 0,
      outputTokens: output,
      reasoningTokens: output >> 1,
      raw: {
        prompt_tokens: hit + miss,
        completion_tokens: output,
        total_tokens: hit + miss + output,
        prompt_cache_hit_tokens: hit,
        prompt_cache_miss_tokens: miss,
      },
      source: 'reported',
      convention: 'cached-inside',
    },
    currency: 'USD',
    costNanos: tierNanos.miss + tierNanos.hit + tierNanos.output,
    tierNanos,
    priceVersion: 'deepseek/deepseek-v4-pro/USD/2026-09-10T04:00:00Z@0123456789ab+off-peak',
    unpricedReason: null,
    startedAtMs,
    firstByteMs: 180 + (index % 40),
    firstReasoningMs: 190 + (index % 40),
    firstTextMs: 900 + (index % 400),
    endMs: 2500 + (index % 4000),
    bytesIn: 4 * (hit + miss),
    bytesOut: 6 * output,
    prefixKeptBytes: 4 * hit,
    prefixTotalBytes: 4 * hit,
    prefixBreakCause: null,
    translation: null,
    attempts: 1,
    tags: {},
  }
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
  for (let done = 0; done < rows; done += 10_000) {
    const chunk = Array.from({ length: Math.min(10_000, rows - done) }, (_, index) => makeRow(done + index))
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
