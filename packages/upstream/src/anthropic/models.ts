/**
 * What differs between Claude models, by the beginning of their names. First match wins.
 *
 * `max_tokens` is required by Messages, so the largest answer must be known here; a small constant would cut
 * answers short. Limits and thinking forms from the vendor's model pages (2026-11) and, for the 4.6 to 4.8
 * generation, from an SDK's correction of 64,000 to 128,000. An unknown name counts as the newest generation.
 */
import type { Dialect, Effort } from '@portolan/wire'

export interface ClaudeModelFacts {
  readonly maxOutputTokens: number
  readonly thinkingTypes: NonNullable<Dialect['thinkingTypes']>
  readonly efforts: Readonly<Partial<Record<Effort, string>>>
  /** temperature, top_p and top_k; refused since Opus 4.7. */
  readonly sampling: boolean
  /** May the last message be an assistant's, to be continued? Refused since 4.6. */
  readonly prefill: boolean
}

const allEfforts = {
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'xhigh',
  max: 'max',
  ultra: 'max',
} as const
const withoutXhigh = { ...allEfforts, xhigh: 'high' } as const

const adaptive = { maxOutputTokens: 128_000, efforts: allEfforts, sampling: false, prefill: false } as const
const newest: ClaudeModelFacts = { ...adaptive, thinkingTypes: ['adaptive', 'between_tools', 'disabled'] }
/** Thinking cannot be switched off. */
const alwaysThinking: ClaudeModelFacts = { ...adaptive, thinkingTypes: ['adaptive', 'between_tools'] }
const budgetOnly = { thinkingTypes: ['enabled', 'disabled'], efforts: {}, sampling: true, prefill: true } as const
const neverThinking = { thinkingTypes: ['disabled'], efforts: {}, sampling: true, prefill: true } as const

const rows: readonly (readonly [RegExp, ClaudeModelFacts])[] = [
  [/^claude-fable-5/, alwaysThinking],
  [/^claude-opus-5-5/, alwaysThinking],
  [/^claude-opus-4-[78]/, { ...adaptive, thinkingTypes: ['adaptive', 'disabled'] }],
  [
    /^claude-(opus|sonnet)-4-6/,
    {
      maxOutputTokens: 128_000,
      thinkingTypes: ['adaptive', 'enabled', 'disabled'],
      efforts: withoutXhigh,
      sampling: true,
      prefill: false,
    },
  ],
  [
    /^claude-opus-4-5/,
    { ...budgetOnly, maxOutputTokens: 64_000, efforts: { ...withoutXhigh, max: 'high', ultra: 'high' } },
  ],
  [/^claude-(haiku|sonnet)-4-5/, { ...budgetOnly, maxOutputTokens: 64_000 }],
  [/^claude-opus-4(-1|-0|-20|$)/, { ...budgetOnly, maxOutputTokens: 32_000 }],
  [/^claude-sonnet-4(-0|-20|$)/, { ...budgetOnly, maxOutputTokens: 64_000 }],
  [/^claude-3-7/, { ...budgetOnly, maxOutputTokens: 64_000 }],
  [/^claude-3-5/, { ...neverThinking, maxOutputTokens: 8_192 }],
  [/^claude-(3|2|instant)/, { ...neverThinking, maxOutputTokens: 4_096 }],
]

export function claudeModelFacts(model: string): ClaudeModelFacts {
  return rows.find(([pattern]) => pattern.test(model))?.[1] ?? newest
}
