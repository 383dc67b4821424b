export { startMockUpstream, type MockUpstream, type MockUpstreamOptions } from './server.ts'
export type { Answer, AnswerError, AnswerPart, AnswerUsage, AnsweredToolCall, Dialect, Script } from './answer.ts'
export {
  lastUserText,
  toolCallsOf,
  toolResultsOf,
  type ConversationView,
  type MockProtocol,
  type RecordedRequest,
  type SeenImage,
  type SeenTool,
  type SeenToolCall,
  type SeenToolResult,
  type SeenTurn,
} from './recorded-request.ts'
export { protocolOfPath, sides } from './protocols.ts'
export type { Finding, Violation } from './violation.ts'
export { openSeal, sealReasoning } from './mint.ts'
export * as scripts from './scripts.ts'
