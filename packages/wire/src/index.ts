/** Public surface of `wire`. */
export type * from './canonical/adapter.ts'
export type * from './canonical/dialect.ts'
export type * from './canonical/event.ts'
export type * from './canonical/request.ts'
export type * from './canonical/response.ts'
export { plainRequest } from './canonical/plain-request.ts'
export { noUsage, type Usage } from './canonical/usage.ts'
export { WireError, wireErrors, type ErrorEntry, type ErrorKind, type WireErrorCode } from './errors.ts'
export { protocols, type MessagesVersion, type Protocol } from './protocol.ts'
export type { Sealer, SealedReasoning } from './seal/seal.ts'
export { createSealer } from './seal/sealer.ts'
export { TranslationReport, type LossPolicy } from './translation/report.ts'
export { disassemble, ResponseAssembler } from './canonical/assemble.ts'
export { SseReader, type SseMessage } from './sse/reader.ts'
export { writeComment, writeSse } from './sse/writer.ts'
export { collectRaw, minifyJson } from './json/raw-values.ts'
export {
  memberValue,
  scanTopLevel,
  spliceMembers,
  type MemberEdit,
  type MemberSpan,
  type TopLevelScan,
} from './json/splice.ts'
export { messagesAdapter } from './messages/adapter.ts'
export { readCountTokensBody, toCountTokensBody, writeCountTokensBody } from './messages/count-tokens.ts'
export { readMessagesVersion } from './messages/version.ts'
export { callerField } from './history/caller-path.ts'
export { findBillingBlock, isBillingLine } from './history/billing.ts'
export { inputTokensBody, responsesAdapter } from './responses/adapter.ts'
export {
  TextCompletionCollector,
  TextCompletionStreamWriter,
  type TextCompletionContext,
} from './completions/answer.ts'
export { readTextCompletion, type TextCompletionRequest, type TextPrompt } from './completions/request.ts'
export { chatAdapter } from './chat/adapter.ts'
export { adapterOf } from './adapters.ts'
export { renderTranslationReference } from './translation/document.ts'
export type { Decision, FieldDecision, FieldRow } from './translation/field-row.ts'
export { translationFields } from './translation/fields.ts'
export { referenceDialects, type ReferenceTarget } from './translation/reference-dialects.ts'
