/**
 * What suppliers of the Responses API refuse beyond the schema (OpenAI API reference; DeepSeek's Responses page):
 * call ids that do not pair, ids with the wrong prefix, reasoning that stands alone or was not sealed by the
 * supplier, names, strict schemas.
 */

import { asList, asObject, asText, isObject, type JsonObject } from '../json-value.ts'
import { openSeal } from '../mint.ts'
import type { RuleContext } from '../rule-context.ts'
import { compileSchema } from '../schema-check.ts'
import { strictSchemaFinding } from '../strict-schema.ts'
import { toolNameFinding } from '../tool-names.ts'
import type { Finding } from '../violation.ts'
import { openAiResponsesFields, openAiToolTypes, responsesRequestSchema } from './schema.ts'

const schemaFindings = compileSchema(responsesRequestSchema)

/** The first finding is the one the supplier would answer with. */
export function judgeResponses(body: JsonObject, context: RuleContext): Finding[] {
  const bySchema = schemaFindings(body)
  if (bySchema.length > 0) return bySchema
  const openAi = context.dialect === 'openai'
  return [
    ...presence(body),
    ...callPairs(body),
    ...names(body, context),
    ...(openAi ? openAiRules(body, context) : []),
    ...(openAi ? itemRules(body) : []),
    ...(context.dialect === 'deepseek' ? deepSeekRules(body, context) : []),
  ]
}

function presence(body: JsonObject): Finding[] {
  if (body.input !== undefined || typeof body.instructions === 'string' || isObject(body.prompt)) return []
  return [{ path: 'input', message: "Missing required parameter: 'input'." }]
}

function callPairs(body: JsonObject): Finding[] {
  const findings: Finding[] = []
  const open = new Map<string, number>()
  const answered = new Set<string>()
  asList(body.input).forEach((one, i) => {
    const item = asObject(one)
    const id = asText(item.call_id)
    if (item.type === 'function_call' || item.type === 'custom_tool_call') {
      if (open.has(id) || answered.has(id))
        findings.push({ path: `input.${i}`, message: `Duplicate call_id ${id} in 'input'.` })
      open.set(id, i)
    } else if (item.type === 'function_call_output' || item.type === 'custom_tool_call_output') {
      if (!open.delete(id)) {
        findings.push({
          path: `input.${i}`,
          message: `No tool call found for function call output with call_id ${id}.`,
        })
      }
      answered.add(id)
    }
  })
  for (const [id, i] of open)
    findings.push({ path: `input.${i}`, message: `No tool output found for function call ${id}.` })
  return findings
}

function names(body: JsonObject, context: RuleContext): Finding[] {
  const findings: Finding[] = []
  const limit = context.dialect === 'openai' ? 64 : 128
  const check = (name: string, path: string): void => {
    const finding = toolNameFinding(name, path, limit)
    if (finding !== null) findings.push(finding)
  }
  const seen = new Set<string>()
  asList(body.tools).forEach((one, i) => {
    const tool = asObject(one)
    if (tool.type !== 'function' && tool.type !== 'custom') return
    const name = asText(tool.name)
    check(name, `tools[${i}].name`)
    if (seen.has(name)) findings.push({ path: `tools.${i}`, message: `Tool names must be unique (${name}).` })
    seen.add(name)
  })
  asList(body.input).forEach((one, i) => {
    const item = asObject(one)
    if (item.type === 'function_call') check(asText(item.name), `input[${i}].name`)
  })
  const choice = asObject(body.tool_choice)
  if ((choice.type === 'function' || choice.type === 'custom') && !seen.has(asText(choice.name))) {
    findings.push({
      path: 'tool_choice',
      message: `Tool choice '${asText(choice.name)}' not found in 'tools' parameter.`,
    })
  }
  return findings
}

