/** Messages in the five-function shape that every protocol has. */
import type { ProtocolAdapter } from '../canonical/adapter.ts'
import { readMessagesErrorBody, writeMessagesErrorBody, writeMessagesErrorEvent } from './errors.ts'
import { fromCanonicalRequest } from './from-canonical.ts'
import { fromCanonicalResponse, toCanonicalResponse } from './response.ts'
import { createMessagesStreamReader } from './stream-reader.ts'
import { createMessagesStreamWriter } from './stream-writer.ts'
import { toCanonicalRequest } from './to-canonical.ts'
import { readMessagesUsage } from './usage.ts'

export const messagesAdapter: ProtocolAdapter = {
  protocol: 'messages',
  toCanonicalRequest,
  fromCanonicalRequest,
  toCanonicalResponse,
  fromCanonicalResponse,
  createStreamReader: createMessagesStreamReader,
  createStreamWriter: createMessagesStreamWriter,
  readUsage: readMessagesUsage,
  writeErrorBody: writeMessagesErrorBody,
  writeErrorEvent: writeMessagesErrorEvent,
  readErrorBody: readMessagesErrorBody,
}
