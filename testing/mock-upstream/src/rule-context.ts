import type { Dialect } from './answer.ts'

/** What the rules need to know besides the body. */
export interface RuleContext {
  dialect: Dialect
  headers: Record<string, string>
  /** OpenAI and Anthropic refuse fields they do not know; the others ignore them. */
  refuseUnknownFields: boolean
  /** DeepSeek: null content is refused beside tool calls too, as some of its paths did. */
  refuseNullContent: boolean
  /** `tools`: turns with tool calls must bring their reasoning back; `strict`: every turn once tools are declared. */
  reasoningPassback: 'off' | 'tools' | 'strict'
  /** Reasoning this server said before a tool call, by call id. */
  saidReasoning: ReadonlyMap<string, string>
}
