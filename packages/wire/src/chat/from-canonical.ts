/**
 * A canonical request as a Chat request, as this upstream takes it.
 *
 * Messages are in `write-messages.ts`, tools in `write-tools.ts`; here are the settings. Every setting is
 * carried, carried in another form, reported as dropped, or refused; the `Dialect` decides which.
 */
import { createHash } from 'node:crypto'
import type { WriteContext, WrittenRequest } from '../canonical/adapter.ts'
import type { CanonicalRequest, Effort, Thinking } from '../canonical/request.ts'
import { callerField } from '../history/caller-path.ts'
import { settleForeignFields } from '../history/foreign-fields.ts'
import { ToolNames } from '../history/tool-names.ts'
import { outputRule } from '../translation/output-rule.ts'
import { writeMessages } from './write-messages.ts'
import { writeTools } from './write-tools.ts'

type Body = Record<string, unknown>

export function chatFromCanonical(request: CanonicalRequest, context: WriteContext): WrittenRequest {
  const { dialect, report } = context
  const from = request.from
  if (request.choices > 1 && !dialect.multipleChoices)
    report.refused(
      callerField(from, 'choices'),
      'The upstream of this model gives one answer per request; send `n` = 1.',
    )
  if (request.maxOutputTokens === 0)
    report.refused(
      callerField(from, 'maxOutputTokens'),
      'The upstream of this model cannot read a prompt without answering; ask for at least one token.',
    )
  const names = new ToolNames(request, { rule: dialect.toolName, namespaces: false, customTools: dialect.customTools })
  const tools = writeTools(request, names, context)
  const instruction = outputRule(request, context)
  const { messages, continued, marked } = writeMessages(request, names, instruction, context)

  const body: Body = { model: context.model, messages }
  if (tools.tools.length > 0) {
    body['tools'] = tools.tools
    if (tools.choice !== null) body['tool_choice'] = tools.choice
    writeParallel(body, request, context)
  }
  writeThinking(body, request, tools.forces, context)
  writeOutputFormat(body, request, context)
  writeBudget(body, request, context)
  writeSampling(body, request, context)
  writeIdentity(body, request, context)
  if (marked) body['prompt_cache_options'] = { mode: 'explicit' }
  if (continued && dialect.prefill === 'continue-final-message') {
    body['continue_final_message'] = true
    body['add_generation_prompt'] = false
  }
  if (request.choices > 1) body['n'] = request.choices
  if (request.stream) {
    body['stream'] = true
    // Always asked for: the meter needs it, and the door decides what its caller sees.
    if (dialect.streamUsageOption) body['stream_options'] = { include_usage: true }
  }
  if (from === 'chat') for (const [name, value] of Object.entries(request.extra)) body[name] ??= value
  else settleForeignFields(request, report)
  return { body, toolNames: names.restore() }
}

// ---------------------------------------------------------------------------------------------- thinking

/** Budgets of reasoning tokens as effort words: below 4k little, from 32k on everything. */
function effortOfBudget(budgetTokens: number): Effort {
  return budgetTokens < 4096 ? 'low' : budgetTokens < 32_768 ? 'high' : 'max'
}

function writeThinking(body: Body, request: CanonicalRequest, forces: boolean, context: WriteContext): void {
  const { dialect, report } = context
  let thinking = request.thinking
  if (
    forces &&
    !dialect.forcedToolChoiceWithThinking &&
    dialect.thinkingControl !== 'none' &&
    thinking?.mode !== 'off'
  ) {
    // Thinking may be on without being asked for, so it is switched off explicitly (catalogue 64).
    thinking = { mode: 'off', effort: null, budgetTokens: null, display: null }
    report.emulated(callerField(request.from, 'thinking'))
  }
  if (thinking === null) return
  const word = thinking.mode === 'off' ? null : effortWord(thinking, request, context)
  switch (dialect.thinkingControl) {
    case 'thinking-type': {
      const type = thinkingType(thinking.mode, dialect.thinkingTypes ?? ['enabled', 'disabled'])
      if (type === null) report.dropped(callerField(request.from, 'thinking'))
      else {
        body['thinking'] = { type }
        if (thinking.mode === 'between-tools' && type !== 'between_tools')
          report.emulated(callerField(request.from, 'thinking'))
      }
      if (word !== null) body['reasoning_effort'] = word
      break
    }
    case 'reasoning-effort':
      if (thinking.mode === 'off') body['reasoning_effort'] = 'none'
      else if (word !== null) body['reasoning_effort'] = word
      if (thinking.mode === 'between-tools') report.emulated(callerField(request.from, 'thinking'))
      break
    case 'chat-template': {
      const members = dialect.chatTemplateMembers ?? { thinking: 'thinking', effort: null }
      body['chat_template_kwargs'] = {
        [members.thinking]: thinking.mode !== 'off',
        ...(word !== null && members.effort !== null ? { [members.effort]: word } : {}),
      }
      if (word !== null && members.effort === null) report.dropped(callerField(request.from, 'effort'))
      break
    }
    case 'none':
      if (thinking.mode !== 'off') report.dropped(callerField(request.from, 'thinking'))
  }
}

function thinkingType(mode: Thinking['mode'], taken: readonly string[]): string | null {
  const wanted = { on: 'enabled', off: 'disabled', adaptive: 'adaptive', 'between-tools': 'between_tools' }[mode]
  if (taken.includes(wanted)) return wanted
  if (mode === 'off') return null
  return taken.find((type) => type !== 'disabled') ?? null
}

