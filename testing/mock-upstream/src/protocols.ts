/** Paths to protocols, and each protocol's reader, judge and renderers in one table. */

import type { Answer } from './answer.ts'
import { chatFrames, chatJson } from './chat/render.ts'
import { readChat } from './chat/read.ts'
import { judgeChat } from './chat/rules.ts'
import { completionFrames, completionJson, readCompletion } from './completions/render.ts'
import type { Frame } from './frames.ts'
import type { JsonObject } from './json-value.ts'
import { readMessages } from './messages/read.ts'
import { messagesFrames, messagesJson } from './messages/render.ts'
import { judgeMessages } from './messages/rules.ts'
import type { ConversationView, MockProtocol } from './recorded-request.ts'
import type { RenderContext } from './render-context.ts'
import { readResponses } from './responses/read.ts'
import { responsesFrames, responsesJson } from './responses/render.ts'
import { judgeResponses } from './responses/rules.ts'
import type { RuleContext } from './rule-context.ts'
import type { Finding } from './violation.ts'

export interface ProtocolSide {
  read: (body: JsonObject) => ConversationView
  judge: (body: JsonObject, context: RuleContext) => Finding[]
  json: (answer: Answer, context: RenderContext) => JsonObject
  frames: (answer: Answer, context: RenderContext) => Frame[]
}

export const sides: Partial<Record<MockProtocol, ProtocolSide>> = {
  chat: { read: readChat, judge: judgeChat, json: chatJson, frames: chatFrames },
  messages: { read: readMessages, judge: judgeMessages, json: messagesJson, frames: messagesFrames },
  responses: { read: readResponses, judge: judgeResponses, json: responsesJson, frames: responsesFrames },
  completions: { read: readCompletion, judge: () => [], json: completionJson, frames: completionFrames },
  // max_tokens is not asked of a count, so the rules of a generation do not apply as they stand.
  count: { read: readMessages, judge: () => [], json: () => ({}), frames: () => [] },
}

const paths: [ending: string, protocol: MockProtocol][] = [
  ['/messages/count_tokens', 'count'],
  ['/chat/completions', 'chat'],
  ['/completions', 'completions'],
  ['/messages', 'messages'],
  ['/responses', 'responses'],
  ['/models', 'models'],
  ['/user/balance', 'balance'],
]

const prefixes = ['', '/v1', '/beta', '/anthropic/v1', '/anthropic']

export function protocolOfPath(path: string): MockProtocol {
  for (const [ending, protocol] of paths) {
    if (path.endsWith(ending) && prefixes.includes(path.slice(0, -ending.length))) return protocol
  }
  return 'other'
}
