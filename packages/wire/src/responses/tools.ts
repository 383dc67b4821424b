/**
 * Tools and tool choice of Responses, both ways.
 *
 * Function tools are flat here (`name` beside `type`). A `namespace` holds further tools; free-form tools are
 * `custom`; every other type is run by the vendor, or by its own client in a form of its own, and stays as it is.
 */
import { WireError } from '../errors.ts'
import type { CustomTool, FunctionTool, Tool, ToolChoice } from '../canonical/request.ts'
import {
  arrayOf,
  badField,
  isObject,
  objectOf,
  optionalBoolean,
  optionalString,
  otherMembers,
  requiredString,
  type WireObject,
} from './read-field.ts'

const knownFunctionMembers = new Set([
  'type',
  'name',
  'description',
  'parameters',
  'strict',
  'function',
  'defer_loading',
])
/** Where a namespace's own description rides: the canonical tool knows only the namespace's name. */
const namespaceDescription = 'namespace_description'

export function readTools(value: unknown): Tool[] {
  if (value === undefined || value === null) return []
  return arrayOf(value, 'tools').flatMap((tool, index) =>
    readTool(objectOf(tool, `tools[${index}]`), `tools[${index}]`),
  )
}

function readTool(tool: WireObject, path: string): Tool[] {
  const at = `${path}.`
  if (tool.type === 'namespace') {
    const namespace = requiredString(tool, 'name', at)
    const description = optionalString(tool, 'description', at)
    return arrayOf(tool.tools, `${at}tools`).map((inner, index) => {
      const where = `${at}tools[${index}]`
      return readClientTool(objectOf(inner, where), `${where}.`, namespace, description)
    })
  }
  if (tool.type === undefined || tool.type === 'function' || tool.type === 'custom')
    return [readClientTool(tool, at, null, null)]
  const type = requiredString(tool, 'type', at)
  return [{ kind: 'vendor', protocol: 'responses', type, name: vendorName(tool), clientExecuted: false, raw: tool }]
}

function readClientTool(
  tool: WireObject,
  at: string,
  namespace: string | null,
  description: string | null,
): FunctionTool | CustomTool {
  if (tool.type === 'custom')
    return {
      kind: 'custom',
      name: requiredString(tool, 'name', at),
      namespace,
      description: optionalString(tool, 'description', at),
      format: tool.format ?? null,
    }
  // Chat's nested form is taken too.
  const body = isObject(tool.function) ? tool.function : tool
  const extra = {
    ...otherMembers(tool, knownFunctionMembers),
    ...(description !== null && { [namespaceDescription]: description }),
  }
  return {
    kind: 'function',
    name: requiredString(body, 'name', at),
    namespace,
    description: optionalString(body, 'description', at),
    parameters: body.parameters ?? null,
    strict: optionalBoolean(body, 'strict', at),
    ...(tool.defer_loading === true && { deferred: true }),
    ...(Object.keys(extra).length > 0 && { extra }),
  }
}

/** Several MCP servers may be declared; every other vendor tool is known by its type. */
function vendorName(tool: WireObject): string {
  return tool.type === 'mcp' && typeof tool.server_label === 'string' ? `mcp.${tool.server_label}` : String(tool.type)
}

export function readToolChoice(value: unknown): ToolChoice | null {
  if (value === undefined || value === null) return null
  if (value === 'auto' || value === 'none' || value === 'required') return { mode: value }
  if (typeof value === 'string')
    throw new WireError('WIRE_BAD_FIELD', '`tool_choice` must be auto, none, required or an object.', 'tool_choice')
  const choice = objectOf(value, 'tool_choice')
  const at = 'tool_choice.'
  switch (choice.type) {
    case 'function': {
      const named = isObject(choice.function) ? choice.function : choice
      const namespace = optionalString(choice, 'namespace', at)
      return { mode: 'named', name: requiredString(named, 'name', at), ...(namespace !== null && { namespace }) }
    }
    case 'custom':
      return { mode: 'named', name: requiredString(choice, 'name', at), custom: true }
    case 'allowed_tools': {
      const raw = arrayOf(choice.tools, `${at}tools`)
      const names = raw.map((tool, index) => {
        const entry = objectOf(tool, `${at}tools[${index}]`)
        return typeof entry.name === 'string' ? entry.name : vendorName(entry)
      })
      return { mode: 'allowed', require: choice.mode === 'required', names, raw }
    }
    default:
      if (typeof choice.type !== 'string') badField('tool_choice.type', 'a string', choice.type)
      return { mode: 'named', name: vendorName(choice) }
  }
}

