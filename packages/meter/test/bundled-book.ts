/** The book that ships, for tests: reading files is not the meter's business, so it is done here. */
import { readFileSync } from 'node:fs'
import { bundledPricesUrl, loadPriceBook, unknownUsage, type PriceBook, type UsageRecord } from '@portolan/meter'

export const bundledText: string = readFileSync(bundledPricesUrl, 'utf8')
export const bundledBook: PriceBook = loadPriceBook(bundledText)

export interface Counts {
  readonly miss?: number
  readonly hit?: number
  readonly write5m?: number
  readonly write1h?: number
  readonly output?: number
}

/** A complete, consistent record with the given counts and zero elsewhere. */
export function usageOf({ miss = 0, hit = 0, write5m = 0, write1h = 0, output = 0 }: Counts): UsageRecord {
  return {
    ...unknownUsage,
    inputTokens: miss + hit + write5m + write1h,
    hitTokens: hit,
    missTokens: miss,
    writtenTokens: write5m + write1h,
    written1hTokens: write1h,
    outputTokens: output,
    reasoningTokens: 0,
    source: 'reported',
    convention: 'cached-inside',
  }
}
