/** The register of kinds: one row per vendor folder. */
import { anthropicDefinition } from './anthropic/definition.ts'
import type { UpstreamDefinition, UpstreamKind } from './capabilities.ts'
import { anthropicCompatibleDefinition, openAiCompatibleDefinition } from './compatible/definitions.ts'
import { deepSeekDefinition } from './deepseek/definition.ts'
import { deepSeekProfiles, isDeepSeekProfileName, newestDeepSeekProfile } from './deepseek/profiles.ts'
import { demoDefinition } from './demo/definition.ts'
import { embeddedDefinition } from './embedded/definition.ts'
import { UpstreamError } from './errors.ts'
import { openAiDefinition } from './openai/definition.ts'
import { sglangDefinition } from './sglang/definition.ts'
import { vllmDefinition } from './vllm/definition.ts'

const undated: Readonly<Record<Exclude<UpstreamKind, 'deepseek'>, UpstreamDefinition>> = {
  openai: openAiDefinition,
  anthropic: anthropicDefinition,
  'openai-compatible': openAiCompatibleDefinition,
  'anthropic-compatible': anthropicCompatibleDefinition,
  vllm: vllmDefinition,
  sglang: sglangDefinition,
  demo: demoDefinition,
  embedded: embeddedDefinition,
}

/** @throws {UpstreamError} `UPSTREAM_BAD_CONFIG` for a profile that the kind does not have. */
export function definitionOf(
  kind: UpstreamKind,
  profile: string | null = null,
  setting = 'profile',
): UpstreamDefinition {
  if (kind === 'deepseek') {
    const name = profile ?? newestDeepSeekProfile
    if (isDeepSeekProfileName(name)) return deepSeekDefinition(name)
    throw new UpstreamError(
      'UPSTREAM_BAD_CONFIG',
      `${setting} is ${JSON.stringify(name.slice(0, 40))}; known profiles: ${Object.keys(deepSeekProfiles).join(', ')}.`,
      { setting },
    )
  }
  if (profile !== null)
    throw new UpstreamError('UPSTREAM_BAD_CONFIG', `${setting} is set, but ${kind} has no dated profiles.`, { setting })
  return undated[kind]
}

/** Dated behaviours that a kind can be configured for, oldest first; empty where there is only one behaviour. */
export function profilesOf(kind: UpstreamKind): readonly string[] {
  return kind === 'deepseek' ? Object.keys(deepSeekProfiles).sort() : []
}
