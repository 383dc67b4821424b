/**
 * A text completion as a caller asks for it: `POST /v1/completions`, and DeepSeek's `/beta/completions` with a
 * suffix to fill in before.
 *
 * The older API beside Chat: a prompt instead of a conversation, no tools, no thinking. Several prompts in one
 * request are several answers. `best_of` beyond `n` is refused: it would mean answers that nobody sees. Unknown
 * members are ignored, as DeepSeek does.
 */
import type { Sampling } from '../canonical/request.ts'
import { WireError } from '../errors.ts'
import { arrayAt, badField, booleanAt, countAt, numberAt, objectAt, optional, stringAt } from '../chat/fields.ts'
import { biasAt, parseStop } from '../chat/parse.ts'

/** Text, or token ids of the model's own vocabulary. */
export type TextPrompt = string | readonly number[]

export interface TextCompletionRequest {
  readonly model: string
  /** At least one; each gets `choices` answers. */
  readonly prompts: readonly TextPrompt[]
  /** What stands behind the text to be written; null: nothing does. */
  readonly suffix: string | null
  /** The answer begins with the prompt. */
  readonly echo: boolean
  /** null: not said. */
  readonly maxOutputTokens: number | null
  readonly stop: readonly string[]
  readonly sampling: Sampling
  /** null: no log-probabilities; otherwise how many alternatives (0 = the chosen token only). */
  readonly topLogprobs: number | null
  readonly choices: number
  readonly stream: boolean
  readonly includeUsage: boolean
  readonly endUser: string | null
}

/** @throws {WireError} `WIRE_BAD_FIELD` or `WIRE_CANNOT_CARRY`, naming the field. */
export function readTextCompletion(value: unknown): TextCompletionRequest {
  const body = objectAt(value, 'body')
  const read = <T>(name: string, reader: (found: unknown, field: string) => T): T | null =>
    optional(body[name], name, reader)
  const choices = read('n', countAt) ?? 1
  const bestOf = read('best_of', countAt)
  if (bestOf !== null && bestOf !== choices)
    throw new WireError(
      'WIRE_CANNOT_CARRY',
      '`best_of` must be left out or equal `n`: every answer is given.',
      'best_of',
    )
  const suffix = read('suffix', stringAt)
  const echo = read('echo', booleanAt) ?? false
  if (echo && suffix) throw new WireError('WIRE_BAD_FIELD', '`echo` and `suffix` exclude each other.', 'echo')
  const topLogprobs = read('logprobs', countAt)
  if (echo && topLogprobs !== null)
    throw new WireError(
      'WIRE_CANNOT_CARRY',
      '`logprobs` are given for what is written, not for the prompt: leave out `echo` or `logprobs`.',
      'logprobs',
    )
  const prompts = promptsAt(body['prompt'])
  if (echo && prompts.some((prompt) => typeof prompt !== 'string'))
    throw new WireError('WIRE_CANNOT_CARRY', '`echo` repeats prompts that are text, not token ids.', 'echo')
  return {
    model: stringAt(body['model'], 'model'),
    prompts,
    // A hole with nothing behind it is the end of the text.
    suffix: suffix === '' ? null : suffix,
    echo,
    maxOutputTokens: read('max_tokens', countAt),
    stop: parseStop(body['stop']),
    sampling: {
      temperature: read('temperature', numberAt),
      topP: read('top_p', numberAt),
      topK: read('top_k', numberAt),
      frequencyPenalty: read('frequency_penalty', numberAt),
      presencePenalty: read('presence_penalty', numberAt),
      seed: read('seed', numberAt),
      logitBias: read('logit_bias', biasAt),
    },
    topLogprobs,
    choices,
    stream: read('stream', booleanAt) ?? false,
    includeUsage: read('stream_options', objectAt)?.['include_usage'] === true,
    endUser: read('user', stringAt) ?? read('user_id', stringAt),
  }
}

/** One text, one list of token ids, or a list of either. */
function promptsAt(value: unknown): readonly TextPrompt[] {
  if (typeof value === 'string') return [value]
  if (!Array.isArray(value) || value.length === 0)
    throw badField('prompt', 'a string, token ids, or an array of either')
  if (typeof value[0] === 'number') return [idsAt(value, 'prompt')]
  return value.map((prompt, index) => (typeof prompt === 'string' ? prompt : idsAt(prompt, `prompt[${index}]`)))
}

function idsAt(value: unknown, field: string): readonly number[] {
  return arrayAt(value, field).map((id, index) => countAt(id, `${field}[${index}]`))
}
