/** The adapter of each protocol, by name. */
import { chatAdapter } from './chat/adapter.ts'
import type { ProtocolAdapter } from './canonical/adapter.ts'
import { messagesAdapter } from './messages/adapter.ts'
import type { Protocol } from './protocol.ts'
import { responsesAdapter } from './responses/adapter.ts'

const adapters: Readonly<Record<Protocol, ProtocolAdapter>> = {
  chat: chatAdapter,
  messages: messagesAdapter,
  responses: responsesAdapter,
}

export function adapterOf(protocol: Protocol): ProtocolAdapter {
  return adapters[protocol]
}
