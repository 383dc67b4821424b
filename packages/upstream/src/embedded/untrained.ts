/**
 * How an untrained model speaks: every text of its begins with what it is, and it ends soon.
 *
 * The label is ours and not the model's: it is taken off again when the text comes back in a later turn, so the
 * prompt repeats what was sampled and its prefix is found in the cache.
 */
export const untrainedTokens = 256

/** The engine's default checkpoint by name, for lists and examples that need no engine. */
export const untrainedModel = 'portolan-untrained-1'

export const untrainedLabel = `[This model is untrained: its weights are random numbers, so these are random words, ${untrainedTokens} tokens at most.] `

/** Text that was continued and is now a prompt may have the label anywhere. */
export function withoutLabels(text: string): string {
  return text.replaceAll(untrainedLabel, '')
}

export function withoutLabel(text: string): string {
  return text.startsWith(untrainedLabel) ? text.slice(untrainedLabel.length) : text
}
