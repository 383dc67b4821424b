/** Codex, exec mode. */

import type { AgentPlace } from './agent-plays.ts'
import type { AgentRun } from './agent-process.ts'

export function codex(place: AgentPlace, prompt: string, settings: readonly string[]): AgentRun {
  return {
    bin: 'codex',
    arguments: ['exec', '--skip-git-repo-check', ...settings, prompt],
    environment: { PORTOLAN_KEY: place.key },
    homeFiles: {
      '.codex/config.toml': [
        `model = ${JSON.stringify(place.model)}`,
        'model_provider = "portolan"',
        'model_reasoning_effort = "high"',
        '[model_providers.portolan]',
        'name = "Portolan"',
        `base_url = ${JSON.stringify(`${place.baseUrl}/v1`)}`,
        'env_key = "PORTOLAN_KEY"',
        'wire_api = "responses"',
        'request_max_retries = 0',
        'stream_max_retries = 0',
        '',
      ].join('\n'),
    },
  }
}
