/**
 * What a checkpoint's revision wants in its prompts: fixed texts, effort words and tool-call markup, as data.
 *
 * The texts belong to the checkpoint and are not ours to ship: they are read from its `encoding/` folder and
 * recognised by SHA-256 (this file), or come with models that we make (`own-texts.ts`). The hashes are of the
 * UTF-8 text with its placeholders filled in.
 */
import { createHash } from 'node:crypto'
import { specialTokens } from '../tokenizer/special-tokens.ts'

/** Names of the tool-call markup; V4.1 writes others, with a leading blank. */
export interface CallMarkup {
  /** The special token inside every tag. */
  readonly mark: string
  readonly block: string
  readonly invoke: string
  readonly parameter: string
}

export const v4CallMarkup: CallMarkup = {
  mark: specialTokens.dsml,
  block: 'tool_calls',
  invoke: 'invoke',
  parameter: 'parameter',
}

export interface EncodingProfile {
  /** Name of the revision, for logs and cache keys. */
  readonly revision: string
  /** Around the tool schemas, which stand one JSON object a line. */
  readonly toolsBefore: string
  readonly toolsAfter: string
  /** Before a JSON schema that the answer must follow. */
  readonly responseFormat: string
  /** Effort words the checkpoint knows, and what each puts before the conversation (may be empty). */
  readonly efforts: Readonly<Record<string, string>>
  readonly markup: CallMarkup
}

/** Hashes by which the texts of one published revision are known. */
export interface KnownRevision {
  readonly revision: string
  readonly toolsBefore: string
  readonly toolsAfter: string
  readonly responseFormat: string
  /** null: the effort adds no text. */
  readonly efforts: Readonly<Record<string, string | null>>
}

const v4Texts = {
  toolsBefore: 'c7c9042638154a237b5d1bd48be772374a35a4d24c5cacfd1ffbd92703da329c',
  toolsAfter: '690702850fe256512cb1ee67c4e436ecb3e735c71ebee77ca45ff357a75fb5a7',
  responseFormat: '5200f58413f49f3957c43beddbc97bead023232cb5934fad0c1997c30c139112',
}
const thoroughEffort = 'f7a24f3b3050d4a83781e9b755b316aae2ec1d9dc87562541d90bcb04d7350f7'

/** Most recent first: the first revision all of whose texts are found is the one. */
export const knownRevisions: readonly KnownRevision[] = [
  {
    revision: 'deepseek-v4-2026-07-31',
    ...v4Texts,
    efforts: {
      low: null,
      high: thoroughEffort,
      max: '53fb31b8392ec5b4a926481943efc67636748f137c1a49d493a7af4d4fa55d2c',
    },
  },
  { revision: 'deepseek-v4-preview', ...v4Texts, efforts: { high: null, max: thoroughEffort } },
]

export function sha256(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex')
}
