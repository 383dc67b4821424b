/**
 * What suppliers of Chat Completions refuse beyond the schema: order of tool messages, names, counts, and each
 * dialect's own refusals (OpenAI API reference; DeepSeek create-chat-completion and thinking_mode pages, 2026).
 */

import { asList, asObject, asText, isObject, type JsonObject } from '../json-value.ts'
import type { RuleContext } from '../rule-context.ts'
import { compileSchema } from '../schema-check.ts'
import { strictSchemaFinding } from '../strict-schema.ts'
import { toolNameFinding } from '../tool-names.ts'
import type { Finding } from '../violation.ts'
import { chatRequestSchema, openAiChatFields, openAiMessageFields } from './schema.ts'

const schemaFindings = compileSchema(chatRequestSchema)

/** The first finding is the one the supplier would answer with. */
export function judgeChat(body: JsonObject, context: RuleContext): Finding[] {
  const bySchema = schemaFindings(body)
  if (bySchema.length > 0) return bySchema
  return [
    ...unknownFields(body, context),
    ...toolOrder(body, context),
    ...names(body, context),
    ...limits(body, context),
    ...(context.dialect === 'deepseek' ? deepSeekRules(body, context) : []),
    ...(context.dialect === 'openai' ? openAiRules(body) : []),
    ...jsonWord(body, context),
  ]
}

function unknownFields(body: JsonObject, context: RuleContext): Finding[] {
  if (context.dialect !== 'openai' || !context.refuseUnknownFields) return []
  const findings: Finding[] = []
  for (const key of Object.keys(body)) {
    if (!openAiChatFields.has(key))
      findings.push({ path: key, message: `Unrecognized request argument supplied: ${key}` })
  }
  asList(body.messages).forEach((message, i) => {
    for (const key of Object.keys(asObject(message))) {
      if (!openAiMessageFields.has(key)) {
        findings.push({ path: `messages.${i}.${key}`, message: `Unknown parameter: 'messages[${i}].${key}'.` })
      }
    }
  })
  return findings
}

function toolOrder(body: JsonObject, context: RuleContext): Finding[] {
  const findings: Finding[] = []
  let open: string[] = []
  const unanswered = (at: number): void => {
    if (open.length === 0) return
    const message =
      context.dialect === 'deepseek'
        ? `An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. (insufficient tool messages following tool_calls message)`
        : `An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: ${open.join(', ')}`
    findings.push({ path: `messages.${at}`, message })
  }
  const messages = asList(body.messages)
  messages.forEach((one, i) => {
    const message = asObject(one)
    if (message.role === 'tool') {
      const id = asText(message.tool_call_id)
      if (open.includes(id)) open = open.filter((other) => other !== id)
      else {
        findings.push({
          path: `messages.${i}`,
          message: `Messages with role 'tool' must be a response to a preceding message with 'tool_calls' (${id}).`,
        })
      }
      return
    }
    unanswered(i)
    open = asList(message.tool_calls).map((call) => asText(asObject(call).id))
    if (new Set(open).size !== open.length) {
      findings.push({
        path: `messages.${i}.tool_calls`,
        message: `Duplicate value for 'tool_call_id' in messages[${i}].`,
      })
    }
    if (message.role === 'assistant' && open.length === 0 && !hasContent(message)) {
      findings.push({ path: `messages.${i}`, message: `Invalid assistant message: content or tool_calls must be set` })
    }
  })
  unanswered(messages.length)
  return findings
}

function hasContent(message: JsonObject): boolean {
  if (message.prefix === true || isObject(message.audio) || typeof message.refusal === 'string') return true
  if (isObject(message.function_call)) return true
  return typeof message.content === 'string' || asList(message.content).length > 0
}