/** One client tool in this protocol's form; namespaces are the caller's business. */
export function writeClientTool(
  tool: FunctionTool | CustomTool,
  name: string,
  strict: boolean | null,
): Record<string, unknown> {
  if (tool.kind === 'custom')
    return {
      type: 'custom',
      name,
      ...(tool.description !== null && { description: tool.description }),
      ...(tool.format !== null && tool.format !== undefined && { format: tool.format }),
    }
  const extra = Object.fromEntries(Object.entries(tool.extra ?? {}).filter(([key]) => key !== namespaceDescription))
  return {
    type: 'function',
    name,
    description: tool.description,
    parameters: tool.parameters,
    strict,
    ...(tool.deferred && { defer_loading: true }),
    ...extra,
  }
}

/** Tools in the order given, those of one namespace together where its first one stands. */
export function groupByNamespace(
  tools: readonly Tool[],
  write: (tool: Tool) => Record<string, unknown> | null,
): Record<string, unknown>[] {
  const written: Record<string, unknown>[] = []
  const groups = new Map<string, Record<string, unknown>[]>()
  for (const tool of tools) {
    const wire = write(tool)
    if (wire === null) continue
    const namespace = tool.kind === 'vendor' ? null : tool.namespace
    if (namespace === null) {
      written.push(wire)
      continue
    }
    const group = groups.get(namespace)
    if (group !== undefined) {
      group.push(wire)
      continue
    }
    const members = [wire]
    groups.set(namespace, members)
    const described = tool.kind === 'function' ? tool.extra?.[namespaceDescription] : undefined
    const description = typeof described === 'string' ? described : ''
    written.push({ type: 'namespace', name: namespace, description, tools: members })
  }
  return written
}

/** The tools as the caller declared them, for answers that must repeat them. */
export function echoTools(tools: readonly Tool[]): Record<string, unknown>[] {
  return groupByNamespace(tools, (tool) => {
    if (tool.kind === 'vendor') return tool.protocol === 'responses' && isObject(tool.raw) ? { ...tool.raw } : null
    return writeClientTool(tool, tool.name, tool.kind === 'function' ? tool.strict : null)
  })
}

/** The choice as the caller made it. */
export function echoToolChoice(choice: ToolChoice | null, tools: readonly Tool[]): unknown {
  return choice === null ? 'auto' : writeToolChoice(choice, tools, (name) => name, true)
}

export function writeToolChoice(
  choice: ToolChoice,
  tools: readonly Tool[],
  nameOf: (name: string, namespace: string | null) => string,
  customTools: boolean,
): unknown {
  const reference = (name: string, namespace: string | null, custom: boolean): Record<string, unknown> => {
    const vendor = tools.find((tool) => tool.kind === 'vendor' && tool.name === name)
    if (vendor?.kind === 'vendor')
      return vendor.type === 'mcp' && isObject(vendor.raw)
        ? { type: 'mcp', server_label: vendor.raw.server_label }
        : { type: vendor.type }
    const type = (custom || tools.some((tool) => tool.kind === 'custom' && tool.name === name)) && customTools
    return { type: type ? 'custom' : 'function', name: nameOf(name, namespace) }
  }
  if (choice.mode === 'named') return reference(choice.name, namespaceOf(choice, tools), choice.custom ?? false)
  if (choice.mode === 'allowed')
    return {
      type: 'allowed_tools',
      mode: choice.require ? 'required' : 'auto',
      tools: choice.names.map((name) => reference(name, namespaceOf({ name }, tools), false)),
    }
  return choice.mode
}

/** The namespace of a chosen tool, where the choice does not say it. */
function namespaceOf(
  choice: { readonly name: string; readonly namespace?: string | null },
  tools: readonly Tool[],
): string | null {
  if (choice.namespace !== undefined) return choice.namespace
  const named = tools.filter((tool) => tool.kind !== 'vendor' && tool.name === choice.name)
  const tool = named.find((candidate) => candidate.kind !== 'vendor' && candidate.namespace === null) ?? named[0]
  return tool === undefined || tool.kind === 'vendor' ? null : tool.namespace
}
