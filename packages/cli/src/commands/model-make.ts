/** `portolan model make`: a small untrained model in the official layout, so that everything else has one to run on. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { openCheckpoint, writeMadeModel, type MadeShape } from '@portolan/model'
import { CliError } from '../errors.ts'
import { json } from '../output.ts'
import { bytesText, startProgress, untrainedNotice } from './model-folder.ts'

export interface MakeOptions {
  readonly json?: boolean
  readonly seed: number
  readonly shape: MadeShape
  readonly force?: boolean
}

const steps = { tokenizer: 'training its tokenizer', weights: 'drawing its weights', files: 'quantising and writing' }

export function makeModel(directory: string, options: MakeOptions): void {
  const { seed, shape } = options
  checkPlace(directory, options.force === true)
  const progress = startProgress(options.json === true)
  let files: string[]
  try {
    files = writeMadeModel(directory, seed, shape, (step) =>
      progress.show(`Making a ${shape} model: ${steps[step]} ...`),
    )
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined || !['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'ENOTDIR'].includes(code)) throw error
    throw new CliError('CLI_BAD_ARGUMENT', `${directory} cannot be written (${code}).`, { cause: error })
  } finally {
    progress.end()
  }
  const checkpoint = openCheckpoint(directory)
  checkpoint.close()
  const written = files.map((name) => ({ name, bytes: statSync(join(directory, name)).size }))
  if (options.json) {
    console.log(json({ directory, shape, seed, trained: false, files: written }))
    return
  }
  for (const { name, bytes } of written) console.log(`${join(directory, name)}  ${bytesText(bytes)}`)
  console.log(untrainedNotice(checkpoint.config) ?? '')
  console.log(`Try it:  portolan model run ${directory} -p "Where is the harbour?"`)
}

const ownFiles: readonly string[] = ['model.safetensors', 'config.json', 'tokenizer.json', 'encoding.json']

/** An existing folder is used when it is empty; `--force` replaces a model of this kind, never another's files. */
function checkPlace(directory: string, mayReplace: boolean): void {
  let names: string[]
  try {
    names = readdirSync(directory)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return
    throw new CliError('CLI_BAD_ARGUMENT', `${directory} is not a folder that can be read (${code ?? 'unknown'}).`, {
      cause: error,
    })
  }
  const foreign = names.find((name) => !ownFiles.includes(name))
  if (foreign !== undefined)
    throw new CliError(
      'CLI_IN_USE',
      `${directory} holds ${foreign}, which is not of a made model; name another folder.`,
    )
  if (names.length > 0 && !mayReplace)
    throw new CliError(
      'CLI_IN_USE',
      `${directory} holds a model already; name another folder, or replace it with --force.`,
    )
}
