/**
 * How the DeepSeek V4 API behaved, by date: the part of the declaration that has changed since April 2026.
 *
 * Three snapshots of the vendor's pages and of measurements against the live service. `2026-04` is the preview
 * after the launch of 24 April, `2026-08` follows V4-Flash-0731 and V4-Pro-0813, `2026-11` has V4.1-Flash and
 * the name `deepseek-flash`. What never changed is in `definition.ts`.
 */
import type { Effort } from '@portolan/wire'

export type DeepSeekProfileName = '2026-04' | '2026-08' | '2026-11'

export interface DeepSeekProfile {
  readonly name: DeepSeekProfileName
  /** What `GET /models` lists. */
  readonly models: readonly string[]
  /** Accepted names that are not listed, and what serves them. */
  readonly aliases: Readonly<Record<string, string>>
  readonly efforts: Readonly<Record<Effort, 'low' | 'high' | 'max'>>
  /** Did the service answer 400 when a tool turn came back without its reasoning? We send it in any case. */
  readonly passbackEnforced: boolean
  /** Models that see images. */
  readonly imageModels: readonly string[]
  readonly responses: boolean
  readonly files: boolean
  /** What the Messages address does with a name that is neither its own nor a `claude*` one. */
  readonly unknownMessagesModel: 'serves-flash' | 'refuses'
  /** Answer budget when the caller names none: without thinking, with it, with it at effort `max`. null: not stated. */
  readonly defaultMaxTokens: { readonly plain: number; readonly thinking: number; readonly maxEffort: number } | null
}

const legacyNames = { 'deepseek-chat': 'deepseek-v4-flash', 'deepseek-reasoner': 'deepseek-v4-flash' }

export const deepSeekProfiles: Readonly<Record<DeepSeekProfileName, DeepSeekProfile>> = {
  '2026-04': {
    name: '2026-04',
    models: ['deepseek-v4-flash', 'deepseek-v4-pro'],
    aliases: legacyNames,
    // Two levels only; the page did not name `minimal` and `ultra`, which go to their neighbours.
    efforts: { minimal: 'high', low: 'high', medium: 'high', high: 'high', xhigh: 'max', max: 'max', ultra: 'max' },
    passbackEnforced: true,
    imageModels: [],
    responses: false,
    files: false,
    unknownMessagesModel: 'serves-flash',
    defaultMaxTokens: null,
  },
  '2026-08': {
    name: '2026-08',
    models: ['deepseek-v4-flash', 'deepseek-v4-pro', 'deepseek-v4-flash-vision-exp'],
    aliases: {},
    efforts: { minimal: 'low', low: 'low', medium: 'high', high: 'high', xhigh: 'max', max: 'max', ultra: 'max' },
    passbackEnforced: false,
    imageModels: ['deepseek-v4-flash-vision-exp'],
    responses: true,
    files: true,
    unknownMessagesModel: 'serves-flash',
    defaultMaxTokens: null,
  },
  '2026-11': {
    name: '2026-11',
    models: ['deepseek-flash', 'deepseek-v4-pro'],
    aliases: { 'deepseek-v4-flash': 'deepseek-flash', 'deepseek-v4-flash-vision-exp': 'deepseek-flash' },
    efforts: { minimal: 'low', low: 'low', medium: 'high', high: 'high', xhigh: 'high', max: 'max', ultra: 'max' },
    passbackEnforced: false,
    imageModels: ['deepseek-flash'],
    responses: true,
    files: true,
    unknownMessagesModel: 'refuses',
    defaultMaxTokens: { plain: 8_192, thinking: 65_536, maxEffort: 131_072 },
  },
}

export const newestDeepSeekProfile: DeepSeekProfileName = '2026-11'

export function isDeepSeekProfileName(name: string): name is DeepSeekProfileName {
  return Object.hasOwn(deepSeekProfiles, name)
}

/**
 * The model that serves a name. `[1m]` is the suffix by which Claude Code asks for a window of a million; the
 * service accepts it on its own names.
 */
export function servedDeepSeekModel(profile: DeepSeekProfile, model: string): string {
  const name = model.endsWith('[1m]') ? model.slice(0, -'[1m]'.length) : model
  return Object.hasOwn(profile.aliases, name) ? profile.aliases[name]! : name
}
