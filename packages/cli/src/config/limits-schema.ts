/** The part of `portolan.yaml` that says who may use how much: teams, budgets, rate limits, and whom to tell. */
import { z } from 'zod'

const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'must be 1 to 64 letters, digits, ".", "_" or "-"')
export const decimal = z.union([z.number().min(0), z.string().regex(/^\d+(\.\d+)?$/, 'must be a decimal number')])
export const duration = z.string().regex(/^[1-9]\d{0,5}[smhd]$/, 'must be a duration such as 30s, 5m, 5h or 7d')
const envReference = z
  .string()
  .regex(/^\$\{\w+\}$/, 'a secret belongs in the environment; write "${SOME_VARIABLE}" here')

export const scopeSettings = {
  keys: z.array(z.string()).optional().describe('Names or ids of the keys it holds for.'),
  teams: z.array(name).optional().describe('Teams it holds for. With no keys, teams and organisations: every key.'),
  organisations: z.array(name).optional().describe('Organisations it holds for.'),
  models: z.array(z.string().min(1)).optional().describe('Only for these models, e.g. "deepseek-*".'),
  each: z
    .enum(['key', 'team', 'organisation', 'model'])
    .optional()
    .describe('Counts each of these apart; default: one counter for all.'),
}

export const budgetSettings = z.strictObject({
  limit: decimal.describe('In units of `currency`, e.g. 25 or "0.50"; in tokens or requests where `unit` says so.'),
  unit: z.enum(['money', 'tokens', 'requests']).optional().describe('Default: money.'),
  period: z
    .string()
    .regex(/^(day|month|total|[1-9]\d{0,5}[smhd])$/, 'must be day, month, total, or a window such as 5h or 7d')
    .describe('Calendar days and months in UTC, everything ever, or a rolling window such as 5h or 7d.'),
  ...scopeSettings,
  alerts: z
    .array(z.int().min(1).max(100))
    .max(10)
    .optional()
    .describe('Per cent of the limit at which `webhook` is told, once a period; a first refusal is told as well.'),
})

export const rateLimitSettings = z
  .strictObject({
    requests: z.int().min(1).optional().describe('So many requests in `per`, as a steady rate.'),
    tokens: z.int().min(1).optional().describe('So many tokens in `per`, prompt and answer together.'),
    per: duration.describe('E.g. 1m.'),
    burst: z
      .int()
      .min(1)
      .optional()
      .describe('How many may come at once after a pause; default: what the rate lets through in `per`.'),
    ...scopeSettings,
  })
  .refine(({ requests, tokens }) => (requests === undefined) !== (tokens === undefined), {
    message: 'needs either `requests` or `tokens`; make two limits for both',
  })

export const limitSettings = {
  teams: z
    .record(name, z.strictObject({ organisation: name.optional().describe('The organisation it belongs to.') }))
    .optional()
    .describe('Teams that keys can be in (`portolan keys create NAME --team TEAM`).'),
  budgets: z
    .record(name, budgetSettings)
    .optional()
    .describe('Hard limits. A request whose largest possible bill does not fit is refused before it is sent.'),
  rateLimits: z
    .record(name, rateLimitSettings)
    .optional()
    .describe('How fast. A request that comes too soon is refused with the time to come again.'),
  webhook: z
    .strictObject({
      url: z
        .string()
        .regex(/^(https?:\/\/|\$\{\w+\}$)/, 'must be an http(s) address, or "${SOME_VARIABLE}"')
        .describe('Where alerts of budgets are posted, and nowhere else; redirects are not followed.'),
      secret: envReference.describe('Signs each message: "${PORTOLAN_WEBHOOK_SECRET}".'),
    })
    .optional()
    .describe('Whom to tell when a budget passes one of its `alerts`. See the guide to budgets.'),
  admin: z
    .strictObject({
      enabled: z.boolean().optional().describe('Default: true.'),
      remote: z
        .boolean()
        .optional()
        .describe('Also for callers on other machines and behind proxies; default: false, this machine only.'),
    })
    .optional()
    .describe('The API of operators under /admin, with a token of its own. See the guide to the admin API.'),
}
