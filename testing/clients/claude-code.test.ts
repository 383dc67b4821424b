/** Claude Code, print mode, at the Messages door: the agent that checks the life of every block. */

import { after } from 'node:test'
import { agentTargets, playAgent, type Agent } from './agent-plays.ts'
import { whyAbsent } from './agent-process.ts'
import { claudeCode } from './claude-code.ts'
import { direct, openTheatre } from './theatre.ts'

const theatre = await openTheatre('messages')
after(() => theatre.close())

// It sends a system message among the others, which DeepSeek's own service refuses: only the gateway can help there.
const targets = agentTargets(theatre).filter((target) => !direct || target.dialect !== 'deepseek')

const claude: Agent = {
  name: 'claude -p',
  absent: await whyAbsent('claude'),
  run: (stage, prompt) => claudeCode(stage, prompt, ['--allowedTools', 'Bash']),
}

playAgent(theatre, claude, targets)
