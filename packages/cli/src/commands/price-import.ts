/**
 * `portolan price import|update`: a public catalogue as a price file of one's own, and read again later.
 *
 * A catalogue never touches the book that ships or an override: it is a file of its own, asked last.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline/promises'
import {
  diffPrices,
  disagreements,
  importedFile,
  importLiteLlm,
  importLlmPrices,
  importModelsDev,
  loadPriceBook,
  mergeImport,
  MeterError,
  readImportedFile,
  type CatalogueImport,
  type CatalogueMerge,
  type CatalogueOrigin,
  type ImportedFile,
} from '@portolan/meter'
import { loadConfig } from '../config/load.ts'
import { CliError, exitCodes } from '../errors.ts'
import { json } from '../output.ts'
import { readPriceBook, readTextFile } from '../price-files.ts'
import type { CommonOptions } from './open.ts'
import { changesTable } from './price-diff.ts'

const importers = { litellm: importLiteLlm, 'models.dev': importModelsDev, 'llm-prices': importLlmPrices } as const
export const catalogueSources = Object.keys(importers) as readonly (keyof typeof importers)[]

const largestCatalogueBytes = 64 << 20
const downloadMs = 30_000

export interface ImportOptions extends CommonOptions {
  readonly out: string
  readonly force?: boolean
  readonly vendor?: string
  readonly lost?: boolean
}

export async function importPrices(
  source: keyof typeof importers,
  from: readonly string[],
  options: ImportOptions,
): Promise<void> {
  if (existsSync(options.out) && !options.force)
    throw new CliError(
      'CLI_IN_USE',
      `${options.out} exists. \`portolan price update ${options.out}\` reads its catalogue again and keeps its history; --force replaces it.`,
    )
  const origin: CatalogueOrigin = { source, from, observed_on: today() }
  const imported = onlyVendor(await read(origin), options.vendor)
  const file = importedFile(imported, origin)
  const differing = disagreements(readPriceBook(loadConfig(options.config ?? null)), imported, Date.now())
  write(options.out, file)
  if (options.json) {
    console.log(
      json({ file: options.out, records: file.records.length, ...account(imported), disagreements: differing }),
    )
    return
  }
  console.log(`${options.out}: ${file.records.length} prices from ${source}, observed ${origin.observed_on}.`)
  printAccount(imported, options.lost ?? false)
  if (differing.length > 0)
    console.log(`${differing.length} rates differ from your book, which stays in force where it has a price:`)
  for (const { vendor, model, rate, book, catalogue } of differing.slice(0, shownLines))
    console.log(`  ${vendor} ${model} ${rate}: ${book ?? 'none'} in the book, ${catalogue ?? 'none'} in the catalogue`)
  if (differing.length > shownLines) console.log(`  ... and ${differing.length - shownLines} more; --json has them all`)
  console.log(`Use it: prices: { catalogues: ["${options.out}"] } in portolan.yaml.`)
}

const shownLines = 20

export interface UpdateOptions extends CommonOptions {
  readonly yes?: boolean
  readonly from?: string[]
}

export async function updatePrices(path: string, options: UpdateOptions): Promise<void> {
  const before = parseImported(path)
  const origin: CatalogueOrigin = {
    source: before.import.source,
    from: options.from ?? before.import.from,
    observed_on: today(),
  }
  if (!(origin.source in importers))
    throw new CliError('CLI_BAD_PRICE_FILE', `${path}: "${origin.source}" is no catalogue that can be read.`)
  const merge = mergeImport(before, await read(origin), origin)
  const atMs = Date.now()
  const changes = diffPrices({ book: bookOf(path, before), atMs }, { book: bookOf(path, merge.file), atMs })
  const nothing = merge.added.length + merge.changed.length === 0
  if (!options.json) {
    console.log(summary(merge))
    if (changes.length > 0) console.log(changesTable(changes))
  }
  const agreed = !nothing && (options.yes === true || (!options.json && (await ask(`Write ${path}?`))))
  if (agreed) write(path, merge.file)
  if (options.json) {
    const { unchanged, added, changed, gone } = merge
    console.log(json({ file: path, written: agreed, unchanged, added, changed, gone, changes }))
  } else console.log(nothing ? 'Nothing to write.' : agreed ? `${path} is written.` : 'Nothing was written.')
  if (!nothing && !agreed) process.exitCode = exitCodes.failed
}

function summary({ unchanged, added, changed, gone }: CatalogueMerge): string {
  const lost = gone.length === 0 ? '' : ` ${gone.length} are no longer listed and stay as they are.`
  return `${unchanged} prices unchanged, ${changed.length} changed, ${added.length} new.${lost}`
}

// ----------------------------------------------------------------------------------------------- reading

async function read({ source, from, observed_on }: CatalogueOrigin): Promise<CatalogueImport> {
  const parts: CatalogueImport[] = []
  for (const place of from) {
    const text = /^https?:\/\//.test(place) ? await download(place) : readTextFile(place)
    try {
      parts.push(importers[source](text, { observedOn: observed_on, origin: place }))
    } catch (error) {
      if (!(error instanceof MeterError)) throw error
      throw new CliError('CLI_BAD_PRICE_FILE', `${place}: ${error.message}`, { cause: error })
    }
  }
  const records = parts.flatMap((part) => part.records)
  if (records.length === 0)
    throw new CliError(
      'CLI_BAD_PRICE_FILE',
      `${from.join(', ')} holds no price that the ${source} importer can read. Is it the right catalogue?`,
    )
  return {
    records,
    schedules: Object.assign({}, ...parts.map((part) => part.schedules)) as CatalogueImport['schedules'],
    skipped: parts.flatMap((part) => part.skipped),
    notCarried: parts.flatMap((part) => part.notCarried),
    sourceCannotSay: parts[0]?.sourceCannotSay ?? [],
  }
}

async function download(address: string): Promise<string> {
  const why = (text: string): CliError =>
    new CliError('CLI_CANNOT_READ', `Cannot read ${address}: ${text}. A file that you downloaded works as well.`)
  try {
    const response = await fetch(address, { signal: AbortSignal.timeout(downloadMs) })
    if (!response.ok) throw why(`it answered ${response.status}`)
    let bytes = 0
    const chunks: Uint8Array[] = []
    for await (const chunk of response.body ?? []) {
      bytes += chunk.length
      if (bytes > largestCatalogueBytes) throw why('it is larger than any catalogue')
      chunks.push(chunk)
    }
    return Buffer.concat(chunks).toString('utf8')
  } catch (error) {
    if (error instanceof CliError) throw error
    const { message, cause } = error as Error
    throw why(cause instanceof Error ? cause.message : message)
  }
}

function parseImported(path: string): ImportedFile {
  const text = readTextFile(path)
  try {
    return readImportedFile(text)
  } catch (error) {
    if (!(error instanceof MeterError)) throw error
    throw new CliError('CLI_BAD_PRICE_FILE', `${path}: ${error.message} \`portolan price import\` makes one.`, {
      cause: error,
    })
  }
}

function bookOf(path: string, file: ImportedFile): ReturnType<typeof loadPriceBook> {
  try {
    return loadPriceBook(JSON.stringify(file))
  } catch (error) {
    if (!(error instanceof MeterError)) throw error
    throw new CliError('CLI_BAD_PRICE_FILE', `${path}: ${error.message}`, { cause: error })
  }
}

function onlyVendor(imported: CatalogueImport, vendor: string | undefined): CatalogueImport {
  if (vendor === undefined) return imported
  const records = imported.records.filter((record) => record.vendor === vendor)
  if (records.length > 0) return { ...imported, records }
  const known = [...new Set(imported.records.map((record) => record.vendor))].sort()
  throw new CliError(
    'CLI_NOT_FOUND',
    `The catalogue prices nothing of "${vendor}". It has: ${known.slice(0, 30).join(', ')}${known.length > 30 ? ', ...' : ''}.`,
  )
}

/** Whole or not at all: a reader never sees half a file. */
function write(path: string, file: ImportedFile): void {
  bookOf(path, file)
  const scratch = `${path}.${process.pid}.tmp`
  try {
    writeFileSync(scratch, `${JSON.stringify(file, null, 1)}\n`)
    renameSync(scratch, path)
    readFileSync(path)
  } catch (error) {
    throw new CliError('CLI_CANNOT_READ', `Cannot write ${path}: ${(error as NodeJS.ErrnoException).code}.`, {
      cause: error,
    })
  }
}

