/**
 * vLLM's server as an upstream.
 *
 * Reasoning comes in `reasoning` since 0.11 (`reasoning_content` before; a configuration for an older server
 * says so with `dialect`). Its Messages address refuses system messages among the others (vllm#44000); its
 * Responses address keeps state in the process, so it is used only when the configuration names it.
 */
import {
  compatibleChatAddress,
  compatibleMessagesAddress,
  compatibleResponsesAddress,
} from '../compatible/definitions.ts'
import {
  selfHostedChatDialect,
  selfHostedMessagesDialect,
  selfHostedResponsesDialect,
} from '../compatible/self-hosted.ts'
import type { UpstreamDefinition } from '../capabilities.ts'

export const vllmDefinition: UpstreamDefinition = {
  kind: 'vllm',
  family: 'vllm',
  transport: 'http',
  defaultBaseUrl: null,
  defaultKeyEnv: 'VLLM_API_KEY',
  needsKey: false,
  vendor: null,
  profile: null,
  addresses: {
    chat: { ...compatibleChatAddress, dialect: (model) => selfHostedChatDialect(model, 'reasoning') },
    messages: { ...compatibleMessagesAddress, dialect: () => selfHostedMessagesDialect },
    responses: { ...compatibleResponsesAddress, dialect: () => selfHostedResponsesDialect },
  },
  defaultProtocols: ['chat', 'messages'],
  baseUrlEndings: [],
  passThrough: [{ method: 'POST', doorPath: '/completions', path: '/v1/completions', protocol: 'chat', metered: true }],
  modelsPath: '/v1/models',
  modelsDialect: 'openai',
  knownModels: [],
  modelNames: null,
  // The default block; larger for models with compressed caches.
  promptCache: { kind: 'automatic', blockTokens: 16, minimumTokens: null },
  stripBillingLine: true,
  errorQuirks: { requestIdHeaders: ['x-request-id'], envelopes: {}, capacityFinishReasons: [], billingStatuses: [] },
  defaultConcurrency: 512,
}
