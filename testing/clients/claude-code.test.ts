/** Claude Code, print mode, at the Messages door: the agent that checks the life of every block. */

import { after } from 'node:test'
import { agentTargets, playAgent, type Agent } from './agent-plays.ts'
import { whyAbsent } from './agent-process.ts'
import { direct, openTheatre } from './theatre.ts'

const theatre = await openTheatre('messages')
after(() => theatre.close())

// It sends a system message among the others, which DeepSeek's own service refuses: only the gateway can help there.
const targets = agentTargets(theatre).filter((target) => !direct || target.dialect !== 'deepseek')

const claude: Agent = {
  name: 'claude -p',
  absent: await whyAbsent('claude'),
  run: (stage, prompt) => ({
    bin: 'claude',
    arguments: ['-p', prompt, '--allowedTools', 'Bash'],
    environment: {
      ANTHROPIC_BASE_URL: stage.baseUrl,
      ANTHROPIC_AUTH_TOKEN: stage.key,
      ANTHROPIC_MODEL: stage.model,
      ANTHROPIC_SMALL_FAST_MODEL: stage.model,
      ANTHROPIC_DEFAULT_OPUS_MODEL: stage.model,
      ANTHROPIC_DEFAULT_SONNET_MODEL: stage.model,
      ANTHROPIC_DEFAULT_HAIKU_MODEL: stage.model,
      CLAUDE_CODE_SUBAGENT_MODEL: stage.model,
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      CLAUDE_CODE_MAX_RETRIES: '0',
      DISABLE_AUTOUPDATER: '1',
    },
  }),
}

playAgent(theatre, claude, targets)
