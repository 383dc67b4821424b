/**
 * The shape of `portolan.yaml`: the source of truth for validation, for the JSON Schema that editors use, and
 * for the reference page. Strict: an unknown member is a typo and is refused.
 */
import { z } from 'zod'
import { upstreamKinds } from '@portolan/upstream'
import { protocols } from '@portolan/wire'
import { booksSettings } from './books-schema.ts'
import { decimal as rate, limitSettings } from './limits-schema.ts'

const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'must be 1 to 64 letters, digits, ".", "_" or "-"')
const milliseconds = z.int().min(0).max(2_147_483_647)

const upstream = z
  .strictObject({
    kind: z.enum(upstreamKinds as [string, ...string[]]).describe('What stands behind the address.'),
    baseUrl: z
      .string()
      .optional()
      .describe('Root of the API, with or without /v1. Needed for the compatible and self-hosted kinds.'),
    apiKey: z.string().optional().describe('Only by reference: "${DEEPSEEK_API_KEY}".'),
    protocols: z
      .array(z.enum(protocols as [string, ...string[]]))
      .min(1)
      .optional()
      .describe('Which protocols to speak with it; default: those marked as used in the reference of upstreams.'),
    profile: z.string().optional().describe('Dated behaviour of the service, for kinds that have it, e.g. 2026-11.'),
    models: z.array(z.string()).optional().describe('Models it serves, by its own names.'),
    prices: z
      .union([
        z.string(),
        z.strictObject({
          input: rate.describe('Prompt tokens that were not cached.'),
          output: rate.describe('Answer tokens, reasoning included.'),
          cacheRead: rate.optional().describe('Prompt tokens served from a cache; default: as input.'),
          cacheWrite: rate.optional().describe('Prompt tokens written to a cache; default: as input.'),
        }),
      ])
      .optional()
      .describe(
        'A vendor of the price book (own hardware: "self-hosted", see `price self-hosted`), "free", or rates of your own per 1,000,000 tokens.',
      ),
    timeouts: z
      .strictObject({
        connectMs: milliseconds.optional().describe('Connection and TLS; default 10,000.'),
        firstByteMs: milliseconds
          .optional()
          .describe("From sending to the first byte of the answer's body, so over queue and prefill; default 900,000."),
        idleMs: milliseconds.optional().describe('Longest silence within an answer; default 300,000.'),
      })
      .optional()
      .describe('Milliseconds; 0: none.'),
    concurrency: z.int().min(1).optional().describe('Requests at once; more wait in line.'),
    midSystem: z.enum(['in-place', 'user-wrap']).optional().describe('System messages among the others.'),
    lossy: z
      .enum(['warn', 'strict', 'silent'])
      .optional()
      .describe('For models whose own `lossy` is not set; default: warn.'),
    stripBillingLine: z
      .boolean()
      .optional()
      .describe("Cut Claude Code's volatile first system block, for the prefix cache's sake."),
    checkpoint: z
      .string()
      .optional()
      .describe('Kind embedded: folder of a V4 model; default: a small untrained one, made in the data directory.'),
    cache: z
      .strictObject({
        memoryBytes: z.int().min(0).optional().describe('Prefixes in memory; default 256 MiB.'),
        diskBytes: z.int().min(0).optional().describe('Prefixes on disk; default 1 GiB.'),
      })
      .optional()
      .describe('Kind embedded: how much of earlier prompts is kept for later ones.'),
    engine: z
      .strictObject({
        running: z.int().min(1).max(1024).optional().describe('Answers written at once; default 32.'),
        queued: z.int().min(0).optional().describe('Requests that may wait; one more gets a 429. Default 256.'),
        deadlineMs: milliseconds
          .min(1)
          .optional()
          .describe('Longest life of a request, waiting included; default: none.'),
        memoryBytes: z
          .int()
          .min(1)
          .optional()
          .describe('What answers in progress may remember together; default: half of the memory of the machine.'),
      })
      .optional()
      .describe('Kind embedded: how much it takes on at once.'),
    paths: z
      .partialRecord(z.enum(protocols as [string, ...string[]]), z.string().startsWith('/'))
      .optional()
      .describe('Other paths than the usual ones.'),
  })
  .describe('A supplier of models.')

const model = z.strictObject({
  route: z
    .array(
      z.union([
        name,
        z.strictObject({
          upstream: name.describe('A name from `upstreams`.'),
          model: z.string().optional().describe("This upstream's own name of the model."),
        }),
      ]),
    )
    .min(1)
    .describe('Upstreams in order of preference; the next one answers when one fails before its first byte.'),
  model: z.string().optional().describe("The upstreams' own name of the model; default: the same name."),
  lossy: z
    .enum(['warn', 'strict', 'silent'])
    .optional()
    .describe('What to do when a translation must drop something: report it (default), refuse, or say nothing.'),
  tokenizer: z
    .string()
    .optional()
    .describe('Path of a tokenizer.json, for exact token counts and for what an answer used that broke off.'),
})

