/** All cases, in the order of the catalogue. */
import { callsFromChat } from './cases/calls-from-chat.ts'
import { reasoningCases } from './cases/reasoning.ts'
import { streamFromMessages } from './cases/stream-from-messages.ts'
import { contentCases } from './cases/content.ts'
import { countingCases } from './cases/counting.ts'
import { lifeCycle } from './cases/life-cycle.ts'
import { responsesDoor } from './cases/responses-door.ts'
import { systemMessages } from './cases/system-messages.ts'
import { toolRequests } from './cases/tool-requests.ts'
import { usageFromChat } from './cases/usage-from-chat.ts'
import type { ConformanceCase } from './case.ts'

export const conformanceCases: readonly ConformanceCase[] = [
  ...callsFromChat,
  ...usageFromChat,
  ...streamFromMessages,
  ...reasoningCases,
  ...systemMessages,
  ...toolRequests,
  ...contentCases,
  ...countingCases,
  ...lifeCycle,
  ...responsesDoor,
].sort((a, b) => a.id - b.id)
