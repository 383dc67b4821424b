/**
 * Worked bills: what a request cost, worked out by hand from the vendor's published price.
 *
 * `price` quotes the list as input/output/cache read (and writes) in currency units per 1,000,000 tokens, so a
 * token costs price x 1,000 nanos. The records of `data/price-history.json` name the page of each price; the
 * dates here are the source's. Nothing in the table is computed by the code under test.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { costTiers, priceRequest } from '@portolan/meter'
import { bundledBook, usageOf, type Counts } from './bundled-book.ts'

interface Bill {
  readonly what: string
  readonly vendor: string
  readonly model: string
  readonly currency?: string
  readonly at: string
  readonly modifiers?: readonly string[]
  readonly tokens: Counts
  readonly price: string
  /** The sum as written down on paper. */
  readonly nanos: bigint
}

// 1M prompt tokens at 90 % hits and 25K output: the mix of the launch-month comparisons.
const mix: Counts = { miss: 100_000, hit: 900_000, output: 25_000 }
const pro = { vendor: 'deepseek', model: 'deepseek-v4-pro', tokens: mix }
const flash = { vendor: 'deepseek', model: 'deepseek-v4-flash', tokens: mix }
const proPeak = 'peak 1.32/3.96/0.044'
const proOff = 'off-peak 0.66/1.98/0.022'
// 100,000 x 660 + 900,000 x 22 + 25,000 x 1,980 = 66.0M + 19.8M + 49.5M; peak is twice that.
const proOffNanos = 135_300_000n
const proPeakNanos = 270_600_000n

