/**
 * Minimal request schema of POST /v1/messages (Messages API, versions 2023-06-01 and 2026-10-21).
 * Hand-kept for fast tests; the client proofs judge with schemas made from the vendor's own types besides.
 */

/* oxlint-disable unicorn/no-thenable -- `then` is a keyword of JSON Schema */

const text = { type: 'string' }
const cacheControl = {
  anyOf: [
    { type: 'null' },
    {
      type: 'object',
      required: ['type'],
      properties: { type: { const: 'ephemeral' }, ttl: { enum: ['5m', '1h'] }, scope: text },
      additionalProperties: false,
    },
  ],
}

const textBlock = {
  type: 'object',
  required: ['type', 'text'],
  properties: { type: { const: 'text' }, text, cache_control: cacheControl, citations: { type: ['array', 'null'] } },
  additionalProperties: false,
}

const imageBlock = {
  type: 'object',
  required: ['type', 'source'],
  properties: {
    type: { const: 'image' },
    cache_control: cacheControl,
    transformations: { type: ['object', 'null'] },
    source: {
      type: 'object',
      required: ['type'],
      oneOf: [
        {
          properties: {
            type: { const: 'base64' },
            media_type: { enum: ['image/jpeg', 'image/png', 'image/gif', 'image/webp'] },
            data: { type: 'string', pattern: '^[A-Za-z0-9+/]+={0,2}$' },
          },
          required: ['media_type', 'data'],
          additionalProperties: false,
        },
        {
          properties: { type: { const: 'url' }, url: { type: 'string', pattern: '^https?:' } },
          required: ['url'],
          additionalProperties: false,
        },
        { properties: { type: { const: 'file' }, file_id: text }, required: ['file_id'], additionalProperties: false },
      ],
    },
  },
  additionalProperties: false,
}

const block = {
  type: 'object',
  required: ['type'],
  discriminator: { propertyName: 'type' },
  properties: { type: text },
  allOf: [
    when('text', textBlock),
    when('image', imageBlock),
    when('thinking', {
      required: ['thinking', 'signature'],
      properties: { type: {}, thinking: text, signature: text },
      additionalProperties: false,
    }),
    when('redacted_thinking', {
      required: ['data'],
      properties: { type: {}, data: text },
      additionalProperties: false,
    }),
    when('tool_use', {
      required: ['id', 'name', 'input'],
      properties: {
        type: {},
        id: text,
        name: text,
        input: { type: 'object' },
        cache_control: cacheControl,
        caller: { type: 'object' },
        toolset_name: { type: ['string', 'null'] },
      },
      additionalProperties: false,
    }),
    when('tool_result', {
      required: ['tool_use_id'],
      properties: {
        type: {},
        tool_use_id: text,
        content: {
          anyOf: [
            text,
            {
              type: 'array',
              items: {
                type: 'object',
                required: ['type'],
                properties: {
                  type: { enum: ['text', 'image', 'search_result', 'document', 'tool_reference', 'browser_state'] },
                },
                allOf: [when('text', textBlock), when('image', imageBlock)],
              },
            },
          ],
        },
        is_error: { type: 'boolean' },
        cache_control: cacheControl,
        toolset_name: { type: ['string', 'null'] },
      },
      additionalProperties: false,
    }),
    when('document', { required: ['source'], properties: { source: { type: 'object', required: ['type'] } } }),
  ],
}

function when(type: string, then: object): object {
  return { if: { properties: { type: { const: type } } }, then }
}

export const messagesRequestSchema = {
  type: 'object',
  required: ['model', 'messages', 'max_tokens'],
  properties: {
    model: { type: 'string', minLength: 1 },
    max_tokens: { type: 'integer', minimum: 0 },
    messages: {
      type: 'array',
      minItems: 1,
      maxItems: 100_000,
      items: {
        type: 'object',
        required: ['role', 'content'],
        properties: {
          role: { enum: ['user', 'assistant', 'system'] },
          content: { anyOf: [text, { type: 'array', minItems: 1, items: block }] },
        },
        additionalProperties: false,
      },
    },
    system: { anyOf: [text, { type: 'array', items: textBlock }] },
    cache_control: cacheControl,
    stream: { type: 'boolean' },
    stop_sequences: { type: 'array', items: text },
    temperature: { type: 'number', minimum: 0, maximum: 2 },
    top_p: { type: 'number', minimum: 0, maximum: 1 },
    top_k: { type: 'integer', minimum: 0 },
    metadata: { type: 'object', properties: { user_id: { type: ['string', 'null'] } }, additionalProperties: false },
    thinking: {
      type: 'object',
      required: ['type'],
      properties: {
        type: { enum: ['enabled', 'disabled', 'adaptive', 'between_tools'] },
        budget_tokens: { type: 'integer' },
        display: { enum: ['summarized', 'omitted', null] },
      },
      additionalProperties: false,
    },
    output_config: {
      type: 'object',
      properties: {
        effort: { enum: ['low', 'medium', 'high', 'xhigh', 'max', null] },
        format: {
          anyOf: [
            { type: 'null' },
            {
              type: 'object',
              required: ['type', 'schema'],
              properties: { type: { const: 'json_schema' }, schema: { type: 'object' } },
              additionalProperties: false,
            },
          ],
        },
        task_budget: { type: ['object', 'null'] },
      },
      additionalProperties: false,
    },
    tool_choice: {
      type: 'object',
      required: ['type'],
      properties: {
        type: { enum: ['auto', 'any', 'tool', 'none'] },
        name: text,
        disable_parallel_tool_use: { type: 'boolean' },
      },
      if: { properties: { type: { const: 'tool' } } },
      then: { required: ['name'] },
      additionalProperties: false,
    },
    tools: {
      type: 'array',
      items: {
        type: 'object',
        required: ['name'],
        if: { properties: { type: { enum: ['custom', null] } } },
        then: {
          required: ['input_schema'],
          properties: {
            name: text,
            type: {},
            description: text,
            input_schema: { type: 'object', required: ['type'], properties: { type: { const: 'object' } } },
            strict: { type: 'boolean' },
            cache_control: cacheControl,
            defer_loading: { type: 'boolean' },
            eager_input_streaming: { type: ['boolean', 'null'] },
            input_examples: { type: 'array' },
            allowed_callers: { type: 'array' },
          },
          additionalProperties: false,
        },
      },
    },
    service_tier: { enum: ['auto', 'standard_only'] },
    speed: { enum: ['standard', 'fast', null] },
  },
}

/** Top-level fields of both versions; sampling belongs to the older one. */
export const anthropicFields = new Set(
  (
    'model max_tokens messages cache_control container diagnostics inference_geo metadata output_config service_tier ' +
    'speed stop_sequences stream system thinking tool_choice tools user_profile_id workspace_id temperature top_p top_k'
  ).split(' '),
)

/** Understood once any `anthropic-beta` header came along. */
export const anthropicBetaFields = new Set(
  'billing_policy compaction context_management fallbacks fallback_credit_token mcp_servers thread output_format betas'.split(
    ' ',
  ),
)
