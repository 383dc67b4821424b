/**
 * A prompt as a list of units, in the order in which servers render it: tools, instructions, then the turns.
 *
 * Two prompts share a cached prefix as far as their leading units are equal. Cache marks are not prompt, and a
 * string is the same text as one text block, so both are normalised away before hashing; everything else
 * counts byte for byte.
 */
import { hash } from 'node:crypto'
import type { Protocol } from '@portolan/wire'

export interface PromptUnit {
  /** Where it stands, in the protocol's own words: `tools`, `system`, `messages[3] (user)`. */
  readonly name: string
  readonly digest: string
  /** Bytes of its JSON text: the weight of this unit in the share kept. */
  readonly bytes: number
}

type Body = Readonly<Record<string, unknown>>

export function promptUnits(protocol: Protocol, body: Body): PromptUnit[] {
  const units: PromptUnit[] = []
  if (isNonEmpty(body['tools'])) units.push(unit('tools', body['tools']))
  if (protocol === 'messages' && body['system'] !== undefined) units.push(unit('system', textBlocks(body['system'])))
  if (protocol === 'responses' && body['instructions']) units.push(unit('instructions', body['instructions']))
  const [listName, list] =
    protocol === 'responses' ? ['input', inputItems(body['input'])] : ['messages', body['messages']]
  if (!Array.isArray(list)) return units
  for (const [index, element] of list.entries()) units.push(unit(`${listName}[${index}] (${roleOf(element)})`, element))
  return units
}

function inputItems(input: unknown): unknown {
  return typeof input === 'string' ? [{ type: 'message', role: 'user', content: input }] : input
}

function roleOf(element: unknown): string {
  if (typeof element !== 'object' || element === null) return 'malformed'
  const { role, type } = element as Body
  return typeof role === 'string' ? role.slice(0, 20) : typeof type === 'string' ? type.slice(0, 40) : 'item'
}

function unit(name: string, value: unknown): PromptUnit {
  const content = (value as Body | null)?.['content']
  const plain = typeof content === 'string' ? { ...(value as Body), content: textBlocks(content) } : value
  let text = JSON.stringify(plain) ?? ''
  if (text.includes('"cache_control"') || text.includes('"prompt_cache_breakpoint"'))
    text = JSON.stringify(plain, withoutMarks) ?? ''
  return { name, digest: hash('sha1', text, 'base64'), bytes: Buffer.byteLength(text) }
}

function withoutMarks(key: string, value: unknown): unknown {
  return key === 'cache_control' || key === 'prompt_cache_breakpoint' ? undefined : value
}

function textBlocks(value: unknown): unknown {
  return typeof value === 'string' ? [{ type: 'text', text: value }] : value
}

function isNonEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0
}
