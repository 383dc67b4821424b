/** Chat Completions in its vendor's own types. */

import type OpenAI from 'openai'

export type ChatRequest = OpenAI.Chat.ChatCompletionCreateParams
export type ChatAnswer = OpenAI.Chat.ChatCompletion
export type ChatEvent = OpenAI.Chat.ChatCompletionChunk
