/** The Responses API in its vendor's own types. */

import type OpenAI from 'openai'

export type ResponsesRequest = OpenAI.Responses.ResponseCreateParams
export type ResponsesAnswer = OpenAI.Responses.Response
export type ResponsesEvent = OpenAI.Responses.ResponseStreamEvent
