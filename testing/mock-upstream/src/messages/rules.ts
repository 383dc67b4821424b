/**
 * What suppliers of the Messages API refuse beyond the schema (Messages API reference, both versions; migration
 * page of 2026-10-21; DeepSeek's compatibility table): turn order, tool pairing, empty text, cache marks,
 * signatures, sampling.
 */

import { asList, asObject, asText, isObject, type JsonObject } from '../json-value.ts'
import { openSeal } from '../mint.ts'
import type { RuleContext } from '../rule-context.ts'
import { compileSchema } from '../schema-check.ts'
import type { Finding } from '../violation.ts'
import { anthropicBetaFields, anthropicFields, messagesRequestSchema } from './schema.ts'

const schemaFindings = compileSchema(messagesRequestSchema)
const NEW_VERSION = '2026-10-21'

/** The first finding is the one the supplier would answer with. */
export function judgeMessages(body: JsonObject, context: RuleContext): Finding[] {
  const bySchema = schemaFindings(body)
  if (bySchema.length > 0) return bySchema
  const strict = context.dialect === 'anthropic'
  return [
    ...(strict ? headersAndFields(body, context) : []),
    ...(strict ? versionRules(body, context) : []),
    ...turnOrder(body, context),
    ...toolPairs(body),
    ...emptyText(body),
    ...cacheMarks(body),
    ...tools(body),
    ...thinkingRules(body, context),
    ...(context.dialect === 'deepseek' ? deepSeekRules(body, context) : []),
  ]
}

interface Turn {
  role: string
  blocks: JsonObject[]
  at: number
}

function blocksOf(content: unknown): JsonObject[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : asList(content).map(asObject)
}

/** Same-role neighbours are one turn, as the server merges them; system messages stand aside. */
function mergedTurns(body: JsonObject): Turn[] {
  const turns: Turn[] = []
  asList(body.messages).forEach((one, at) => {
    const message = asObject(one)
    if (message.role === 'system') return
    const last = turns.at(-1)
    if (last && last.role === message.role) last.blocks.push(...blocksOf(message.content))
    else turns.push({ role: asText(message.role), blocks: blocksOf(message.content), at })
  })
  return turns
}

function headersAndFields(body: JsonObject, context: RuleContext): Finding[] {
  const findings: Finding[] = []
  if (context.headers['anthropic-version'] === undefined) {
    findings.push({ path: 'header', message: 'anthropic-version: header is required' })
  }
  if (!context.refuseUnknownFields) return findings
  const beta = context.headers['anthropic-beta'] !== undefined
  for (const key of Object.keys(body)) {
    if (anthropicFields.has(key) || (beta && anthropicBetaFields.has(key))) continue
    findings.push({ path: key, message: `${key}: Extra inputs are not permitted` })
  }
  return findings
}

function versionRules(body: JsonObject, context: RuleContext): Finding[] {
  const findings: Finding[] = []
  if (context.headers['anthropic-version'] !== NEW_VERSION) {
    if (typeof body.temperature === 'number' && body.temperature > 1) {
      findings.push({ path: 'temperature', message: 'temperature: range: 0..1' })
    }
    return findings
  }
  for (const key of ['temperature', 'top_p', 'top_k']) {
    if (key in body) findings.push({ path: key, message: `${key}: not supported from version ${NEW_VERSION} on` })
  }
  for (const turn of mergedTurns(body)) {
    for (const block of turn.blocks) {
      if (turn.role === 'assistant' && block.type === 'document') {
        findings.push({ path: `messages.${turn.at}`, message: 'document blocks are not allowed in assistant messages' })
      }
      if (turn.role === 'user' && block.type === 'text' && asList(block.citations).length > 0) {
        findings.push({
          path: `messages.${turn.at}`,
          message: 'citations are not allowed on text blocks of user messages',
        })
      }
    }
  }
  return findings
}

