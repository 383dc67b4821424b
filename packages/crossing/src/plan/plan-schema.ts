/** The shape of a plan file. Strict: an unknown member is a slip of the pen, and a plan must not have any. */
import { z } from 'zod'
import { egressPurposes, replayModes } from '../records/index.ts'

const day = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}$/, 'must be a day such as 2026-11-23')
  .refine((text) => !Number.isNaN(Date.parse(text)), 'is no day of the calendar')
const share = z.number().min(0).max(1)
const count = z.int().min(0)
const amount = z.string().regex(/^\d{1,12}(\.\d{1,9})?$/, 'must be an amount in quotes, such as "25" or "0.50"')
const currency = z.string().regex(/^[A-Z]{3}$/, 'must be a currency code such as USD')

const hash = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'must be sha256: and 64 hex digits')

const arm = z.strictObject({
  name: z.string().min(1).max(64),
  upstream: z.string().min(1),
  model: z.string().min(1),
  settings: z.record(z.string(), z.json()).default({}),
})

const pilot = z.strictObject({
  runAt: z.iso.datetime(),
  cases: count,
  sessions: count,
  discordance: share,
  floorDiscordance: share,
  intraSessionCorrelation: z.number(),
  casesPerSession: z.number().min(1),
  designEffect: z.number().min(1),
  incumbentPassRate: share,
  spent: amount,
  currency,
  projected: amount.nullable(),
})

const toolPolicy = z.strictObject({
  class: z.enum(['pure', 'read', 'write', 'irreversible']).nullable().default(null),
  arguments: z
    .array(
      z.strictObject({
        path: z.string().regex(/^(\/[^/]*)+$/, 'must be a JSON pointer such as /query or /items/*/id'),
        rule: z.union([
          z.enum(['ignore', 'unordered', 'normalised', 'free-text']),
          z.strictObject({ tolerance: z.number().min(0) }),
        ]),
      }),
    )
    .default([]),
})

const checkFrame = {
  name: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'must be a short name such as polite or order-number'),
  severity: z.enum(['critical', 'major', 'minor']).default('major'),
  tags: z.array(z.string().min(1)).default([]),
}

const check = z.discriminatedUnion('scorer', [
  z.strictObject({ ...checkFrame, scorer: z.enum(['exact', 'normalised']) }),
  z.strictObject({ ...checkFrame, scorer: z.literal('contains'), text: z.string().min(1) }),
  z.strictObject({ ...checkFrame, scorer: z.literal('number'), tolerance: z.number().min(0).default(0) }),
  z.strictObject({ ...checkFrame, scorer: z.literal('similarity'), least: share }),
  z.strictObject({
    ...checkFrame,
    scorer: z.literal('pattern'),
    pattern: z.string().min(1).max(10_000),
    flags: z.string().max(8).default('u'),
    absent: z.boolean().default(false),
  }),
  z.strictObject({ ...checkFrame, scorer: z.literal('json'), schema: z.json().default(null) }),
  z.strictObject({
    ...checkFrame,
    scorer: z.literal('file'),
    path: z.string().min(1),
    hash: hash.nullable().default(null),
  }),
])

const judge = z.strictObject({
  ...arm.shape,
  rubric: z.string().min(1).max(10_000).nullable().default(null),
  margin: z.number().gt(0).lt(0.5).default(0.05),
  mostCases: z.int().min(1).nullable().default(null),
})

export const planSchema = z.strictObject({
  portolanPlan: z.literal(1),
  id: z.string().regex(/^plan_[0-9A-HJKMNP-TV-Z]{26}$/, 'must be the id that `plan new` made'),
  version: z.int().min(1),
  name: z.string().min(1).max(200),
  incumbent: arm,
  candidates: z.array(arm).min(1),
  dataset: z.strictObject({
    id: z.string(),
    hash,
    cases: count,
    sessions: count,
  }),
  metrics: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        kind: z.enum(['difference', 'ratio', 'count']),
        margin: z.number().min(0),
        gate: z.boolean(),
      }),
    )
    .min(1),
  alpha: z.number().gt(0).lt(0.5),
  power: z.number().gt(0.5).lt(1),
  sampleSize: z.strictObject({ cases: z.int().min(1), replicates: z.int().min(1).max(100), pilot: pilot.nullable() }),
  exclusions: z.array(z.strictObject({ rule: z.string().min(1), reason: z.string().min(1) })),
  replay: z.strictObject({
    mode: z.enum(replayModes),
    seed: z.int(),
    concurrency: z.int().min(1).max(1024),
    spendCap: amount.nullable(),
    currency,
    onMiss: z.enum(['stop', 'error']),
    similar: z.boolean().default(false),
    tools: z.record(z.string(), toolPolicy).default({}),
  }),
  checks: z.array(check).max(200).default([]),
  checkLimits: z
    .strictObject({ timeMs: z.int().min(10).max(600_000), memoryMiB: z.int().min(16).max(16_384) })
    .default({ timeMs: 1000, memoryMiB: 128 }),
  judge: judge.nullable(),
  egress: z.array(
    z.strictObject({
      processor: z.string().min(1),
      decision: z.enum(['allowed', 'refused']),
      by: z.string().min(2, 'must name the person who decided'),
      on: day,
      purposes: z.array(z.enum(egressPurposes)).min(1),
      level: z.enum(['redacted', 'full']),
      data: z.string().min(3, 'must say whose data of what kind'),
      until: day.nullable().default(null),
      note: z.string().nullable().default(null),
    }),
  ),
  prices: z.strictObject({
    asOf: day,
    scenarios: z.array(z.strictObject({ name: z.string().min(1), asOf: day })),
  }),
  frozen: z
    .strictObject({
      at: z.iso.datetime(),
      hash,
      amendedAfterData: z.string().nullable(),
    })
    .nullable(),
})

export type PlanFile = z.infer<typeof planSchema>
