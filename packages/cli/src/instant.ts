/** Instants on the command line: `2026-04-27` (00:00 UTC) or with a time and its zone; nothing whose zone is a guess. */
import { CliError } from './errors.ts'

const withZone = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2})$/

/** @throws CliError naming the option. */
export function readInstant(text: string, option: string): number {
  const ms = /^\d{4}-\d{2}-\d{2}$/.test(text) || withZone.test(text) ? Date.parse(text) : NaN
  if (Number.isNaN(ms))
    throw new CliError(
      'CLI_BAD_ARGUMENT',
      `${option}: "${text}" is not a date such as 2026-04-27, or an instant with its zone such as 2026-04-27T12:00:00Z.`,
    )
  return ms
}

/** As short as it can be said: the day alone at midnight. */
export function shortInstant(ms: number | null): string {
  if (ms === null || Math.abs(ms) > 8.64e15) return ''
  return new Date(ms)
    .toISOString()
    .replace(/(?::00)?\.000Z$/, 'Z')
    .replace('T00:00Z', '')
}
