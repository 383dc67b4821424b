/**
 * A vendor's bill as cells: day x model x key, each with counts, money or both.
 *
 * How a vendor's export is laid out is data: a mapping file names its fields (`bill-shapes/*.json` for the vendors we
 * know; anybody's own for the rest). Everything here is strict: a bill that is read wrongly is worse than none.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { z } from 'zod'
import { readCsv } from '@portolan/store'
import { CliError } from '../errors.ts'

const countNames = ['input', 'hit', 'miss', 'written', 'written1h', 'output', 'requests'] as const

export type BillCount = (typeof countNames)[number]

const shapeSchema = z.strictObject({
  /** Where the layout is known from. */
  source: z.string(),
  /** Which of its names are known, and by what: the vendor's documentation, or only those who read such exports. */
  confirmed: z
    .strictObject({
      documented: z.array(z.string()).default([]),
      reported: z.array(z.string()).default([]),
      unconfirmed: z.array(z.string()).default([]),
      by: z.string(),
    })
    .optional(),
  format: z.enum(['csv', 'json']),
  /** JSON: the arrays to walk into, outermost first; what stands beside an array belongs to each of its members. */
  rows: z.array(z.string()).default([]),
  /** ISO 8601, or Unix seconds. */
  day: z.string(),
  model: z.string(),
  key: z.string().optional(),
  /** Fields to add up for each count; a dot leads into an object. */
  counts: z.partialRecord(z.enum(countNames), z.array(z.string()).min(1)).default({}),
  /** One line a kind of count, instead of one field each. */
  long: z
    .strictObject({ kind: z.string(), value: z.string(), kinds: z.record(z.string(), z.enum(countNames)) })
    .optional(),
  amount: z
    .strictObject({
      field: z.string(),
      currencyField: z.string().optional(),
      currency: z.string().length(3).optional(),
      unit: z.enum(['units', 'hundredths']).default('units'),
    })
    .optional(),
})

export type BillShape = z.infer<typeof shapeSchema>

export interface BillCell {
  /** UTC, `2026-10-31`. */
  readonly day: string
  readonly model: string
  readonly key: string | null
  readonly counts: Partial<Record<BillCount, number>>
  /** By currency; empty where the bill has no money. */
  readonly nanos: Map<string, bigint>
}

const shapesUrl = new URL('../../src/commands/bill-shapes/', import.meta.url)

/** A name that we know, or the path of a mapping file. */
export function readBillShape(nameOrPath: string): BillShape {
  const known = readdirSync(shapesUrl).map((file) => file.replace(/\.json$/, ''))
  const file = known.includes(nameOrPath) ? new URL(`${nameOrPath}.json`, shapesUrl) : nameOrPath
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new CliError(
      'CLI_BAD_ARGUMENT',
      `--shape: "${nameOrPath}" is neither one of ${known.join(', ')} nor a mapping file that can be read.`,
      { cause },
    )
  }
  const parsed = shapeSchema.safeParse(parseJson(text, `the mapping file ${nameOrPath}`))
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new CliError(
    'CLI_BAD_ARGUMENT',
    `The mapping file ${nameOrPath}: ${issue?.path.join('.') || 'the file'}: ${issue?.message}.`,
  )
}

/**
 * A shape with other names in some places: `day=Date,hit=Cached|Cached again,amount=Cost,currency=EUR`.
 *
 * @throws CliError CLI_BAD_ARGUMENT naming the pair.
 */
export function mapBillShape(shape: BillShape, pairs: string | undefined): BillShape {
  const mapped: { -readonly [Name in keyof BillShape]: BillShape[Name] } = { ...shape, counts: { ...shape.counts } }
  const refuse = (what: string): never => {
    throw new CliError('CLI_BAD_ARGUMENT', `--map: ${what}`)
  }
  for (const pair of pairs?.split(',') ?? []) {
    const at = pair.indexOf('=')
    const [name, column] = [pair.slice(0, at).trim(), pair.slice(at + 1).trim()]
    if (at < 1 || column === '') refuse(`"${pair}" is not a pair such as day=Date.`)
    const count = countNames.find((known) => known === name)
    if (name === 'day' || name === 'model' || name === 'key') mapped[name] = column
    else if (count !== undefined) mapped.counts[count] = column.split('|')
    else if (name === 'amount') mapped.amount = { unit: 'units', ...mapped.amount, field: column }
    else if (name === 'currency') {
      // Three capital letters are the currency itself, anything else the column that names it.
      const given = /^[A-Z]{3}$/.test(column) ? { currency: column } : { currencyField: column }
      mapped.amount = { field: '', unit: 'units', ...mapped.amount, ...given }
    } else refuse(`"${name}" is not one of day, model, key, amount, currency, ${countNames.join(', ')}.`)
  }
  // Counts in columns of their own take the place of one line a count.
  if (pairs !== undefined && countNames.some((name) => mapped.counts[name] !== undefined)) delete mapped.long
  for (const name of ['day', 'model'] as const)
    if (mapped[name] === '') refuse(`which column is the ${name}? Add ${name}=COLUMN.`)
  if (mapped.amount?.field === '') refuse('currency goes with amount=COLUMN.')
  return mapped
}

