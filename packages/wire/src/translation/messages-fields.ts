/** The field table of Messages: what each field becomes on the way to the reference upstreams of `reference-dialects.ts`. */
import { carried, dropped, quietly, refused, row, translated, type FieldRow } from './field-row.ts'

export const messagesFields: readonly FieldRow[] = [
  row(
    'messages',
    'system',
    { system: 's' },
    { 'open-chat': carried('messages'), 'vendor-chat': carried('messages'), responses: carried('instructions') },
  ),
  row(
    'messages',
    'system: billing line',
    {
      system: [
        { type: 'text', text: 'x-anthropic-billing-header: cc_version=2.1.330.930; cc_entrypoint=cli;' },
        { type: 'text', text: 's' },
      ],
    },
    {
      'open-chat': translated('messages', 'stripped: it is not for the model and differs between sessions'),
      'vendor-chat': translated('messages', 'stripped: it is not for the model and differs between sessions'),
      responses: carried('instructions', 'stripped: it is not for the model and differs between sessions'),
    },
  ),
  row(
    'messages',
    'messages: role system',
    {
      messages: [
        { role: 'user', content: 'hi' },
        { role: 'assistant', content: 'a' },
        { role: 'user', content: 'hi' },
        { role: 'system', content: 's' },
      ],
    },
    {
      'open-chat': translated('messages', 'tagged text in the user turn, behind tool results; never hoisted'),
      'vendor-chat': carried('messages', 'stays at its place'),
      responses: carried('input', 'stays at its place'),
    },
  ),
  row(
    'messages',
    'content: image',
    {
      messages: [
        {
          role: 'user',
          content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } }],
        },
      ],
    },
    { 'open-chat': refused(), 'vendor-chat': carried('messages'), responses: carried('input') },
  ),
  row(
    'messages',
    'content: image (file)',
    { messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'file', file_id: 'f' } }] }] },
    {
      'open-chat': refused('file ids belong to the vendor that issued them'),
      'vendor-chat': refused('file ids belong to the vendor that issued them'),
      responses: refused('file ids belong to the vendor that issued them'),
    },
  ),
  row(
    'messages',
    'content: document (pdf)',
    {
      messages: [
        {
          role: 'user',
          content: [{ type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'AAAA' } }],
        },
      ],
    },
    { 'open-chat': refused(), 'vendor-chat': carried('messages'), responses: carried('input') },
  ),
  row(
    'messages',
    'content: document (text)',
    {
      messages: [
        {
          role: 'user',
          content: [{ type: 'document', title: 't', source: { type: 'text', media_type: 'text/plain', data: 'x' } }],
        },
      ],
    },
    {
      'open-chat': carried('messages', 'as text with its title'),
      'vendor-chat': carried('messages', 'as text with its title'),
      responses: translated('input', 'as text with its title'),
    },
  ),
  row(
    'messages',
    'content: search_result',
    {
      messages: [
        {
          role: 'user',
          content: [{ type: 'search_result', title: 't', source: 's', content: [{ type: 'text', text: 'x' }] }],
        },
      ],
    },
    {
      'open-chat': carried('messages', 'as text with title and source'),
      'vendor-chat': carried('messages', 'as text with title and source'),
      responses: translated('input', 'as text with title and source'),
    },
  ),
  row(
    'messages',
    'content: container_upload',
    {
      messages: [
        {
          role: 'user',
          content: [
            { type: 'container_upload', file_id: 'f' },
            { type: 'text', text: 'hi' },
          ],
        },
      ],
    },
    {
      'open-chat': refused('runs at its vendor only'),
      'vendor-chat': refused('runs at its vendor only'),
      responses: refused('runs at its vendor only'),
    },
  ),
  row(
    'messages',
    'content: thinking (ours)',
    {
      messages: [
        { role: 'user', content: 'hi' },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: '', signature: '$OURS' },
            { type: 'tool_use', id: 'c', name: 'read', input: {} },
          ],
        },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'c', content: 'o' }] },
      ],
    },
    {
      'open-chat': carried('messages', 'opened, exact, as `reasoning_content`'),
      'vendor-chat': quietly('this API takes no reasoning back'),
      responses: dropped("only the vendor's own encrypted reasoning may go back to it"),
    },
    { marker: 'because' },
  ),
  row(
    'messages',
    "content: thinking (vendor's)",
    {
      messages: [
        { role: 'user', content: 'hi' },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'because', signature: 'sig' },
            { type: 'tool_use', id: 'c', name: 'read', input: {} },
          ],
        },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'c', content: 'o' }] },
      ],
    },
    {
      'open-chat': carried('messages', 'its text, as `reasoning_content`, in turns with tool calls'),
      'vendor-chat': quietly('this API takes no reasoning back'),
      responses: dropped('a signature goes back only to the family that issued it'),
    },
    { marker: 'because' },
  ),
  row(
    'messages',
    'content: redacted_thinking',
    {
      messages: [
        { role: 'user', content: 'hi' },
        {
          role: 'assistant',
          content: [
            { type: 'redacted_thinking', data: 'sealed-away' },
            { type: 'text', text: 'a' },
          ],
        },
        { role: 'user', content: 'hi' },
      ],
    },
    {
      'open-chat': quietly('nobody but its vendor can read it'),
      'vendor-chat': quietly('nobody but its vendor can read it'),
      responses: dropped('nobody but its vendor can read it'),
    },
    { marker: 'sealed-away' },
  ),
  row(
    'messages',
    'content: tool_use, tool_result',
    {
      messages: [
        { role: 'user', content: 'hi' },
        { role: 'assistant', content: [{ type: 'tool_use', id: 'c', name: 'read', input: { a: 1 } }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'c', content: 'o' }] },
      ],
    },
    { 'open-chat': carried('messages'), 'vendor-chat': carried('messages'), responses: carried('input') },
  ),
  row(
    'messages',
    'tool_result: image',
    {
      messages: [
        { role: 'user', content: 'hi' },
        { role: 'assistant', content: [{ type: 'tool_use', id: 'c', name: 'read', input: {} }] },
        {
          role: 'user',
          content: [
            {
              type: 'tool_result',
              tool_use_id: 'c',
              content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } }],
            },
          ],
        },
      ],
    },
    {
      'open-chat': refused(),
      'vendor-chat': translated('messages', 'moves to the next user message'),
      responses: carried('input'),
    },
  ),
  row(
    'messages',
    'tool_result.is_error',
    {
      messages: [
        { role: 'user', content: 'hi' },
        { role: 'assistant', content: [{ type: 'tool_use', id: 'c', name: 'read', input: {} }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'c', content: 'o', is_error: true }] },
      ],
    },
    {
      'open-chat': translated('messages', 'said in words at the start of the result'),
      'vendor-chat': translated('messages', 'said in words at the start of the result'),
      responses: translated('input', 'said in words at the start of the result'),
    },
  ),
  row(
    'messages',
    'content: server_tool_use',
    {
      messages: [
        { role: 'user', content: 'hi' },
        {
          role: 'assistant',
          content: [
            { type: 'server_tool_use', id: 's', name: 'web_search', input: {} },
            { type: 'text', text: 'a' },
          ],
        },
        { role: 'user', content: 'hi' },
      ],
    },
    {
      'open-chat': dropped('only its vendor can read it'),
      'vendor-chat': dropped('only its vendor can read it'),
      responses: dropped('only its vendor can read it'),
    },
  ),
  row(
    'messages',
    'messages: prefill',
    {
      messages: [
        { role: 'user', content: 'hi' },
        { role: 'assistant', content: 'a' },
      ],
    },
    {
      'open-chat': carried('messages', '`prefix: true`'),
      'vendor-chat': refused('the upstream cannot continue an answer'),
      responses: refused('the upstream cannot continue an answer'),
    },
  ),
  row(
    'messages',
    'cache_control on blocks',
    { messages: [{ role: 'user', content: [{ type: 'text', text: 'hi', cache_control: { type: 'ephemeral' } }] }] },
    {
      'open-chat': quietly('the upstream caches by itself'),
      'vendor-chat': carried('messages', '`prompt_cache_breakpoint`'),
      responses: carried('input', '`prompt_cache_breakpoint`'),
    },
  ),
  row(
    'messages',
    'cache_control (top level)',
    { cache_control: { type: 'ephemeral' } },
    {
      'open-chat': quietly('the upstream caches by itself'),
      'vendor-chat': quietly('the upstream caches by itself'),
      responses: quietly('the upstream caches by itself'),
    },
  ),
  row(
    'messages',
    'tools[]',
    { tools: [{ name: 'read', input_schema: { type: 'object' } }] },
    { 'open-chat': carried('tools'), 'vendor-chat': carried('tools'), responses: carried('tools') },
  ),
  row(
    'messages',
    'tools[].strict',
    { tools: [{ name: 'read', input_schema: { type: 'object' }, strict: true }] },
    { 'open-chat': carried('tools'), 'vendor-chat': carried('tools'), responses: carried('tools') },
    { base: { tools: [{ name: 'read', input_schema: { type: 'object' } }] } },
  ),
  row(
    'messages',
    'tools[].input_examples',
    { tools: [{ name: 'read', input_schema: { type: 'object' }, input_examples: [{ a: 1 }] }] },
    {
      'open-chat': translated('tools', 'appended to the description'),
      'vendor-chat': translated('tools', 'appended to the description'),
      responses: translated('tools', 'appended to the description'),
    },
    { base: { tools: [{ name: 'read', input_schema: { type: 'object' } }] } },
  ),
  row(
    'messages',
    'tools[].defer_loading',
    {
      tools: [
        { name: 'read', input_schema: { type: 'object' } },
        { name: 'later', input_schema: { type: 'object' }, defer_loading: true },
      ],
    },
    {
      'open-chat': quietly('not in the prompt until a reference names it'),
      'vendor-chat': quietly('not in the prompt until a reference names it'),
      responses: quietly('not in the prompt until a reference names it'),
    },
    { base: { tools: [{ name: 'read', input_schema: { type: 'object' } }] } },
  ),
  row(
    'messages',
    'tools: client tools (bash_*, text_editor_*, memory_*)',
    { tools: [{ type: 'bash_20250124', name: 'bash' }] },
    {
      'open-chat': translated('tools', 'functions with the published schema'),
      'vendor-chat': translated('tools', 'functions with the published schema'),
      responses: translated('tools', 'functions with the published schema'),
    },
  ),
  row(
    'messages',
    'tools: server tools',
    {
      tools: [
        { name: 'read', input_schema: { type: 'object' } },
        { type: 'web_search_20250305', name: 'web_search' },
      ],
    },
    {
      'open-chat': dropped('only its vendor runs it'),
      'vendor-chat': dropped('only its vendor runs it'),
      responses: dropped('only its vendor runs it'),
    },
    { base: { tools: [{ name: 'read', input_schema: { type: 'object' } }] } },
  ),
  row(
    'messages',
    'tools: server tool that is forced',
    { tools: [{ type: 'web_search_20250305', name: 'web_search' }], tool_choice: { type: 'tool', name: 'web_search' } },
    { 'open-chat': refused(), 'vendor-chat': refused(), responses: refused() },
  ),
  row(
    'messages',
    'tool_choice',
    { tool_choice: { type: 'tool', name: 'read' } },
    {
      'open-chat': translated('tool_choice', 'and thinking is switched off for the request'),
      'vendor-chat': carried('tool_choice'),
      responses: carried('tool_choice'),
    },
    { base: { tools: [{ name: 'read', input_schema: { type: 'object' } }] } },
  ),
  row(
    'messages',
    'tool_choice.disable_parallel_tool_use',
    { tool_choice: { type: 'auto', disable_parallel_tool_use: true } },
    {
      'open-chat': dropped(),
      'vendor-chat': carried('parallel_tool_calls'),
      responses: carried('parallel_tool_calls'),
    },
    { base: { tools: [{ name: 'read', input_schema: { type: 'object' } }], tool_choice: { type: 'auto' } } },
  ),
  row(
    'messages',
    'max_tokens',
    { max_tokens: 9 },
    {
      'open-chat': carried('max_tokens'),
      'vendor-chat': carried('max_completion_tokens'),
      responses: carried('max_output_tokens'),
    },
  ),
  row(
    'messages',
    'max_tokens: 0',
    { max_tokens: 0 },
    {
      'open-chat': refused('the upstream cannot only warm its cache'),
      'vendor-chat': refused('the upstream cannot only warm its cache'),
      responses: refused('the upstream cannot only warm its cache'),
    },
  ),
  row(
    'messages',
    'temperature',
    { temperature: 0.5 },
    { 'open-chat': carried('temperature'), 'vendor-chat': carried('temperature'), responses: carried('temperature') },
  ),
  row(
    'messages',
    'top_p',
    { top_p: 0.5 },
    { 'open-chat': carried('top_p'), 'vendor-chat': carried('top_p'), responses: carried('top_p') },
  ),
  row('messages', 'top_k', { top_k: 5 }, { 'open-chat': dropped(), 'vendor-chat': dropped(), responses: dropped() }),
  row(
    'messages',
    'stop_sequences',
    { stop_sequences: ['x'] },
    { 'open-chat': carried('stop'), 'vendor-chat': carried('stop'), responses: dropped() },
  ),
  row(
    'messages',
    'stream',
    { stream: true },
    { 'open-chat': carried('stream'), 'vendor-chat': carried('stream'), responses: carried('stream') },
  ),
  row(
    'messages',
    'thinking: enabled, budget_tokens',
    { thinking: { type: 'enabled', budget_tokens: 2048 } },
    {
      'open-chat': translated('thinking', 'as effort: below 4k low, below 32k high, else max'),
      'vendor-chat': translated('reasoning_effort', 'as effort: below 4k low, below 32k high, else max'),
      responses: translated('reasoning', 'as effort: below 4k low, below 32k high, else max'),
    },
  ),
  row(
    'messages',
    'thinking: adaptive',
    { thinking: { type: 'adaptive' } },
    {
      'open-chat': carried('thinking'),
      'vendor-chat': quietly('the upstream decides by itself anyway'),
      responses: carried('reasoning', 'effort high'),
    },
  ),
  row(
    'messages',
    'thinking: between_tools',
    { thinking: { type: 'between_tools' } },
    {
      'open-chat': translated('thinking', 'plain thinking'),
      'vendor-chat': translated('', 'plain thinking'),
      responses: translated('reasoning', 'plain thinking'),
    },
  ),
  row(
    'messages',
    'thinking: disabled',
    { thinking: { type: 'disabled' } },
    { 'open-chat': carried('thinking'), 'vendor-chat': carried('reasoning_effort'), responses: carried('reasoning') },
  ),
  row(
    'messages',
    'thinking.display',
    { thinking: { type: 'adaptive', display: 'summarized' } },
    {
      'open-chat': quietly('the upstream has one way to show its reasoning'),
      'vendor-chat': quietly('the upstream has one way to show its reasoning'),
      responses: carried('reasoning.summary', '`reasoning.summary`'),
    },
    { base: { thinking: { type: 'adaptive' } } },
  ),
  row(
    'messages',
    'output_config.effort',
    { output_config: { effort: 'medium' } },
    {
      'open-chat': translated('thinking', "by the upstream's own table of words"),
      'vendor-chat': carried('reasoning_effort'),
      responses: carried('reasoning'),
    },
  ),
  row(
    'messages',
    'output_config.format',
    { output_config: { format: { type: 'json_schema', schema: { type: 'object' } } } },
    {
      'open-chat': translated('messages', 'JSON mode and the schema as an instruction'),
      'vendor-chat': carried('response_format'),
      responses: carried('text'),
    },
  ),
  row(
    'messages',
    'metadata.user_id',
    { metadata: { user_id: 'u1' } },
    {
      'open-chat': carried('user_id'),
      'vendor-chat': carried('safety_identifier'),
      responses: carried('safety_identifier'),
    },
  ),
  row(
    'messages',
    'service_tier',
    { service_tier: 'standard_only' },
    { 'open-chat': dropped(), 'vendor-chat': dropped(), responses: dropped() },
  ),
  row(
    'messages',
    'speed',
    { speed: 'fast' },
    { 'open-chat': dropped(), 'vendor-chat': dropped(), responses: dropped() },
  ),
  row(
    'messages',
    'inference_geo',
    { inference_geo: 'eu' },
    { 'open-chat': dropped(), 'vendor-chat': dropped(), responses: dropped() },
  ),
  row(
    'messages',
    'container',
    { container: 'c' },
    {
      'open-chat': refused('runs at its vendor only'),
      'vendor-chat': refused('runs at its vendor only'),
      responses: refused('runs at its vendor only'),
    },
  ),
  row(
    'messages',
    'thread',
    { thread: { id: 't' } },
    {
      'open-chat': refused('stored at its vendor'),
      'vendor-chat': refused('stored at its vendor'),
      responses: refused('stored at its vendor'),
    },
  ),
  row(
    'messages',
    'mcp_servers',
    { mcp_servers: [{ type: 'url', url: 'https://x', name: 'x' }] },
    {
      'open-chat': refused('only its vendor connects to them'),
      'vendor-chat': refused('only its vendor connects to them'),
      responses: refused('only its vendor connects to them'),
    },
  ),
  row(
    'messages',
    'diagnostics',
    { diagnostics: { previous_message_id: 'm' } },
    {
      'open-chat': quietly('about reporting only'),
      'vendor-chat': quietly('about reporting only'),
      responses: quietly('about reporting only'),
    },
  ),
  row(
    'messages',
    'context_management',
    { context_management: { edits: [{ type: 'clear_thinking_20251015', keep: 'all' }] } },
    {
      'open-chat': quietly("the client's own history is sent as it is"),
      'vendor-chat': quietly("the client's own history is sent as it is"),
      responses: quietly("the client's own history is sent as it is"),
    },
  ),
  row(
    'messages',
    'fallbacks',
    { fallbacks: [{ model: 'x' }] },
    { 'open-chat': dropped(), 'vendor-chat': dropped(), responses: dropped() },
  ),
  row(
    'messages',
    'unknown fields',
    { brand_new: 1 },
    { 'open-chat': dropped(), 'vendor-chat': dropped(), responses: dropped() },
  ),
]
