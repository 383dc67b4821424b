/**
 * The vendors' own words for what goes over the wire, as types. `judges.ts` turns them into JSON Schemas at run
 * time; nothing of the vendors' packages is copied into the repository.
 */

import type Anthropic from '@anthropic-ai/sdk'
import type OpenAI from 'openai'

export type MessagesRequest = Anthropic.MessageCreateParams
export type MessagesBetaRequest = Anthropic.Beta.MessageCreateParams
export type MessagesAnswer = Anthropic.Message
export type MessagesEvent = Anthropic.RawMessageStreamEvent
export type ChatRequest = OpenAI.Chat.ChatCompletionCreateParams
export type ChatAnswer = OpenAI.Chat.ChatCompletion
export type ChatEvent = OpenAI.Chat.ChatCompletionChunk
export type ResponsesRequest = OpenAI.Responses.ResponseCreateParams
export type ResponsesAnswer = OpenAI.Responses.Response
export type ResponsesEvent = OpenAI.Responses.ResponseStreamEvent
