/** The part of `portolan.yaml` about the books: how long rows are kept, and rates for showing other currencies. */
import { z } from 'zod'

export const booksSettings = {
  usage: z
    .strictObject({
      retentionDays: z
        .int()
        .min(1)
        .max(36_500)
        .optional()
        .describe('Rows older than this go into checked archive files, once a day; default: rows stay for ever.'),
      archive: z
        .string()
        .min(1)
        .optional()
        .describe('Directory of those files; default: archive in the data directory.'),
    })
    .optional()
    .describe('How long the rows of the ledger stay in it. Sums stay in any case. See the guide to the books.'),
  displayRates: z
    .string()
    .min(1)
    .optional()
    .describe('File of exchange rates by day, for `--in` of usage, statements and prices. Never used for billing.'),
}
