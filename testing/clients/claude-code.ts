/** Claude Code, print mode. */

import type { AgentPlace } from './agent-plays.ts'
import type { AgentRun } from './agent-process.ts'

export function claudeCode(
  place: AgentPlace,
  prompt: string,
  settings: readonly string[],
  environment: Record<string, string> = {},
): AgentRun {
  return {
    bin: 'claude',
    arguments: ['-p', prompt, ...settings],
    environment: {
      ANTHROPIC_BASE_URL: place.baseUrl,
      ANTHROPIC_AUTH_TOKEN: place.key,
      ANTHROPIC_MODEL: place.model,
      ANTHROPIC_SMALL_FAST_MODEL: place.model,
      ANTHROPIC_DEFAULT_OPUS_MODEL: place.model,
      ANTHROPIC_DEFAULT_SONNET_MODEL: place.model,
      ANTHROPIC_DEFAULT_HAIKU_MODEL: place.model,
      CLAUDE_CODE_SUBAGENT_MODEL: place.model,
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      CLAUDE_CODE_MAX_RETRIES: '0',
      DISABLE_AUTOUPDATER: '1',
      ...environment,
    },
  }
}
