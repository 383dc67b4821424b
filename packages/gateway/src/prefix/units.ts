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
  /** The first 48 bits of SHA-1: a number needs no room of its own, and chains compare at equal positions only. */
  readonly digest: number
  /** Bytes of its text: the weight of this unit in the share kept. */
  readonly bytes: number
}

type Body = Readonly<Record<string, unknown>>

export function promptUnits(protocol: Protocol, body: Body): PromptUnit[] {
  const units: PromptUnit[] = []
  if (isNonEmpty(body['tools'])) units.push(unit('tools', body['tools']))
  if (protocol === 'messages' && body['system'] !== undefined) units.push(unit('system', textBlocks(body['system'])))
  if (protocol === 'responses' && body['instructions']) units.push(unit('instructions', body['instructions']))
  const listName = protocol === 'responses' ? 'input' : 'messages'
  const list = protocol === 'responses' ? inputItems(body['input']) : body['messages']
  if (!Array.isArray(list)) return units
  for (const [index, element] of list.entries()) units.push(unit(unitName(listName, index, roleOf(element)), element))
  return units
}

/** Names outlive their requests in the meter, so the usual ones exist once: by list and role, then by index. */
const usualRoles = [
  'user',
  'assistant',
  'system',
  'developer',
  'tool',
  'reasoning',
  'function_call',
  'function_call_output',
]
const usualNames = {
  messages: new Map(usualRoles.map((role) => [role, [] as string[]])),
  input: new Map(usualRoles.map((role) => [role, [] as string[]])),
}
const sharedIndexes = 1000

function unitName(list: 'messages' | 'input', index: number, role: string): string {
  const shared = index < sharedIndexes ? usualNames[list].get(role) : undefined
  return shared?.[index] ?? remembered(shared, index, `${list}[${index}] (${role})`)
}

function remembered(names: string[] | undefined, index: number, name: string): string {
  if (names) names[index] = name
  return name
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
  const text = plainText(value) ?? markedText(value)
  return { name, digest: digestOf(text), bytes: Buffer.byteLength(text) }
}

export function digestOf(text: string | Buffer): number {
  return parseInt(hash('sha1', text, 'hex').slice(0, 12), 16)
}

/**
 * Most messages are a role and a text: written for the hash without the cost of JSON, which is most of what the
 * meter costs. JSON holds no NUL, so no other value has this text. Null for anything else.
 */
function plainText(value: unknown): string | null {
  const { role, content } = (value ?? {}) as Body
  if (typeof role !== 'string' || !onlyHas(value as Body, 'role', 'content')) return null
  if (typeof content === 'string') return `${role}\0${content}`
  if (!Array.isArray(content) || content.length !== 1) return null
  const block = content[0] as Body | null
  return block?.['type'] === 'text' && typeof block['text'] === 'string' && onlyHas(block, 'type', 'text', ...marks)
    ? `${role}\0${block['text']}`
    : null
}

function onlyHas(object: Body, ...names: readonly string[]): boolean {
  for (const name in object) if (!names.includes(name)) return false
  return true
}

function markedText(value: unknown): string {
  const content = (value as Body | null)?.['content']
  const plain = typeof content === 'string' ? { ...(value as Body), content: textBlocks(content) } : value
  const text = JSON.stringify(plain) ?? ''
  return marks.some((mark) => text.includes(`"${mark}"`)) ? (JSON.stringify(plain, withoutMarks) ?? '') : text
}

const marks: readonly string[] = ['cache_control', 'prompt_cache_breakpoint']

function withoutMarks(key: string, value: unknown): unknown {
  return marks.includes(key) ? undefined : value
}

function textBlocks(value: unknown): unknown {
  return typeof value === 'string' ? [{ type: 'text', text: value }] : value
}

function isNonEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0
}
