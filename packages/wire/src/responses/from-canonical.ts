/**
 * A canonical request for a Responses upstream.
 *
 * Stateless on every upstream: the whole history goes in `input`, `store` is false, and where reasoning comes
 * encrypted it is asked for, so that it can come back. What the dialect cannot take is dropped and reported,
 * or refused where its loss would change meaning.
 */
import type { WriteContext, WrittenRequest } from '../canonical/adapter.ts'
import type { CanonicalRequest, Effort, FunctionTool, Thinking, Tool, ToolChoice } from '../canonical/request.ts'
import { callerField } from '../history/caller-path.ts'
import { functionForClientTool } from '../history/client-tools.ts'
import { refuseStoredState, settleForeignFields } from '../history/foreign-fields.ts'
import { dedupeTools, ToolNames } from '../history/tool-names.ts'
import { outputRule } from '../translation/output-rule.ts'
import { isObject } from './read-field.ts'
import { writeFormat } from './response-object.ts'
import { groupByNamespace, writeClientTool, writeToolChoice } from './tools.ts'
import { writeInput } from './write-items.ts'

type Body = Record<string, unknown>

export function fromCanonicalRequest(request: CanonicalRequest, context: WriteContext): WrittenRequest {
  const { dialect, report } = context
  const { tools, duplicates } = dedupeTools(request.tools)
  if (duplicates.length > 0) report.dropped('tools')
  const names = new ToolNames(
    { tools, items: request.items },
    { rule: dialect.toolName, namespaces: dialect.toolNamespaces === true, customTools: dialect.customTools },
  )
  const { instructions, input } = writeInput(request, context, names)
  const format = writeOutputFormat(request, context, instructions)
  const body: Body = {
    ...writeExtra(request, context),
    model: context.model,
    ...(format.instructions !== null && { instructions: format.instructions }),
    input,
    ...writeTools(request, tools, context, names),
    ...writeSampling(request, context),
    ...writeReasoning(request, context),
    ...writeLimits(request, context),
    ...writeBookkeeping(request, context),
    store: false,
    stream: request.stream,
  }
  mergeMember(body, 'text', {
    ...(format.wire !== null && { format: format.wire }),
    ...(request.verbosity !== null && { verbosity: request.verbosity }),
  })
  const include = [
    ...(dialect.reasoningTokenFamily === 'openai' ? ['reasoning.encrypted_content'] : []),
    ...(request.topLogprobs !== null && dialect.logprobs ? ['message.output_text.logprobs'] : []),
    ...(Array.isArray(body.include) ? (body.include as readonly unknown[]) : []),
  ]
  if (include.length > 0) body.include = include
  reportMarks(request, context)
  return { body, toolNames: names.restore() }
}

/** Members of this protocol's own requests stay; those of the others are named as lost. */
function writeExtra(request: CanonicalRequest, context: WriteContext): Body {
  const body: Body = {}
  const foreign: Body = {}
  refuseStoredState(request, context.report)
  for (const [name, value] of Object.entries(request.extra)) {
    const own = request.from === 'responses' && name !== 'store'
    const shared = request.from === 'chat' && sharedWithChat.has(name)
    if (own || (shared && context.dialect.cacheKey)) body[name] = value
    else foreign[name] = value
  }
  settleForeignFields({ ...request, extra: foreign }, context.report)
  return body
}

const sharedWithChat = new Set(['prompt_cache_retention', 'prompt_cache_options', 'moderation'])

function mergeMember(body: Body, name: string, members: Body): void {
  const before = isObject(body[name]) ? body[name] : {}
  const merged = { ...before, ...members }
  if (Object.keys(merged).length > 0) body[name] = merged
}

// ------------------------------------------------------------------------------------------- tools

function writeTools(request: CanonicalRequest, tools: readonly Tool[], context: WriteContext, names: ToolNames): Body {
  const { dialect, report } = context
  const write = (tool: Tool): Body | null => {
    if (tool.kind === 'vendor') {
      if (tool.protocol === 'responses' && isObject(tool.raw)) return { ...tool.raw }
      const standIn = functionForClientTool(tool)
      report[standIn === null ? 'dropped' : 'emulated'](tool.type)
      return standIn === null ? null : writeClientTool(standIn, names.out(standIn.name), false)
    }
    const name = names.out(tool.name, tool.namespace)
    if (tool.kind === 'custom' && !dialect.customTools) {
      report.emulated('tools.custom')
      return writeClientTool(customAsFunction(tool.description, tool.format), name, false)
    }
    if (tool.kind === 'custom' || request.from === 'responses')
      return writeClientTool(tool, name, tool.kind === 'function' ? strictOf(tool, request, context) : null)
    // Whoever defers a tool in another protocol's way names it later: until then it is not in the prompt.
    if (tool.deferred === true) return null
    if (tool.inputExamples?.length) report.emulated('tools.input_examples')
    const plain = { ...tool, description: describe(tool), deferred: false, extra: {} }
    return writeClientTool(plain, name, strictOf(tool, request, context))
  }
  const wire =
    dialect.toolNamespaces === true
      ? groupByNamespace(tools, write)
      : tools.map(write).filter((tool): tool is Body => tool !== null)
  if (wire.length === 0) {
    refuseForced(request.toolChoice, tools, context)
    return {}
  }
  const choice = request.toolChoice
  refuseForced(choice, tools, context)
  if (request.parallelToolCalls === false && !dialect.parallelToolCallsSwitch)
    report.dropped(callerField(request.from, 'parallelToolCalls'))
  return {
    tools: wire,
    ...(choice !== null && {
      tool_choice: writeToolChoice(choice, tools, (name, namespace) => names.out(name, namespace), dialect.customTools),
    }),
    ...(request.parallelToolCalls !== null &&
      dialect.parallelToolCallsSwitch && { parallel_tool_calls: request.parallelToolCalls }),
  }
}

