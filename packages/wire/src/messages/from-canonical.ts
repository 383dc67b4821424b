/**
 * A canonical request as the body for a Messages upstream: the vendor itself or another server behind this door.
 *
 * What the upstream takes is its dialect. Everything that changes form or is left out is reported; what would
 * change meaning or safety is refused. `messages` comes last in the body, so that the bytes of a longer history
 * extend those of a shorter one as far as JSON allows.
 */
import type { WriteContext, WrittenRequest } from '../canonical/adapter.ts'
import type { Dialect } from '../canonical/dialect.ts'
import type { CanonicalRequest, Effort, FunctionTool, Thinking, Tool } from '../canonical/request.ts'
import { callerField } from '../history/caller-path.ts'
import { functionForClientTool } from '../history/client-tools.ts'
import { settleForeignFields } from '../history/foreign-fields.ts'
import { dedupeTools, ToolNames } from '../history/tool-names.ts'
import { outputRule } from '../translation/output-rule.ts'
import { CacheMarks, writeCacheMark } from './cache-marks.ts'
import { isObject, stringOr } from './types.ts'
import { writeHistory, type OutMessage } from './write-history.ts'

/** Where neither the caller nor the model table names a budget: enough for any answer with its reasoning. */
const budgetOfLastResortTokens = 32_768
/** The vendor's least thinking budget. */
const leastThinkingTokens = 1024

/** @throws {WireError} `WIRE_CANNOT_CARRY` where loss would change meaning; `WIRE_BAD_FIELD` for a broken history. */
export function fromCanonicalRequest(request: CanonicalRequest, context: WriteContext): WrittenRequest {
  const { dialect, report } = context
  if (request.choices > 1) report.refused('n', 'The upstream of this model gives one answer to a request.')
  const { tools: unique, duplicates } = dedupeTools(request.tools)
  for (const name of duplicates) report.dropped(`tools.${name}`)
  const names = new ToolNames(
    { tools: unique, items: request.items },
    { rule: dialect.toolName, namespaces: false, customTools: false },
  )
  const marks = new CacheMarks(dialect.cacheMarks === 'cache-control')

  // Prompt order, which is the order that cache marks count in: tools, system, messages.
  const choice = writeToolChoice(request, context, names)
  const tools = writeTools(unique, request, context, names, marks, choice.only)
  const { system, messages, lacksReasoning } = writeHistory(request, context, names, marks)
  addOutputInstruction(request, context, system)
  if (messages.length === 0 && system.length > 0) {
    // Only instructions: they are all there is to answer to.
    report.emulated('system')
    messages.push({ role: 'user', content: system.splice(0) })
  }
  if (choice.instruct !== null) addToLastUser(messages, choice.instruct)

  const maxTokens = writeMaxTokens(request, context)
  const body: Record<string, unknown> = { model: context.model, max_tokens: maxTokens }
  const isForced = choice.wire?.['type'] === 'any' || choice.wire?.['type'] === 'tool'
  const thinking = writeThinking(request, context, maxTokens, lacksReasoning, isForced)
  if (thinking.thinking !== null) body['thinking'] = thinking.thinking
  const outputConfig = writeOutputConfig(request, context, thinking.effort)
  if (outputConfig !== null) body['output_config'] = outputConfig
  Object.assign(body, writeSampling(request, context, thinking.isOn))
  const stop = writeStop(request, context)
  if (stop.length > 0) body['stop_sequences'] = stop
  if (request.endUser !== null) {
    if (dialect.endUserField === 'metadata.user_id') body['metadata'] = { user_id: request.endUser }
    else report.dropped(callerField(request.from, 'endUser'))
  }
  if (request.metadata !== null) report.dropped('metadata')
  writeServiceTier(request, context, body)
  writeExtra(request, context, body)
  if (request.topLogprobs !== null) report.dropped(callerField(request.from, 'topLogprobs'))
  if (request.verbosity !== null) report.dropped(callerField(request.from, 'verbosity'))

  writeTopMark(request, context, marks, body)
  if (tools.length > 0) body['tools'] = tools
  if (choice.wire !== null && tools.length > 0) body['tool_choice'] = choice.wire
  if (request.stream) body['stream'] = true
  if (system.length > 0) body['system'] = system
  body['messages'] = messages
  return { body, toolNames: names.restore() }
}

// --------------------------------------------------------------------------------------------- tools

