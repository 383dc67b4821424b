/** What `portolan doctor` says about the tokenizer file that a model names. */
import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Tokenizer } from '@huggingface/tokenizers'

/** @throws Error that says what is wrong with the file and what follows from it. */
export function tokenizerDetail(path: string): string {
  try {
    const text = readFileSync(path, 'utf8')
    const { ids } = new Tokenizer(JSON.parse(text) as object, {}).encode('The crossing took nine days.')
    return `${path}: sha256:${hash('sha256', text).slice(0, 12)}, a sentence of five words is ${ids.length} tokens`
  } catch (error) {
    throw new Error(
      `${path} cannot be used as a tokenizer.json (${(error as Error).message}): token counts fail, and answers that break off are estimated by their length. Correct \`tokenizer\` of the model.`,
      { cause: error },
    )
  }
}
