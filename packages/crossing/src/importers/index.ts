/** Files of others that become recordings, by the name of their format on the command line. */
import type { ImportedTraffic } from '../recording/import-sessions.ts'
import type { ImportSource } from '../recording/import-source.ts'
import { importLiteLlmLogs } from './litellm-logs.ts'
import { importOpenAiChat } from './openai-chat.ts'
import { importOpenAiEvals } from './openai-evals.ts'
import { importPromptfoo } from './promptfoo.ts'

/** Its exchanges are read as they are asked for: CROSSING_BAD_IMPORT then names the line, and nothing is imported. */
export type Importer = (source: ImportSource) => ImportedTraffic

export const importers: Readonly<Record<string, Importer>> = {
  'openai-chat': importOpenAiChat,
  'openai-evals': importOpenAiEvals,
  promptfoo: importPromptfoo,
  'litellm-logs': importLiteLlmLogs,
}
