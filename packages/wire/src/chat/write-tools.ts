/** Tools and the tool choice of a canonical request in Chat's form. */
import type { WriteContext } from '../canonical/adapter.ts'
import type { CanonicalRequest, CustomTool, FunctionTool, Part, Tool, ToolChoice } from '../canonical/request.ts'
import { callerField } from '../history/caller-path.ts'
import { functionForClientTool } from '../history/client-tools.ts'
import { dedupeTools, type ToolNames } from '../history/tool-names.ts'

export interface WrittenTools {
  readonly tools: readonly Record<string, unknown>[]
  /** The value of `tool_choice`; null: leave it out. */
  readonly choice: unknown
  /** Does the choice force a call? */
  readonly forces: boolean
}

export function writeTools(request: CanonicalRequest, names: ToolNames, context: WriteContext): WrittenTools {
  const { report } = context
  const field = callerField(request.from, 'toolChoice')
  const choice = request.toolChoice
  const { tools: unique, duplicates } = dedupeTools(request.tools)
  if (duplicates.length > 0) report.emulated('tools.duplicate_name')

  const kept: (FunctionTool | CustomTool)[] = []
  for (const tool of inPrompt(unique, request)) {
    if (tool.kind !== 'vendor') {
      kept.push(tool)
      continue
    }
    const standIn = functionForClientTool(tool)
    if (standIn !== null) {
      report.emulated(tool.type)
      kept.push(standIn)
    } else {
      if (choice?.mode === 'named' && (choice.name === tool.name || choice.name === tool.type))
        report.refused(field, `\`${tool.type}\` is run by its vendor, and the upstream of this model has no such tool.`)
      report.dropped(tool.type)
    }
  }
  const allowed = allowedTools(kept, choice, context, field)
  if (choice !== null && isForcing(choice) && allowed.length === 0)
    report.refused(field, 'The request forces a tool call, but none of its tools can be carried to this upstream.')
  return {
    tools: allowed.map((tool) => writeTool(tool, request, names, context)),
    choice: choice === null ? null : writeChoice(choice, kept, names, context),
    forces: choice !== null && isForcing(choice),
  }
}

/** Deferred tools enter the prompt once something names them, behind the others so that the prefix holds. */
function inPrompt(tools: readonly Tool[], request: CanonicalRequest): readonly Tool[] {
  const deferred = tools.filter((tool) => tool.kind === 'function' && tool.deferred === true)
  if (deferred.length === 0) return tools
  const referenced = new Set<string>()
  for (const item of request.items) {
    if (item.kind === 'tool-call') referenced.add(item.name)
    else if (item.kind === 'tool-result' || item.kind === 'user')
      for (const part of item.parts) {
        const name = referencedTool(part)
        if (name !== null) referenced.add(name)
      }
  }
  if (request.toolChoice?.mode === 'named') referenced.add(request.toolChoice.name)
  const byName = new Map(deferred.map((tool) => [tool.name, tool]))
  const awake = [...referenced].map((name) => byName.get(name)).filter((tool) => tool !== undefined)
  return [...tools.filter((tool) => !deferred.includes(tool)), ...awake]
}

/** The tool that a `tool_reference` part names; null for any other part. */
export function referencedTool(part: Part): string | null {
  if (part.type !== 'foreign' || part.name !== 'tool_reference') return null
  const raw = part.raw
  return typeof raw === 'object' && raw !== null && 'tool_name' in raw && typeof raw.tool_name === 'string'
    ? raw.tool_name
    : null
}