function turnOrder(body: JsonObject, context: RuleContext): Finding[] {
  const turns = mergedTurns(body)
  const findings: Finding[] = []
  if (turns[0]?.role !== 'user')
    findings.push({ path: 'messages.0', message: 'messages: first message must use the "user" role' })
  const last = turns.at(-1)
  if (last?.role === 'assistant' && context.dialect === 'anthropic') {
    findings.push({
      path: `messages.${last.at}`,
      message: 'This model does not support assistant message prefill. The conversation must end with a user message.',
    })
  }
  for (const turn of turns) {
    for (const block of turn.blocks) {
      const type = asText(block.type)
      const wrong =
        turn.role === 'assistant'
          ? ['image', 'tool_result', 'search_result', 'container_upload'].includes(type)
          : ['tool_use', 'thinking', 'redacted_thinking', 'server_tool_use'].includes(type)
      if (wrong)
        findings.push({
          path: `messages.${turn.at}`,
          message: `messages.${turn.at}: \`${type}\` blocks can not be in ${turn.role} messages`,
        })
    }
  }
  return findings
}

function toolPairs(body: JsonObject): Finding[] {
  const findings: Finding[] = []
  const everUsed = new Set<string>()
  const turns = mergedTurns(body)
  turns.forEach((turn, i) => {
    if (turn.role === 'assistant') {
      const ids = turn.blocks.filter((block) => block.type === 'tool_use').map((block) => asText(block.id))
      for (const id of ids) {
        if (!/^[a-zA-Z0-9_-]+$/.test(id)) {
          findings.push({
            path: `messages.${turn.at}`,
            message: `messages.${turn.at}.content.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'`,
          })
        }
        if (everUsed.has(id))
          findings.push({ path: `messages.${turn.at}`, message: 'messages: `tool_use` ids must be unique' })
        everUsed.add(id)
      }
      const next = turns[i + 1]
      const answered = (next?.blocks ?? [])
        .filter((block) => block.type === 'tool_result')
        .map((block) => asText(block.tool_use_id))
      const missing = ids.filter((id) => !answered.includes(id))
      if (missing.length > 0) {
        findings.push({
          path: `messages.${turn.at}`,
          message: `messages.${turn.at}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${missing.join(', ')}. Each \`tool_use\` block must have a corresponding \`tool_result\` block in the next message.`,
        })
      }
      return
    }
    const before = turns[i - 1]
    const used = (before?.blocks ?? []).filter((block) => block.type === 'tool_use').map((block) => asText(block.id))
    const results = turn.blocks.filter((block) => block.type === 'tool_result')
    const ids = results.map((block) => asText(block.tool_use_id))
    for (const id of ids) {
      if (!used.includes(id)) {
        findings.push({
          path: `messages.${turn.at}`,
          message: `messages.${turn.at}.content: unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${id}. Each \`tool_result\` block must have a corresponding \`tool_use\` block in the previous message.`,
        })
      }
    }
    if (new Set(ids).size !== ids.length) {
      findings.push({
        path: `messages.${turn.at}`,
        message: `messages.${turn.at}: each tool_use must have a single result. Found multiple \`tool_result\` blocks with the same id`,
      })
    }
    const firstOther = turn.blocks.findIndex((block) => block.type !== 'tool_result')
    if (firstOther !== -1 && turn.blocks.slice(firstOther).some((block) => block.type === 'tool_result')) {
      findings.push({
        path: `messages.${turn.at}`,
        message: `messages.${turn.at}: \`tool_result\` blocks must come before other content`,
      })
    }
  })
  return findings
}

