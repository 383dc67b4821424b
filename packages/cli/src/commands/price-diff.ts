/** `portolan price diff`: what changed between two dates of the book, or between two price files. */
import { existsSync } from 'node:fs'
import { diffPrices, type PriceChange, type PriceView } from '@portolan/meter'
import { loadConfig } from '../config/load.ts'
import { CliError } from '../errors.ts'
import { readInstant, shortInstant } from '../instant.ts'
import { json, table } from '../output.ts'
import { readPriceBook, readPriceFileAt } from '../price-files.ts'
import type { CommonOptions } from './open.ts'

export interface DiffOptions extends CommonOptions {
  readonly vendor?: string
  readonly model?: string
  readonly currency?: string
}

/** Each side is a date, or a price file (looked at today). */
export function priceDiff(before: string, after: string, options: DiffOptions): void {
  const sides = [before, after].map((text) => viewOf(text, options))
  const [first, second] = sides
  if (!first || !second) return
  const changes = diffPrices(first.view, second.view, options)
  if (options.json) console.log(json({ before: first.label, after: second.label, changes }))
  else if (changes.length === 0) console.log(`No price differs between ${first.label} and ${second.label}.`)
  else console.log(changesTable(changes))
}

/** One line for each number that moved. */
export function changesTable(changes: readonly PriceChange[]): string {
  const lines = changes.flatMap((change) => change.fields.map((field) => ({ ...change, ...field })))
  return table(lines, [
    { title: 'VENDOR', value: ({ vendor }) => vendor },
    { title: 'MODEL', value: ({ model }) => model },
    { title: 'CUR', value: ({ currency }) => currency },
    { title: 'WHAT', value: ({ kind, field }) => (kind === 'changed' ? field : `${kind}: ${field}`) },
    { title: 'BEFORE', align: 'right', value: ({ before }) => before ?? '-' },
    { title: 'AFTER', align: 'right', value: ({ after }) => after ?? '-' },
    { title: 'CHANGE', align: 'right', value: ({ before, after }) => percent(before, after) },
  ])
}

function viewOf(text: string, options: DiffOptions): { readonly label: string; readonly view: PriceView } {
  if (existsSync(text)) return { label: text, view: { book: readPriceFileAt(text), atMs: Date.now() } }
  if (!/^\d{4}-/.test(text))
    throw new CliError(
      'CLI_CANNOT_READ',
      `"${text}" is neither a date such as 2026-04-24 nor a price file that exists.`,
    )
  const atMs = readInstant(text, 'price diff')
  return { label: shortInstant(atMs), view: { book: readPriceBook(loadConfig(options.config ?? null)), atMs } }
}

function percent(before: string | null, after: string | null): string {
  const [from, to] = [Number(before), Number(after)]
  if (before === null || after === null || !(from > 0) || !Number.isFinite(to)) return ''
  const change = ((to - from) / from) * 100
  return `${change > 0 ? '+' : ''}${Math.abs(change) >= 10 ? change.toFixed(0) : change.toFixed(1)} %`
}