const bills: readonly Bill[] = [
  // ---- the launch month: V4-Pro ----
  {
    ...pro,
    what: 'V4-Pro on its first second',
    at: '2026-04-24T00:00:00Z',
    price: '1.74/3.48/0.145',
    // 174,000,000 + 130,500,000 + 87,000,000
    nanos: 391_500_000n,
  },
  {
    ...pro,
    what: 'V4-Pro one millisecond before the promotion',
    at: '2026-04-25T23:59:59.999Z',
    price: '1.74/3.48/0.145',
    nanos: 391_500_000n,
  },
  {
    ...pro,
    what: 'V4-Pro on the first instant of the promotion; the undiscounted list beside it is never charged',
    at: '2026-04-26T00:00:00Z',
    price: 'promo 0.435/0.87/0.003625',
    // 43,500,000 + 3,262,500 + 21,750,000
    nanos: 68_512_500n,
  },
  {
    ...pro,
    what: 'V4-Pro one millisecond before the promotion became the list',
    at: '2026-05-21T23:59:59.999Z',
    price: 'promo 0.435/0.87/0.003625',
    nanos: 68_512_500n,
  },
  {
    ...pro,
    what: 'V4-Pro when the promotion had been made permanent',
    at: '2026-05-22T00:00:00Z',
    price: '0.435/0.87/0.003625',
    nanos: 68_512_500n,
  },
  {
    ...pro,
    what: 'V4-Pro on the day the promotion had been announced to end: nothing happened',
    at: '2026-06-01T00:00:00Z',
    price: '0.435/0.87/0.003625',
    nanos: 68_512_500n,
  },
  // ---- the launch month: V4-Flash ----
  {
    ...flash,
    what: 'V4-Flash at launch',
    at: '2026-04-24T12:00:00Z',
    price: '0.14/0.28/0.028',
    // 14,000,000 + 25,200,000 + 7,000,000
    nanos: 46_200_000n,
  },
  {
    ...flash,
    what: 'V4-Flash one millisecond before its hit price fell to a tenth',
    at: '2026-04-25T23:59:59.999Z',
    price: '0.14/0.28/0.028',
    nanos: 46_200_000n,
  },
  {
    ...flash,
    what: 'V4-Flash once its hit price had fallen to a tenth',
    at: '2026-04-26T00:00:00Z',
    price: '0.14/0.28/0.0028',
    // 14,000,000 + 2,520,000 + 7,000,000
    nanos: 23_520_000n,
  },
  // ---- peak hours: start of the regime, 2026-08-17 00:00 Beijing ----
  {
    ...pro,
    what: 'V4-Pro one millisecond before peak pricing began',
    at: '2026-08-16T15:59:59.999Z',
    price: '0.435/0.87/0.003625',
    nanos: 68_512_500n,
  },
  {
    ...pro,
    what: 'V4-Pro at midnight in Beijing when peak pricing began',
    at: '2026-08-16T16:00:00Z',
    price: proOff,
    nanos: proOffNanos,
  },
  {
    ...flash,
    what: 'V4-Flash off-peak in the first peak week',
    at: '2026-08-17T05:00:00Z',
    price: 'off-peak 0.22/0.66/0.007',
    // 22,000,000 + 6,300,000 + 16,500,000
    nanos: 44_800_000n,
  },
  {
    ...flash,
    what: 'V4-Flash at peak in the first peak week',
    at: '2026-08-17T06:00:00Z',
    price: 'peak 0.44/1.32/0.014',
    nanos: 89_600_000n,
  },
  {
    ...pro,
    what: 'a Saturday morning in Beijing while weekends still had peak hours',
    at: '2026-08-22T01:00:00Z',
    price: proPeak,
    nanos: proPeakNanos,
  },
  {
    ...pro,
    what: 'the Sunday after weekends had become off-peak',
    at: '2026-08-23T01:00:00Z',
    price: proOff,
    nanos: proOffNanos,
  },
  // ---- peak hours: the four edges of a working day, Monday 2026-08-24 ----
  { ...pro, what: 'Monday 08:59:59.999 in Beijing', at: '2026-08-24T00:59:59.999Z', price: proOff, nanos: proOffNanos },
  { ...pro, what: 'Monday 09:00 in Beijing', at: '2026-08-24T01:00:00Z', price: proPeak, nanos: proPeakNanos },
  { ...pro, what: 'Monday 11:59:59.999', at: '2026-08-24T03:59:59.999Z', price: proPeak, nanos: proPeakNanos },
  { ...pro, what: 'Monday 12:00', at: '2026-08-24T04:00:00Z', price: proOff, nanos: proOffNanos },
  { ...pro, what: 'Monday 13:59:59.999', at: '2026-08-24T05:59:59.999Z', price: proOff, nanos: proOffNanos },
  { ...pro, what: 'Monday 14:00', at: '2026-08-24T06:00:00Z', price: proPeak, nanos: proPeakNanos },
  { ...pro, what: 'Monday 17:59:59.999', at: '2026-08-24T09:59:59.999Z', price: proPeak, nanos: proPeakNanos },
  { ...pro, what: 'Monday 18:00', at: '2026-08-24T10:00:00Z', price: proOff, nanos: proOffNanos },
  // ---- peak hours: weekends and holidays by the Beijing calendar ----
  { ...pro, what: 'Friday 10:00 in Beijing', at: '2026-11-20T02:00:00Z', price: proPeak, nanos: proPeakNanos },
  { ...pro, what: 'Saturday 10:00 in Beijing', at: '2026-11-21T02:00:00Z', price: proOff, nanos: proOffNanos },
  {
    ...pro,
    what: 'National Day, a Thursday, at 10:00 in Beijing',
    at: '2026-10-01T02:00:00Z',
    price: proOff,
    nanos: proOffNanos,
  },
  {
    ...pro,
    what: 'the last holiday, Wednesday 7 October, at 10:00',
    at: '2026-10-07T02:00:00Z',
    price: proOff,
    nanos: proOffNanos,
  },
  {
    ...pro,
    what: 'the first working day after the holidays at 10:00',
    at: '2026-10-08T02:00:00Z',
    price: proPeak,
    nanos: proPeakNanos,
  },
  // ---- announced, then withdrawn ----
  {
    ...pro,
    what: 'V4-Pro after the reroute to the Flash price that was announced and then dropped',
    at: '2026-09-14T04:00:00Z',
    // Monday 12:00 in Beijing: off-peak has just begun.
    price: proOff,
    nanos: proOffNanos,
  },
  {
    what: 'Sonnet 5 after a rise that was expected for September and did not come',
    vendor: 'anthropic',
    model: 'claude-sonnet-5',
    at: '2026-09-15T00:00:00Z',
    tokens: { miss: 1000, output: 1000 },
    price: '2/10',
    nanos: 12_000_000n,
  },
  // ---- renamed and retired names ----
  {
    ...flash,
    what: 'the name deepseek-v4-flash today, served and billed as deepseek-flash, off-peak',
    at: '2026-11-23T11:00:00Z',
    price: 'off-peak 0.15/0.6/0.003',
    // 15,000,000 + 2,700,000 + 15,000,000
    nanos: 32_700_000n,
  },
  {
    ...flash,
    model: 'deepseek-flash',
    what: 'deepseek-flash at peak',
    at: '2026-11-23T02:00:00Z',
    price: 'peak 0.3/1.2/0.006',
    nanos: 65_400_000n,
  },
  {
    ...flash,
    what: 'V4-Flash one millisecond before the name and price changed, Thursday 11:59 in Beijing',
    at: '2026-09-10T03:59:59.999Z',
    price: 'peak 0.44/1.32/0.014',
    nanos: 89_600_000n,
  },
  {
    ...flash,
    what: 'V4-Flash at the change, 12:00 in Beijing',
    at: '2026-09-10T04:00:00Z',
    price: 'off-peak 0.15/0.6/0.003',
    nanos: 32_700_000n,
  },
  {
    ...flash,
    model: 'deepseek-chat',
    what: 'deepseek-chat while it was V3.2',
    at: '2026-01-15T00:00:00Z',
    price: '0.28/0.42/0.028',
    // 28,000,000 + 25,200,000 + 10,500,000
    nanos: 63_700_000n,
  },
  {
    ...flash,
    model: 'deepseek-reasoner',
    what: 'deepseek-reasoner served by V4-Flash in its last second',
    at: '2026-07-24T15:58:59.999Z',
    price: '0.14/0.28/0.0028',
    nanos: 23_520_000n,
  },
  // ---- yuan lists are lists of their own ----
  {
    ...pro,
    currency: 'CNY',
    what: 'V4-Pro in yuan during the promotion',
    at: '2026-05-10T00:00:00Z',
    price: '3/6/0.025',
    // 300,000,000 + 22,500,000 + 150,000,000
    nanos: 472_500_000n,
  },
  {
    ...flash,
    currency: 'CNY',
    model: 'deepseek-flash',
    what: 'flash in yuan off-peak',
    at: '2026-11-23T11:00:00Z',
    price: '1/4/0.02',
    // 100,000,000 + 18,000,000 + 100,000,000
    nanos: 218_000_000n,
  },
  {
    what: 'Kimi K2.5 in yuan on its last day',
    vendor: 'moonshot',
    model: 'kimi-k2.5',
    currency: 'CNY',
    at: '2026-04-19T23:59:59.999Z',
    tokens: { miss: 1000, output: 1000 },
    price: '4/21/0.7',
    nanos: 25_000_000n,
  },
  {
    what: 'Kimi K2.6 in yuan',
    vendor: 'moonshot',
    model: 'kimi-k2.6',
    currency: 'CNY',
    at: '2026-04-20T00:00:00Z',
    tokens: { miss: 1000, output: 1000 },
    price: '6.5/27/1.1',
    nanos: 33_500_000n,
  },
  {
    what: 'Kimi K2.6 in dollars: not a conversion of the yuan list',
    vendor: 'moonshot',
    model: 'kimi-k2.6',
    at: '2026-04-20T00:00:00Z',
    tokens: { miss: 1000, hit: 1000, output: 1000 },
    price: '0.95/4/0.16',
    nanos: 5_110_000n,
  },
  {
    what: 'GLM-5.3-Flash one millisecond before the end of its promotion, 24:00 in Beijing',
    vendor: 'zhipu',
    model: 'glm-5.3-flash',
    currency: 'CNY',
    at: '2026-09-09T15:59:59.999Z',
    tokens: { miss: 1000, hit: 1000, output: 1000 },
    price: 'promo 0.4/1.4/0.115',
    nanos: 1_915_000n,
  },
  {
    what: 'GLM-5.3-Flash after its promotion',
    vendor: 'zhipu',
    model: 'glm-5.3-flash',
    currency: 'CNY',
    at: '2026-09-09T16:00:00Z',
    tokens: { miss: 1000, hit: 1000, output: 1000 },
    price: '0.8/2.8/0.23',
    nanos: 3_830_000n,
  },
  // ---- context thresholds: the whole request changes price ----
  {
    what: 'GPT-5.5 at exactly 272,000 prompt tokens',
    vendor: 'openai',
    model: 'gpt-5.5',
    at: '2026-05-01T00:00:00Z',
    tokens: { miss: 272_000, output: 1000 },
    price: '5/30/0.5',
    nanos: 1_390_000_000n,
  },
  {
    what: 'GPT-5.5 one token above the threshold: every token, output included',
    vendor: 'openai',
    model: 'gpt-5.5',
    at: '2026-05-01T00:00:00Z',
    tokens: { miss: 272_001, output: 1000 },
    price: '>272k 10/45/1',
    // 2,720,010,000 + 45,000,000
    nanos: 2_765_010_000n,
  },
  {
    what: 'GPT-5.5 above the threshold only because of cached tokens: they count',
    vendor: 'openai',
    model: 'gpt-5.5',
    at: '2026-05-01T00:00:00Z',
    tokens: { miss: 1, hit: 272_000, output: 1000 },
    price: '>272k 10/45/1',
    // 10,000 + 272,000,000 + 45,000,000
    nanos: 317_010_000n,
  },
  {
    what: 'Gemini 3.1 Pro at 200,000',
    vendor: 'google',
    model: 'gemini-3.1-pro-preview',
    at: '2026-05-01T00:00:00Z',
    tokens: { miss: 200_000, output: 1000 },
    price: '2/12/0.2',
    nanos: 412_000_000n,
  },
  {
    what: 'Gemini 3.1 Pro at 200,001',
    vendor: 'google',
    model: 'gemini-3.1-pro-preview',
    at: '2026-05-01T00:00:00Z',
    tokens: { miss: 200_001, output: 1000 },
    price: '>200k 4/18/0.4',
    nanos: 818_004_000n,
  },
  {
    what: 'Haiku 5.5 at 100,000',
    vendor: 'anthropic',
    model: 'claude-haiku-5-5',
    at: '2026-11-01T00:00:00Z',
    tokens: { miss: 100_000, output: 1000 },
    price: '0.1/0.5/0.01',
    nanos: 10_500_000n,
  },
  {
    what: 'Haiku 5.5 at 100,001: five times as dear',
    vendor: 'anthropic',
    model: 'claude-haiku-5-5',
    at: '2026-11-01T00:00:00Z',
    tokens: { miss: 100_001, output: 1000 },
    price: '>100k 0.5/2.5/0.05',
    nanos: 52_500_500n,
  },
  {
    what: 'Haiku 5.5 above the threshold by its cache writes',
    vendor: 'anthropic',
    model: 'claude-haiku-5-5',
    at: '2026-11-01T00:00:00Z',
    tokens: { miss: 1000, hit: 90_000, write5m: 9001, output: 1000 },
    price: '>100k 0.5/2.5/0.05, write 0.625',
    // 500,000 + 4,500,000 + 5,625,625 + 2,500,000
    nanos: 13_125_625n,
  },
  // ---- cache writes ----
  {
    what: 'Opus 5.5 with writes of both lifetimes',
    vendor: 'anthropic',
    model: 'claude-opus-5-5',
    at: '2026-10-01T00:00:00Z',
    tokens: { miss: 100, hit: 50_000, write5m: 2000, write1h: 3000, output: 800 },
    price: '4/20/0.2, writes 5 and 8',
    // 400,000 + 10,000,000 + 10,000,000 + 24,000,000 + 16,000,000
    nanos: 60_400_000n,
  },
  {
    what: 'GPT-5.6 Terra charges for writes',
    vendor: 'openai',
    model: 'gpt-5.6-terra',
    at: '2026-07-29T23:59:59.999Z',
    tokens: { miss: 1000, write5m: 1000 },
    price: '2.5/15/0.25, write 3.125',
    nanos: 5_625_000n,
  },
  {
    what: 'GPT-5.6 Terra after its cut',
    vendor: 'openai',
    model: 'gpt-5.6-terra',
    at: '2026-07-30T00:00:00Z',
    tokens: { miss: 1000, write5m: 1000 },
    price: '2/12/0.2, write 2.5',
    nanos: 4_500_000n,
  },
  {
    what: 'GPT-5.6 Terra above 272K: the write keeps its 1.25 of the input price',
    vendor: 'openai',
    model: 'gpt-5.6-terra',
    at: '2026-08-01T00:00:00Z',
    tokens: { miss: 270_000, write5m: 3000 },
    price: '>272k 4/18/0.4, write 1.25 x 4 = 5',
    // 1,080,000,000 + 15,000,000
    nanos: 1_095_000_000n,
  },
  {
    what: 'Astra above 272K, where the list names the write price itself',
    vendor: 'openai',
    model: 'gpt-6-astra',
    at: '2026-10-01T00:00:00Z',
    tokens: { miss: 270_000, write5m: 3000 },
    price: '>272k 20/75/2, write 25',
    nanos: 5_475_000_000n,
  },
  {
    what: 'Qwen 3.6 Max in dollars lists a write price',
    vendor: 'alibaba',
    model: 'qwen3.6-max-preview',
    at: '2026-06-01T00:00:00Z',
    tokens: { write5m: 1000, hit: 1000 },
    price: '1.3/7.8/0.13, write 1.625',
    nanos: 1_755_000n,
  },
  {
    what: 'where no write price is listed a write is plain input',
    vendor: 'moonshot',
    model: 'kimi-k3',
    at: '2026-08-01T00:00:00Z',
    tokens: { write5m: 1000, miss: 1000, hit: 1000, output: 10 },
    price: '3/15/0.3',
    // 3,000,000 + 3,000,000 + 300,000 + 150,000
    nanos: 6_450_000n,
  },
  // ---- cache reads at their own prices ----
  {
    what: 'Sonnet 5.5 hits one millisecond before they got cheaper',
    vendor: 'anthropic',
    model: 'claude-sonnet-5-5',
    at: '2026-10-06T23:59:59.999Z',
    tokens: { hit: 100_000 },
    price: '2/10/0.2',
    nanos: 20_000_000n,
  },
  {
    what: 'Sonnet 5.5 hits at half of that',
    vendor: 'anthropic',
    model: 'claude-sonnet-5-5',
    at: '2026-10-07T00:00:00Z',
    tokens: { hit: 100_000 },
    price: '2/10/0.1',
    nanos: 10_000_000n,
  },
  {
    what: 'Fable 5.1 reads at a fortieth of its input',
    vendor: 'anthropic',
    model: 'claude-fable-5-1',
    at: '2026-09-01T00:00:00Z',
    tokens: { hit: 1_000_000 },
    price: '10/50/0.25',
    nanos: 250_000_000n,
  },
  {
    what: 'GPT-6.1 Sol reads at a twentieth',
    vendor: 'openai',
    model: 'gpt-6.1-sol',
    at: '2026-10-15T00:00:00Z',
    tokens: { hit: 100_000, miss: 100, output: 10 },
    price: '2/10/0.1',
    // 10,000,000 + 200,000 + 100,000
    nanos: 10_300_000n,
  },
  // ---- service tiers ----
  {
    what: 'Opus 4.6 at standard speed',
    vendor: 'anthropic',
    model: 'claude-opus-4-6',
    at: '2026-03-01T00:00:00Z',
    tokens: { miss: 1000, output: 1000 },
    price: '5/25',
    nanos: 30_000_000n,
  },
  {
    what: 'Opus 4.6 fast: six times',
    vendor: 'anthropic',
    model: 'claude-opus-4-6',
    at: '2026-03-01T00:00:00Z',
    modifiers: ['fast'],
    tokens: { miss: 1000, output: 1000 },
    price: '5/25 x 6',
    nanos: 180_000_000n,
  },
  {
    what: 'Opus 4.8 fast: twice',
    vendor: 'anthropic',
    model: 'claude-opus-4-8',
    at: '2026-06-15T00:00:00Z',
    modifiers: ['fast'],
    tokens: { miss: 1000, output: 1000 },
    price: '5/25 x 2',
    nanos: 60_000_000n,
  },
  {
    what: 'modifiers of different axes multiply: batch, in the US only',
    vendor: 'anthropic',
    model: 'claude-sonnet-5',
    at: '2026-07-15T00:00:00Z',
    modifiers: ['us_only_inference', 'batch'],
    tokens: { miss: 1000, output: 1000 },
    price: '2/10 x 0.5 x 1.1',
    nanos: 6_600_000n,
  },
  {
    what: 'GPT-5.5 priority',
    vendor: 'openai',
    model: 'gpt-5.5',
    at: '2026-05-01T00:00:00Z',
    modifiers: ['priority'],
    tokens: { miss: 1000, output: 100 },
    price: '5/30 x 2.5',
    nanos: 20_000_000n,
  },
  {
    what: 'GPT-5.4 flex above the threshold: both apply',
    vendor: 'openai',
    model: 'gpt-5.4',
    at: '2026-04-01T00:00:00Z',
    modifiers: ['flex'],
    tokens: { miss: 300_000, output: 100 },
    price: '>272k 5/22.5/0.5 x 0.5',
    // 750,000,000 + 1,125,000
    nanos: 751_125_000n,
  },
  {
    what: 'a dated snapshot is billed as its model',
    vendor: 'anthropic',
    model: 'claude-haiku-4-5-20251001',
    at: '2026-01-01T00:00:00Z',
    tokens: { miss: 1000, output: 1000 },
    price: '1/5',
    nanos: 6_000_000n,
  },
  {
    what: 'GPT-5 a year and a half before the rest',
    vendor: 'openai',
    model: 'gpt-5',
    at: '2025-08-07T00:00:00Z',
    tokens: { miss: 1000, hit: 1000, output: 100 },
    price: '1.25/10/0.125',
    nanos: 2_375_000n,
  },
  // ---- one rounding, half to even, on the row ----
  {
    ...pro,
    what: 'one hit token is 3.625 nanos: 4',
    at: '2026-05-01T00:00:00Z',
    tokens: { hit: 1 },
    price: '0.003625',
    nanos: 4n,
  },
  {
    ...pro,
    what: 'two hit tokens are 7.25 nanos: 7, not twice 4',
    at: '2026-05-01T00:00:00Z',
    tokens: { hit: 2 },
    price: '0.003625',
    nanos: 7n,
  },
  {
    ...pro,
    what: '14.5 nanos go to the even 14',
    at: '2026-05-01T00:00:00Z',
    tokens: { hit: 4 },
    price: '0.003625',
    nanos: 14n,
  },
  {
    ...pro,
    what: '43.5 nanos go to the even 44',
    at: '2026-05-01T00:00:00Z',
    tokens: { hit: 12 },
    price: '0.003625',
    nanos: 44n,
  },
]

describe('worked bills', () => {
  it('are at least sixty', () => assert.ok(bills.length >= 60, String(bills.length)))

  for (const { what, vendor, model, currency = 'USD', at, modifiers, tokens, price, nanos } of bills)
    it(`${what} (${price})`, () => {
      const cost = priceRequest(usageOf(tokens), bundledBook, { vendor, model, currency, modifiers }, Date.parse(at))
      assert.equal(cost.unpriced, null)
      assert.equal(cost.totalNanos, nanos)
      assert.equal(cost.currency, currency)
      assert.equal(
        costTiers.reduce((sum, tier) => sum + (cost.tierNanos[tier] ?? 0n), 0n),
        nanos,
        'tiers add up to the total',
      )
    })
})
