/** The field table of Responses: what each field becomes on the way to the reference upstreams of `reference-dialects.ts`. */
import { carried, dropped, quietly, refused, row, translated, type FieldRow } from './field-row.ts'

export const responsesFields: readonly FieldRow[] = [
  row(
    'responses',
    'instructions',
    { instructions: 's' },
    { 'open-chat': carried('messages'), 'vendor-chat': carried('messages'), messages: carried('system') },
  ),
  row(
    'responses',
    'input: developer and system messages',
    {
      input: [
        { role: 'user', content: 'hi' },
        { role: 'assistant', content: 'a' },
        { role: 'developer', content: 's' },
        { role: 'user', content: 'hi' },
      ],
    },
    {
      'open-chat': translated('messages', 'tagged text in the user turn; never hoisted'),
      'vendor-chat': carried('messages', 'stays at its place'),
      messages: carried('messages', 'stays at its place'),
    },
  ),
  row(
    'responses',
    'content: input_image',
    { input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'https://example.org/x.png' }] }] },
    { 'open-chat': refused(), 'vendor-chat': carried('messages'), messages: carried('messages') },
  ),
  row(
    'responses',
    'content: input_image.detail',
    {
      input: [
        { role: 'user', content: [{ type: 'input_image', image_url: 'https://example.org/x.png', detail: 'low' }] },
      ],
    },
    { 'open-chat': refused(), 'vendor-chat': carried('messages'), messages: dropped() },
    { base: { input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'https://example.org/x.png' }] }] } },
  ),
  row(
    'responses',
    'content: input_file (inline)',
    {
      input: [
        {
          role: 'user',
          content: [{ type: 'input_file', filename: 'a.pdf', file_data: 'data:application/pdf;base64,AAAA' }],
        },
      ],
    },
    { 'open-chat': refused(), 'vendor-chat': carried('messages'), messages: carried('messages') },
  ),
  row(
    'responses',
    'content: file_id',
    { input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'f' }] }] },
    {
      'open-chat': refused('file ids belong to the vendor that issued them'),
      'vendor-chat': refused('file ids belong to the vendor that issued them'),
      messages: refused('file ids belong to the vendor that issued them'),
    },
  ),
  row(
    'responses',
    'content: input_audio',
    { input: [{ role: 'user', content: [{ type: 'input_audio', input_audio: { data: 'AA', format: 'wav' } }] }] },
    { 'open-chat': carried('messages'), 'vendor-chat': carried('messages'), messages: refused() },
  ),
  row(
    'responses',
    'content: refusal',
    {
      input: [
        { role: 'user', content: 'hi' },
        { role: 'assistant', content: [{ type: 'refusal', refusal: 'no' }] },
        { role: 'user', content: 'hi' },
      ],
    },
    {
      'open-chat': translated('messages', "as text, or in the message's `refusal`"),
      'vendor-chat': translated('messages', "as text, or in the message's `refusal`"),
      messages: translated('messages', "as text, or in the message's `refusal`"),
    },
  ),
  row(
    'responses',
    'input: message phase',
    {
      input: [
        { role: 'user', content: 'hi' },
        { role: 'assistant', phase: 'commentary', content: 'a' },
        { role: 'user', content: 'hi' },
      ],
    },
    {
      'open-chat': quietly('only its own vendor wants it back'),
      'vendor-chat': quietly('only its own vendor wants it back'),
      messages: quietly('only its own vendor wants it back'),
    },
    { marker: 'commentary' },
  ),
  row(
    'responses',
    'input: reasoning (ours)',
    {
      input: [
        { role: 'user', content: 'hi' },
        { type: 'reasoning', summary: [], encrypted_content: '$OURS' },
        { type: 'function_call', call_id: 'c', name: 'read', arguments: '{}' },
        { type: 'function_call_output', call_id: 'c', output: 'o' },
      ],
    },
    {
      'open-chat': carried('messages', 'opened, exact, as `reasoning_content`'),
      'vendor-chat': quietly('this API takes no reasoning back'),
      messages: dropped("only the vendor's own signed reasoning may go back to it"),
    },
    { marker: 'because' },
  ),
  row(
    'responses',
    "input: reasoning (vendor's)",
    {
      input: [
        { role: 'user', content: 'hi' },
        { type: 'reasoning', summary: [], encrypted_content: 'sealed-away' },
        { role: 'assistant', content: 'a' },
        { role: 'user', content: 'hi' },
      ],
    },
    {
      'open-chat': quietly('nobody but its vendor can read it'),
      'vendor-chat': quietly('nobody but its vendor can read it'),
      messages: dropped('nobody but its vendor can read it'),
    },
    { marker: 'sealed-away' },
  ),
  row(
    'responses',
    'input: function_call, function_call_output',
    {
      input: [
        { role: 'user', content: 'hi' },
        { type: 'function_call', call_id: 'c', name: 'read', arguments: '{"a":1}' },
        { type: 'function_call_output', call_id: 'c', output: 'o' },
      ],
    },
    { 'open-chat': carried('messages'), 'vendor-chat': carried('messages'), messages: carried('messages') },
  ),
  row(
    'responses',
    'input: function_call.namespace',
    {
      input: [
        { role: 'user', content: 'hi' },
        { type: 'function_call', call_id: 'c', name: 'read', namespace: 'fs', arguments: '{}' },
        { type: 'function_call_output', call_id: 'c', output: 'o' },
      ],
    },
    {
      'open-chat': carried('messages', 'flattened to `namespace__name`'),
      'vendor-chat': carried('messages', 'flattened to `namespace__name`'),
      messages: carried('messages', 'flattened to `namespace__name`'),
    },
  ),
  row(
    'responses',
    'input: custom_tool_call(_output)',
    {
      input: [
        { role: 'user', content: 'hi' },
        { type: 'custom_tool_call', call_id: 'c', name: 'patch', input: 'x' },
        { type: 'custom_tool_call_output', call_id: 'c', output: 'o' },
      ],
    },
    {
      'open-chat': carried('messages', 'a call of the function that stands in'),
      'vendor-chat': carried('messages'),
      messages: carried('messages', 'a call of the function that stands in'),
    },
  ),
  row(
    'responses',
    'input: output with images',
    {
      input: [
        { role: 'user', content: 'hi' },
        { type: 'function_call', call_id: 'c', name: 'read', arguments: '{}' },
        {
          type: 'function_call_output',
          call_id: 'c',
          output: [{ type: 'input_image', image_url: 'https://example.org/x.png' }],
        },
      ],
    },
    {
      'open-chat': refused(),
      'vendor-chat': translated('messages', 'moves to the next user message'),
      messages: carried('messages'),
    },
  ),
  row(
    'responses',
    'input: hosted calls',
    {
      input: [
        { role: 'user', content: 'hi' },
        { type: 'web_search_call', id: 'w', status: 'completed' },
        { role: 'assistant', content: 'a' },
        { role: 'user', content: 'hi' },
      ],
    },
    {
      'open-chat': dropped('only its vendor can read it'),
      'vendor-chat': dropped('only its vendor can read it'),
      messages: dropped('only its vendor can read it'),
    },
  ),
  row(
    'responses',
    'input: compaction',
    {
      input: [
        { type: 'compaction', id: 'c', encrypted_content: 'x' },
        { role: 'user', content: 'hi' },
      ],
    },
    {
      'open-chat': refused('only its vendor can read it, and the history is in it'),
      'vendor-chat': refused('only its vendor can read it, and the history is in it'),
      messages: refused('only its vendor can read it, and the history is in it'),
    },
  ),
  row(
    'responses',
    'input: item_reference',
    {
      input: [
        { type: 'item_reference', id: 'm' },
        { role: 'user', content: 'hi' },
      ],
    },
    {
      'open-chat': refused('nothing is stored'),
      'vendor-chat': refused('nothing is stored'),
      messages: refused('nothing is stored'),
    },
  ),
  row(
    'responses',
    'tools: function',
    { tools: [{ type: 'function', name: 'read', parameters: { type: 'object' }, strict: false }] },
    { 'open-chat': carried('tools'), 'vendor-chat': carried('tools'), messages: carried('tools') },
  ),
  row(
    'responses',
    'tools[].strict',
    { tools: [{ type: 'function', name: 'read', parameters: { type: 'object' }, strict: true }] },
    { 'open-chat': carried('tools'), 'vendor-chat': carried('tools'), messages: carried('tools') },
    { base: { tools: [{ type: 'function', name: 'read', parameters: { type: 'object' }, strict: false }] } },
  ),
  row(
    'responses',
    'tools: namespace',
    {
      tools: [
        {
          type: 'namespace',
          name: 'fs',
          description: 'd',
          tools: [{ type: 'function', name: 'read', parameters: { type: 'object' }, strict: false }],
        },
      ],
    },
    {
      'open-chat': translated('tools', 'flattened to `namespace__name`, restored in answers'),
      'vendor-chat': translated('tools', 'flattened to `namespace__name`, restored in answers'),
      messages: carried('tools', 'flattened to `namespace__name`, restored in answers'),
    },
  ),
  row(
    'responses',
    'tools: custom',
    { tools: [{ type: 'custom', name: 'patch', description: 'd' }] },
    {
      'open-chat': translated('tools', 'a function with one string `input`; calls are unwrapped on the way back'),
      'vendor-chat': carried('tools'),
      messages: translated('tools', 'a function with one string `input`; calls are unwrapped on the way back'),
    },
  ),
  row(
    'responses',
    'tools: hosted',
    {
      tools: [
        { type: 'function', name: 'read', parameters: { type: 'object' }, strict: false },
        { type: 'web_search' },
      ],
    },
    {
      'open-chat': dropped('only its vendor runs it'),
      'vendor-chat': dropped('only its vendor runs it'),
      messages: dropped('only its vendor runs it'),
    },
    { base: { tools: [{ type: 'function', name: 'read', parameters: { type: 'object' }, strict: false }] } },
  ),
  row(
    'responses',
    'tools: hosted tool that is forced',
    {
      tools: [
        { type: 'function', name: 'read', parameters: { type: 'object' }, strict: false },
        { type: 'web_search' },
      ],
      tool_choice: { type: 'web_search' },
    },
    { 'open-chat': refused(), 'vendor-chat': refused(), messages: refused() },
  ),
  row(
    'responses',
    'tool_choice: auto, required, none, named',
    { tool_choice: { type: 'function', name: 'read' } },
    {
      'open-chat': translated('tool_choice', 'and thinking is switched off for the request'),
      'vendor-chat': carried('tool_choice'),
      messages: carried('tool_choice'),
    },
    { base: { tools: [{ type: 'function', name: 'read', parameters: { type: 'object' }, strict: false }] } },
  ),
  row(
    'responses',
    'tool_choice: allowed_tools',
    { tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'read' }] } },
    {
      'open-chat': translated('tool_choice', 'the tool list is cut'),
      'vendor-chat': carried('tool_choice'),
      messages: translated('tool_choice', 'asked for in words, so that the tool list stays'),
    },
    { base: { tools: [{ type: 'function', name: 'read', parameters: { type: 'object' }, strict: false }] } },
  ),
  row(
    'responses',
    'parallel_tool_calls',
    { parallel_tool_calls: false },
    { 'open-chat': dropped(), 'vendor-chat': carried('parallel_tool_calls'), messages: carried('tool_choice') },
    { base: { tools: [{ type: 'function', name: 'read', parameters: { type: 'object' }, strict: false }] } },
  ),
  row(
    'responses',
    'max_output_tokens',
    { max_output_tokens: 9 },
    {
      'open-chat': carried('max_tokens'),
      'vendor-chat': carried('max_completion_tokens'),
      messages: carried('max_tokens'),
    },
  ),
  row(
    'responses',
    'max_tool_calls',
    { max_tool_calls: 3 },
    { 'open-chat': dropped(), 'vendor-chat': dropped(), messages: dropped() },
  ),
  row(
    'responses',
    'temperature',
    { temperature: 0.5 },
    { 'open-chat': carried('temperature'), 'vendor-chat': carried('temperature'), messages: carried('temperature') },
  ),
  row(
    'responses',
    'top_p',
    { top_p: 0.5 },
    { 'open-chat': carried('top_p'), 'vendor-chat': carried('top_p'), messages: carried('top_p') },
  ),
  row(
    'responses',
    'top_logprobs',
    { top_logprobs: 2 },
    { 'open-chat': carried('top_logprobs'), 'vendor-chat': carried('top_logprobs'), messages: dropped() },
  ),
  row(
    'responses',
    'stream',
    { stream: true },
    { 'open-chat': carried('stream'), 'vendor-chat': carried('stream'), messages: carried('stream') },
  ),
  row(
    'responses',
    'reasoning.effort',
    { reasoning: { effort: 'high' } },
    { 'open-chat': carried('thinking'), 'vendor-chat': carried('reasoning_effort'), messages: carried('thinking') },
  ),
  row(
    'responses',
    'reasoning.effort: none',
    { reasoning: { effort: 'none' } },
    { 'open-chat': carried('thinking'), 'vendor-chat': carried('reasoning_effort'), messages: carried('thinking') },
  ),
  row(
    'responses',
    'reasoning.summary',
    { reasoning: { effort: 'high', summary: 'auto' } },
    {
      'open-chat': quietly('reasoning is shown in full or not at all'),
      'vendor-chat': quietly('reasoning is shown in full or not at all'),
      messages: carried('thinking.display', '`thinking.display`'),
    },
    { base: { reasoning: { effort: 'high' } } },
  ),
  row(
    'responses',
    'text.format: json_object',
    { text: { format: { type: 'json_object' } } },
    {
      'open-chat': carried('response_format'),
      'vendor-chat': carried('response_format'),
      messages: translated('system', 'an instruction at the end of `system`'),
    },
  ),
  row(
    'responses',
    'text.format: json_schema',
    { text: { format: { type: 'json_schema', name: 'n', schema: { type: 'object' }, strict: true } } },
    {
      'open-chat': translated('messages', 'JSON mode and the schema as an instruction'),
      'vendor-chat': carried('response_format'),
      messages: carried('output_config'),
    },
  ),
  row(
    'responses',
    'text.verbosity',
    { text: { verbosity: 'low' } },
    { 'open-chat': dropped(), 'vendor-chat': carried('verbosity'), messages: dropped() },
  ),
  row(
    'responses',
    'user, safety_identifier',
    { safety_identifier: 'u1' },
    { 'open-chat': carried('user_id'), 'vendor-chat': carried('safety_identifier'), messages: carried('metadata') },
  ),
  row(
    'responses',
    'metadata',
    { metadata: { a: 'b' } },
    { 'open-chat': carried('metadata'), 'vendor-chat': carried('metadata'), messages: dropped() },
  ),
  row(
    'responses',
    'prompt_cache_key',
    { prompt_cache_key: 'k' },
    {
      'open-chat': quietly('a hint about caching only'),
      'vendor-chat': carried('prompt_cache_key', 'a hint about caching only'),
      messages: quietly('a hint about caching only'),
    },
  ),
  row(
    'responses',
    'prompt_cache_breakpoint',
    {
      input: [
        { role: 'user', content: [{ type: 'input_text', text: 'hi', prompt_cache_breakpoint: { mode: 'explicit' } }] },
      ],
    },
    {
      'open-chat': quietly('the upstream caches by itself'),
      'vendor-chat': carried('messages'),
      messages: carried('cache_control', '`cache_control`'),
    },
  ),
  row(
    'responses',
    'service_tier',
    { service_tier: 'flex' },
    { 'open-chat': dropped(), 'vendor-chat': carried('service_tier'), messages: dropped() },
  ),
  row(
    'responses',
    'store',
    { store: true },
    {
      'open-chat': dropped('nothing is stored'),
      'vendor-chat': dropped('nothing is stored'),
      messages: dropped('nothing is stored'),
    },
  ),
  row(
    'responses',
    'include: reasoning.encrypted_content',
    { include: ['reasoning.encrypted_content'] },
    {
      'open-chat': quietly('reasoning comes back sealed by us'),
      'vendor-chat': quietly('reasoning comes back sealed by us'),
      messages: quietly('reasoning comes back sealed by us'),
    },
  ),
  row(
    'responses',
    'include: other',
    { include: ['web_search_call.results'] },
    {
      'open-chat': quietly('about hosted tools, which are not there'),
      'vendor-chat': quietly('about hosted tools, which are not there'),
      messages: quietly('about hosted tools, which are not there'),
    },
  ),
  row(
    'responses',
    'truncation: auto',
    { truncation: 'auto' },
    { 'open-chat': dropped(), 'vendor-chat': dropped(), messages: dropped() },
  ),
  row(
    'responses',
    'client_metadata',
    { client_metadata: { a: 'b' } },
    {
      'open-chat': quietly("stripped: bookkeeping for the vendor's service"),
      'vendor-chat': quietly("stripped: bookkeeping for the vendor's service"),
      messages: quietly("stripped: bookkeeping for the vendor's service"),
    },
  ),
  row(
    'responses',
    'previous_response_id',
    { previous_response_id: 'r' },
    {
      'open-chat': refused('nothing is stored'),
      'vendor-chat': refused('nothing is stored'),
      messages: refused('nothing is stored'),
    },
  ),
  row(
    'responses',
    'conversation',
    { conversation: 'c' },
    {
      'open-chat': refused('nothing is stored'),
      'vendor-chat': refused('nothing is stored'),
      messages: refused('nothing is stored'),
    },
  ),
  row(
    'responses',
    'prompt',
    { prompt: { id: 'p' } },
    {
      'open-chat': refused('nothing is stored'),
      'vendor-chat': refused('nothing is stored'),
      messages: refused('nothing is stored'),
    },
  ),
  row(
    'responses',
    'background',
    { background: true },
    {
      'open-chat': refused('nothing is stored'),
      'vendor-chat': refused('nothing is stored'),
      messages: refused('nothing is stored'),
    },
  ),
  row(
    'responses',
    'context_management',
    { context_management: [{ type: 'compaction' }] },
    {
      'open-chat': quietly("the client's own history is sent as it is"),
      'vendor-chat': quietly("the client's own history is sent as it is"),
      messages: quietly("the client's own history is sent as it is"),
    },
  ),
  row(
    'responses',
    'unknown fields',
    { brand_new: 1 },
    { 'open-chat': dropped(), 'vendor-chat': dropped(), messages: dropped() },
  ),
]
