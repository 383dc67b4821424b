/** opencode at the Chat door, by its OpenAI-compatible provider. */

import { after } from 'node:test'
import { playAgent } from './agent-plays.ts'
import { openTheatre } from './theatre.ts'
import { opencode } from './opencode.ts'

const theatre = await openTheatre('chat')
after(() => theatre.close())

playAgent(theatre, await opencode('@ai-sdk/openai-compatible'))
