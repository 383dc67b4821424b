/**
 * Content parts of Responses messages and tool outputs, as canonical parts.
 *
 * Lenient: a plain string, Chat's spelling of text and image parts, and unknown part types (kept as foreign)
 * are all taken. Not checked here: whether base64 is base64; the upstream that decodes it will say.
 */
import type { CacheMark, MediaSource, Part } from '../canonical/request.ts'
import {
  arrayOf,
  isObject,
  objectOf,
  optionalString,
  optionalWord,
  requiredString,
  type WireObject,
} from './read-field.ts'

/** A message's `content` or a tool's `output`. */
export function readParts(content: unknown, path: string): readonly Part[] {
  if (content === undefined || content === null || content === '') return []
  if (typeof content === 'string') return [{ type: 'text', text: content }]
  return arrayOf(content, path).map((part, index) => readPart(part, `${path}[${index}]`))
}

function readPart(value: unknown, path: string): Part {
  if (typeof value === 'string') return { type: 'text', text: value }
  const part = objectOf(value, path)
  const at = `${path}.`
  switch (part.type) {
    case 'input_text':
    case 'output_text':
    case 'text': {
      const citations = Array.isArray(part.annotations) && part.annotations.length > 0 ? part.annotations : null
      return { type: 'text', text: requiredString(part, 'text', at), ...(citations && { citations }), ...markOf(part) }
    }
    case 'input_image':
    case 'image_url':
      return {
        type: 'image',
        source: imageSource(part, at),
        detail: optionalWord(part, 'detail', ['auto', 'low', 'high', 'original'], at),
        ...markOf(part),
      }
    case 'input_file':
      return {
        type: 'document',
        source: fileSource(part, at),
        title: optionalString(part, 'filename', at),
        context: null,
        citationsEnabled: false,
        ...markOf(part),
      }
    case 'input_audio': {
      const audio = objectOf(part.input_audio, `${at}input_audio`)
      return {
        type: 'audio',
        format: requiredString(audio, 'format', `${at}input_audio.`),
        base64: requiredString(audio, 'data', `${at}input_audio.`),
      }
    }
    default:
      return { type: 'foreign', protocol: 'responses', name: requiredString(part, 'type', at), raw: part }
  }
}

function imageSource(part: WireObject, at: string): MediaSource {
  const fileId = optionalString(part, 'file_id', at)
  if (fileId !== null) return { kind: 'file', fileId }
  // Chat wraps the address in an object.
  const url = isObject(part.image_url)
    ? requiredString(part.image_url, 'url', `${at}image_url.`)
    : requiredString(part, 'image_url', at)
  return mediaOfUrl(url)
}

function fileSource(part: WireObject, at: string): MediaSource {
  const fileId = optionalString(part, 'file_id', at)
  if (fileId !== null) return { kind: 'file', fileId }
  const url = optionalString(part, 'file_url', at)
  if (url !== null) return mediaOfUrl(url)
  const data = requiredString(part, 'file_data', at)
  if (data.startsWith('data:')) return mediaOfUrl(data)
  // Bare base64 is taken too; only the name tells what it is.
  const isPdf = typeof part.filename === 'string' && /\.pdf$/i.test(part.filename)
  return { kind: 'base64', mediaType: isPdf ? 'application/pdf' : 'application/octet-stream', base64: data }
}

/** `data:` addresses are inline bytes, everything else stays an address. */
function mediaOfUrl(url: string): MediaSource {
  if (!url.startsWith('data:')) return { kind: 'url', url }
  const comma = url.indexOf(',')
  const [mediaType, ...parameters] = url.slice('data:'.length, comma).split(';')
  if (comma < 0 || parameters.at(-1) !== 'base64') return { kind: 'url', url }
  return { kind: 'base64', mediaType: mediaType || 'application/octet-stream', base64: url.slice(comma + 1) }
}

function markOf(part: WireObject): { readonly cacheMark?: CacheMark } {
  return isObject(part.prompt_cache_breakpoint) ? { cacheMark: { ttl: null } } : {}
}
