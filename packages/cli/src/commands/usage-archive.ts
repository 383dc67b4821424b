/** `portolan usage archive`: old rows into checked files; sums stay. */
import { join } from 'node:path'
import { CliError } from '../errors.ts'
import { json, table } from '../output.ts'
import { withData, type CommonOptions } from './open.ts'
import { progressLine } from './usage-progress.ts'

const dayMs = 86_400_000

export interface ArchiveCommandOptions extends CommonOptions {
  readonly olderThan: string
  readonly to?: string
}

export function archiveUsage(options: ArchiveCommandOptions): Promise<void> {
  const [, days] = /^(\d{1,5})d?$/.exec(options.olderThan) ?? []
  if (days === undefined)
    throw new CliError('CLI_BAD_ARGUMENT', `--older-than: "${options.olderThan}" is not a number of days such as 90d.`)
  return withData(options, (data) => {
    const directory = options.to ?? join(data.path, 'archive')
    const progress = progressLine(options.json ?? false)
    const manifests = data.store.ledger.archive({
      directory,
      beforeMs: Date.now() - Number(days) * dayMs,
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
  })
}
