/**
 * The usage record of one request and its hold-out checks (law 3).
 *
 * Counts are wire's `Usage` in one convention (`input = hit + miss + written`, output includes reasoning);
 * here they gain where they came from and how the source counts cached tokens. A check reports, it never
 * repairs: a count that was silently "fixed" is how a bill halves (two vendors report input without cache).
 */
import { noUsage, type Usage } from '@portolan/wire'

/** `reported` by the upstream, `counted` by us with the right tokenizer, `estimated`, or `none` known. */
export type UsageSource = 'reported' | 'counted' | 'estimated' | 'none'

/** Does the source's own prompt count include cached tokens? The record always does. */
export type CacheConvention = 'cached-inside' | 'cached-outside' | 'unknown'

export interface UsageRecord extends Usage {
  readonly source: UsageSource
  readonly convention: CacheConvention
  /** Of estimates: by which tokenizer, or that they went by length. */
  readonly estimatedBy?: string
}

/** Nothing is known: every count null. Such a request is unpriced, never free. */
export const unknownUsage: UsageRecord = { ...noUsage, source: 'none', convention: 'unknown' }

export type UsageFindingCode =
  | 'not-a-count'
  | 'input-parts-do-not-add-up'
  | 'part-exceeds-whole'
  | 'larger-than-context'
  | 'none-with-counts'

export interface UsageFinding {
  readonly code: UsageFindingCode
  /** The count that is wrong, or the whole whose parts are. */
  readonly field: CountField
  readonly message: string
  /** True when no bill can be made from such numbers; false when the numbers are only suspicious. */
  readonly blocksPricing: boolean
}

export type CountField = Exclude<keyof Usage, 'raw'>

const countFields: readonly CountField[] = [
  'inputTokens',
  'hitTokens',
  'missTokens',
  'writtenTokens',
  'written1hTokens',
  'outputTokens',
  'reasoningTokens',
]

/**
 * Everything that is wrong with a record, worst first by field order; empty when it holds.
 *
 * @param contextTokens the model's window, prompt and answer together; null when not known.
 */
export function checkUsage(usage: UsageRecord, contextTokens: number | null = null): readonly UsageFinding[] {
  const findings: UsageFinding[] = []
  for (const field of countFields) {
    const count = usage[field]
    if (count === null || (Number.isSafeInteger(count) && count >= 0)) continue
    findings.push(finding('not-a-count', field, `${field} is ${String(count)}, not a whole number of tokens.`))
  }
  if (findings.length > 0) return findings

  const { inputTokens, hitTokens, missTokens, writtenTokens, written1hTokens, outputTokens, reasoningTokens } = usage
  const parts = [hitTokens, missTokens, writtenTokens]
  if (inputTokens !== null) {
    const known = parts.reduce<number>((sum, part) => sum + (part ?? 0), 0)
    const complete = parts.every((part) => part !== null)
    if (complete && known !== inputTokens)
      findings.push(
        finding(
          'input-parts-do-not-add-up',
          'inputTokens',
          `hit ${hitTokens} + miss ${missTokens} + written ${writtenTokens} = ${known}, but input is ${inputTokens}.`,
        ),
      )
    else if (known > inputTokens)
      findings.push(
        finding('part-exceeds-whole', 'inputTokens', `The known parts of the prompt are ${known} of ${inputTokens}.`),
      )
  }
  if (written1hTokens !== null && writtenTokens !== null && written1hTokens > writtenTokens)
    findings.push(
      finding('part-exceeds-whole', 'writtenTokens', `${written1hTokens} one-hour writes of ${writtenTokens} written.`),
    )
  if (reasoningTokens !== null && outputTokens !== null && reasoningTokens > outputTokens)
    findings.push(
      finding(
        'part-exceeds-whole',
        'outputTokens',
        `${reasoningTokens} reasoning tokens of ${outputTokens} output.`,
        false,
      ),
    )
  const total = (inputTokens ?? 0) + (outputTokens ?? 0)
  if (contextTokens !== null && total > contextTokens)
    findings.push(
      finding(
        'larger-than-context',
        'inputTokens',
        `${total} tokens in and out, but the window is ${contextTokens}.`,
        false,
      ),
    )
  if (usage.source === 'none' && countFields.some((field) => usage[field] !== null))
    findings.push(finding('none-with-counts', 'inputTokens', 'The record has counts but says it has no source.', false))
  return findings
}

function finding(code: UsageFindingCode, field: CountField, message: string, blocksPricing = true): UsageFinding {
  return { code, field, message, blocksPricing }
}