function writeTools(
  tools: readonly Tool[],
  request: CanonicalRequest,
  context: WriteContext,
  names: ToolNames,
  marks: CacheMarks,
  only: ReadonlySet<string> | null,
): Record<string, unknown>[] {
  const { dialect, report } = context
  const written: Record<string, unknown>[] = []
  for (const tool of tools) {
    if (only !== null && tool.name !== null && !only.has(tool.name)) continue
    // The vendor knows its own typed tools; every other family needs them spelled out.
    const stand =
      tool.kind === 'vendor' && dialect.reasoningTokenFamily !== 'anthropic' ? functionForClientTool(tool) : null
    if (stand !== null && tool.kind === 'vendor') {
      report.emulated(tool.type)
      written.push(writeFunction(stand, request, context, names))
    } else if (tool.kind === 'vendor') {
      if (tool.protocol === 'messages' && isObject(tool.raw)) written.push({ ...tool.raw })
      else dropVendorTool(tool.type, tool.name, request, context)
    } else if (tool.kind === 'custom') {
      report.emulated(`tools.${tool.name}`)
      written.push({
        name: names.out(tool.name, tool.namespace),
        ...described(customDescription(tool.description, tool.format)),
        input_schema: {
          type: 'object',
          properties: { input: { type: 'string', description: 'The whole input of the tool, as free text.' } },
          required: ['input'],
        },
      })
    } else if (tool.deferred !== true || dialect.reasoningTokenFamily === 'anthropic') {
      // Who does not know deferred loading would put the tool into the prompt at once.
      written.push(marks.put(writeFunction(tool, request, context, names), tool.cacheMark))
    }
  }
  return written
}

function writeFunction(
  tool: FunctionTool,
  request: CanonicalRequest,
  context: WriteContext,
  names: ToolNames,
): Record<string, unknown> {
  const { dialect, report } = context
  const wire: Record<string, unknown> = {
    name: names.out(tool.name, tool.namespace),
    ...described(tool.description),
    input_schema: objectSchema(tool.parameters),
  }
  if (tool.strict !== null) {
    if (dialect.strictTools) wire['strict'] = tool.strict
    else if (tool.strict) report.dropped('strict')
  }
  if (tool.deferred === true) wire['defer_loading'] = true
  if (tool.inputExamples !== undefined) wire['input_examples'] = tool.inputExamples
  if (request.from === 'messages') Object.assign(wire, tool.extra)
  return wire
}

/** `input_schema` must be of type object and must be there. */
function objectSchema(parameters: unknown): unknown {
  if (!isObject(parameters)) return { type: 'object', properties: {} }
  return parameters['type'] === undefined ? { type: 'object', ...parameters } : parameters
}

function described(description: string | null): { description?: string } {
  return description === null ? {} : { description }
}

function customDescription(description: string | null, format: unknown): string | null {
  if (!isObject(format) || format['type'] !== 'grammar') return description
  const grammar = isObject(format['grammar']) ? format['grammar'] : format
  const syntax = stringOr(grammar['syntax']) ?? 'formal'
  const rule = `The input must follow this ${syntax} grammar:\n${stringOr(grammar['definition']) ?? ''}`
  return description === null ? rule : `${description}\n\n${rule}`
}

function dropVendorTool(type: string, name: string | null, request: CanonicalRequest, context: WriteContext): void {
  const choice = request.toolChoice
  const isForced =
    (choice?.mode === 'named' && (choice.name === name || choice.name === type)) ||
    (choice?.mode === 'required' && request.tools.length === 1)
  if (isForced)
    context.report.refused(
      'tool_choice',
      `The upstream of this model cannot run the tool \`${type}\` that the request forces.`,
    )
  context.report.dropped(type)
}

interface WrittenChoice {
  readonly wire: Record<string, unknown> | null
  /** Only these tools are offered; null: all. */
  readonly only: ReadonlySet<string> | null
  /** Text that asks for what the wire cannot say. */
  readonly instruct: string | null
}

function plainly(wire: Record<string, unknown> | null): WrittenChoice {
  return { wire, only: null, instruct: null }
}

function writeToolChoice(request: CanonicalRequest, context: WriteContext, names: ToolNames): WrittenChoice {
  const { dialect, report } = context
  const choice = request.toolChoice
  const serial = request.parallelToolCalls === false && request.tools.length > 0
  if (serial && !dialect.parallelToolCallsSwitch) report.dropped('parallel_tool_calls')
  const flag = serial && dialect.parallelToolCallsSwitch ? { disable_parallel_tool_use: true } : {}
  if (choice === null) return plainly(Object.keys(flag).length > 0 ? { type: 'auto', ...flag } : null)
  switch (choice.mode) {
    case 'auto':
      return plainly({ type: 'auto', ...flag })
    case 'none':
      // The tools stay in the prompt, so that the cached prefix does.
      return plainly({ type: 'none' })
    case 'required':
      return plainly({ type: 'any', ...flag })
    case 'named':
      return plainly({ type: 'tool', name: names.out(choice.name, choice.namespace ?? null), ...flag })
    default: {
      report.emulated('tool_choice')
      const only = choice.names.map((name) => names.out(name))
      if (choice.require && only.length === 1) return plainly({ type: 'tool', name: only[0], ...flag })
      if (choice.require) return { wire: { type: 'any', ...flag }, only: new Set(choice.names), instruct: null }
      // Leaving tools out would change the start of the prompt; asking changes only its end.
      return {
        wire: { type: 'auto', ...flag },
        only: null,
        instruct: `<system-message>\nFor this answer, call no tools but these: ${only.join(', ')}.\n</system-message>`,
      }
    }
  }
}