/** @throws CliError CLI_BAD_ARGUMENT naming the line or member that is not as the shape says. */
export function readBill(text: string, shape: BillShape): readonly BillCell[] {
  const cells = new Map<string, BillCell & { readonly exact: Map<string, bigint> }>()
  for (const [index, record] of recordsOf(text, shape).entries()) {
    const where = shape.format === 'csv' ? `line ${index + 2}` : `result ${index + 1}`
    const day = dayOf(at(record, shape.day), shape.day, where)
    const model = textOf(at(record, shape.model))
    if (model === null) throw problem(where, shape.model, 'is missing; was the export grouped by model?')
    const key = shape.key === undefined ? null : textOf(at(record, shape.key))
    const name = JSON.stringify([day, model, key])
    let cell = cells.get(name)
    if (cell === undefined) {
      cell = { day, model, key, counts: {}, nanos: new Map(), exact: new Map() }
      cells.set(name, cell)
    }
    const add = (count: BillCount, field: string): void => {
      const value = at(record, field)
      if (value === undefined || value === null || value === '') return
      const number = Number(value)
      if (!Number.isSafeInteger(number) || number < 0)
        throw problem(where, field, `is ${JSON.stringify(value)}, no count.`)
      cell.counts[count] = (cell.counts[count] ?? 0) + number
    }
    for (const count of countNames) for (const field of shape.counts[count] ?? []) add(count, field)
    if (shape.long) {
      const count = shape.long.kinds[textOf(at(record, shape.long.kind)) ?? '']
      if (count !== undefined) add(count, shape.long.value)
    }
    if (shape.amount) {
      const { field, currencyField, unit } = shape.amount
      const currency = (currencyField && textOf(at(record, currencyField))) || shape.amount.currency
      if (!currency) throw problem(where, currencyField ?? 'amount.currency', 'is missing; amounts need a currency.')
      const value = decimalOf(at(record, field))
      if (value === null) throw problem(where, field, 'is no decimal number.')
      const code = currency.toUpperCase()
      cell.exact.set(code, (cell.exact.get(code) ?? 0n) + (unit === 'hundredths' ? value / 100n : value))
    }
  }
  return [...cells.values()].map(({ exact, ...cell }) => {
    for (const [currency, value] of exact) cell.nanos.set(currency, roundToNanos(value))
    return cell
  })
}

function recordsOf(text: string, shape: BillShape): readonly Readonly<Record<string, unknown>>[] {
  if (shape.format === 'json') return walk([{ root: parseJson(text, 'the bill') }], shape.rows)
  const [header, ...lines] = readCsv(text)
  if (header === undefined) throw new CliError('CLI_BAD_ARGUMENT', 'The bill is empty.')
  const wanted = [shape.day, shape.model, shape.long?.kind, shape.long?.value, shape.amount?.field]
  const missing = wanted.find((field) => field !== undefined && !header.includes(field))
  if (missing !== undefined)
    throw new CliError(
      'CLI_BAD_ARGUMENT',
      `The bill has no column "${missing}"; its columns are ${header.slice(0, 20).join(', ')}. Is --shape the right one?`,
    )
  return lines.map((values) => Object.fromEntries(header.map((name, index) => [name, values[index] ?? ''])))
}

/** Members of nested arrays, each with the plain fields of what it stands in. */
function walk(
  records: readonly Readonly<Record<string, unknown>>[],
  path: readonly string[],
): readonly Readonly<Record<string, unknown>>[] {
  let current = records.flatMap(({ root }) => (Array.isArray(root) ? root : [root]).filter(isObject))
  for (const name of path)
    current = current.flatMap((record) => {
      const { [name]: members, ...beside } = record
      if (!Array.isArray(members))
        throw new CliError('CLI_BAD_ARGUMENT', `The bill has no list "${name}". Is --shape the right one?`)
      return members.filter(isObject).map((member) => ({ ...beside, ...member }))
    })
  return current
}

function at(record: Readonly<Record<string, unknown>>, path: string): unknown {
  let value: unknown = record
  for (const name of path in record ? [path] : path.split('.')) value = isObject(value) ? value[name] : undefined
  return value
}

function dayOf(value: unknown, field: string, where: string): string {
  const ms = typeof value === 'number' ? value * 1000 : Date.parse(typeof value === 'string' ? value : '')
  if (!Number.isFinite(ms) || Math.abs(ms) > 8.64e15)
    throw problem(where, field, `is ${JSON.stringify(value)}, no day.`)
  return new Date(ms).toISOString().slice(0, 10)
}

/** A decimal number, exact, in units of 10^-18; null where it is none. */
function decimalOf(value: unknown): bigint | null {
  const [, sign, whole, fraction = '', exponent = '0'] =
    /^\s*([-+]?)(\d+)(?:\.(\d*))?(?:e([-+]?\d{1,3}))?\s*$/i.exec(String(value)) ?? []
  if (whole === undefined) return null
  const shift = 18 - fraction.length + Number(exponent)
  const digits = BigInt(whole + fraction)
  const scaled = shift >= 0 ? digits * 10n ** BigInt(shift) : digits / 10n ** BigInt(-shift)
  return sign === '-' ? -scaled : scaled
}

function roundToNanos(value: bigint): bigint {
  const half = 500_000_000n
  return value >= 0n ? (value + half) / 1_000_000_000n : -((-value + half) / 1_000_000_000n)
}

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new CliError('CLI_BAD_ARGUMENT', `${what} is no JSON: ${(cause as Error).message.slice(0, 100)}.`, { cause })
  }
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function problem(where: string, field: string, what: string): CliError {
  return new CliError('CLI_BAD_ARGUMENT', `The bill, ${where}: \`${field}\` ${what}`)
}