/** A forced tool that does not go along would leave the model free to do something else. */
function refuseForced(choice: ToolChoice | null, tools: readonly Tool[], context: WriteContext): void {
  if (choice?.mode !== 'required' && choice?.mode !== 'named') return
  const going = tools.filter(goesAlong)
  const found = choice.mode === 'named' ? going.some((tool) => tool.name === choice.name) : going.length > 0
  if (found) return
  const why = 'The tool that `tool_choice` forces does not exist on the upstream of this model.'
  context.report.refused('tool_choice', why)
}

function goesAlong(tool: Tool): boolean {
  return tool.kind !== 'vendor' || tool.protocol === 'responses' || functionForClientTool(tool) !== null
}

function describe(tool: FunctionTool): string | null {
  if (!tool.inputExamples?.length) return tool.description
  const examples = tool.inputExamples.map((example) => JSON.stringify(example)).join('\n')
  return `${tool.description ?? ''}\n\nExamples of input:\n${examples}`.trimStart()
}

/** Absent means strict here and not strict in the other protocols. */
function strictOf(tool: FunctionTool, request: CanonicalRequest, context: WriteContext): boolean | null {
  if (tool.strict === true && !context.dialect.strictTools) {
    context.report.dropped('tools.strict')
    return false
  }
  return tool.strict ?? (request.from === 'responses' ? null : false)
}

function customAsFunction(description: string | null, format: unknown): FunctionTool {
  const grammar = isObject(format) && typeof format.definition === 'string' ? format.definition : null
  const parts = [description, grammar === null ? null : `The input must match this grammar:\n${grammar}`]
  return {
    kind: 'function',
    name: '',
    namespace: null,
    description: parts.filter((part) => part !== null).join('\n\n') || null,
    parameters: {
      type: 'object',
      properties: { input: { type: 'string' } },
      required: ['input'],
      additionalProperties: false,
    },
    strict: null,
  }
}

// ---------------------------------------------------------------------------------------- settings

const wireNames = {
  temperature: 'temperature',
  topP: 'top_p',
  topK: 'top_k',
  frequencyPenalty: 'frequency_penalty',
  presencePenalty: 'presence_penalty',
  seed: 'seed',
  logitBias: 'logit_bias',
} as const
const samplingNames = [
  'temperature',
  'topP',
  'topK',
  'frequencyPenalty',
  'presencePenalty',
  'seed',
  'logitBias',
] as const

function writeSampling(request: CanonicalRequest, context: WriteContext): Body {
  const { dialect, report } = context
  const body: Body = {}
  for (const name of samplingNames) {
    const value = request.sampling[name]
    if (value === null) continue
    if (!dialect.sampling.includes(name)) report.dropped(wireNames[name])
    else if (name === 'temperature' && typeof value === 'number' && value > dialect.maxTemperature) {
      report.emulated('temperature')
      body.temperature = dialect.maxTemperature
    } else body[wireNames[name]] = value
  }
  if (request.topLogprobs !== null) {
    if (!dialect.logprobs) report.dropped(callerField(request.from, 'topLogprobs'))
    else if (request.topLogprobs > 0) body.top_logprobs = request.topLogprobs
  }
  if (request.stop.length > 0) report.dropped(callerField(request.from, 'stop'))
  if (request.choices > 1) report.refused('n', 'The upstream of this model gives one answer to a request.')
  return body
}

