/** `portolan usage archive`: old rows into checked files, sums stay; `--list` says what was archived so far. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { LoadedConfig } from '../config/load.ts'
import type { DataDirectory } from '../data-directory.ts'
import { CliError } from '../errors.ts'
import { json, table } from '../output.ts'
import { archiveDirectory } from '../retention/policy.ts'
import { dayMs, retentionState, type RetentionState } from '../retention/retention.ts'
import { withData, type CommonOptions } from './open.ts'
import { progressLine } from './usage-progress.ts'

export interface ArchiveCommandOptions extends CommonOptions {
  readonly olderThan?: string
  readonly to?: string
  readonly list?: boolean
}

export function archiveUsage(options: ArchiveCommandOptions): Promise<void> {
  if (options.list && (options.olderThan !== undefined || options.to !== undefined))
    throw new CliError('CLI_BAD_ARGUMENT', '--list moves nothing, so it takes neither --older-than nor --to.')
  return withData(options, (data, loaded) => {
    if (options.list) listArchives(data, options)
    else archiveNow(data, loaded, options)
  })
}

function archiveNow(data: DataDirectory, loaded: LoadedConfig, options: ArchiveCommandOptions): void {
  const days = daysOf(options.olderThan, loaded)
  const directory = options.to === undefined ? archiveDirectory(loaded, data.path) : resolve(options.to)
  const progress = progressLine(options.json ?? false)
  const manifests = data.store.ledger.archive({
    directory,
    beforeMs: Date.now() - days * dayMs,
    onProgress: ({ file }) => progress.show(file),
  })
  progress.clear()
  if (options.json) console.log(json({ directory, archives: manifests }))
  else if (manifests.length === 0) console.log(`No row is older than ${days} days; nothing was moved.`)
  else
    console.log(
      `${table(manifests, [
        { title: 'FILE', value: ({ file }) => file },
        { title: 'ROWS', align: 'right', value: ({ rows }) => rows.toLocaleString('en-US') },
        { title: 'CORRECTIONS', align: 'right', value: ({ corrections }) => String(corrections) },
        { title: 'BYTES', align: 'right', value: ({ bytes }) => bytes.toLocaleString('en-US') },
      ])}\nin ${directory}; each was read back before its rows left. Sums, statements and FOCUS exports go on as before.`,
    )
}

function daysOf(text: string | undefined, { file }: LoadedConfig): number {
  if (text === undefined) {
    const days = file.usage?.retentionDays
    if (days !== undefined) return days
    throw new CliError(
      'CLI_BAD_ARGUMENT',
      'How old must a row be? Give --older-than 90d, or `usage: { retentionDays: 90 }` in portolan.yaml.',
    )
  }
  const [, days] = /^(\d{1,5})d?$/.exec(text) ?? []
  if (days === undefined)
    throw new CliError('CLI_BAD_ARGUMENT', `--older-than: "${text}" is not a number of days such as 90d.`)
  return Number(days)
}

function listArchives({ store }: DataDirectory, options: ArchiveCommandOptions): void {
  const archives = store.ledger.archives().map((archive) => ({ ...archive, exists: existsSync(archive.path) }))
  const retention = retentionState(store.settings)
  if (options.json) {
    console.log(json({ retention, archives }))
    return
  }
  if (archives.length === 0) console.log('Nothing was archived yet.')
  else
    console.log(
      table(archives, [
        { title: 'ARCHIVED', value: ({ manifest }) => manifest.createdAt.slice(0, 19) },
        { title: 'BATCHES', value: ({ manifest }) => `${manifest.firstBatch}-${manifest.lastBatch}` },
        { title: 'ROWS', align: 'right', value: ({ manifest }) => manifest.rows.toLocaleString('en-US') },
        { title: 'CORRECTIONS', align: 'right', value: ({ manifest }) => String(manifest.corrections) },
        { title: 'BYTES', align: 'right', value: ({ manifest }) => manifest.bytes.toLocaleString('en-US') },
        { title: 'FILE', value: ({ path, exists }) => (exists ? path : `${path} (not there)`) },
      ]),
    )
  console.log(`\n${describeRetention(retention)}`)
}

function describeRetention(state: RetentionState | null): string {
  if (state === null) return 'Retention: no gateway has run on this data yet.'
  const { days, directory, last } = state
  const policy =
    days === null
      ? 'Retention: off; rows stay until `usage archive` moves them.'
      : `Retention: rows older than ${days} days go to ${directory}, once a day while the gateway runs.`
  if (last === null) return policy
  const { startedAtMs, files, rows, problem } = last
  const when = new Date(startedAtMs).toISOString().slice(0, 19)
  return `${policy}\nLast run ${when}: ${problem === null ? `${rows.toLocaleString('en-US')} rows into ${files} ${files === 1 ? 'file' : 'files'}.` : `failed. ${problem}`}`
}
