/**
 * Minimal request schema of POST /v1/responses (OpenAI API types of 2026-11).
 * Hand-kept for fast tests; the client proofs judge with schemas made from the vendor's own types besides.
 */

/* oxlint-disable unicorn/no-thenable -- `then` is a keyword of JSON Schema */

const text = { type: 'string' }
const nullableText = { type: ['string', 'null'] }
const status = { enum: ['in_progress', 'completed', 'incomplete', null] }

function when(type: string, then: object): object {
  return { if: { properties: { type: { const: type } }, required: ['type'] }, then }
}

const inputPart = {
  type: 'object',
  required: ['type'],
  allOf: [
    when('input_text', { required: ['text'], properties: { text } }),
    when('input_image', {
      properties: {
        image_url: { anyOf: [{ type: 'null' }, { type: 'string', pattern: '^(https?:|data:image/)' }] },
        file_id: nullableText,
        detail: { enum: ['low', 'high', 'auto', 'original', null] },
      },
    }),
  ],
}
const userParts = {
  type: 'array',
  items: { ...inputPart, properties: { type: { enum: ['input_text', 'input_image', 'input_file', 'input_audio'] } } },
}
const assistantParts = {
  type: 'array',
  items: {
    type: 'object',
    required: ['type'],
    properties: { type: { enum: ['output_text', 'refusal'] } },
    allOf: [
      when('output_text', { required: ['text'], properties: { text, annotations: { type: 'array' } } }),
      when('refusal', { required: ['refusal'], properties: { refusal: text } }),
    ],
  },
}

const message = {
  type: 'object',
  required: ['role', 'content'],
  properties: { role: { enum: ['user', 'assistant', 'system', 'developer'] }, id: text, status },
  if: { properties: { role: { const: 'assistant' } } },
  then: { properties: { content: { anyOf: [text, assistantParts] } } },
  else: { properties: { content: { anyOf: [text, userParts] } } },
}

const item = {
  type: 'object',
  if: { required: ['type'] },
  then: {
    properties: { type: text },
    allOf: [
      when('message', message),
      when('reasoning', {
        required: ['summary'],
        properties: {
          summary: {
            type: 'array',
            items: {
              type: 'object',
              required: ['type', 'text'],
              properties: { type: { const: 'summary_text' }, text },
            },
          },
          content: {
            type: ['array', 'null'],
            items: {
              type: 'object',
              required: ['type', 'text'],
              properties: { type: { const: 'reasoning_text' }, text },
            },
          },
          encrypted_content: nullableText,
          status,
        },
      }),
      when('function_call', {
        required: ['call_id', 'name', 'arguments'],
        properties: { call_id: { type: 'string', minLength: 1, maxLength: 64 }, name: text, arguments: text, status },
      }),
      when('custom_tool_call', { required: ['call_id', 'name', 'input'], properties: { input: text } }),
      when('function_call_output', {
        required: ['call_id', 'output'],
        properties: {
          call_id: { type: 'string', minLength: 1, maxLength: 64 },
          output: { anyOf: [text, userParts] },
          status,
        },
      }),
      when('custom_tool_call_output', {
        required: ['call_id', 'output'],
        properties: { output: { anyOf: [text, userParts] } },
      }),
    ],
  },
  else: message,
}

export const responsesRequestSchema = {
  type: 'object',
  required: ['model'],
  properties: {
    model: { type: 'string', minLength: 1 },
    input: { anyOf: [text, { type: 'array', items: item }] },
    instructions: nullableText,
    stream: { type: ['boolean', 'null'] },
    max_output_tokens: { type: ['integer', 'null'], minimum: 1 },
    temperature: { type: ['number', 'null'], minimum: 0, maximum: 2 },
    top_p: { type: ['number', 'null'], minimum: 0, maximum: 1 },
    top_logprobs: { type: ['integer', 'null'], minimum: 0, maximum: 20 },
    parallel_tool_calls: { type: ['boolean', 'null'] },
    store: { type: ['boolean', 'null'] },
    previous_response_id: nullableText,
    include: { type: ['array', 'null'], items: text },
    metadata: { type: ['object', 'null'], additionalProperties: { type: 'string', maxLength: 512 } },
    truncation: { enum: ['auto', 'disabled', null] },
    reasoning: {
      type: ['object', 'null'],
      properties: {
        effort: { enum: ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max', 'ultra', null] },
        summary: { enum: ['auto', 'concise', 'detailed', null] },
      },
    },
    text: {
      type: 'object',
      properties: {
        verbosity: { enum: ['low', 'medium', 'high', null] },
        format: {
          type: 'object',
          required: ['type'],
          properties: { type: { enum: ['text', 'json_object', 'json_schema'] } },
          allOf: [
            when('json_schema', {
              required: ['name', 'schema'],
              properties: {
                name: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,64}$' },
                schema: { type: 'object' },
                strict: { type: ['boolean', 'null'] },
              },
            }),
          ],
        },
      },
    },
    tools: {
      type: 'array',
      items: {
        type: 'object',
        required: ['type'],
        properties: { type: text },
        allOf: [
          when('function', {
            required: ['name'],
            properties: {
              name: text,
              description: nullableText,
              parameters: { type: ['object', 'null'] },
              strict: { type: ['boolean', 'null'] },
            },
            not: { required: ['function'] },
          }),
          when('custom', { required: ['name'], properties: { name: text } }),
        ],
      },
    },
    tool_choice: {
      anyOf: [
        { enum: ['none', 'auto', 'required'] },
        { type: 'object', required: ['type'], properties: { type: text } },
      ],
    },
  },
}

/** Every top-level field of the OpenAI API's own type; `client_metadata` is what Codex adds. */
export const openAiResponsesFields = new Set(
  (
    'access_programs background context_management conversation image include input instructions max_output_tokens ' +
    'max_tool_calls metadata model moderation parallel_tool_calls previous_response_id prompt prompt_cache_key ' +
    'prompt_cache_options prompt_cache_retention reasoning safety_identifier service_tier store stream stream_options ' +
    'temperature text tool_choice tools top_logprobs top_p truncation user client_metadata'
  ).split(' '),
)

export const openAiToolTypes = new Set(
  (
    'function custom namespace web_search web_search_2025_08_26 web_search_preview web_search_preview_2025_03_11 ' +
    'file_search computer computer_use_preview mcp code_interpreter image_generation local_shell shell apply_patch ' +
    'tool_search programmatic_tool_calling'
  ).split(' '),
)