function writeReasoning(request: CanonicalRequest, context: WriteContext): Body {
  const { dialect, report } = context
  const effort = effortWord(request, context)
  const extra = request.from === 'responses' && isObject(request.extra.reasoning) ? request.extra.reasoning : {}
  const reasoning: Body = { ...extra }
  if (effort !== null) reasoning.effort = effort
  if (request.reasoningSummary !== null) reasoning.summary = request.reasoningSummary
  // This vendor shows summaries only, and only when asked.
  else if (dialect.reasoningTokenFamily === 'openai' && request.thinking?.display === 'summarized')
    reasoning.summary = 'auto'
  if (request.thinking?.budgetTokens !== undefined && request.thinking.budgetTokens !== null)
    report.emulated(callerField(request.from, 'budgetTokens'))
  return Object.keys(reasoning).length === 0 ? {} : { reasoning }
}

function effortWord(request: CanonicalRequest, context: WriteContext): string | null {
  const { dialect, report } = context
  const thinking = request.thinking
  const forced = request.toolChoice?.mode === 'required' || request.toolChoice?.mode === 'named'
  if (forced && !dialect.forcedToolChoiceWithThinking && thinking?.mode !== 'off') {
    report.emulated('tool_choice')
    return 'none'
  }
  if (thinking === null) return null
  if (dialect.thinkingControl === 'none') {
    report.dropped(callerField(request.from, 'thinking'))
    return null
  }
  if (thinking.mode === 'off') return 'none'
  if (thinking.mode === 'between-tools') report.emulated(callerField(request.from, 'thinking'))
  const effort = effortOf(thinking)
  const word = dialect.efforts[effort]
  if (thinking.effort !== null && word !== undefined && word !== effort)
    report.emulated(callerField(request.from, 'effort'))
  if (word !== undefined) return word
  report.dropped(callerField(request.from, 'effort'))
  return null
}

/** Budgets of thinking tokens as effort: the thresholds are ours. */
function effortOf(thinking: Thinking): Effort {
  if (thinking.effort !== null) return thinking.effort
  if (thinking.budgetTokens === null) return 'high'
  if (thinking.budgetTokens < 4_000) return 'low'
  return thinking.budgetTokens < 32_000 ? 'high' : 'max'
}

function writeLimits(request: CanonicalRequest, context: WriteContext): Body {
  const { dialect, report } = context
  const asked = request.maxOutputTokens
  if (asked === null) return {}
  if (asked === 0)
    report.refused(
      callerField(request.from, 'maxOutputTokens'),
      'The upstream of this model cannot only warm its cache.',
    )
  const limit = dialect.maxOutputTokens
  if (limit !== null && asked > limit) {
    report.emulated(callerField(request.from, 'maxOutputTokens'))
    return { max_output_tokens: limit }
  }
  return { max_output_tokens: asked }
}

function writeBookkeeping(request: CanonicalRequest, context: WriteContext): Body {
  const { dialect, report } = context
  const body: Body = {}
  if (request.endUser !== null) {
    if (dialect.endUserField === null) report.dropped(callerField(request.from, 'endUser'))
    else if (dialect.endUserField === 'metadata.user_id') body.metadata = { user_id: request.endUser }
    else body[dialect.endUserField] = request.endUser
  }
  if (request.metadata !== null && Object.keys(request.metadata).length > 0) {
    // Messages' metadata holds the end user alone; anything else there is not this API's string map.
    if (request.from === 'messages') report.dropped('metadata')
    else body.metadata = { ...(isObject(body.metadata) ? body.metadata : {}), ...request.metadata }
  }
  // A hint about where to look for a cached prefix: without it the answer is the same.
  if (request.cacheKey !== null && dialect.cacheKey) body.prompt_cache_key = request.cacheKey
  if (request.serviceTier !== null) {
    if (request.from === 'messages') {
      if (request.serviceTier !== 'auto') report.dropped('service_tier')
    } else body.service_tier = request.serviceTier
  }
  return body
}

function writeOutputFormat(
  request: CanonicalRequest,
  context: WriteContext,
  instructions: string | null,
): { readonly wire: Body | null; readonly instructions: string | null } {
  const { dialect } = context
  const format = request.outputFormat
  const rule = outputRule(request, context)
  const isNative = format.type === 'json-schema' && dialect.jsonSchema === 'native'
  const wantsJson = format.type === 'json-object' || (format.type === 'json-schema' && rule !== null)
  return {
    wire: isNative ? writeFormat(format) : wantsJson && dialect.jsonObject ? { type: 'json_object' } : null,
    instructions: rule === null ? instructions : instructions === null ? rule : `${instructions}\n\n${rule}`,
  }
}

/** Marks ask for a saving, not for an answer; on upstreams that cache by themselves nothing is lost. */
function reportMarks(request: CanonicalRequest, context: WriteContext): void {
  if (context.dialect.cacheMarks === 'prompt-cache-breakpoint') return
  const marked =
    request.autoCacheMark !== null ||
    request.items.some(
      (item) =>
        item.cacheMark !== undefined ||
        ('parts' in item && item.parts.some((part) => 'cacheMark' in part && part.cacheMark !== undefined)),
    )
  if (marked) context.report.emulated('cache_control')
}
