/**
 * What the admin API takes and gives, as schemas: they check what comes in, and the OpenAPI document is made of them.
 *
 * Amounts are decimal text, exact to the nano-unit; instants are ISO 8601; ids are what people call things.
 */
import { z } from 'zod'
import { budgetSettings, rateLimitSettings } from '../config/limits-schema.ts'

const instant = z.iso.datetime({ offset: true })
const decimalText = z.string().describe('Decimal text: units of the currency, or whole tokens or requests.')
const nullableText = z.string().nullable()
const source = z.enum(['config', 'admin']).describe('Who made it; the API changes only what it made.')

export const idSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'must be 1 to 64 letters, digits, ".", "_" or "-"')

export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(1000).optional().describe('Items a page; default 100.'),
  after: z.string().max(200).optional().describe('`next` of the page before.'),
}

export function pageOf<T extends z.ZodType>(item: T) {
  return z.object({ data: z.array(item), next: nullableText.describe('For `after`; null: this is the last page.') })
}

const scopeView = z.object({
  keys: z.array(z.string()),
  teams: z.array(z.string()),
  organisations: z.array(z.string()),
  models: z.array(z.string()),
  each: z.enum(['key', 'team', 'organisation', 'model']).nullable(),
})

export const keyView = z.object({
  id: z.string(),
  name: z.string(),
  display: z.string().describe('First and last characters of the secret.'),
  team: nullableText,
  organisation: nullableText,
  models: z.array(z.string()).describe('Globs; empty: every model.'),
  state: z.enum(['active', 'revoked', 'expired']),
  createdAt: z.string(),
  expiresAt: nullableText,
  revokedAt: nullableText,
})
export const newKeyBody = z.strictObject({
  name: z.string().min(1).max(200),
  team: idSchema.optional(),
  models: z.array(z.string().min(1).max(200)).max(100).optional(),
  expiresAt: instant.optional(),
})
export const newKeyView = keyView.extend({ secret: z.string().describe('Shown this once.') })
export const changedKeyBody = z.strictObject({ team: idSchema.nullable().describe('null: out of its team.') })

export const teamView = z.object({
  id: z.string(),
  organisation: nullableText,
  source,
  keys: z.number().int().describe('Keys that are not revoked.'),
  createdAt: z.string(),
})
export const teamBody = z.strictObject({ organisation: idSchema.nullable().optional() })
export const organisationView = z.object({
  id: z.string(),
  source,
  teams: z.number().int(),
  createdAt: z.string(),
})

export const budgetView = z.object({
  id: z.string(),
  of: nullableText.describe('Whose counter it is, where each is counted apart.'),
  unit: z.enum(['money', 'tokens', 'requests']),
  currency: nullableText,
  limit: decimalText,
  spent: decimalText,
  reserved: decimalText,
  left: decimalText,
  overrun: decimalText,
  period: z.string().describe('day, month, total, or a rolling window such as 5h.'),
  periodStart: z.string(),
  resetsAt: nullableText,
  alerts: z.array(z.number()),
  scope: scopeView,
  source,
})
export const budgetBody = budgetSettings

export const rateLimitView = z.object({
  id: z.string(),
  unit: z.enum(['requests', 'tokens']),
  amount: z.number().int(),
  per: z.string(),
  burst: z.number().int(),
  scope: scopeView,
  source,
})
export const rateLimitBody = rateLimitSettings

export const alertView = z.object({
  id: z.string(),
  type: z.enum(['budget.threshold', 'budget.refused']),
  percent: z.number().nullable(),
  firedAt: z.string(),
  budget: z.record(z.string(), z.unknown()),
  state: z.enum(['waiting', 'delivered', 'given-up', 'untold']),
  attempts: z.number().int(),
})

