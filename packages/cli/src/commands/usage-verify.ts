/** `portolan usage verify`: the books as a whole. Exit code 1 when something is not as it was written. */
import { CliError } from '../errors.ts'
import { json } from '../output.ts'
import { withData, type CommonOptions } from './open.ts'
import { progressLine } from './usage-progress.ts'

export interface VerifyOptions extends CommonOptions {
  readonly expect?: string
  /** False: `--no-archives`. */
  readonly archives: boolean
}

export function verifyUsage(options: VerifyOptions): Promise<void> {
  if (options.expect !== undefined && !/^[0-9a-f]{64}$/.test(options.expect))
    throw new CliError('CLI_BAD_ARGUMENT', '--expect takes a head hash as an earlier run printed it: 64 hex digits.')
  return withData(options, ({ store }) => {
    const progress = progressLine(options.json ?? false)
    const check = store.ledger.verify({
      expectHash: options.expect,
      onProgress: (batch, last) => progress.show(`batch ${batch} of ${last}`),
    })
    progress.clear()
    const files = options.archives ? store.ledger.archiveProblem() : null
    const problem = check.problem?.message ?? files?.message ?? null
    if (options.json) console.log(json({ ...check, archiveProblem: files?.message ?? null }))
    else if (problem === null) {
      const count = (value: number, what: string): string => `${value.toLocaleString('en-US')} ${what}`
      console.log(
        `The ledger is as it was written: ${count(check.batches, 'batches')}, ${count(check.entries, 'entries here')}, ${count(check.archivedEntries, 'in archives')}; sums equal entries.`,
      )
      if (check.unchainedRows > 0)
        console.log(`${count(check.unchainedRows, 'rows')} are older than the chain and cannot be checked.`)
      console.log(`Head: batch ${check.head.batch}, ${check.head.hash}\nKeep it elsewhere; --expect takes it back.`)
    } else console.error(`portolan: ${problem}${check.problem ? ` [${check.problem.code}]` : ''}`)
    if (problem !== null) process.exitCode = 1
  })
}
