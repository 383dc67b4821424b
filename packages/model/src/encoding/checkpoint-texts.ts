/**
 * Finds the encoding profile of a checkpoint folder.
 *
 * First `encoding.json` (models that we make), then the Python files of `encoding/` (published checkpoints),
 * whose string constants are recognised by SHA-256. A text that matches no known revision is refused:
 * a silently different prompt costs quality that nobody can trace back.
 */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ModelError } from '../errors.ts'
import { specialTokens } from '../tokenizer/special-tokens.ts'
import { parseEncodingFile } from './own-texts.ts'
import { knownRevisions, sha256, v4CallMarkup } from './profile.ts'
import type { EncodingProfile, KnownRevision } from './profile.ts'
import { pythonStrings } from './python-strings.ts'

/** The published file has 28 KB; more than this is not an encoding file. */
const MAX_SOURCE_BYTES = 1 << 20

/**
 * @param directory The checkpoint's folder.
 * @throws {ModelError} `MODEL_ENCODING_TEXTS` when the folder holds no texts, or texts of no known revision.
 */
export async function loadEncodingProfile(directory: string): Promise<EncodingProfile> {
  const own =
    (await readIfPresent(join(directory, 'encoding.json'))) ??
    (await readIfPresent(join(directory, 'encoding', 'encoding.json')))
  if (own !== null) return parseEncodingFile(own)
  const folder = join(directory, 'encoding')
  const names = await readdir(folder).catch(() => [])
  const sources: string[] = []
  for (const name of names.filter((file) => file.endsWith('.py')).sort()) {
    const source = await readIfPresent(join(folder, name))
    if (source !== null) sources.push(source)
  }
  if (sources.length === 0) {
    throw new ModelError(
      'MODEL_ENCODING_TEXTS',
      `${directory} has neither encoding.json nor Python files in encoding/.`,
      { directory },
    )
  }
  return profileFromSources(sources)
}

/** Recognises the texts in the sources of one checkpoint. @throws {ModelError} `MODEL_ENCODING_TEXTS` */
export function profileFromSources(
  sources: readonly string[],
  revisions: readonly KnownRevision[] = knownRevisions,
): EncodingProfile {
  const byHash = new Map<string, string>()
  for (const text of sources.flatMap(pythonStrings).flatMap(fillPlaceholders)) byHash.set(sha256(text), text)
  for (const known of revisions) {
    const profile = profileOf(known, byHash)
    if (profile !== null) return profile
  }
  const missing = missingTexts(revisions.at(-1)!, byHash)
  throw new ModelError(
    'MODEL_ENCODING_TEXTS',
    `The checkpoint's prompt texts are of no known revision: ${missing.join(', ')} not found by SHA-256.`,
    { missing },
  )
}

function profileOf(known: KnownRevision, byHash: ReadonlyMap<string, string>): EncodingProfile | null {
  if (missingTexts(known, byHash).length > 0) return null
  const text = (hash: string | null): string => (hash === null ? '' : byHash.get(hash)!)
  return {
    revision: known.revision,
    toolsBefore: text(known.toolsBefore),
    toolsAfter: text(known.toolsAfter),
    responseFormat: text(known.responseFormat),
    efforts: Object.fromEntries(Object.entries(known.efforts).map(([word, hash]) => [word, text(hash)])),
    markup: v4CallMarkup,
  }
}

function missingTexts(known: KnownRevision, byHash: ReadonlyMap<string, string>): string[] {
  const wanted: [string, string | null][] = [
    ['toolsBefore', known.toolsBefore],
    ['toolsAfter', known.toolsAfter],
    ['responseFormat', known.responseFormat],
    ...Object.entries(known.efforts).map(([word, hash]): [string, string | null] => [`effort ${word}`, hash]),
  ]
  return wanted.filter(([, hash]) => hash !== null && !byHash.has(hash)).map(([name]) => name)
}

/** A template with its tag names filled in, cut at the one placeholder that is left for the schema. */
function fillPlaceholders(template: string): string[] {
  const filled = template
    .replaceAll('{dsml_token}', specialTokens.dsml)
    .replaceAll('{thinking_start_token}', specialTokens.thinkStart)
    .replaceAll('{thinking_end_token}', specialTokens.thinkEnd)
  return filled.split(/\{(?:tool_schemas|schema)\}/)
}

async function readIfPresent(file: string): Promise<string | null> {
  try {
    const { size } = await stat(file)
    return size > MAX_SOURCE_BYTES ? null : await readFile(file, 'utf8')
  } catch {
    return null
  }
}
