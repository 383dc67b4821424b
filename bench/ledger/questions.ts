/**
 * What a console asks, over many rows: `node --conditions=source bench/ledger/questions.ts [--rows 1000000]
 * [--days 90] [--directory DIR] [--json]`. Ten million rows are the stated bar: every answer in 200 ms.
 *
 * The traffic of a platform team: 200 keys in 20 teams, each with three of 12 models, two of 8 tags and one of 4
 * upstreams, 2 % left by their callers, starts spread evenly over the days. Rows are written in batches of 1,000,
 * which counts towards the printed CPU a row; each question is asked five times of a freshly opened ledger, and the
 * first (nothing in the engine's own cache yet) and the median are printed.
 */
import { mkdtempSync, rmSync, statfsSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openSqliteStore, type LedgerRow, type UsageQuery } from '@portolan/store'
import { benchRow } from './row.ts'

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    days: { type: 'string', default: '90' },
    directory: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})
const rowCount = Number(values.rows)
const days = Number(values.days)
const dayMs = 86_400_000
const firstMs = Date.UTC(2026, 7, 1)
const endMs = firstMs + days * dayMs
const batchRows = 1000
const bytesARow = 1200

const parent = values.directory ?? tmpdir()
const disk = statfsSync(parent)
if (disk.bavail * disk.bsize < rowCount * bytesARow)
  throw new Error(`${parent} has no room for ${rowCount} rows of about ${bytesARow} bytes.`)
const directory = mkdtempSync(join(parent, 'portolan-questions-'))

function row(index: number): LedgerRow {
  const key = (index * 7919) % 200
  const model = `model-${(key + (index % 3)) % 12}`
  return {
    ...benchRow(index, Math.floor(firstMs + (index / rowCount) * days * dayMs)),
    keyId: `key_${key.toString(16).padStart(16, '0')}`,
    team: `team-${key % 20}`,
    tag: `tag-${(key + (index % 2)) % 8}`,
    upstream: ['deepseek', 'cluster', 'openai', 'local'][key % 4] ?? null,
    modelSent: model,
    modelServed: model,
  }
}

const month: UsageQuery = { groupBy: [], fromMs: Date.UTC(2026, 9, 1), untilMs: Date.UTC(2026, 10, 1) }
const key = row(12_345).keyId ?? ''
const questions: readonly (readonly [string, UsageQuery])[] = [
  ['everything in one line', { groupBy: [] }],
  ['everything by model', { groupBy: ['model'] }],
  ['everything by day and model', { groupBy: ['day', 'model'] }],
  ['everything by month and team', { groupBy: ['month', 'team'] }],
  ['everything by key', { groupBy: ['key'] }],
  ['everything by tag', { groupBy: ['tag'] }],
  ['everything by status and upstream', { groupBy: ['status', 'upstream'] }],
  ['one key by day', { groupBy: ['day'], keyId: key }],
  ['one team by month and key', { groupBy: ['month', 'key'], team: 'team-7' }],
  ['a month by key', { ...month, groupBy: ['key'] }],
  ['a month by team, key and model (statement)', { ...month, groupBy: ['key', 'model'], team: 'team-7' }],
  ['a month by day and team', { ...month, groupBy: ['day', 'team'] }],
  ['last 7 days by hour', { groupBy: ['hour'], fromMs: endMs - 7 * dayMs }],
  ['last 7 days by key', { groupBy: ['key'], fromMs: endMs - 7 * dayMs }],
  ['last 24 hours by hour and model', { groupBy: ['hour', 'model'], fromMs: endMs - dayMs }],
  ['last 24 hours by key', { groupBy: ['key'], fromMs: endMs - dayMs }],
  ['last 30 days to the hour, by model', { groupBy: ['model'], fromMs: endMs - 30 * dayMs + 5 * 3_600_000 }],
]

interface Answer {
  readonly question: string
  readonly firstMs: number
  readonly medianMs: number
}

function time(question: string, ask: () => unknown): Answer {
  const times = Array.from({ length: 5 }, () => {
    const started = performance.now()
    ask()
    return performance.now() - started
  })
  const sorted = times.toSorted((a, b) => a - b)
  return { question, firstMs: Number(times[0]?.toFixed(1)), medianMs: Number(sorted[2]?.toFixed(1)) }
}

try {
  let clockMs = firstMs
  const writing = openSqliteStore({ directory, now: () => clockMs })
  let [cpuMicros, wallMs] = [0, 0]
  for (let done = 0; done < rowCount; done += batchRows) {
    const rows = Array.from({ length: Math.min(batchRows, rowCount - done) }, (_, index) => row(done + index))
    clockMs = rows.at(-1)?.startedAtMs ?? clockMs
    const [cpu, started] = [process.cpuUsage(), performance.now()]
    writing.ledger.append(rows)
    const { user, system } = process.cpuUsage(cpu)
    cpuMicros += user + system
    wallMs += performance.now() - started
  }
  writing.close()
  const path = join(directory, 'portolan.db')
  const opened = performance.now()
  const store = openSqliteStore({ directory, now: () => clockMs })
  const openMs = performance.now() - opened
  const answers = [
    ...questions.map(([question, query]) => time(question, () => store.ledger.usage(query))),
    time('newest 50 rows', () => store.ledger.recent(50)),
    time('newest 50 rows of one key', () => store.ledger.recent(50, { keyId: key })),
    time('one row by id', () => store.ledger.find(row(Math.floor(rowCount / 2)).requestId)),
  ]
  store.close()
  const summary = {
    rows: rowCount,
    days,
    rowsPerSecond: Math.round((rowCount / wallMs) * 1000),
    cpuMicrosPerRow: Number((cpuMicros / rowCount).toFixed(1)),
    fileBytes: statSync(path).size,
    openMs: Number(openMs.toFixed(1)),
    answers,
  }
  if (values.json) console.log(JSON.stringify(summary))
  else {
    console.log(
      `${rowCount} rows over ${days} days: ${summary.rowsPerSecond} rows/s, ${summary.cpuMicrosPerRow} µs of CPU a row, file ${(summary.fileBytes / 1e9).toFixed(2)} GB, open ${summary.openMs} ms`,
    )
    console.log('\n| question | first ms | median ms |\n|---|---|---|')
    for (const answer of answers) console.log(`| ${answer.question} | ${answer.firstMs} | ${answer.medianMs} |`)
  }
} finally {
  rmSync(directory, { recursive: true, force: true })
}
