/**
 * A judge behind one of our own doors: asked over HTTP with a Portolan key, so its tokens are metered, budgeted and billed
 * like anybody's. Nothing is sent without a permit, and a permit is for one processor and for judging only.
 */
import { plainRequest, type CanonicalRequest, type Item, type Usage } from '@portolan/wire'
import { askEndpoint } from '../endpoint/endpoint.ts'
import { CrossingError } from '../errors.ts'
import type { EgressPermit } from '../plan/index.ts'
import { askArm, type RetryPolicy } from '../replay/ask-arm.ts'
import { withSettings } from '../replay/history.ts'
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
  /** Request members set for the judge only, in canonical names. */
  readonly settings?: Readonly<Record<string, unknown>>
  /** Of what may pass by itself, such as 429. Default: none. */
  readonly retries?: RetryPolicy
}

const once: RetryPolicy = { most: 0, pause: () => Promise.resolve() }

export type JudgeAnswer = { readonly text: string; readonly usage: Usage } | { readonly problem: string }

export type AskJudge = (
  messages: readonly { readonly role: string; readonly content: string }[],
) => Promise<JudgeAnswer>

/** @throws {CrossingError} CROSSING_NO_EGRESS_DECISION when the permit is for something else */
export function judgeBehindDoor(options: JudgeDoorOptions): AskJudge {
  const { permit, processor, model, key, timeoutMs = 120_000, maxOutputTokens = 2048 } = options
  if (permit.purpose !== 'judge' || permit.processor !== processor)
    throw new CrossingError(
      'CROSSING_NO_EGRESS_DECISION',
      `The permit is for ${permit.purpose} at \`${permit.processor}\`, not for a judge at \`${processor}\`.`,
    )
  const ask = askEndpoint({ baseUrl: options.baseUrl, protocol: 'chat', model, apiKey: key, timeoutMs }, 'warn')
  return async (messages) => {
    try {
      const question = withSettings(questionOf(messages, model, maxOutputTokens), options.settings ?? {})
      const { response, error, httpStatus } = (await askArm(ask, question, options.retries ?? once)).turn
      if (response !== null) return { text: visibleText(response), usage: response.usage }
      const status = httpStatus === null ? '' : `HTTP ${httpStatus}: `
      return { problem: `${status}${error?.message ?? 'no answer'}`.slice(0, 300) }
    } catch (error) {
      return { problem: error instanceof Error ? error.message.slice(0, 300) : 'the judge could not be asked' }
    }
  }
}

function questionOf(
  messages: readonly { readonly role: string; readonly content: string }[],
  model: string,
  maxOutputTokens: number,
): CanonicalRequest {
  const items = messages.map(({ role, content }): Item => {
    const parts = [{ type: 'text', text: content }] as const
    return role === 'system'
      ? { kind: 'instruction', placement: 'inline', role: 'system', parts }
      : { kind: 'user', parts }
  })
  const request = plainRequest({ from: 'chat', model, items, maxOutputTokens })
  return { ...request, sampling: { ...request.sampling, temperature: 0 } }
}
