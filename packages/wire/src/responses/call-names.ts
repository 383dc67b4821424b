/**
 * Every spelling under which a model may call a declared tool, with the tool that is meant.
 *
 * Beside the names that were changed for the upstream, models invent some: they glue a namespace and a name
 * together in ways of their own (`functions__exec`, `functions.exec`; sub2api#5883) or leave the namespace
 * out. An invented spelling counts only when it is no declared tool's name and means one tool alone.
 */
import type { AnswerContext } from '../canonical/adapter.ts'
import type { CustomTool, FunctionTool } from '../canonical/request.ts'

type CallNames = AnswerContext['toolNames']

const joints = ['__', '.', ':', '/', '_']
/** What models call the group of tools that stand in no namespace. */
const inventedNamespace = 'functions'

export function callNames(context: Pick<AnswerContext, 'request' | 'toolNames'>): CallNames {
  const tools = context.request.tools.filter((tool) => tool.kind !== 'vendor')
  const meant = new Map<string, FunctionTool | CustomTool | null>()
  for (const tool of tools)
    for (const spelling of spellingsOf(tool)) meant.set(spelling, meant.has(spelling) ? null : tool)

  // Models put tools of any namespace under their own word for the group, too, where no flat tool claims it.
  const claimed = new Set(meant.keys())
  for (const tool of tools)
    for (const spelling of tool.namespace === null ? [] : glued(inventedNamespace, tool.name))
      if (!claimed.has(spelling)) meant.set(spelling, meant.has(spelling) ? null : tool)

  const names = new Map<string, { name: string; namespace: string | null; custom: boolean }>()
  for (const [spelling, tool] of meant) if (tool !== null) names.set(spelling, callerOf(tool))
  // A declared flat name is never an invention.
  for (const tool of tools)
    if (tool.namespace === null) {
      if (tool.kind === 'custom') names.set(tool.name, callerOf(tool))
      else names.delete(tool.name)
    }
  for (const [out, caller] of context.toolNames) names.set(out, caller)
  return names
}

function spellingsOf(tool: FunctionTool | CustomTool): string[] {
  const together = glued(tool.namespace ?? inventedNamespace, tool.name)
  return tool.namespace === null ? together : [...together, tool.name]
}

function glued(namespace: string, name: string): string[] {
  return joints.map((joint) => `${namespace}${joint}${name}`)
}

function callerOf(tool: FunctionTool | CustomTool): { name: string; namespace: string | null; custom: boolean } {
  return { name: tool.name, namespace: tool.namespace, custom: tool.kind === 'custom' }
}
