/**
 * vLLM's server as an upstream.
 *
 * Reasoning comes in `reasoning` since 0.11 (`reasoning_content` before; a configuration for an older server
 * says so with `dialect`). Its Messages address refuses system messages among the others (vllm#44000); its
 * Responses address keeps state in the process, so it is used only when the configuration names it.
 */
import type { UpstreamDefinition } from '../capabilities.ts'
import { selfHosted } from '../compatible/self-hosted.ts'

export const vllmDefinition: UpstreamDefinition = {
  ...selfHosted('reasoning'),
  kind: 'vllm',
  family: 'vllm',
  defaultKeyEnv: 'VLLM_API_KEY',
  // The default block; larger for models with compressed caches.
  promptCache: { kind: 'automatic', blockTokens: 16, minimumTokens: null },
}
