/**
 * Settings of sampling, their ranges and their neutral values.
 */
import { ModelError } from '../errors.ts'

export interface SamplingOptions {
  /** 0: always the best token. Default 1. */
  readonly temperature?: number
  /** Keep the smallest set of best tokens whose probability reaches this; (0, 1]. Default 1. */
  readonly topP?: number
  /** Keep this many best tokens; 0: all. Default 0. */
  readonly topK?: number
  /** Keep tokens at least this probable relative to the best one; [0, 1]. Default 0. */
  readonly minP?: number
  /** Divide positive and multiply negative scores of tokens seen in prompt or output; > 0. Default 1. */
  readonly repetitionPenalty?: number
  /** Subtract this for each time a token was written; [-2, 2]. Default 0. */
  readonly frequencyPenalty?: number
  /** Subtract this once a token was written at all; [-2, 2]. Default 0. */
  readonly presencePenalty?: number
  /** Added to the scores of single tokens; -100 and 100 all but forbid and force. */
  readonly logitBias?: ReadonlyMap<number, number>
  /** Same seed, same scores: same tokens. Default: a random one, which `Sampler.seed` tells. */
  readonly seed?: number | bigint
}

export interface SamplingSettings {
  readonly temperature: number
  readonly topP: number
  readonly topK: number
  readonly minP: number
  readonly repetitionPenalty: number
  readonly frequencyPenalty: number
  readonly presencePenalty: number
  readonly logitBias: ReadonlyMap<number, number>
}

interface Range {
  readonly words: string
  readonly holds: (value: number) => boolean
}

const between = (low: number, high: number): Range => ({
  words: `from ${low} to ${high}`,
  holds: (value) => value >= low && value <= high,
})
const above0 = (high: number): Range => ({
  words: `above 0, up to ${high}`,
  holds: (value) => value > 0 && value <= high,
})
const count: Range = { words: 'a whole number from 0', holds: (value) => Number.isSafeInteger(value) && value >= 0 }

const ranges = {
  temperature: between(0, 100),
  topP: above0(1),
  topK: count,
  minP: between(0, 1),
  repetitionPenalty: above0(100),
  frequencyPenalty: between(-2, 2),
  presencePenalty: between(-2, 2),
} as const

const neutral = {
  temperature: 1,
  topP: 1,
  topK: 0,
  minP: 0,
  repetitionPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
} as const

/** Fills in the neutral values. @throws {ModelError} `MODEL_SAMPLING` naming setting, value and range. */
export function checkSampling(options: SamplingOptions): SamplingSettings {
  const value = (name: keyof typeof neutral): number => {
    const given = options[name] ?? neutral[name]
    if (typeof given !== 'number' || !ranges[name].holds(given)) {
      throw new ModelError('MODEL_SAMPLING', `${name} is ${String(given)}; allowed: ${ranges[name].words}.`, {
        setting: name,
      })
    }
    return given
  }
  for (const [id, bias] of options.logitBias ?? []) {
    if (!Number.isInteger(id) || id < 0 || !(bias >= -100 && bias <= 100)) {
      throw new ModelError(
        'MODEL_SAMPLING',
        `logitBias of token ${id} is ${bias}; allowed: token ids with values from -100 to 100.`,
      )
    }
  }
  return {
    temperature: value('temperature'),
    topP: value('topP'),
    topK: value('topK'),
    minP: value('minP'),
    repetitionPenalty: value('repetitionPenalty'),
    frequencyPenalty: value('frequencyPenalty'),
    presencePenalty: value('presencePenalty'),
    logitBias: options.logitBias ?? new Map(),
  }
}
