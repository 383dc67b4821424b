/**
 * The two wire versions of Messages, and what the newer one refuses.
 *
 * `2026-10-21` answers 400 to three things that `2023-06-01` takes: sampling values (even default ones), a
 * `document` block directly in an assistant message, and non-empty `citations` on text that a user sends
 * (also inside `search_result`). Answers have one shape in both. A door checks by the caller's version; the
 * version towards an upstream is that upstream's own (`Dialect.messagesVersion`).
 */
import { WireError } from '../errors.ts'
import type { MessagesVersion } from '../protocol.ts'
import { isObject, listOf, type MessagesRequest, type WireBlock } from './types.ts'

/** Members that the newer version refuses. */
const samplingMembers = ['temperature', 'top_p', 'top_k'] as const

/**
 * The version that a caller means by its `anthropic-version` header.
 *
 * No header means the oldest version. A date we do not know means the newest version that is not after it,
 * so that clients newer than we are get the rules closest to what they expect.
 */
export function readMessagesVersion(header: string | null): MessagesVersion {
  const date = header?.trim() ?? ''
  return /^\d{4}-\d{2}-\d{2}$/.test(date) && date >= '2026-10-21' ? '2026-10-21' : '2023-06-01'
}

/** @throws {WireError} `WIRE_BAD_FIELD` naming the first member that the caller's version does not have. */
export function checkVersion(request: MessagesRequest, version: MessagesVersion): void {
  if (version === '2023-06-01') return
  for (const member of samplingMembers) {
    if (request.raw[member] !== undefined && request.raw[member] !== null)
      throw new WireError(
        'WIRE_BAD_FIELD',
        `${member}: sampling parameters do not exist in version 2026-10-21; leave the member out or send anthropic-version: 2023-06-01`,
        member,
      )
  }
  for (const [at, message] of request.messages.entries()) {
    if (typeof message.content === 'string') continue
    for (const [index, block] of message.content.entries()) {
      const field = `messages.${at}.content.${index}`
      if (message.role === 'assistant') {
        if (block.type === 'document')
          throw new WireError(
            'WIRE_BAD_FIELD',
            `${field}: a document block cannot stand in an assistant message in version 2026-10-21`,
            field,
          )
      } else {
        refuseUserCitations(block, field)
      }
    }
  }
}

function refuseUserCitations(block: WireBlock, field: string, depth = 0): void {
  if (block.type === 'text' && listOf(block['citations']).length > 0)
    throw new WireError(
      'WIRE_BAD_FIELD',
      `${field}.citations: text from a user cannot carry citations in version 2026-10-21`,
      `${field}.citations`,
    )
  if (depth === 2 || (block.type !== 'search_result' && block.type !== 'tool_result')) return
  for (const [index, inner] of listOf(block['content']).entries())
    if (isObject(inner) && typeof inner['type'] === 'string')
      refuseUserCitations({ ...inner, type: inner['type'] }, `${field}.content.${index}`, depth + 1)
}