function names(body: JsonObject, context: RuleContext): Finding[] {
  const findings: Finding[] = []
  const limit = context.dialect === 'vllm' ? 10_000 : 64
  const check = (name: string, path: string): void => {
    const finding = toolNameFinding(name, path, limit)
    if (finding !== null) findings.push(finding)
  }
  const seen = new Set<string>()
  asList(body.tools).forEach((tool, i) => {
    const entry = asObject(tool)
    const name = asText(asObject(entry.function ?? entry.custom).name)
    check(name, `tools[${i}].function.name`)
    if (seen.has(name)) findings.push({ path: `tools.${i}`, message: `Tool names must be unique (${name}).` })
    seen.add(name)
  })
  asList(body.messages).forEach((message, i) => {
    asList(asObject(message).tool_calls).forEach((call, k) => {
      const entry = asObject(call)
      check(asText(asObject(entry.function ?? entry.custom).name), `messages[${i}].tool_calls[${k}].function.name`)
    })
  })
  const forced = asObject(asObject(body.tool_choice).function).name
  if (typeof forced === 'string' && !seen.has(forced)) {
    findings.push({ path: 'tool_choice', message: `Tool choice '${forced}' not found in 'tools' parameter.` })
  }
  if (
    body.tool_choice !== undefined &&
    body.tool_choice !== 'none' &&
    seen.size === 0 &&
    context.dialect === 'openai'
  ) {
    findings.push({
      path: 'tool_choice',
      message: `Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.`,
    })
  }
  if (Array.isArray(body.tools) && body.tools.length === 0 && context.dialect === 'openai') {
    findings.push({
      path: 'tools',
      message: `Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead.`,
    })
  }
  return findings
}

function limits(body: JsonObject, context: RuleContext): Finding[] {
  const findings: Finding[] = []
  const stopLimit = context.dialect === 'deepseek' ? 16 : 4
  if (asList(body.stop).length > stopLimit && context.dialect !== 'vllm') {
    findings.push({
      path: 'stop',
      message: `Invalid 'stop': array too long. Expected an array with maximum length ${stopLimit}.`,
    })
  }
  if (isObject(body.stream_options) && body.stream !== true) {
    findings.push({
      path: 'stream_options',
      message: `The 'stream_options' parameter is only allowed when 'stream' is enabled.`,
    })
  }
  if (typeof body.top_logprobs === 'number' && body.logprobs !== true) {
    findings.push({ path: 'top_logprobs', message: `'logprobs' must be set to true if top_logprobs is used.` })
  }
  return findings
}

/** OpenAI and DeepSeek both refuse JSON mode when nothing in the prompt says so. */
function jsonWord(body: JsonObject, context: RuleContext): Finding[] {
  if (asObject(body.response_format).type !== 'json_object' || context.dialect === 'vllm') return []
  if (/json/i.test(JSON.stringify(body.messages))) return []
  return [
    {
      path: 'messages',
      message: `'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.`,
    },
  ]
}

function openAiRules(body: JsonObject): Finding[] {
  const findings: Finding[] = []
  const format = asObject(asObject(body.response_format).json_schema)
  if (format.strict === true) {
    const finding = strictSchemaFinding(format.schema)
    if (finding) {
      findings.push({
        path: 'response_format',
        message: `Invalid schema for response_format '${asText(format.name)}': ${finding}`,
      })
    }
  }
  asList(body.tools).forEach((tool, i) => {
    const inner = asObject(asObject(tool).function)
    const finding = inner.strict === true ? strictSchemaFinding(inner.parameters) : undefined
    if (finding)
      findings.push({ path: `tools.${i}`, message: `Invalid schema for function '${asText(inner.name)}': ${finding}` })
  })
  if (
    body.max_tokens !== undefined &&
    body.max_tokens !== null &&
    body.max_completion_tokens !== undefined &&
    body.max_completion_tokens !== null
  ) {
    findings.push({
      path: 'max_tokens',
      message: `Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.`,
    })
  }
  if (body.reasoning_effort === 'ultra') {
    findings.push({ path: 'reasoning_effort', message: `Invalid value: 'ultra'.` })
  }
  return findings
}

