/** The field table of Chat Completions: what each field becomes on the way to the reference upstreams of `reference-dialects.ts`. */
import { carried, dropped, quietly, refused, row, translated, type FieldRow } from './field-row.ts'

export const chatFields: readonly FieldRow[] = [
  row(
    'chat',
    'messages: system first',
    {
      messages: [
        { role: 'system', content: 's' },
        { role: 'user', content: 'hi' },
      ],
    },
    { messages: carried('system', 'the `system` member'), responses: carried('instructions', '`instructions`') },
  ),
  row(
    'chat',
    'messages: system later',
    {
      messages: [
        { role: 'user', content: 'hi' },
        { role: 'assistant', content: 'a' },
        { role: 'system', content: 's' },
        { role: 'user', content: 'hi' },
      ],
    },
    {
      messages: carried(
        'messages',
        'stays at its place; wrapped into the user turn where the upstream takes system text only first',
      ),
      responses: carried(
        'input',
        'stays at its place; wrapped into the user turn where the upstream takes system text only first',
      ),
    },
  ),
  row(
    'chat',
    'messages[].name',
    { messages: [{ role: 'user', name: 'ann', content: 'hi' }] },
    { messages: dropped(), responses: dropped() },
  ),
  row(
    'chat',
    'content: image_url',
    { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://example.org/x.png' } }] }] },
    { messages: carried('messages'), responses: carried('input') },
  ),
  row(
    'chat',
    'content: image_url.detail',
    {
      messages: [
        {
          role: 'user',
          content: [{ type: 'image_url', image_url: { url: 'https://example.org/x.png', detail: 'low' } }],
        },
      ],
    },
    { messages: dropped(), responses: carried('input') },
    {
      base: {
        messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://example.org/x.png' } }] }],
      },
    },
  ),
  row(
    'chat',
    'content: file (inline)',
    {
      messages: [
        {
          role: 'user',
          content: [{ type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,AAAA' } }],
        },
      ],
    },
    { messages: carried('messages'), responses: carried('input') },
  ),
  row(
    'chat',
    'content: file_id',
    { messages: [{ role: 'user', content: [{ type: 'file', file: { file_id: 'file_1' } }] }] },
    {
      messages: refused('file ids belong to the vendor that issued them'),
      responses: carried('input', 'file ids belong to the vendor that issued them'),
    },
  ),
  row(
    'chat',
    'content: input_audio',
    { messages: [{ role: 'user', content: [{ type: 'input_audio', input_audio: { data: 'AA', format: 'wav' } }] }] },
    { messages: refused(), responses: refused() },
  ),
  row(
    'chat',
    'content: refusal',
    {
      messages: [
        { role: 'user', content: 'hi' },
        { role: 'assistant', refusal: 'no' },
        { role: 'user', content: 'hi' },
      ],
    },
    { messages: translated('messages', 'as text'), responses: carried('input') },
  ),
  row(
    'chat',
    'messages[].reasoning_content',
    {
      messages: [
        { role: 'user', content: 'hi' },
        { role: 'assistant', reasoning_content: 'because', content: 'a' },
        { role: 'user', content: 'hi' },
      ],
    },
    {
      messages: dropped("only the vendor's own signed or encrypted reasoning may go back to it"),
      responses: dropped("only the vendor's own signed or encrypted reasoning may go back to it"),
    },
    { marker: 'because' },
  ),
  row(
    'chat',
    'messages[].tool_calls',
    {
      messages: [
        { role: 'user', content: 'hi' },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'c', type: 'function', function: { name: 'read', arguments: '{"a":1}' } }],
        },
        { role: 'tool', tool_call_id: 'c', content: 'o' },
      ],
    },
    { messages: carried('messages', 'results of one turn share one user message'), responses: carried('input') },
  ),
  row(
    'chat',
    'messages[].audio',
    {
      messages: [
        { role: 'user', content: 'hi' },
        { role: 'assistant', audio: { id: 'a' } },
        { role: 'user', content: 'hi' },
      ],
    },
    { messages: refused(), responses: refused() },
  ),
  row(
    'chat',
    'messages[].prefix',
    {
      messages: [
        { role: 'user', content: 'hi' },
        { role: 'assistant', content: 'a', prefix: true },
      ],
    },
    {
      messages: refused('the upstream cannot continue an answer'),
      responses: refused('the upstream cannot continue an answer'),
    },
  ),
  row(
    'chat',
    'tools[].function',
    { tools: [{ type: 'function', function: { name: 'read', parameters: { type: 'object' } } }] },
    { messages: carried('tools'), responses: carried('tools') },
  ),
  row(
    'chat',
    'tools[].function.strict',
    { tools: [{ type: 'function', function: { name: 'read', parameters: { type: 'object' }, strict: true } }] },
    { messages: carried('tools'), responses: carried('tools') },
    { base: { tools: [{ type: 'function', function: { name: 'read', parameters: { type: 'object' } } }] } },
  ),
  row(
    'chat',
    'tools[].custom',
    { tools: [{ type: 'custom', custom: { name: 'patch', description: 'd', format: { type: 'text' } } }] },
    {
      messages: translated('tools', 'a function with one string `input`; calls are unwrapped on the way back'),
      responses: carried('tools'),
    },
  ),
  row(
    'chat',
    'functions',
    { functions: [{ name: 'read', parameters: { type: 'object' } }] },
    { messages: carried('tools', 'lifted to tools'), responses: carried('tools', 'lifted to tools') },
  ),
  row(
    'chat',
    'tool_choice: auto, required, none, named',
    { tool_choice: { type: 'function', function: { name: 'read' } } },
    { messages: carried('tool_choice'), responses: carried('tool_choice') },
    { base: { tools: [{ type: 'function', function: { name: 'read', parameters: { type: 'object' } } }] } },
  ),
  row(
    'chat',
    'tool_choice: allowed_tools',
    {
      tool_choice: {
        type: 'allowed_tools',
        allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'read' } }] },
      },
    },
    {
      messages: translated(
        'tool_choice',
        'asked for in words, so that the tool list stays; cut to one tool or list when required',
      ),
      responses: carried('tool_choice'),
    },
    { base: { tools: [{ type: 'function', function: { name: 'read', parameters: { type: 'object' } } }] } },
  ),
  row(
    'chat',
    'parallel_tool_calls',
    { parallel_tool_calls: false },
    { messages: carried('tool_choice'), responses: carried('parallel_tool_calls') },
    { base: { tools: [{ type: 'function', function: { name: 'read', parameters: { type: 'object' } } }] } },
  ),
  row(
    'chat',
    'max_completion_tokens',
    { max_completion_tokens: 9 },
    { messages: carried('max_tokens'), responses: carried('max_output_tokens') },
  ),
  row(
    'chat',
    'max_tokens',
    { max_tokens: 9 },
    { messages: carried('max_tokens'), responses: carried('max_output_tokens') },
  ),
  row(
    'chat',
    'temperature',
    { temperature: 0.5 },
    { messages: carried('temperature'), responses: carried('temperature') },
  ),
  row(
    'chat',
    'temperature above 1',
    { temperature: 1.5 },
    { messages: translated('temperature', 'clamped to 1'), responses: carried('temperature') },
  ),
  row('chat', 'top_p', { top_p: 0.5 }, { messages: carried('top_p'), responses: carried('top_p') }),
  row('chat', 'top_k', { top_k: 5 }, { messages: carried('top_k'), responses: dropped() }),
  row('chat', 'frequency_penalty', { frequency_penalty: 1 }, { messages: dropped(), responses: dropped() }),
  row('chat', 'presence_penalty', { presence_penalty: 1 }, { messages: dropped(), responses: dropped() }),
  row('chat', 'seed', { seed: 1 }, { messages: dropped(), responses: dropped() }),
  row('chat', 'logit_bias', { logit_bias: { '1': 1 } }, { messages: dropped(), responses: dropped() }),
  row(
    'chat',
    'logprobs, top_logprobs',
    { logprobs: true, top_logprobs: 2 },
    { messages: dropped(), responses: carried('top_logprobs') },
  ),
  row('chat', 'stop', { stop: ['x'] }, { messages: carried('stop_sequences'), responses: dropped() }),
  row('chat', 'n above 1', { n: 2 }, { messages: refused(), responses: refused() }),
  row('chat', 'stream', { stream: true }, { messages: carried('stream'), responses: carried('stream') }),
  row(
    'chat',
    'reasoning_effort',
    { reasoning_effort: 'high' },
    { messages: carried('thinking'), responses: carried('reasoning') },
  ),
  row(
    'chat',
    'reasoning_effort: none',
    { reasoning_effort: 'none' },
    { messages: carried('thinking'), responses: carried('reasoning') },
  ),
  row(
    'chat',
    'thinking.type',
    { thinking: { type: 'disabled' } },
    { messages: carried('thinking'), responses: carried('reasoning') },
  ),
  row('chat', 'verbosity', { verbosity: 'low' }, { messages: dropped(), responses: carried('text') }),
  row(
    'chat',
    'response_format: json_object',
    { response_format: { type: 'json_object' } },
    { messages: translated('system', 'an instruction at the end of `system`'), responses: carried('text') },
  ),
  row(
    'chat',
    'response_format: json_schema',
    { response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'object' }, strict: true } } },
    { messages: carried('output_config'), responses: carried('text') },
  ),
  row(
    'chat',
    'user, safety_identifier',
    { user: 'u1' },
    { messages: carried('metadata'), responses: carried('safety_identifier') },
  ),
  row('chat', 'metadata', { metadata: { a: 'b' } }, { messages: dropped(), responses: carried('metadata') }),
  row(
    'chat',
    'store',
    { store: true },
    { messages: dropped('nothing is stored'), responses: dropped('nothing is stored') },
  ),
  row(
    'chat',
    'prompt_cache_key',
    { prompt_cache_key: 'k' },
    { messages: quietly('a hint about caching only'), responses: carried('prompt_cache_key') },
  ),
  row(
    'chat',
    'prompt_cache_retention',
    { prompt_cache_retention: '24h' },
    { messages: quietly('a hint about caching only'), responses: carried('prompt_cache_retention') },
  ),
  row(
    'chat',
    'prompt_cache_breakpoint',
    {
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'hi', prompt_cache_breakpoint: { mode: 'explicit' } }] },
      ],
    },
    { messages: carried('cache_control', '`cache_control`'), responses: carried('input') },
  ),
  row('chat', 'service_tier', { service_tier: 'flex' }, { messages: dropped(), responses: carried('service_tier') }),
  row(
    'chat',
    'modalities with audio',
    { modalities: ['text', 'audio'] },
    { messages: dropped(), responses: dropped() },
  ),
  row('chat', 'audio', { audio: { voice: 'v', format: 'wav' } }, { messages: refused(), responses: refused() }),
  row(
    'chat',
    'prediction',
    { prediction: { type: 'content', content: 'x' } },
    { messages: dropped(), responses: dropped() },
  ),
  row('chat', 'web_search_options', { web_search_options: {} }, { messages: dropped(), responses: dropped() }),
  row('chat', 'moderation', { moderation: { model: 'm' } }, { messages: dropped(), responses: carried('moderation') }),
  row('chat', 'unknown fields', { brand_new: 1 }, { messages: dropped(), responses: dropped() }),
]