export const configSchema = z
  .strictObject({
    listen: z.string().optional().describe('host:port; default 127.0.0.1:4114.'),
    data: z.string().optional().describe('Directory of ledger, keys and secrets; default .portolan beside this file.'),
    upstreams: z
      .record(name, upstream)
      .optional()
      .describe('Suppliers by a name of your choice; default: those whose usual keys are in the environment.'),
    models: z
      .record(z.string().min(1).max(200), model)
      .optional()
      .describe('Names that callers use. A name that is not here goes to the upstreams that know it.'),
    ...limitSettings,
    ...booksSettings,
    prices: z
      .strictObject({
        overrides: z
          .array(z.string().min(1))
          .optional()
          .describe('Price files of your own, asked first, in this order.'),
        catalogues: z
          .array(z.string().min(1))
          .optional()
          .describe('Imported catalogues, asked last: only for what nothing above prices.'),
      })
      .optional()
      .describe('Price files beside the book that ships. See the guide to prices.'),
    telemetry: z
      .strictObject({
        endpoint: z
          .string()
          .regex(/^https?:\/\//, 'must be an http(s) address')
          .optional()
          .describe('OTLP over HTTP, e.g. http://127.0.0.1:4318; default: OTEL_EXPORTER_OTLP_ENDPOINT; neither: off.'),
        serviceName: z.string().min(1).optional().describe('Default: OTEL_SERVICE_NAME, else portolan.'),
        metricsIntervalMs: z.int().min(1000).max(3_600_000).optional().describe('Default 60,000.'),
        sampleRatio: z.number().min(0).max(1).optional().describe('Share of requests that become spans; default 1.'),
      })
      .optional()
      .describe('OpenTelemetry spans and metrics, GenAI conventions. Never message bodies.'),
    recording: z
      .strictObject({
        keyEnv: z
          .string()
          .optional()
          .describe('Environment variable that holds the recording key, 32 bytes in base64 or hex.'),
        keyFile: z
          .string()
          .optional()
          .describe('File that holds it; default: recording.key in the data directory, made on first use.'),
        keyCommand: z.array(z.string()).min(1).optional().describe('Program and arguments that print it.'),
        terms: z
          .array(z.string().min(4))
          .optional()
          .describe('Names and words that level redacted takes out, beside what it finds by form.'),
        fields: z
          .array(
            z.strictObject({
              tool: z.string().min(1).describe('Tool name; a * at its end matches any rest.'),
              path: z.string().describe('Place in its arguments or JSON result, e.g. $.customer.name or $..email.'),
              class: z
                .string()
                .regex(/^[A-Z]{2,16}$/, 'must be 2 to 16 capital letters, e.g. NAME')
                .describe('Word in the pseudonym.'),
            }),
          )
          .optional()
          .describe('Members of tool calls that are personal by their place.'),
        maxBytes: z
          .int()
          .min(1_048_576)
          .optional()
          .describe('Content is no longer kept above this; default: no bound.'),
      })
      .optional()
      .describe('How recordings are encrypted and redacted; `portolan record start` says what is recorded.'),
    limits: z
      .strictObject({
        bodyBytes: z.int().min(1024).optional().describe('Largest request body; default 64 MiB.'),
        bodyMs: milliseconds.optional().describe('Longest pause inside a request body; default 60,000.'),
        clientStallMs: milliseconds.optional().describe('How long a caller may refuse to read; default 300,000.'),
        drainMs: milliseconds.optional().describe('How long answers in flight may take at shutdown; default 30,000.'),
      })
      .optional()
      .describe('What one request may take.'),
    keepAliveMs: milliseconds
      .optional()
      .describe('Silent streams get a keep-alive this often; default 10,000; 0: never.'),
    affinityMs: milliseconds
      .optional()
      .describe('How long a conversation is drawn to the upstream that answered it last; default one hour.'),
    currency: z
      .string()
      .regex(/^[A-Z]{3}$/, 'must be a currency code such as USD')
      .optional()
      .describe("Which of a vendor's price lists bills this account; default USD."),
    workers: z.int().min(1).max(64).optional().describe('Processes that serve doors; default 1.'),
    ledger: z
      .strictObject({
        synchronous: z
          .enum(['NORMAL', 'FULL'])
          .optional()
          .describe('NORMAL (default) survives a crash of the process, FULL a power cut as well.'),
      })
      .optional()
      .describe('The ledger file.'),
    log: z
      .strictObject({
        level: z.enum(['debug', 'info', 'warn', 'error', 'silent']).optional().describe('Default: warn.'),
      })
      .optional()
      .describe('JSON lines on standard error.'),
  })
  .describe('portolan.yaml')

export type FileConfig = z.infer<typeof configSchema>
