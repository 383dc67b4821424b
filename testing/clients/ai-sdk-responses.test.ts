/** The AI SDK at the Responses door: what its OpenAI provider uses unless told otherwise. */

import { after } from 'node:test'
import { createOpenAI } from '@ai-sdk/openai'
import { playAll } from './ai-sdk-plays.ts'
import { openTheatre } from './theatre.ts'

const theatre = await openTheatre('responses')
after(() => theatre.close())

playAll(theatre, {
  name: 'openai',
  targets: theatre.targets,
  model: (stage) => createOpenAI({ apiKey: stage.key, baseURL: `${stage.baseUrl}/v1` })(stage.model),
  providerOptions: {
    openai: { store: false, include: ['reasoning.encrypted_content'], reasoningSummary: 'auto', forceReasoning: true },
  },
})
