/** opencode at the Messages door, by its Anthropic provider. */

import { after } from 'node:test'
import { agentTargets, playAgent } from './agent-plays.ts'
import { openTheatre } from './theatre.ts'
import { opencode } from './opencode.ts'

const theatre = await openTheatre('messages')
after(() => theatre.close())

// One supplier per protocol is enough here: every run of this agent takes five seconds and more.
playAgent(
  theatre,
  await opencode('@ai-sdk/anthropic'),
  agentTargets(theatre).filter((target) => target.name !== 'deepseek-messages'),
)
