/**
 * What inference servers that people run themselves have in common, whichever engine is inside.
 *
 * One server serves one model family, so how thinking is switched depends on the model's template: V4 takes
 * `chat_template_kwargs: { thinking, reasoning_effort }` with the efforts `high` and `max` (V4.1 also `low`);
 * Qwen-like templates call the switch `enable_thinking`. Both engines take the whole sampling set.
 */
import type { Dialect } from '@portolan/wire'
import type { UpstreamDefinition } from '../capabilities.ts'
import { compatibleChatAddress, compatibleMessagesAddress, compatibleResponsesAddress } from './definitions.ts'
import { compatibleChatDialect, compatibleMessagesDialect, compatibleResponsesDialect } from './dialects.ts'

type SelfHosted = Omit<UpstreamDefinition, 'kind' | 'family' | 'defaultKeyEnv' | 'promptCache'>

/** @param reasoningField where the engine puts reasoning in Chat answers. */
export function selfHosted(reasoningField: Dialect['reasoningField']): SelfHosted {
  return {
    transport: 'http',
    defaultBaseUrl: null,
    needsKey: false,
    vendor: null,
    profile: null,
    addresses: {
      chat: { ...compatibleChatAddress, dialect: (model) => chatDialect(model, reasoningField) },
      messages: { ...compatibleMessagesAddress, dialect: () => messagesDialect },
      responses: { ...compatibleResponsesAddress, dialect: () => responsesDialect },
    },
    defaultProtocols: ['chat', 'messages'],
    baseUrlEndings: [],
    passThrough: [
      { method: 'POST', doorPath: '/completions', path: '/v1/completions', protocol: 'chat', metered: true },
    ],
    modelsPath: '/v1/models',
    modelsDialect: 'openai',
    knownModels: [],
    modelNames: null,
    stripBillingLine: true,
    errorQuirks: { requestIdHeaders: ['x-request-id'], envelopes: {}, capacityFinishReasons: [], billingStatuses: [] },
    defaultConcurrency: 512,
  }
}

function chatDialect(model: string, reasoningField: Dialect['reasoningField']): Dialect {
  return {
    ...compatibleChatDialect,
    reasoningField,
    thinkingControl: 'chat-template',
    ...templateFacts(model),
    sampling: ['temperature', 'topP', 'topK', 'frequencyPenalty', 'presencePenalty', 'seed', 'logitBias'],
    prefill: 'continue-final-message',
    maxStopSequences: 128,
  }
}

const messagesDialect: Dialect = {
  ...compatibleMessagesDialect,
  cacheMarks: 'none',
  maxTemperature: 2,
  forcedToolChoiceWithThinking: true,
  maxStopSequences: 128,
}

const responsesDialect: Dialect = { ...compatibleResponsesDialect, imagesInToolResults: false }

function templateFacts(model: string): Pick<Dialect, 'efforts' | 'chatTemplateMembers'> {
  const name = model.toLowerCase()
  if (/v4[._-]?1/.test(name))
    return { chatTemplateMembers: v4Members, efforts: { ...v4Efforts, minimal: 'low', low: 'low' } }
  if (name.includes('v4')) return { chatTemplateMembers: v4Members, efforts: v4Efforts }
  if (/qwen|glm|gemma/.test(name))
    return { chatTemplateMembers: { thinking: 'enable_thinking', effort: null }, efforts: {} }
  return { chatTemplateMembers: { thinking: 'thinking', effort: null }, efforts: {} }
}

const v4Members = { thinking: 'thinking', effort: 'reasoning_effort' } as const
const v4Efforts = {
  minimal: 'high',
  low: 'high',
  medium: 'high',
  high: 'high',
  xhigh: 'high',
  max: 'max',
  ultra: 'max',
} as const