function emptyText(body: JsonObject): Finding[] {
  const findings: Finding[] = []
  const refuse = (path: string): void => {
    findings.push({ path, message: `${path}: text content blocks must be non-empty` })
  }
  const look = (content: unknown, path: string, stringsToo: boolean): void => {
    if (typeof content === 'string') {
      if (stringsToo && content === '')
        findings.push({ path, message: `${path}: messages must have non-empty content` })
      return
    }
    asList(content).forEach((one, i) => {
      const block = asObject(one)
      if (block.type === 'text' && asText(block.text) === '') refuse(`${path}.${i}`)
      if (block.type === 'tool_result') look(block.content, `${path}.${i}.content`, false)
    })
  }
  look(body.system, 'system', false)
  asList(body.messages).forEach((message, i) => look(asObject(message).content, `messages.${i}.content`, true))
  const sequences = asList(body.stop_sequences)
  sequences.forEach((sequence, i) => {
    if (asText(sequence).trim() === '') {
      findings.push({
        path: `stop_sequences.${i}`,
        message: 'stop_sequences: each stop sequence must contain non-whitespace',
      })
    }
  })
  return findings
}

function cacheMarks(body: JsonObject): Finding[] {
  const findings: Finding[] = []
  let marks = 0
  const count = (value: unknown, path: string): void => {
    const block = asObject(value)
    if (isObject(block.cache_control)) {
      marks += 1
      if (block.type === 'thinking' || block.type === 'redacted_thinking') {
        findings.push({ path, message: `${path}.cache_control: Extra inputs are not permitted` })
      }
      if (block.type === 'text' && asText(block.text) === '') {
        findings.push({ path, message: `${path}: cache_control cannot be set for empty text blocks` })
      }
    }
    if (block.type === 'tool_result') asList(block.content).forEach((inner, i) => count(inner, `${path}.content.${i}`))
  }
  count({ cache_control: body.cache_control }, '')
  asList(body.system).forEach((block, i) => count(block, `system.${i}`))
  asList(body.tools).forEach((tool, i) => count(tool, `tools.${i}`))
  asList(body.messages).forEach((message, i) =>
    asList(asObject(message).content).forEach((block, k) => count(block, `messages.${i}.content.${k}`)),
  )
  if (marks > 4) {
    findings.push({
      path: 'cache_control',
      message: `A maximum of 4 blocks with cache_control may be provided. Found ${marks}.`,
    })
  }
  return findings
}

function tools(body: JsonObject): Finding[] {
  const findings: Finding[] = []
  const seen = new Set<string>()
  asList(body.tools).forEach((tool, i) => {
    const name = asText(asObject(tool).name)
    if (!/^[a-zA-Z0-9_-]{1,128}$/.test(name)) {
      findings.push({
        path: `tools.${i}.name`,
        message: `tools.${i}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'`,
      })
    }
    if (seen.has(name)) findings.push({ path: `tools.${i}.name`, message: 'tools: Tool names must be unique.' })
    seen.add(name)
  })
  const choice = asObject(body.tool_choice)
  if (choice.type === 'tool' && !seen.has(asText(choice.name))) {
    findings.push({
      path: 'tool_choice',
      message: `tool_choice.name: Tool '${asText(choice.name)}' not found in provided tools`,
    })
  }
  if (isObject(body.tool_choice) && choice.type !== 'none' && seen.size === 0) {
    findings.push({ path: 'tool_choice', message: 'tool_choice: may only be specified while providing tools' })
  }
  return findings
}

