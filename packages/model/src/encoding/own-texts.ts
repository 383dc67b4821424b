/**
 * The fixed prompt texts of models that we make, in our own words, and the `encoding.json` that carries them.
 *
 * Shorter than the published ones on purpose: a small model has a small vocabulary and a small window. The
 * markup and the turn format are V4's, so that one encoder and one parser serve both.
 */
import { ModelError } from '../errors.ts'
import { v4CallMarkup } from './profile.ts'
import type { EncodingProfile } from './profile.ts'

const { mark, block, invoke, parameter } = v4CallMarkup

export const ownProfile: EncodingProfile = {
  revision: 'portolan-1',
  toolsBefore: `# Tools

To use a tool, write one block in this form and stop:

<${mark}${block}>
<${mark}${invoke} name="TOOL">
<${mark}${parameter} name="KEY" string="true">text as it is</${mark}${parameter}>
<${mark}${parameter} name="KEY" string="false">JSON value</${mark}${parameter}>
</${mark}${invoke}>
</${mark}${block}>

These tools exist, one a line:

`,
  toolsAfter: `

Use no other tools and no other keys.
`,
  responseFormat: `# Answer format

Answer with one JSON value that fits this schema:
`,
  efforts: {
    low: '',
    high: '',
    max: 'Think for as long as the question needs, and check the answer before you give it.\n\n',
  },
  markup: v4CallMarkup,
}

/** Writes a profile as `encoding.json`. */
export function encodingFile(profile: EncodingProfile): string {
  const { revision, toolsBefore, toolsAfter, responseFormat, efforts, markup } = profile
  const fields = {
    format: 'portolan-encoding',
    version: 1,
    revision,
    toolsBefore,
    toolsAfter,
    responseFormat,
    efforts,
    markup,
  }
  return `${JSON.stringify(fields, null, 2)}\n`
}

/** Reads `encoding.json`. @throws {ModelError} `MODEL_ENCODING_TEXTS` */
export function parseEncodingFile(text: string): EncodingProfile {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new ModelError('MODEL_ENCODING_TEXTS', 'encoding.json is not valid JSON.', {}, { cause: error })
  }
  const fields = record(value, 'it')
  if (fields.format !== 'portolan-encoding' || fields.version !== 1)
    refuse('is not of format portolan-encoding, version 1')
  const markup = record(fields.markup, 'markup')
  const efforts = record(fields.efforts, 'efforts')
  return {
    revision: string(fields, 'revision'),
    toolsBefore: string(fields, 'toolsBefore'),
    toolsAfter: string(fields, 'toolsAfter'),
    responseFormat: string(fields, 'responseFormat'),
    efforts: Object.fromEntries(Object.keys(efforts).map((word) => [word, string(efforts, word)])),
    markup: {
      mark: string(markup, 'mark', true),
      block: string(markup, 'block', true),
      invoke: string(markup, 'invoke', true),
      parameter: string(markup, 'parameter', true),
    },
  }
}

function refuse(reason: string): never {
  throw new ModelError('MODEL_ENCODING_TEXTS', `encoding.json ${reason}.`)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function record(value: unknown, name: string): Record<string, unknown> {
  return isRecord(value) ? value : refuse(`is damaged: ${name} is not an object`)
}

function string(fields: Record<string, unknown>, name: string, filled = false): string {
  const value = fields[name]
  if (typeof value !== 'string' || (filled && value === '')) refuse(`lacks the text ${JSON.stringify(name)}`)
  return value
}
