/**
 * SGLang's server as an upstream.
 *
 * Reasoning comes in `reasoning_content`. The radix cache matches token by token. Its Messages address turns
 * some stream errors into a generic 500 (sglang#25876), so Chat is preferred where both would do.
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

export const sglangDefinition: UpstreamDefinition = {
  kind: 'sglang',
  family: 'sglang',
  transport: 'http',
  defaultBaseUrl: null,
  defaultKeyEnv: 'SGLANG_API_KEY',
  needsKey: false,
  vendor: null,
  profile: null,
  addresses: {
    chat: { ...compatibleChatAddress, dialect: (model) => selfHostedChatDialect(model, 'reasoning_content') },
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
  promptCache: { kind: 'automatic', blockTokens: 1, minimumTokens: null },
  stripBillingLine: true,
  errorQuirks: { requestIdHeaders: ['x-request-id'], envelopes: {}, capacityFinishReasons: [], billingStatuses: [] },
  defaultConcurrency: 512,
}
