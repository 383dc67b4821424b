/** Codex, exec mode, at the Responses door: the only protocol it speaks. */

import { after } from 'node:test'
import { playAgent } from './agent-plays.ts'
import { whyAbsent } from './agent-process.ts'
import { codex } from './codex.ts'
import { openTheatre } from './theatre.ts'

const theatre = await openTheatre('responses')
after(() => theatre.close())

playAgent(theatre, {
  name: 'codex exec',
  absent: await whyAbsent('codex'),
  run: (stage, prompt) => codex(stage, prompt, ['--dangerously-bypass-approvals-and-sandbox']),
})