function deepSeekRules(body: JsonObject, context: RuleContext): Finding[] {
  const findings: Finding[] = []
  const thinkingType = asObject(body.thinking).type
  if (thinkingType !== undefined && thinkingType !== 'enabled' && thinkingType !== 'disabled') {
    findings.push({
      path: 'thinking.type',
      message: `Failed to deserialize the JSON body into the target type: thinking.type: unknown variant \`${asText(thinkingType)}\`, expected \`enabled\` or \`disabled\``,
    })
  }
  const thinks = thinkingType !== 'disabled' && body.reasoning_effort !== 'none'
  const textOnly = /pro/.test(asText(body.model))
  asList(body.messages).forEach((one, i) => {
    const message = asObject(one)
    if (message.role === 'developer') {
      findings.push({
        path: `messages.${i}.role`,
        message: `Failed to deserialize the JSON body into the target type: messages[${i}].role: unknown variant \`developer\`, expected one of \`system\`, \`user\`, \`assistant\`, \`tool\``,
      })
    }
    if (message.role !== 'user' && Array.isArray(message.content)) {
      findings.push({
        path: `messages.${i}.content`,
        message: `Failed to deserialize the JSON body into the target type: messages[${i}].content: invalid type: sequence, expected a string`,
      })
    }
    // Measured in 2026-08: null is taken beside tool_calls, on the services of that day at least.
    const lenient = asList(message.tool_calls).length > 0 && !context.refuseNullContent
    if (message.role === 'assistant' && message.content === null && !lenient) {
      findings.push({
        path: `messages.${i}.content`,
        message: `Failed to deserialize the JSON body into the target type: messages[${i}].content: content or tool_calls must be set`,
      })
    }
    const images = asList(message.content).some((part) => asObject(part).type === 'image_url')
    if (images && textOnly) {
      findings.push({
        path: `messages.${i}.content`,
        message: `Failed to deserialize the JSON body into the target type: messages[${i}]: unknown variant \`image_url\`, expected \`text\``,
      })
    }
    if (message.role === 'assistant' && thinks) {
      const finding = missingReasoning(message, body, context)
      if (finding) findings.push({ path: `messages.${i}.reasoning_content`, message: finding })
    }
  })
  if (asObject(body.response_format).type === 'json_schema') {
    findings.push({ path: 'response_format', message: 'This response_format type is unavailable now' })
  }
  if (thinks && (body.tool_choice === 'required' || isObject(body.tool_choice))) {
    findings.push({ path: 'tool_choice', message: 'Thinking mode does not support this tool_choice' })
  }
  if (typeof body.max_tokens === 'number' && body.max_tokens > 393_216) {
    findings.push({
      path: 'max_tokens',
      message: 'Invalid max_tokens value, the valid range of max_tokens is [1, 393216]',
    })
  }
  if (typeof body.user_id === 'string' && Buffer.byteLength(body.user_id) > 512) {
    findings.push({ path: 'user_id', message: 'user_id is longer than 512 bytes' })
  }
  return findings
}

/** The passback rule; altered reasoning is a finding too, since it breaks the cached prefix without an error. */
function missingReasoning(message: JsonObject, body: JsonObject, context: RuleContext): string | undefined {
  if (context.reasoningPassback === 'off') return undefined
  const calls = asList(message.tool_calls)
  const bound = context.reasoningPassback === 'strict' ? asList(body.tools).length > 0 : calls.length > 0
  if (!bound) return undefined
  const text = message.reasoning_content
  if (typeof text !== 'string' || text === '') {
    return 'The reasoning_content in the thinking mode must be passed back to the API.'
  }
  for (const call of calls) {
    const said = context.saidReasoning.get(asText(asObject(call).id))
    if (said !== undefined && said !== text) {
      return `The reasoning_content passed back differs from what was said before call ${asText(asObject(call).id)}.`
    }
  }
  return undefined
}
