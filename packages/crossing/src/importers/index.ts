/** Files of others that become recordings, by the name of their format on the command line. */
import type { ImportedTraffic } from '../recording/import-sessions.ts'
import { importLiteLlmLogs } from './litellm-logs.ts'
import { importOpenAiChat } from './openai-chat.ts'
import { importOpenAiEvals } from './openai-evals.ts'
import { importPromptfoo } from './promptfoo.ts'

/** @throws {CrossingError} CROSSING_BAD_IMPORT naming the line; nothing is imported then. */
export type Importer = (text: string) => ImportedTraffic

export const importers: Readonly<Record<string, Importer>> = {
  'openai-chat': importOpenAiChat,
  'openai-evals': importOpenAiEvals,
  promptfoo: importPromptfoo,
  'litellm-logs': importLiteLlmLogs,
}
