/** `portolan usage export`: charges by day as FOCUS, or requests one by one as CSV or JSON lines. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { csvLine, type LedgerRow } from '@portolan/store'
import { CliError } from '../errors.ts'
import { json } from '../output.ts'
import { withData } from './open.ts'
import { focusColumns, focusGroups, toFocus } from './usage-focus.ts'
import { decimalOf } from './usage-meters.ts'
import { keyNames, readFilters, readRange, type RangeOptions } from './usage-range.ts'

const formats = ['focus', 'csv', 'jsonl'] as const

export interface ExportOptions extends RangeOptions {
  readonly format: string
  readonly out?: string
  readonly account: string
}

export function exportUsage(options: ExportOptions): Promise<void> {
  const format = formats.find((known) => known === options.format)
  if (!format)
    throw new CliError('CLI_BAD_ARGUMENT', `--format: "${options.format}" is not one of ${formats.join(', ')}.`)
  return withData(options, ({ store }) => {
    const range = readRange(options, Date.now())
    const filters = readFilters(options, store)
    const output = openOutput(options.out)
    let unpriced = 0
    try {
      if (format === 'focus') {
        const names = { account: options.account, keys: keyNames(store) }
        const lines = store.ledger.usage({ groupBy: focusGroups, ...range, ...filters })
        if (!options.json) output.write(csvLine(focusColumns))
        for (const line of lines) {
          unpriced += line.requestsUnpriced
          for (const record of toFocus(line, names))
            output.write(options.json ? `${json(record)}\n` : csvLine(focusColumns.map((name) => record[name])))
        }
      } else {
        if (format === 'csv') output.write(csvLine(rowColumns.map(([name]) => name)))
        for (const row of store.ledger.rows({ ...range, ...(filters.keyId && { keyId: filters.keyId }) })) {
          if (!matches(row, filters)) continue
          if (row.costNanos === null) unpriced += 1
          output.write(format === 'csv' ? csvLine(rowColumns.map(([, value]) => value(row))) : `${json(row)}\n`)
        }
      }
    } finally {
      output.close()
    }
    if (unpriced > 0)
      console.error(
        `portolan: ${unpriced} request${unpriced === 1 ? ' has' : 's have'} no price and no cost in this export; \`portolan usage --last 50\` says why.`,
      )
  })
}

function matches(row: LedgerRow, filters: ReturnType<typeof readFilters>): boolean {
  const is = (wanted: string | undefined, value: string | null): boolean =>
    wanted === undefined || wanted === (value ?? '')
  return (
    is(filters.keyId, row.keyId) &&
    is(filters.team, row.team) &&
    is(filters.tag, row.tag) &&
    is(filters.model, row.modelServed ?? row.modelSent) &&
    is(filters.upstream, row.upstream)
  )
}

const rowColumns: readonly (readonly [string, (row: LedgerRow) => string | number | null])[] = [
  ['request_id', (row) => row.requestId],
  ['started_at', (row) => new Date(row.startedAtMs).toISOString()],
  ['key_id', (row) => row.keyId],
  ['team', (row) => row.team],
  ['tag', (row) => row.tag],
  ['session_id', (row) => row.sessionId],
  ['door', (row) => row.door],
  ['upstream', (row) => row.upstream],
  ['model_asked', (row) => row.modelAsked],
  ['model_served', (row) => row.modelServed ?? row.modelSent],
  ['status', (row) => row.status],
  ['error_code', (row) => row.errorCode],
  ['input_tokens', (row) => row.usage.inputTokens],
  ['hit_tokens', (row) => row.usage.hitTokens],
  ['miss_tokens', (row) => row.usage.missTokens],
  ['written_tokens', (row) => row.usage.writtenTokens],
  ['output_tokens', (row) => row.usage.outputTokens],
  ['reasoning_tokens', (row) => row.usage.reasoningTokens],
  ['usage_source', (row) => row.usage.source],
  ['estimated_by', (row) => row.usage.estimatedBy ?? null],
  ['currency', (row) => row.currency],
  ['cost', (row) => (row.costNanos === null ? null : decimalOf(row.costNanos))],
  ['price_version', (row) => row.priceVersion],
  ['unpriced_reason', (row) => row.unpricedReason],
  ['first_text_ms', (row) => row.firstTextMs],
  ['end_ms', (row) => row.endMs],
]

/** Written in order and at once: an export may be larger than memory, and a pipe's reader may be slow. */
function openOutput(path: string | undefined): { write(text: string): void; close(): void } {
  let file = 1
  if (path !== undefined)
    try {
      file = openSync(path, 'w', 0o600)
    } catch (cause) {
      throw new CliError('CLI_BAD_ARGUMENT', `--out: ${path} cannot be written.`, { cause })
    }
  let pending = ''
  const flush = (): void => {
    const bytes = Buffer.from(pending)
    pending = ''
    for (let at = 0; at < bytes.length;)
      try {
        at += writeSync(file, bytes, at)
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        // The reader of the pipe has seen enough.
        if (code === 'EPIPE') return
        if (code !== 'EAGAIN') throw error
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
      }
  }
  return {
    write(text) {
      pending += text
      if (pending.length > 65_536) flush()
    },
    close() {
      flush()
      if (path !== undefined) closeSync(file)
    },
  }
}
