/** The file that `portolan check --out` writes: read again for a report or a comparison, so nothing in it is trusted. */
import { z } from 'zod'
import { CrossingError } from '../errors.ts'
import { batteryVersions, type BatteryName, type CheckReport } from './result.ts'

const count = z.int().min(0)
const interval = z.object({ lower: z.number(), upper: z.number(), confidence: z.number() })

const caseResult = z.object({
  id: z.string().max(500),
  group: z.string().max(500),
  title: z.string().max(1000),
  outcome: z.enum(['pass', 'fail', 'refused', 'error', 'unscored']),
  detail: z.string(),
  place: z.record(z.string(), z.number()).nullable(),
  calls: count,
  totalMs: z.number().min(0),
  firstVisibleMs: z.number().min(0).nullable(),
  inputTokens: count.nullable(),
  outputTokens: count.nullable(),
})

const checkReport = z.object({
  battery: z.enum(Object.keys(batteryVersions) as BatteryName[]),
  version: count,
  material: z.string().max(200),
  target: z.object({ baseUrl: z.string(), protocol: z.string(), model: z.string().min(1).max(500) }),
  seed: count,
  startedAtMs: z.number().min(0).max(8.64e15),
  cases: z.array(caseResult).max(1_000_000),
  groups: z.array(
    z.object({
      group: z.string(),
      passed: count,
      judged: count,
      refused: count,
      missing: count,
      interval: interval.nullable(),
    }),
  ),
  notes: z.array(z.string()),
})

const checkFile = z.object({ reports: z.array(checkReport).min(1).max(100) })

/** @throws {CrossingError} CROSSING_BAD_IMPORT, with the place in the file. */
export function parseCheckFile(text: string): CheckReport[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new CrossingError('CROSSING_BAD_IMPORT', `It is not JSON: ${error instanceof Error ? error.message : ''}`, {
      cause: error,
    })
  }
  const read = checkFile.safeParse(value)
  if (read.success) return read.data.reports
  const issue = read.error.issues[0]
  const place = `/${issue?.path.join('/') ?? ''}`
  throw new CrossingError(
    'CROSSING_BAD_IMPORT',
    issue?.path.at(-1) === 'version'
      ? `It does not say which version of the battery was asked (${place}): made by an older program. Run the check again.`
      : `It is not what \`portolan check --out\` writes: ${place}: ${issue?.message ?? 'unknown'}.`,
  )
}
