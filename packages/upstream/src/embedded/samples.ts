/**
 * Several answers that are made at once: of one prompt, of several prompts, or both.
 *
 * A prompt is computed once: its first answer goes ahead, and the others begin when the engine has read it, so that
 * they find its whole blocks in the cache. What each still computes is the rest behind the last block. The first one
 * that fails ends them all.
 */
import { createHash } from 'node:crypto'
import type { EngineEvent, EngineThread, GenerationRequest } from '@portolan/engine'
import { usageOf } from './answer.ts'

/** As many as Chat's own vendor gives; DeepSeek documents no number. */
export const maximumChoices = 128

export interface SampleEvent {
  readonly choice: number
  readonly event: EngineEvent
}

/**
 * Every event says whose it is; choices are numbered prompt by prompt. Ends when all have ended, or with the first
 * failure. Leaving the loop, or the signal, cancels what is still running.
 */
export async function* generateSamples(
  engine: Pick<EngineThread, 'generate'>,
  prompts: readonly GenerationRequest[],
  copies: number,
  signal: AbortSignal | null,
): AsyncGenerator<SampleEvent, void, undefined> {
  const leaving = new AbortController()
  const cancel = signal === null ? leaving.signal : AbortSignal.any([signal, leaving.signal])
  const waiting: SampleEvent[] = []
  let wake = (): void => {}
  const running = new Set<Promise<void>>()
  let problem: Error | null = null
  const run = async (prompt: number, copy: number): Promise<void> => {
    const request = prompts[prompt]!
    const choice = prompt * copies + copy
    let hasRead = copy > 0
    for await (const event of engine.generate({ ...request, sampling: seeded(request, copy) }, cancel)) {
      waiting.push({ choice, event })
      if (!hasRead && isRead(event)) {
        hasRead = true
        for (let other = 1; other < copies; other++) start(prompt, other)
      }
      wake()
    }
  }
  const start = (prompt: number, copy: number): void => {
    const work = run(prompt, copy)
      .catch((error: unknown) => {
        problem = error instanceof Error ? error : new Error('The engine could not be asked.')
      })
      .finally(() => {
        running.delete(work)
        wake()
      })
    running.add(work)
  }
  try {
    for (const prompt of prompts.keys()) start(prompt, 0)
    while (running.size > 0 || waiting.length > 0) {
      if (waiting.length === 0)
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      for (const sample of waiting.splice(0)) {
        yield sample
        if (sample.event.type === 'failed') return
      }
      if (problem !== null) throw problem
    }
  } finally {
    leaving.abort()
  }
}

/** The prompt has gone through the model, so its blocks are in the cache. */
function isRead(event: EngineEvent): boolean {
  if (event.type === 'progress') return event.doneTokens >= event.promptTokens
  return event.type === 'completion' || event.type === 'ended'
}

/** A seed promises equal answers to equal requests, and not one answer n times: every further choice has its own. */
function seeded({ sampling }: GenerationRequest, copy: number): GenerationRequest['sampling'] {
  const { seed } = sampling
  if (copy === 0 || seed === undefined) return sampling
  return { ...sampling, seed: createHash('sha256').update(`${seed} ${copy}`).digest().readBigUInt64LE() }
}

/** What several answers have used together: every prompt once, and all that was written. */
export class Totals {
  readonly #copies: number
  #promptTokens = 0
  #hitTokens = 0
  #outputTokens = 0
  #reasoningTokens = 0

  constructor(copies: number) {
    this.#copies = copies
  }

  add(choice: number, ended: Extract<EngineEvent, { type: 'ended' }>): void {
    if (choice % this.#copies === 0) {
      this.#promptTokens += ended.promptTokens
      this.#hitTokens += ended.hitTokens
    }
    this.#outputTokens += ended.outputTokens
    this.#reasoningTokens += ended.reasoningTokens
  }

  get usage(): ReturnType<typeof usageOf> {
    return usageOf(this.#promptTokens, this.#hitTokens, this.#outputTokens, this.#reasoningTokens)
  }
}
