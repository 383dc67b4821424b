/**
 * SGLang's server as an upstream.
 *
 * Reasoning comes in `reasoning_content`. The radix cache matches token by token. Its Messages address turns
 * some stream errors into a generic 500 (sglang#25876), so Chat is preferred where both would do.
 */
import type { UpstreamDefinition } from '../capabilities.ts'
import { selfHosted } from '../compatible/self-hosted.ts'

export const sglangDefinition: UpstreamDefinition = {
  ...selfHosted('reasoning_content'),
  kind: 'sglang',
  family: 'sglang',
  defaultKeyEnv: 'SGLANG_API_KEY',
  promptCache: { kind: 'automatic', blockTokens: 1, minimumTokens: null },
}
