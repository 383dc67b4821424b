/** The AI SDK at the Messages door. */

import { after } from 'node:test'
import { createAnthropic } from '@ai-sdk/anthropic'
import { playAll } from './ai-sdk-plays.ts'
import { direct, openTheatre } from './theatre.ts'

const theatre = await openTheatre('messages')
after(() => theatre.close())

playAll(theatre, {
  name: 'anthropic',
  targets: theatre.targets,
  model: (stage) => createAnthropic({ apiKey: stage.key, baseURL: `${stage.baseUrl}/v1` })(stage.model),
  // Structure by a forced tool is what this provider does for models it does not know; DeepSeek's own service takes
  // forced tools only without thinking. The gateway must cope with both at once.
  structuredOptions: (target) =>
    direct && target.dialect === 'deepseek' ? { anthropic: { thinking: { type: 'disabled' } } } : undefined,
  providerOptions: { anthropic: { thinking: { type: 'adaptive' } } },
})
