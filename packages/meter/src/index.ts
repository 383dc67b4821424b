/** Public surface of `meter`. */
export {
  CacheSimulator,
  simulateCache,
  type AutomaticCacheRule,
  type CacheRule,
  type MarkedCacheRule,
  type UnitCacheRule,
  type PromptSegment,
  type TimelineRequest,
} from './cache-simulator.ts'
export { isPeak, zoneOffsetMs, type PeakSchedule } from './calendar.ts'
export { comparePrices, type ComparedSide, type PriceComparison, type TrafficMix } from './compare.ts'
export { costOf, costTiers, largestCost, priceRequest, type CostTier, type RequestCost } from './cost.ts'
export { formatDecimal, parseDecimal, type Decimal } from './decimal.ts'
export {
  describeDisplayRate,
  displayedDecimal,
  displayedNanos,
  displayRate,
  isMissingRate,
  noDisplayRates,
  readDisplayRates,
  type DisplayRate,
  type DisplayRates,
  type MissingRate,
} from './display-rates.ts'
export { MeterError, meterErrors, type MeterErrorCode } from './errors.ts'
export { selfHostedPrice, zeroPrice, type FixedRates } from './fixed-price.ts'
export { forecastBudget, type DailySpend, type Forecast, type ForecastInput, type SpendChange } from './forecast.ts'
export {
  disagreements,
  toPriceFile,
  type CatalogueImport,
  type CatalogueRecord,
  type ImportOptions,
  type PriceDisagreement,
} from './import/catalogue.ts'
export { importLiteLlm } from './import/litellm.ts'
export { importLlmPrices } from './import/llm-prices.ts'
export {
  importedFile,
  mergeImport,
  readImportedFile,
  type CatalogueMerge,
  type CatalogueOrigin,
  type ImportedFile,
} from './import/merge.ts'
export { importModelsDev } from './import/models-dev.ts'
export {
  cacheRuleOf,
  isUnpriced,
  priceAt,
  priceOfRecord,
  priceTimeline,
  stackPriceBooks,
  type Price,
  type PriceBook,
  type PriceKey,
  type PriceSegment,
  type Unpriced,
  type UnpricedReason,
  type VendorCacheRule,
} from './price-book.ts'
export type { ContextTier, PriceRecord, PriceStatus, Rates } from './price-record.ts'
export { bundledPricesUrl, loadPriceBook } from './price-file.ts'
export {
  checkUsage,
  unknownUsage,
  type CacheConvention,
  type CountField,
  type UsageFinding,
  type UsageFindingCode,
  type UsageRecord,
  type UsageSource,
} from './usage.ts'
export { diffPrices, priceFields, type PriceChange, type PriceDiffFilter, type PriceView } from './price-diff.ts'
export { lintPriceFile, type PriceFinding } from './price-lint.ts'
export {
  ratesFromThroughput,
  ratesFromTraffic,
  type SelfHostedRates,
  type ServedTraffic,
  type Throughput,
} from './self-hosted.ts'
export {
  repriceTraffic,
  type HitAssumption,
  type RecordedRequest,
  type RepricedTraffic,
  type TierSum,
  type WhatIf,
} from './what-if.ts'
export { announcedChanges, pastFactor, type RecentUse } from './price-kinks.ts'
