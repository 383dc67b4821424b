/**
 * opencode, run mode: one configuration for two of our doors.
 *
 * 1.18.33 asks for its title with `budget_tokens: -1` when a model of its Anthropic provider is marked as reasoning,
 * which Anthropic refuses; so it is not marked there. Thoughts come all the same and must be carried.
 */

import type { Agent } from './agent-plays.ts'
import { whyAbsent } from './agent-process.ts'

type Provider = '@ai-sdk/openai-compatible' | '@ai-sdk/anthropic'
/** What is not named it may use: it asks nobody in this mode. */
type Permission = Record<string, 'allow' | 'deny'>

export async function opencode(provider: Provider, permission: Permission = { bash: 'allow' }): Promise<Agent> {
  return {
    name: `opencode run (${provider})`,
    absent: await whyAbsent('opencode'),
    run: (place, prompt) => ({
      bin: 'opencode',
      arguments: ['run', '--model', `portolan/${place.model}`, prompt],
      environment: {
        OPENCODE_DISABLE_MODELS_FETCH: '1',
        OPENCODE_DISABLE_AUTOUPDATE: '1',
        OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
      },
      homeFiles: {
        '.config/opencode/opencode.json': JSON.stringify({
          autoupdate: false,
          share: 'disabled',
          permission,
          provider: {
            portolan: {
              npm: provider,
              name: 'Portolan',
              options: { baseURL: `${place.baseUrl}/v1`, apiKey: place.key },
              models: {
                [place.model]: { name: place.model, tool_call: true, reasoning: provider !== '@ai-sdk/anthropic' },
              },
            },
          },
        }),
      },
    }),
    // It prints the error and ends with 0.
    tellsFailure: () => true,
  }
}
