/**
 * What an answer has said so far, block by block, for models whose own tokenizer can count it if the answer breaks off.
 *
 * Blocks, because tool calls and choices arrive in turns: a text put together from their fragments would be cut into
 * words that nobody generated. Bounded; of longer answers the beginning stands for the rest.
 */
const longestKeptChars = 2 << 20

interface Block {
  readonly reasoning: boolean
  text: string
}

export class GeneratedText {
  /** Path of the `tokenizer.json` that the model's configuration names. */
  readonly tokenizer: string
  #blocks = new Map<number, Block>()
  #keptChars = 0
  /** UTF-16 units, those that are not kept included. */
  chars = 0
  reasoningChars = 0

  constructor(tokenizer: string) {
    this.tokenizer = tokenizer
  }

  add(key: number, text: string, reasoning: boolean): void {
    this.chars += text.length
    if (reasoning) this.reasoningChars += text.length
    if (this.#keptChars > longestKeptChars) return
    this.#keptChars += text.length
    const block = this.#blocks.get(key)
    if (block === undefined) this.#blocks.set(key, { reasoning, text })
    else block.text += text
  }

  /** Either all that was thought, or all that was said and called. */
  texts(reasoning: boolean): string[] {
    return [...this.#blocks.values()].filter((block) => block.reasoning === reasoning).map(({ text }) => text)
  }

  clear(): void {
    this.#blocks = new Map()
    this.#keptChars = 0
    this.chars = 0
    this.reasoningChars = 0
  }
}
