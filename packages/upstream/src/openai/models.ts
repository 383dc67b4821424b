/**
 * What differs between OpenAI's models, by the beginning of their names. First match wins.
 *
 * Reasoning models refuse sampling values; effort words and explicit cache marks came with certain
 * generations (pages as of 2026-11). Unknown names count as the newest generation: an old name is easier to
 * know than a new one.
 */
import type { Effort } from '@portolan/wire'

export interface OpenAiModelFacts {
  readonly reasoning: boolean
  readonly efforts: Readonly<Partial<Record<Effort, string>>>
  readonly maxOutputTokens: number | null
  /** `prompt_cache_breakpoint`, since GPT-5.6. */
  readonly cacheMarks: boolean
}

const threeLevels = {
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'high',
  max: 'high',
  ultra: 'high',
}
const withMinimal = { ...threeLevels, minimal: 'minimal' }
const withXhigh = { ...threeLevels, xhigh: 'xhigh', max: 'xhigh', ultra: 'xhigh' }
const withMax = { ...withXhigh, max: 'max', ultra: 'max' }

const newest: OpenAiModelFacts = { reasoning: true, efforts: withMax, maxOutputTokens: 128_000, cacheMarks: true }

const rows: readonly (readonly [RegExp, OpenAiModelFacts])[] = [
  [/^gpt-4\.1/, { reasoning: false, efforts: {}, maxOutputTokens: 32_768, cacheMarks: false }],
  [/^(gpt-4o|chatgpt-4o)/, { reasoning: false, efforts: {}, maxOutputTokens: 16_384, cacheMarks: false }],
  [/^gpt-(4|3\.5)/, { reasoning: false, efforts: {}, maxOutputTokens: 4_096, cacheMarks: false }],
  [/^o[134](-|$)/, { reasoning: true, efforts: threeLevels, maxOutputTokens: 100_000, cacheMarks: false }],
  [/^gpt-5\.1/, { reasoning: true, efforts: threeLevels, maxOutputTokens: 128_000, cacheMarks: false }],
  [/^gpt-5\.[2-5]/, { reasoning: true, efforts: withXhigh, maxOutputTokens: 128_000, cacheMarks: false }],
  [/^gpt-5(-|$)/, { reasoning: true, efforts: withMinimal, maxOutputTokens: 128_000, cacheMarks: false }],
]

export function openAiModelFacts(model: string): OpenAiModelFacts {
  // Fine-tuned names carry their base model: `ft:gpt-4.1-mini:org::id`.
  const name = model.startsWith('ft:') ? model.slice('ft:'.length) : model
  return rows.find(([pattern]) => pattern.test(name))?.[1] ?? newest
}
