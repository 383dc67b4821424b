/**
 * Minimal request schema of POST /v1/chat/completions (OpenAI API types of 2026-11, DeepSeek's additions).
 * Hand-kept for fast tests; the client proofs judge with schemas made from the vendor's own types besides.
 */

const text = { type: 'string' }
const nullableText = { type: ['string', 'null'] }
const textParts = {
  type: 'array',
  items: {
    type: 'object',
    required: ['type', 'text'],
    properties: { type: { const: 'text' }, text },
  },
}
const textOrParts = { anyOf: [text, textParts] }

const userPart = {
  type: 'object',
  required: ['type'],
  oneOf: [
    { properties: { type: { const: 'text' }, text }, required: ['text'] },
    {
      properties: {
        type: { const: 'image_url' },
        image_url: {
          type: 'object',
          required: ['url'],
          properties: {
            url: { type: 'string', pattern: '^(https?:|data:image/)' },
            detail: { enum: ['auto', 'low', 'high', 'original'] },
          },
        },
      },
      required: ['image_url'],
    },
    {
      properties: {
        type: { const: 'input_audio' },
        input_audio: { type: 'object', required: ['data', 'format'] },
      },
      required: ['input_audio'],
    },
    {
      properties: {
        type: { const: 'file' },
        file: { type: 'object', properties: { file_data: text, file_id: text, filename: text } },
      },
      required: ['file'],
    },
  ],
}

const toolCall = {
  type: 'object',
  required: ['id', 'type'],
  oneOf: [
    {
      properties: {
        type: { const: 'function' },
        function: { type: 'object', required: ['name', 'arguments'], properties: { name: text, arguments: text } },
      },
      required: ['function'],
    },
    {
      properties: {
        type: { const: 'custom' },
        custom: { type: 'object', required: ['name', 'input'], properties: { name: text, input: text } },
      },
      required: ['custom'],
    },
  ],
}

const message = {
  type: 'object',
  required: ['role'],
  oneOf: [
    { properties: { role: { enum: ['system', 'developer'] }, content: textOrParts }, required: ['content'] },
    {
      properties: {
        role: { const: 'user' },
        content: { anyOf: [text, { type: 'array', minItems: 1, items: userPart }] },
      },
      required: ['content'],
    },
    {
      properties: {
        role: { const: 'assistant' },
        content: {
          anyOf: [
            nullableText,
            {
              type: 'array',
              items: { type: 'object', properties: { type: { enum: ['text', 'refusal'] } }, required: ['type'] },
            },
          ],
        },
        refusal: nullableText,
        reasoning_content: nullableText,
        tool_calls: { type: 'array', minItems: 1, items: toolCall },
      },
    },
    {
      properties: { role: { const: 'tool' }, content: textOrParts, tool_call_id: { type: 'string', minLength: 1 } },
      required: ['content', 'tool_call_id'],
    },
  ],
}

export const chatRequestSchema = {
  type: 'object',
  required: ['model', 'messages'],
  properties: {
    model: { type: 'string', minLength: 1 },
    messages: { type: 'array', minItems: 1, items: message },
    stream: { type: ['boolean', 'null'] },
    stream_options: {
      type: ['object', 'null'],
      properties: { include_usage: { type: 'boolean' }, include_obfuscation: { type: 'boolean' } },
    },
    max_tokens: { type: ['integer', 'null'], minimum: 1 },
    max_completion_tokens: { type: ['integer', 'null'], minimum: 1 },
    temperature: { type: ['number', 'null'], minimum: 0, maximum: 2 },
    top_p: { type: ['number', 'null'], minimum: 0, maximum: 1 },
    frequency_penalty: { type: ['number', 'null'], minimum: -2, maximum: 2 },
    presence_penalty: { type: ['number', 'null'], minimum: -2, maximum: 2 },
    n: { type: ['integer', 'null'], minimum: 1 },
    seed: { type: ['integer', 'null'] },
    logprobs: { type: ['boolean', 'null'] },
    top_logprobs: { type: ['integer', 'null'], minimum: 0, maximum: 20 },
    stop: { anyOf: [{ type: 'null' }, text, { type: 'array', items: text }] },
    user: text,
    parallel_tool_calls: { type: 'boolean' },
    reasoning_effort: {
      enum: ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max', 'ultra', null],
    },
    tools: {
      type: 'array',
      maxItems: 128,
      items: {
        type: 'object',
        required: ['type'],
        oneOf: [
          {
            properties: {
              type: { const: 'function' },
              function: {
                type: 'object',
                required: ['name'],
                properties: {
                  name: text,
                  description: text,
                  parameters: { type: 'object' },
                  strict: { type: ['boolean', 'null'] },
                },
                additionalProperties: false,
              },
            },
            required: ['function'],
          },
          {
            properties: { type: { const: 'custom' }, custom: { type: 'object', required: ['name'] } },
            required: ['custom'],
          },
        ],
      },
    },
    tool_choice: {
      anyOf: [
        { enum: ['none', 'auto', 'required'] },
        {
          type: 'object',
          properties: { type: { const: 'function' }, function: { type: 'object', required: ['name'] } },
          required: ['type', 'function'],
        },
        { type: 'object', properties: { type: { const: 'custom' } }, required: ['type', 'custom'] },
        { type: 'object', properties: { type: { const: 'allowed_tools' } }, required: ['type', 'allowed_tools'] },
      ],
    },
    response_format: {
      type: 'object',
      required: ['type'],
      oneOf: [
        { properties: { type: { enum: ['text', 'json_object'] } } },
        {
          properties: {
            type: { const: 'json_schema' },
            json_schema: {
              type: 'object',
              required: ['name'],
              properties: {
                name: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,64}$' },
                schema: { type: 'object' },
                strict: { type: ['boolean', 'null'] },
              },
            },
          },
          required: ['json_schema'],
        },
      ],
    },
    thinking: { type: 'object', required: ['type'], properties: { type: text } },
  },
}

/** Every top-level field of the OpenAI API's own type, deprecated ones included. */
export const openAiChatFields = new Set(
  (
    'messages model audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens ' +
    'metadata modalities moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key ' +
    'prompt_cache_options prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier ' +
    'stop store stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity web_search_options'
  ).split(' '),
)

export const openAiMessageFields = new Set(
  'role content name tool_calls tool_call_id refusal audio function_call annotations'.split(' '),
)