/** The upstream's word for the effort asked for; null when none was asked for or none fits. */
function effortWord(thinking: Thinking, request: CanonicalRequest, context: WriteContext): string | null {
  if (context.dialect.thinkingControl === 'none') return null
  let effort = thinking.effort
  if (thinking.budgetTokens !== null) {
    effort ??= effortOfBudget(thinking.budgetTokens)
    context.report.emulated(callerField(request.from, 'budgetTokens'))
  }
  if (effort === null) return null
  const word = context.dialect.efforts[effort]
  if (word === undefined) {
    context.report.dropped(callerField(request.from, 'effort'))
    return null
  }
  if (word !== effort) context.report.emulated(callerField(request.from, 'effort'))
  return word
}

// ----------------------------------------------------------------------------------------- output format

function writeOutputFormat(body: Body, request: CanonicalRequest, { dialect }: WriteContext): void {
  const format = request.outputFormat
  if (format.type === 'json-schema' && dialect.jsonSchema === 'native')
    body['response_format'] = {
      type: 'json_schema',
      json_schema: {
        // Chat requires a name; Messages has none.
        name: format.name ?? 'output',
        ...(format.description === null ? {} : { description: format.description }),
        schema: format.schema,
        // Messages always enforces its schema.
        ...(format.strict === null && request.from !== 'messages' ? {} : { strict: format.strict ?? true }),
      },
    }
  else if (
    dialect.jsonObject &&
    (format.type === 'json-object' || (format.type === 'json-schema' && dialect.jsonSchema === 'instruct'))
  )
    body['response_format'] = { type: 'json_object' }
}

// ---------------------------------------------------------------------------------------- other settings

function writeParallel(body: Body, request: CanonicalRequest, { dialect, report }: WriteContext): void {
  if (request.parallelToolCalls === null) return
  if (dialect.parallelToolCallsSwitch) body['parallel_tool_calls'] = request.parallelToolCalls
  else if (!request.parallelToolCalls) report.dropped(callerField(request.from, 'parallelToolCalls'))
}

function writeBudget(body: Body, request: CanonicalRequest, { dialect, report }: WriteContext): void {
  if (request.maxOutputTokens !== null) {
    const limit = dialect.maxOutputTokens ?? Infinity
    if (request.maxOutputTokens > limit) report.emulated(callerField(request.from, 'maxOutputTokens'))
    body[dialect.maxTokensField] = Math.min(request.maxOutputTokens, limit)
  }
  if (request.stop.length > 0) {
    if (request.stop.length > dialect.maxStopSequences) report.dropped(callerField(request.from, 'stop'))
    // Always a list: one upstream refuses a bare string (catalogue 61).
    const stop = request.stop.slice(0, dialect.maxStopSequences)
    if (stop.length > 0) body['stop'] = stop
  }
}

const samplingMembers = [
  ['temperature', 'temperature'],
  ['topP', 'top_p'],
  ['topK', 'top_k'],
  ['frequencyPenalty', 'frequency_penalty'],
  ['presencePenalty', 'presence_penalty'],
  ['seed', 'seed'],
  ['logitBias', 'logit_bias'],
] as const

function writeSampling(body: Body, request: CanonicalRequest, { dialect, report }: WriteContext): void {
  for (const [name, member] of samplingMembers) {
    const value = request.sampling[name]
    if (value === null) continue
    const field = callerField(request.from, name)
    if (!dialect.sampling.includes(name)) report.dropped(field)
    else if (name === 'temperature' && Number(value) > dialect.maxTemperature) {
      body['temperature'] = dialect.maxTemperature
      report.emulated(field)
    } else body[member] = value
  }
  if (request.topLogprobs !== null) {
    if (dialect.logprobs) {
      body['logprobs'] = true
      if (request.topLogprobs > 0) body['top_logprobs'] = request.topLogprobs
    } else report.dropped(callerField(request.from, 'topLogprobs'))
  }
}

function writeIdentity(body: Body, request: CanonicalRequest, { dialect, report }: WriteContext): void {
  if (request.endUser !== null) {
    const id = opaqueId(request.endUser)
    if (dialect.endUserField === null) report.dropped(callerField(request.from, 'endUser'))
    else if (dialect.endUserField === 'metadata.user_id') body['metadata'] = { user_id: id }
    else body[dialect.endUserField] = id
  }
  if (request.metadata !== null && Object.keys(request.metadata).some((name) => name !== 'user_id')) {
    if (request.from === 'messages') report.dropped(callerField(request.from, 'metadata'))
    else body['metadata'] ??= request.metadata
  }
  if (request.cacheKey !== null && dialect.cacheKey) body['prompt_cache_key'] = request.cacheKey
  // Members as young as custom tools: whoever takes those takes these.
  if (request.verbosity !== null) {
    if (dialect.customTools) body['verbosity'] = request.verbosity
    else report.dropped(callerField(request.from, 'verbosity'))
  }
  if (request.serviceTier !== null && request.serviceTier !== 'auto') {
    if (dialect.customTools && request.from !== 'messages') body['service_tier'] = request.serviceTier
    else report.dropped(callerField(request.from, 'serviceTier'))
  }
}

/** Ids that are data in disguise (Claude Code sends JSON with device and account) leave the house hashed. */
function opaqueId(endUser: string): string {
  if (/^[A-Za-z0-9_-]{1,64}$/.test(endUser)) return endUser
  return createHash('sha256').update(endUser).digest('hex').slice(0, 32)
}
