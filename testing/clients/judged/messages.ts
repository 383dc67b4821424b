/**
 * The Messages API in its vendor's own types. One file per protocol: the schema maker names definitions by type
 * name, and `Tool` means something else in each. Nothing of the vendor's package is copied into the repository.
 */

import type Anthropic from '@anthropic-ai/sdk'

export type MessagesRequest = Anthropic.MessageCreateParams
export type MessagesBetaRequest = Anthropic.Beta.MessageCreateParams
export type MessagesAnswer = Anthropic.Message
export type MessagesEvent = Anthropic.RawMessageStreamEvent
