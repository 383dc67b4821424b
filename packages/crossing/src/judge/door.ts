/**
 * A judge behind one of our own doors: asked over HTTP with a Portolan key, so its tokens are metered, budgeted and billed
 * like anybody's. Nothing is sent without a permit, and a permit is for one processor and for judging only.
 */
import { chatAdapter, type Usage } from '@portolan/wire'
import { CrossingError } from '../errors.ts'
import type { EgressPermit } from '../plan/index.ts'
import { visibleText } from '../scoring/answer.ts'

export interface JudgeDoorOptions {
  /** Of the gateway, with or without `/v1`. */
  readonly baseUrl: string
  /** A Portolan key; a purpose of its own makes the judge's bill a line of its own. */
  readonly key: string
  /** As the gateway knows it. */
  readonly model: string
  /** Upstream that will read the texts; must be the permit's. */
  readonly processor: string
  readonly permit: EgressPermit
  /** For one answer. Default 120 s. */
  readonly timeoutMs?: number
  readonly maxOutputTokens?: number
}

export type JudgeAnswer = { readonly text: string; readonly usage: Usage } | { readonly problem: string }

export type AskJudge = (
  messages: readonly { readonly role: string; readonly content: string }[],
) => Promise<JudgeAnswer>

const largestAnswerBytes = 4_000_000

/** @throws {CrossingError} CROSSING_NO_EGRESS_DECISION when the permit is for something else */
export function judgeBehindDoor(options: JudgeDoorOptions): AskJudge {
  const { permit, processor, model, key, timeoutMs = 120_000, maxOutputTokens = 2048 } = options
  if (permit.purpose !== 'judge' || permit.processor !== processor)
    throw new CrossingError(
      'CROSSING_NO_EGRESS_DECISION',
      `The permit is for ${permit.purpose} at \`${permit.processor}\`, not for a judge at \`${processor}\`.`,
    )
  const url = `${options.baseUrl.replace(/\/+$/, '').replace(/\/v1$/, '')}/v1/chat/completions`
  return async (messages) => {
    try {
      const answer = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
        body: JSON.stringify({ model, messages, temperature: 0, max_tokens: maxOutputTokens }),
        signal: AbortSignal.timeout(timeoutMs),
        redirect: 'error',
      })
      const text = await readBounded(answer)
      if (text === null) return { problem: `the judge's answer is larger than ${largestAnswerBytes} bytes` }
      if (!answer.ok) {
        const { message } = chatAdapter.readErrorBody(answer.status, text)
        return { problem: `HTTP ${answer.status}: ${message.slice(0, 300)}` }
      }
      const response = chatAdapter.toCanonicalResponse(JSON.parse(text), text)
      return { text: visibleText(response), usage: response.usage }
    } catch (error) {
      return { problem: error instanceof Error ? error.message.slice(0, 300) : 'the judge could not be asked' }
    }
  }
}

async function readBounded(answer: Response): Promise<string | null> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.byteLength
    // Leaving the loop cancels the body.
    if (bytes > largestAnswerBytes) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
