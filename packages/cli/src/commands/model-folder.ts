/** What the `model` commands share: opening a folder, saying what is in it, progress of slow steps. */
import { existsSync, statSync } from 'node:fs'
import {
  checkTokenizerFits,
  loadEncodingProfile,
  loadTokenizer,
  makingOf,
  ModelError,
  openCheckpoint,
  type Checkpoint,
  type EncodingProfile,
  type ModelConfig,
  type Tokenizer,
} from '@portolan/model'
import { CliError } from '../errors.ts'

function checkFolder(directory: string): void {
  if (!existsSync(directory)) throw new CliError('CLI_NOT_FOUND', `There is no folder ${directory}.`)
  if (!statSync(directory).isDirectory())
    throw new CliError('CLI_BAD_ARGUMENT', `${directory} is a file; name the folder that holds config.json.`)
}

/**
 * Opens a checkpoint by its headers, with its prediction blocks where they are the ones that the configuration
 * describes. Newer checkpoints keep another draft module under the same names, which is passed over.
 */
export function openModelFolder(directory: string): Checkpoint {
  checkFolder(directory)
  const main = openCheckpoint(directory)
  if (main.config.mtpLayers.length === 0) return main
  try {
    const whole = openCheckpoint(directory, { prediction: true })
    main.close()
    return whole
  } catch (error) {
    if (error instanceof ModelError) return main
    main.close()
    throw error
  }
}

export interface RunnableFolder {
  readonly checkpoint: Checkpoint
  readonly tokenizer: Tokenizer
  readonly profile: EncodingProfile
}

/** Everything that a conversation needs. Cheap checks come first, so that a wrong tokenizer costs no reading of weights. */
export async function openRunnableFolder(directory: string): Promise<RunnableFolder> {
  checkFolder(directory)
  const checkpoint = openCheckpoint(directory)
  try {
    const tokenizer = await loadTokenizer(directory)
    checkTokenizerFits(tokenizer, checkpoint.config)
    return { checkpoint, tokenizer, profile: await loadEncodingProfile(directory) }
  } catch (error) {
    checkpoint.close()
    throw error
  }
}

/** One sentence for models that we made and nobody trained; null for all others. */
export function untrainedNotice(config: ModelConfig): string | null {
  const making = makingOf(config)
  if (making === null || making.trained) return null
  return `This model is untrained: random weights from seed ${making.seed}. Whatever it writes is noise.`
}

const units = ['bytes', 'kB', 'MB', 'GB', 'TB']

/** `1.49 MB`; decimal units, as disks and published sizes use. */
export function bytesText(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return unit === 0 ? `${value} bytes` : `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${units[unit]}`
}

export function countText(count: number): string {
  return Math.round(count).toLocaleString('en-US')
}

export function percentText(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}

/** Writes one line to a terminal's stderr, again and again; silent for scripts. */
export interface Progress {
  show(text: string): void
  /** Wipes the line. */
  end(): void
}

export function startProgress(isSilent: boolean): Progress {
  let isShown = false
  const isOff = isSilent || !process.stderr.isTTY
  return {
    show(text) {
      if (isOff) return
      process.stderr.write(`\r\u001b[K${text}`)
      isShown = true
    },
    end() {
      if (isShown) process.stderr.write('\r\u001b[K')
      isShown = false
    },
  }
}
