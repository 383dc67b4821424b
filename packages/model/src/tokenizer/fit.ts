/**
 * Whether a tokenizer and a model belong together, as far as files can tell.
 *
 * A tokenizer of another model loads without complaint and turns every answer into noise, so what can be
 * compared is: ids within the embedding, and begin and end of sentence where the configuration has them.
 */
import type { ModelConfig } from '../config/model-config.ts'
import { ModelError } from '../errors.ts'
import { specialTokens } from './special-tokens.ts'
import type { Tokenizer } from './tokenizer.ts'

/** @throws {ModelError} `MODEL_TOKENIZER` naming what does not fit. */
export function checkTokenizerFits(tokenizer: Tokenizer, config: ModelConfig): void {
  if (tokenizer.vocabularySize > config.vocabSize) {
    throw new ModelError(
      'MODEL_TOKENIZER',
      `tokenizer.json has ids up to ${tokenizer.vocabularySize - 1}, but the model has only ${config.vocabSize} tokens: they do not belong together.`,
      { tokenizer: tokenizer.vocabularySize, model: config.vocabSize },
    )
  }
  const pairs = [
    [specialTokens.beginOfSentence, config.bosTokenId, 'bos_token_id'],
    [specialTokens.endOfSentence, config.eosTokenId, 'eos_token_id'],
  ] as const
  for (const [content, wanted, field] of pairs) {
    const id = tokenizer.specialId(content)
    if (id !== wanted) {
      throw new ModelError(
        'MODEL_TOKENIZER',
        `tokenizer.json gives ${content} the id ${id}, config.json says ${field} is ${wanted}: they do not belong together.`,
        { token: content, tokenizer: id, model: wanted },
      )
    }
  }
}