function writeTool(
  tool: FunctionTool | CustomTool,
  request: CanonicalRequest,
  names: ToolNames,
  { dialect, report }: WriteContext,
): Record<string, unknown> {
  const name = names.out(tool.name, tool.namespace)
  if (names.isRenamed(tool.name, tool.namespace)) report.emulated('tools.name')
  if (tool.kind === 'custom') {
    if (dialect.customTools)
      return {
        type: 'custom',
        custom: {
          name,
          ...(tool.description === null ? {} : { description: tool.description }),
          ...(tool.format === null ? {} : { format: tool.format }),
        },
      }
    report.emulated('tools.custom')
    return { type: 'function', function: { name, ...customAsFunction(tool) } }
  }
  const strict = tool.strict === true && !dialect.strictTools ? null : tool.strict
  if (strict !== tool.strict) report.dropped('tools.strict')
  if (tool.inputExamples !== undefined && tool.inputExamples.length > 0) report.emulated('tools.input_examples')
  const description = describe(tool)
  return {
    type: 'function',
    function: {
      name,
      ...(description === null ? {} : { description }),
      parameters: tool.parameters ?? { type: 'object', properties: {} },
      ...(strict === null ? {} : { strict }),
      ...(request.from === 'chat' ? tool.extra : {}),
    },
    ...(tool.cacheMark !== undefined && dialect.cacheMarks === 'cache-control'
      ? { cache_control: { type: 'ephemeral', ...(tool.cacheMark.ttl === null ? {} : { ttl: tool.cacheMark.ttl }) } }
      : {}),
  }
}

function describe(tool: FunctionTool): string | null {
  if (tool.inputExamples === undefined || tool.inputExamples.length === 0) return tool.description
  const examples = tool.inputExamples.map((example) => JSON.stringify(example)).join('\n')
  return `${tool.description ?? ''}\n\nExamples of input:\n${examples}`.trimStart()
}

/** A function with one string member; the grammar, which cannot be enforced, is said in words. */
function customAsFunction(tool: CustomTool): Record<string, unknown> {
  const format = tool.format
  const grammar =
    typeof format === 'object' && format !== null && 'type' in format && format.type === 'grammar'
      ? `\n\nThe input must follow this grammar:\n${JSON.stringify(format)}`
      : ''
  return {
    description: `${tool.description ?? ''}${grammar}`.trimStart(),
    parameters: {
      type: 'object',
      properties: { input: { type: 'string', description: 'The whole input of the tool, as plain text.' } },
      required: ['input'],
      additionalProperties: false,
    },
  }
}

// ------------------------------------------------------------------------------------------------ choice

function isForcing(choice: ToolChoice): boolean {
  return choice.mode === 'required' || choice.mode === 'named' || (choice.mode === 'allowed' && choice.require)
}

/** Upstreams that know custom tools know `allowed_tools` as well; for the others the list itself is cut. */
function allowedTools(
  tools: readonly (FunctionTool | CustomTool)[],
  choice: ToolChoice | null,
  { dialect, report }: WriteContext,
  field: string,
): readonly (FunctionTool | CustomTool)[] {
  if (choice?.mode !== 'allowed' || dialect.customTools) return tools
  report.emulated(field)
  return tools.filter((tool) => choice.names.includes(tool.name))
}

function writeChoice(
  choice: ToolChoice,
  tools: readonly (FunctionTool | CustomTool)[],
  names: ToolNames,
  { dialect }: WriteContext,
): unknown {
  const byName = (name: string, namespace?: string | null): Record<string, unknown> => {
    const tool = tools.find(
      (candidate) => candidate.name === name && (namespace === undefined || candidate.namespace === namespace),
    )
    const out = names.out(name, tool?.namespace ?? namespace ?? null)
    return tool?.kind === 'custom' && dialect.customTools
      ? { type: 'custom', custom: { name: out } }
      : { type: 'function', function: { name: out } }
  }
  if (choice.mode === 'named') return byName(choice.name, choice.namespace)
  if (choice.mode !== 'allowed') return choice.mode
  const mode = choice.require ? 'required' : 'auto'
  if (!dialect.customTools) return mode
  return { type: 'allowed_tools', allowed_tools: { mode, tools: choice.names.map((name) => byName(name)) } }
}