// ---------------------------------------------------------------------------------------------- the account

function account(imported: CatalogueImport): Record<string, unknown> {
  const { skipped, notCarried, sourceCannotSay } = imported
  return {
    skipped: counts(skipped.map(({ why }) => why)),
    notCarried: counts(notCarried.map(({ what }) => what)),
    sourceCannotSay,
  }
}

function printAccount({ skipped, notCarried, sourceCannotSay }: CatalogueImport, all: boolean): void {
  const print = (title: string, lines: Readonly<Record<string, number>>): void => {
    const entries = Object.entries(lines)
    if (entries.length === 0) return
    console.log(title)
    for (const [what, count] of entries.slice(0, all ? entries.length : 8))
      console.log(`  ${String(count).padStart(5)}  ${what}`)
    if (!all && entries.length > 8) console.log(`         ... and ${entries.length - 8} more kinds; --lost shows all`)
  }
  print(`${skipped.length} entries gave no price:`, counts(skipped.map(({ why }) => why)))
  print('Said there and not held by our records:', counts(notCarried.map(({ what }) => what)))
  console.log('This catalogue can never say:')
  for (const line of sourceCannotSay) console.log(`  ${line}`)
}

/** Most frequent first. */
function counts(texts: readonly string[]): Readonly<Record<string, number>> {
  const found = new Map<string, number>()
  for (const text of texts) {
    const kind = text.replace(/^a second entry for .*/, 'a second entry for the same model')
    found.set(kind, (found.get(kind) ?? 0) + 1)
  }
  return Object.fromEntries([...found].sort((a, b) => b[1] - a[1]))
}

async function ask(question: string): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw new CliError('CLI_BAD_ARGUMENT', 'There is nobody to ask here: pass --yes to write, or --json to only look.')
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await lines.question(`${question} [y/N] `)).trim())
  } finally {
    lines.close()
  }
}

function today(): string {
  return new Date().toISOString().slice(0, 10)
}
