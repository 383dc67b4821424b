/** opencode at the Messages door, by its Anthropic provider. */

import { after } from 'node:test'
import { playAgent } from './agent-plays.ts'
import { openTheatre } from './theatre.ts'
import { opencode } from './opencode.ts'

const theatre = await openTheatre('messages')
after(() => theatre.close())

playAgent(theatre, await opencode('@ai-sdk/anthropic'))
