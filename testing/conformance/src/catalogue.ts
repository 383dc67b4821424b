/** All cases, in the order of the catalogue. */
import { callsFromChat } from './cases/calls-from-chat.ts'
import { reasoningCases } from './cases/reasoning.ts'
import { streamFromMessages } from './cases/stream-from-messages.ts'
import { usageFromChat } from './cases/usage-from-chat.ts'
import type { ConformanceCase } from './case.ts'

export const conformanceCases: readonly ConformanceCase[] = [
  ...callsFromChat,
  ...usageFromChat,
  ...streamFromMessages,
  ...reasoningCases,
].sort((a, b) => a.id - b.id)
