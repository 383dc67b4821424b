/** Chat Completions as one of the three protocols: the five functions, usage and errors. */
import type { ProtocolAdapter } from '../canonical/adapter.ts'
import { readAnyError, writeChatError, writeChatErrorEvent } from './errors.ts'
import { chatFromCanonical } from './from-canonical.ts'
import { readChatResponse, writeChatResponse } from './response.ts'
import { ChatStreamReader } from './stream-reader.ts'
import { ChatStreamWriter } from './stream-writer.ts'
import { chatToCanonical } from './to-canonical.ts'
import { readChatUsage } from './usage.ts'

export const chatAdapter: ProtocolAdapter = {
  protocol: 'chat',
  toCanonicalRequest: chatToCanonical,
  fromCanonicalRequest: chatFromCanonical,
  toCanonicalResponse: (body) => readChatResponse(body),
  fromCanonicalResponse: writeChatResponse,
  createStreamReader: () => new ChatStreamReader(),
  createStreamWriter: (context) => new ChatStreamWriter(context),
  readUsage: readChatUsage,
  writeErrorBody: writeChatError,
  writeErrorEvent: writeChatErrorEvent,
  readErrorBody: readAnyError,
}
