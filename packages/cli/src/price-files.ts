/**
 * The price book of this installation: overrides, then the book that ships, then imported catalogues.
 *
 * The first that knows a price answers; nothing below is changed by it.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { bundledPricesUrl, loadPriceBook, MeterError, stackPriceBooks, type PriceBook } from '@portolan/meter'
import type { LoadedConfig } from './config/load.ts'
import { CliError } from './errors.ts'

/** @throws CliError naming the file. */
export function readPriceBook({ file, directory }: Pick<LoadedConfig, 'file' | 'directory'>): PriceBook {
  const read = (paths: readonly string[] = []): PriceBook[] =>
    paths.map((path) => readPriceFileAt(resolve(directory, path)))
  const bundled = loadPriceBook(readFileSync(bundledPricesUrl, 'utf8'))
  const books = [...read(file.prices?.overrides), bundled, ...read(file.prices?.catalogues)]
  return stackPriceBooks(...books) ?? bundled
}

/** @throws CliError naming the file. */
export function readPriceFileAt(path: string): PriceBook {
  const text = readTextFile(path)
  try {
    return loadPriceBook(text)
  } catch (error) {
    if (!(error instanceof MeterError)) throw error
    throw new CliError('CLI_BAD_PRICE_FILE', `${path}: ${error.message} \`portolan price lint ${path}\` shows where.`, {
      cause: error,
    })
  }
}

/** @throws CliError naming the file. */
export function readTextFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new CliError(
      'CLI_CANNOT_READ',
      `Cannot read ${path}: ${code === 'ENOENT' ? 'there is no such file' : code}.`,
      {
        cause: error,
      },
    )
  }
}

/** How many records each layer has, from the first asked to the last. */
export function layersOf(book: PriceBook): readonly number[] {
  const counts: number[] = []
  for (let layer: PriceBook | null = book; layer !== null; layer = layer.below) counts.push(layer.records.length)
  return counts
}
