/** Codex, exec mode, at the Responses door: the only protocol it speaks. */

import { after } from 'node:test'
import { playAgent } from './agent-plays.ts'
import { whyAbsent } from './agent-process.ts'
import { openTheatre } from './theatre.ts'

const theatre = await openTheatre('responses')
after(() => theatre.close())

playAgent(theatre, {
  name: 'codex exec',
  absent: await whyAbsent('codex'),
  run: (stage, prompt) => ({
    bin: 'codex',
    arguments: ['exec', '--skip-git-repo-check', '--dangerously-bypass-approvals-and-sandbox', prompt],
    environment: { PORTOLAN_KEY: stage.key },
    homeFiles: {
      '.codex/config.toml': [
        `model = ${JSON.stringify(stage.model)}`,
        'model_provider = "portolan"',
        'model_reasoning_effort = "high"',
        '[model_providers.portolan]',
        'name = "Portolan"',
        `base_url = ${JSON.stringify(`${stage.baseUrl}/v1`)}`,
        'env_key = "PORTOLAN_KEY"',
        'wire_api = "responses"',
        'request_max_retries = 0',
        'stream_max_retries = 0',
        '',
      ].join('\n'),
    },
  }),
})
