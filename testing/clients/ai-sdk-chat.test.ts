/** The AI SDK at the Chat door, by its OpenAI, DeepSeek and OpenAI-compatible providers. */

import { after } from 'node:test'
import { createDeepSeek } from '@ai-sdk/deepseek'
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { playAll } from './ai-sdk-plays.ts'
import { direct, openTheatre } from './theatre.ts'

const theatre = await openTheatre('chat')
after(() => theatre.close())

const only = (...dialects: string[]) => theatre.targets.filter((target) => !direct || dialects.includes(target.dialect))

playAll(theatre, {
  name: 'openai.chat',
  targets: only('openai'),
  model: (stage) => createOpenAI({ apiKey: stage.key, baseURL: `${stage.baseUrl}/v1` }).chat(stage.model),
})

playAll(theatre, {
  name: 'deepseek',
  targets: only('deepseek'),
  // This provider's default base is the bare host: no /v1.
  model: (stage) => createDeepSeek({ apiKey: stage.key, baseURL: stage.baseUrl })(stage.model),
})

playAll(theatre, {
  name: 'openai-compatible',
  targets: only('vllm', 'deepseek'),
  model: (stage) =>
    createOpenAICompatible({
      name: 'portolan',
      apiKey: stage.key,
      baseURL: `${stage.baseUrl}/v1`,
      includeUsage: true,
      supportsStructuredOutputs: !(direct && stage.target.dialect === 'deepseek'),
    })(stage.model),
})
