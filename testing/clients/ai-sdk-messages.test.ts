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
  // For models it does not know this provider forces a tool instead of asking for a format, and Anthropic's own
  // service takes no forced tool beside thinking; nor does DeepSeek's, where the gateway has to cope with it.
  structuredOptions: (target) =>
    direct || target.dialect === 'anthropic' ? { anthropic: { thinking: { type: 'disabled' } } } : undefined,
  providerOptions: { anthropic: { thinking: { type: 'adaptive' } } },
})