function openAiRules(body: JsonObject, context: RuleContext): Finding[] {
  const findings: Finding[] = []
  if (context.refuseUnknownFields) {
    for (const key of Object.keys(body)) {
      if (!openAiResponsesFields.has(key)) findings.push({ path: key, message: `Unknown parameter: '${key}'.` })
    }
  }
  asList(body.tools).forEach((one, i) => {
    const tool = asObject(one)
    const type = asText(tool.type)
    if (!openAiToolTypes.has(type)) findings.push({ path: `tools.${i}.type`, message: `Invalid value: '${type}'.` })
    const finding = tool.strict === true ? strictSchemaFinding(tool.parameters) : undefined
    if (finding)
      findings.push({ path: `tools.${i}`, message: `Invalid schema for function '${asText(tool.name)}': ${finding}` })
  })
  const format = asObject(asObject(body.text).format)
  if (format.type === 'json_schema' && format.strict === true) {
    const finding = strictSchemaFinding(format.schema)
    if (finding)
      findings.push({
        path: 'text.format',
        message: `Invalid schema for response_format '${asText(format.name)}': ${finding}`,
      })
  }
  if (typeof body.max_output_tokens === 'number' && body.max_output_tokens < 16) {
    findings.push({
      path: 'max_output_tokens',
      message: `Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got ${body.max_output_tokens} instead.`,
    })
  }
  if (typeof body.previous_response_id === 'string') {
    findings.push({
      path: 'previous_response_id',
      message: `Previous response with id '${body.previous_response_id}' not found.`,
    })
  }
  if (asObject(body.reasoning).effort === 'ultra')
    findings.push({ path: 'reasoning.effort', message: `Invalid value: 'ultra'.` })
  return findings
}

const prefixes: Record<string, string> = {
  reasoning: 'rs',
  function_call: 'fc',
  custom_tool_call: 'ctc',
  message: 'msg',
}

function itemRules(body: JsonObject): Finding[] {
  const findings: Finding[] = []
  const items = asList(body.input).map(asObject)
  items.forEach((item, i) => {
    const type = asText(item.type ?? 'message')
    const prefix = prefixes[type]
    if (prefix && typeof item.id === 'string' && !item.id.startsWith(`${prefix}_`)) {
      findings.push({
        path: `input.${i}.id`,
        message: `Invalid 'input[${i}].id': '${item.id}'. Expected an ID that begins with '${prefix}'.`,
      })
    }
    if (type !== 'reasoning') return
    const next = items[i + 1]
    const follows =
      next &&
      (['reasoning', 'function_call', 'custom_tool_call'].includes(asText(next.type)) || next.role === 'assistant')
    if (!follows) {
      findings.push({
        path: `input.${i}`,
        message: `Item '${asText(item.id)}' of type 'reasoning' was provided without its required following item.`,
      })
    }
    if (typeof item.encrypted_content === 'string') {
      if (openSeal(item.encrypted_content) === undefined) {
        findings.push({
          path: `input.${i}.encrypted_content`,
          message: `The encrypted content for item ${asText(item.id)} could not be verified.`,
        })
      }
    } else if (body.store === false) {
      findings.push({
        path: `input.${i}`,
        message: `Item with id '${asText(item.id)}' not found. Items are not persisted when \`store\` is set to false.`,
      })
    }
  })
  return findings
}

function deepSeekRules(body: JsonObject, context: RuleContext): Finding[] {
  const findings: Finding[] = []
  asList(body.tools).forEach((one, i) => {
    const tool = asObject(one)
    if (tool.type === 'custom' && tool.name !== 'apply_patch') {
      findings.push({ path: `tools.${i}`, message: `custom tool ${asText(tool.name)} is not supported` })
    }
  })
  const thinks = asObject(body.reasoning).effort !== 'none'
  if (
    thinks &&
    (body.tool_choice === 'required' || ['function', 'custom'].includes(asText(asObject(body.tool_choice).type)))
  ) {
    findings.push({ path: 'tool_choice', message: 'Thinking mode does not support this tool_choice' })
  }
  if (!thinks || context.reasoningPassback === 'off') return findings
  let reasoning = ''
  asList(body.input).forEach((one, i) => {
    const item = asObject(one)
    if (item.type === 'reasoning') {
      reasoning += asList(item.content)
        .map((part) => asText(asObject(part).text))
        .join('')
      const sealed = openSeal(asText(item.encrypted_content))
      if (reasoning === '' && sealed !== undefined) reasoning = sealed
    } else if (item.type === 'function_call' || item.type === 'custom_tool_call') {
      const said = context.saidReasoning.get(asText(item.call_id))
      if (reasoning === '') {
        findings.push({
          path: `input.${i}`,
          message: 'The reasoning content in the thinking mode must be passed back to the API.',
        })
      } else if (said !== undefined && said !== reasoning) {
        findings.push({
          path: `input.${i}`,
          message: `The reasoning passed back differs from what was said before call ${asText(item.call_id)}.`,
        })
      }
    } else if (item.role !== 'assistant') reasoning = ''
  })
  return findings
}