function addToLastUser(messages: OutMessage[], text: string): void {
  const last = messages.at(-1)
  if (last?.role === 'user') last.content.push({ type: 'text', text })
  else messages.push({ role: 'user', content: [{ type: 'text', text }] })
}

// ------------------------------------------------------------------------------------------ settings

function writeMaxTokens(request: CanonicalRequest, context: WriteContext): number {
  const most = context.dialect.maxOutputTokens
  const asked = request.maxOutputTokens
  if (asked === null) return most ?? budgetOfLastResortTokens
  if (most === null || asked <= most) return asked
  context.report.emulated(callerField(request.from, 'maxOutputTokens'))
  return most
}

interface WrittenThinking {
  readonly thinking: Record<string, unknown> | null
  readonly effort: string | null
  readonly isOn: boolean
}

function writeThinking(
  request: CanonicalRequest,
  context: WriteContext,
  maxTokens: number,
  lacksReasoning: boolean,
  isForced: boolean,
): WrittenThinking {
  const { dialect, report } = context
  const asked = request.thinking
  const isOff: WrittenThinking = { thinking: null, effort: null, isOn: false }
  if (dialect.thinkingControl === 'none') {
    if (asked !== null && asked.mode !== 'off') report.dropped('thinking')
    return isOff
  }
  const types = dialect.thinkingTypes ?? ['enabled', 'disabled']
  const disabled: WrittenThinking = types.includes('disabled') ? { ...isOff, thinking: { type: 'disabled' } } : isOff
  // Servers of other families think unless told not to; the vendor thinks only when asked.
  const thinksByDefault = dialect.reasoningTokenFamily !== 'anthropic'
  const wouldThink = asked === null ? thinksByDefault : asked.mode !== 'off'
  if (wouldThink && (lacksReasoning || (isForced && !dialect.forcedToolChoiceWithThinking))) {
    report.dropped('thinking')
    return disabled
  }
  if (asked === null) return isOff
  if (asked.mode === 'off') {
    // Some models always think; what they think is then shown or not, but it is paid for.
    if (disabled.thinking === null) report.dropped('thinking')
    return disabled
  }
  const shown = asked.display ?? (request.reasoningSummary === null ? null : 'summarized')
  const thinking = thinkingOf(asked, types, maxTokens, shown, context)
  if (thinking === null) {
    report.dropped('thinking')
    return disabled
  }
  const effort = asked.effort === null ? null : (dialect.efforts[asked.effort] ?? null)
  const field = request.from === 'messages' ? 'output_config.effort' : 'reasoning_effort'
  if (asked.effort !== null && effort === null && thinking['type'] !== 'enabled') report.dropped(field)
  else if (effort !== asked.effort) report.emulated(field)
  return { thinking, effort, isOn: true }
}

/** The nearest form that the upstream takes; null when there is none, or no room for it. */
function thinkingOf(
  asked: Thinking,
  types: NonNullable<Dialect['thinkingTypes']>,
  maxTokens: number,
  shown: Thinking['display'],
  context: WriteContext,
): Record<string, unknown> | null {
  const { dialect, report } = context
  const display = shown === null ? {} : { display: shown }
  if (asked.mode === 'between-tools') {
    if (types.includes('between_tools')) return { type: 'between_tools' }
    report.emulated('thinking')
  }
  const wantsBudget = asked.mode === 'on' && asked.budgetTokens !== null
  const takesBudget = types.includes('enabled')
  const adaptive = types.includes('adaptive') ? { type: 'adaptive', ...display } : null
  if (adaptive !== null && !(wantsBudget && takesBudget)) {
    if (wantsBudget) report.emulated('thinking.budget_tokens')
    return adaptive
  }
  if (!takesBudget) return null
  // A budget above max_tokens is refused by the vendor, but some clients send one (qwen-code: 32000 over 8000).
  const wanted = asked.budgetTokens ?? budgetTokensByEffort[asked.effort ?? 'high']
  const budget = Math.max(leastThinkingTokens, Math.min(wanted, maxTokens - 1))
  if (budget !== wanted) report.emulated('thinking.budget_tokens')
  // Other families do not read the budget, so it cannot be too large for them.
  if (budget >= maxTokens && dialect.reasoningTokenFamily === 'anthropic') return adaptive
  return { type: 'enabled', budget_tokens: budget, ...display }
}

