import type { Dialect } from './answer.ts'
import type { JsonObject } from './json-value.ts'
import type { Mint } from './mint.ts'
import type { RecordedRequest } from './recorded-request.ts'

/** What the renderers need to know besides the answer. */
export interface RenderContext {
  dialect: Dialect
  request: RecordedRequest
  body: JsonObject
  mint: Mint
  /** Unix seconds put into `created`. */
  createdSeconds: number
  /** Told which reasoning went before which call, so that the passback rule can compare. */
  rememberReasoning: (callId: string, reasoning: string) => void
}