export const usageQuery = z.strictObject({
  by: z
    .string()
    .max(200)
    .optional()
    .describe('Comma-separated: model, key, team, tag, upstream, status, month, day, hour. Default: model.'),
  from: instant.optional().describe('Inclusive, rounded down to the hour; default: 30 days ago.'),
  until: instant.optional().describe('Exclusive, rounded up to the hour; default: now.'),
  key: z.string().max(200).optional(),
  team: z.string().max(200).optional(),
  tag: z.string().max(200).optional(),
  model: z.string().max(200).optional(),
  upstream: z.string().max(200).optional(),
  ...pageQuery,
})
export const usageView = z.object({
  group: z.record(z.string(), nullableText),
  currency: nullableText,
  requests: z.number().int(),
  requestsUnpriced: z.number().int(),
  requestsWithoutUsage: z.number().int(),
  inputTokens: z.number().int(),
  hitTokens: z.number().int(),
  missTokens: z.number().int(),
  writtenTokens: z.number().int(),
  outputTokens: z.number().int(),
  reasoningTokens: z.number().int(),
  cost: nullableText.describe('null: nothing was priced.'),
})

export const archiveView = z.object({
  file: z.string().describe('Where it was written, on the machine of the gateway.'),
  archivedAt: z.string(),
  firstBatch: z.number().int(),
  lastBatch: z.number().int(),
  rows: z.number().int(),
  corrections: z.number().int(),
  bytes: z.number().int(),
  sha256: z.string(),
})
export const retentionView = z.object({
  days: z.number().int().nullable().describe('Rows older than this go into files, once a day; null: rows stay.'),
  directory: nullableText,
  last: z
    .object({
      startedAt: z.string(),
      endedAt: z.string(),
      files: z.number().int(),
      rows: z.number().int(),
      problem: nullableText.describe('What stopped it; the rows that were not moved are still in the ledger.'),
    })
    .nullable(),
})

export const requestsQuery = z.strictObject({ key: z.string().max(200).optional(), ...pageQuery })
export const requestView = z.object({
  id: z.string(),
  key: nullableText,
  session: nullableText,
  door: nullableText,
  upstream: nullableText,
  model: nullableText,
  status: z.string(),
  httpStatus: z.number().int().nullable(),
  errorCode: nullableText,
  startedAt: z.string(),
  durationMs: z.number().nullable(),
  inputTokens: z.number().nullable(),
  hitTokens: z.number().nullable(),
  outputTokens: z.number().nullable(),
  usageSource: z.string(),
  estimatedBy: nullableText.describe('Of estimates: by which tokenizer, or that they went by length.'),
  cost: nullableText,
  currency: nullableText,
  priceVersion: nullableText,
  unpricedReason: nullableText,
})

export const sessionView = z.object({
  session: z.string(),
  requests: z.number().int(),
  lastAt: z.string(),
  keptBytes: z.number().int(),
  totalBytes: z.number().int(),
  share: z.number().describe('Of the prompts before, how much stood unchanged at the front of the next; 1 is all.'),
  causes: z.array(z.string()).describe('What broke it, where anything did.'),
})

export const pricesQuery = z.strictObject({
  vendor: z.string().max(100).optional(),
  model: z.string().max(200).optional(),
  at: instant.optional().describe('Only what is listed for this instant.'),
  ...pageQuery,
})
export const priceView = z.object({
  id: z.string(),
  vendor: z.string(),
  model: z.string(),
  currency: z.string(),
  status: z.string(),
  from: z.string(),
  until: nullableText,
  rates: z.record(z.string(), z.string()).describe('Per 1,000,000 tokens, decimal text.'),
  sources: z.array(z.string()),
})

export const upstreamView = z.object({
  name: z.string(),
  state: z.string().describe('As this process sees it: closed is well.'),
  inFlight: z.number().int(),
  waiting: z.number().int(),
})

export const forecastView = z.object({
  budget: z.string(),
  of: nullableText,
  left: decimalText,
  kind: z.enum(['too-little-data', 'no-spend', 'already-spent', 'forecast']),
  endsOn: nullableText.describe('The middle of the forecast; null: not within its horizon, or no forecast.'),
  earliest: nullableText.describe('One in ten ends before.'),
  latest: nullableText.describe('One in ten ends after.'),
  assumptions: z.array(z.string()),
  message: nullableText,
})

export const errorView = z.object({
  error: z.object({ code: z.string(), message: z.string(), field: nullableText }),
})
