/**
 * Claude Code's billing line: the first system block, which is not for the model.
 *
 * `x-anthropic-billing-header: cc_version=2.1.330.930; cc_entrypoint=cli; ...`. Its suffix is constant within
 * a session and differs between sessions, and it stands at the very start of the prompt, so on an upstream
 * with an implicit prefix cache no two sessions would ever share the large system and tools prefix. It is
 * stripped when a request crosses protocols; for same-protocol traffic `findBillingBlock` gives the bytes to cut.
 */
import { WireError } from '../errors.ts'
import { collectRaw } from '../json/raw-values.ts'
import { scanTopLevel } from '../json/splice.ts'
import type { TextPart } from '../canonical/request.ts'

/** A billing line is one short line; anything longer is a prompt that happens to speak about it. */
const longestLine = 1024

export function isBillingLine(text: string): boolean {
  const line = text.trim()
  if (line.length > longestLine || /[\r\n]/.test(line)) return false
  return /^x-anthropic-billing-header\s*:/i.test(line) || /^[\w-]*billing[\w-]*\s*:.*\bcc_version=/i.test(line)
}

/** System parts without the billing line, which can only be the first. */
export function withoutBillingLine(parts: readonly TextPart[]): {
  readonly parts: readonly TextPart[]
  readonly stripped: boolean
} {
  const first = parts[0]
  if (first === undefined || !isBillingLine(first.text)) return { parts, stripped: false }
  return { parts: parts.slice(1), stripped: true }
}

/**
 * Where the billing block stands in a request body, for cutting without parsing and printing the rest.
 *
 * @returns Byte offsets `[start, end)` of the first system block, the comma after it and white space between
 *   included; null when there is no such block, when `system` is a string, or when the bytes are not JSON.
 */
export function findBillingBlock(body: Uint8Array): { readonly start: number; readonly end: number } | null {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  // Almost every body is settled here, at the speed of a memory search.
  if (!bytes.includes('cc_version=') && !bytes.includes('billing-header')) return null
  try {
    const span = scanTopLevel(bytes, new Set(['system'])).members.get('system')
    if (span === undefined || bytes[span.valueStart] !== openBracket) return null
    const first = collectRaw(
      bytes.toString('utf8', span.valueStart, span.valueEnd),
      (path) => path.length === 1 && path[0] === 0,
    )
    const block = first.get('/0')
    if (block === undefined || !isBillingBlock(block)) return null
    const start = skipSpace(bytes, span.valueStart + 1)
    const end = start + Buffer.byteLength(block)
    // Bytes that are no UTF-8 read as something longer.
    if (!bytes.subarray(start, end).equals(Buffer.from(block))) return null
    const comma = skipSpace(bytes, end)
    return { start, end: bytes[comma] === commaByte ? skipSpace(bytes, comma + 1) : end }
  } catch (error) {
    // Not JSON: whoever parses the body says so, with the place.
    if (error instanceof WireError) return null
    throw error
  }
}

const commaByte = 0x2c
const openBracket = 0x5b

function skipSpace(bytes: Uint8Array, at: number): number {
  while (bytes[at] === 0x20 || bytes[at] === 0x0a || bytes[at] === 0x0d || bytes[at] === 0x09) at++
  return at
}

function isBillingBlock(json: string): boolean {
  try {
    const block: unknown = JSON.parse(json)
    if (typeof block !== 'object' || block === null || !('text' in block)) return false
    return typeof block.text === 'string' && isBillingLine(block.text)
  } catch {
    return false
  }
}
