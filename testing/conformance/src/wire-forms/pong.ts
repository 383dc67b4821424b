/** "PONG" in whatever protocol was spoken: for cases that look at requests only. */
import type { Play, Received } from '../scripted-upstream.ts'
import { chatPong } from './chat.ts'
import { messagesPong } from './messages.ts'
import { json } from './play.ts'
import { responsesPong } from './responses.ts'

export function pong(received: Received): Play {
  switch (received.protocol) {
    case 'messages':
      return messagesPong(received.body)
    case 'responses':
      return responsesPong(received.body)
    case 'count':
      return json({ input_tokens: 4321 })
    default:
      return chatPong(received.body)
  }
}