/** For models that know budgets but no effort words. Ours: the inverse of how budgets are read as effort. */
const budgetTokensByEffort: Readonly<Record<Effort, number>> = {
  minimal: 1024,
  low: 2048,
  medium: 8192,
  high: 16_384,
  xhigh: 24_576,
  max: 32_768,
  ultra: 32_768,
}

function writeOutputConfig(
  request: CanonicalRequest,
  context: WriteContext,
  effort: string | null,
): Record<string, unknown> | null {
  const config: Record<string, unknown> = {}
  const given = request.from === 'messages' ? request.extra['output_config'] : undefined
  if (isObject(given)) Object.assign(config, given)
  if (effort !== null) config['effort'] = effort
  if (request.outputFormat.type === 'json-schema' && context.dialect.jsonSchema === 'native')
    config['format'] = { type: 'json_schema', schema: request.outputFormat.schema }
  return Object.keys(config).length === 0 ? null : config
}

/** JSON output where the protocol has no switch for it: an instruction behind all others. */
function addOutputInstruction(
  request: CanonicalRequest,
  context: WriteContext,
  system: Record<string, unknown>[],
): void {
  // The protocol has no JSON mode without a schema.
  const rule = outputRule(request, { ...context, dialect: { ...context.dialect, jsonObject: false } })
  if (rule !== null) system.push({ type: 'text', text: rule })
}

function writeSampling(request: CanonicalRequest, context: WriteContext, isThinking: boolean): Record<string, unknown> {
  const { dialect, report } = context
  const { sampling } = request
  const written: Record<string, unknown> = {}
  const named = [
    ['temperature', 'temperature', sampling.temperature],
    ['topP', 'top_p', sampling.topP],
    ['topK', 'top_k', sampling.topK],
    ['frequencyPenalty', 'frequency_penalty', sampling.frequencyPenalty],
    ['presencePenalty', 'presence_penalty', sampling.presencePenalty],
    ['seed', 'seed', sampling.seed],
    ['logitBias', 'logit_bias', sampling.logitBias],
  ] as const
  for (const [name, wire, value] of named) {
    if (value === null) continue
    // The vendor refuses to sample differently while it thinks; its default is 1.
    const isFixed = isThinking && dialect.reasoningTokenFamily === 'anthropic' && value !== 1
    if (dialect.messagesVersion === '2026-10-21' || !dialect.sampling.includes(name) || isFixed) report.dropped(wire)
    else if (name === 'temperature' && value > dialect.maxTemperature) {
      report.emulated(wire)
      written[wire] = dialect.maxTemperature
    } else written[wire] = value
  }
  return written
}

function writeStop(request: CanonicalRequest, context: WriteContext): string[] {
  const { dialect, report } = context
  const field = request.from === 'messages' ? 'stop_sequences' : 'stop'
  const visible = request.stop.filter((entry) => entry.trim() !== '')
  if (visible.length < request.stop.length || visible.length > dialect.maxStopSequences) report.dropped(field)
  return visible.slice(0, dialect.maxStopSequences)
}

function writeServiceTier(request: CanonicalRequest, context: WriteContext, body: Record<string, unknown>): void {
  const tier = request.serviceTier
  if (tier === null) return
  if (request.from === 'messages' || tier === 'auto') body['service_tier'] = tier
  else if (tier === 'default') body['service_tier'] = 'standard_only'
  else context.report.dropped('service_tier')
}

/** Members of the same protocol pass; others are settled as for any upstream. */
function writeExtra(request: CanonicalRequest, context: WriteContext, body: Record<string, unknown>): void {
  if (request.from !== 'messages') {
    settleForeignFields(request, context.report)
    return
  }
  for (const [name, value] of Object.entries(request.extra))
    if (name !== 'output_config' && value !== null) body[name] = value
}

/**
 * The top-level mark: the caller's own, or ours for callers whose protocol has none, so that they get the
 * upstream's cache as well (bifrost#2469). The upstream puts it on the last cacheable block.
 */
function writeTopMark(
  request: CanonicalRequest,
  context: WriteContext,
  marks: CacheMarks,
  body: Record<string, unknown>,
): void {
  const { dialect, report } = context
  if (dialect.cacheMarks !== 'cache-control') {
    if (marks.lost || request.autoCacheMark !== null) report.emulated('cache_control')
    return
  }
  if (request.autoCacheMark !== null) body['cache_control'] = writeCacheMark(request.autoCacheMark)
  else if (request.from !== 'messages' && marks.count === 0) body['cache_control'] = { type: 'ephemeral' }
  if (marks.trim(body['cache_control'] === undefined ? 0 : 1)) report.dropped('cache_control')
}