function thinkingRules(body: JsonObject, context: RuleContext): Finding[] {
  const findings: Finding[] = []
  if (context.dialect !== 'anthropic') return findings
  const thinking = asObject(body.thinking)
  const choice = asObject(body.tool_choice).type
  if (thinking.type === 'enabled') {
    if (typeof thinking.budget_tokens !== 'number' || thinking.budget_tokens < 1024) {
      findings.push({
        path: 'thinking.budget_tokens',
        message: 'thinking.enabled.budget_tokens: Input should be greater than or equal to 1024',
      })
    }
    if (Number(thinking.budget_tokens) >= Number(body.max_tokens)) {
      findings.push({ path: 'max_tokens', message: '`max_tokens` must be greater than `thinking.budget_tokens`.' })
    }
    const last = mergedTurns(body).findLast((turn) => turn.role === 'assistant')
    const inLoop =
      last !== undefined &&
      last.blocks.some((block) => block.type === 'tool_use') &&
      asList(body.messages).length - 1 > last.at
    const first = asText(last?.blocks[0]?.type)
    const loopGoesOn =
      mergedTurns(body)
        .at(-1)
        ?.blocks.some((block) => block.type === 'tool_result') === true
    if (inLoop && loopGoesOn && first !== 'thinking' && first !== 'redacted_thinking') {
      findings.push({
        path: `messages.${last.at}`,
        message: `messages.${last.at}.content.0.type: Expected \`thinking\` or \`redacted_thinking\`, but found \`${first}\`. When \`thinking\` is enabled, a final \`assistant\` message must start with a thinking block.`,
      })
    }
  }
  if ((thinking.type === 'enabled' || thinking.type === 'adaptive') && (choice === 'any' || choice === 'tool')) {
    findings.push({ path: 'tool_choice', message: 'Thinking may not be enabled when tool_choice forces tool use.' })
  }
  asList(body.messages).forEach((message, i) => {
    asList(asObject(message).content).forEach((one, k) => {
      const block = asObject(one)
      if (block.type !== 'thinking' && block.type !== 'redacted_thinking') return
      const seal = openSeal(asText(block.signature ?? block.data))
      const said = asText(block.thinking)
      if (seal === undefined || (block.type === 'thinking' && said !== '' && said !== seal)) {
        const path = `messages.${i}.content.${k}`
        findings.push({ path, message: `${path}: Invalid \`signature\` in \`thinking\` block` })
      }
    })
  })
  return findings
}

const deepSeekUnsupported = new Set(
  'document search_result redacted_thinking code_execution_tool_result mcp_tool_use mcp_tool_result container_upload'.split(
    ' ',
  ),
)

function deepSeekRules(body: JsonObject, context: RuleContext): Finding[] {
  const findings: Finding[] = []
  const thinks = asObject(body.thinking).type !== 'disabled'
  const choice = asObject(body.tool_choice).type
  if (thinks && (choice === 'any' || choice === 'tool')) {
    findings.push({ path: 'tool_choice', message: 'Thinking mode does not support this tool_choice' })
  }
  asList(body.messages).forEach((one, i) => {
    const message = asObject(one)
    if (message.role === 'system') {
      findings.push({
        path: `messages.${i}.role`,
        message: `Failed to deserialize the JSON body into the target type: messages[${i}].role: unknown variant \`system\`, expected \`user\` or \`assistant\``,
      })
    }
    const blocks = blocksOf(message.content)
    for (const block of blocks) {
      if (deepSeekUnsupported.has(asText(block.type))) {
        findings.push({
          path: `messages.${i}`,
          message: `messages[${i}]: content type ${asText(block.type)} is not supported`,
        })
      }
    }
    if (message.role !== 'assistant' || !thinks || context.reasoningPassback === 'off') return
    const calls = blocks.filter((block) => block.type === 'tool_use')
    const bound = context.reasoningPassback === 'strict' ? asList(body.tools).length > 0 : calls.length > 0
    if (!bound) return
    const text = blocks
      .filter((block) => block.type === 'thinking')
      .map((block) => asText(block.thinking))
      .join('')
    if (text === '') {
      findings.push({
        path: `messages.${i}`,
        message: 'The `content[].thinking` in the thinking mode must be passed back to the API.',
      })
      return
    }
    for (const call of calls) {
      const said = context.saidReasoning.get(asText(call.id))
      if (said !== undefined && said !== text) {
        findings.push({
          path: `messages.${i}`,
          message: `The thinking passed back differs from what was said before call ${asText(call.id)}.`,
        })
      }
    }
  })
  return findings
}
