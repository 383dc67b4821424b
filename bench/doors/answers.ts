/**
 * The answers of the bench upstream, made once: JSON of about 1 KB, and streams of 200 events of about 230 bytes.
 * Usage is reported as each vendor reports it, so that the gateway's meter has real work to do.
 */

export type BenchProtocol = 'chat' | 'messages'

/** Text events of one stream; what opens and closes it comes on top. */
export const eventsPerStream = 200

const filler =
  'The chart shows soundings along the coast, the anchorage behind the mole and the light that marks the shoal; '
const usage = {
  prompt_tokens: 1024,
  completion_tokens: 240,
  total_tokens: 1264,
  prompt_tokens_details: { cached_tokens: 896 },
  completion_tokens_details: { reasoning_tokens: 0 },
}
const messagesUsage = {
  input_tokens: 128,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 896,
  output_tokens: 240,
}

export function jsonAnswer(protocol: BenchProtocol): Buffer {
  const text = filler.repeat(6).slice(0, 560)
  if (protocol === 'messages')
    return Buffer.from(
      JSON.stringify({
        id: 'msg_0193f2a7c5e84d1b9f60',
        type: 'message',
        role: 'assistant',
        model: 'deepseek-v4-pro',
        content: [{ type: 'text', text }],
        stop_reason: 'end_turn',
        stop_sequence: null,
        usage: messagesUsage,
      }),
    )
  return Buffer.from(
    JSON.stringify({
      id: 'chatcmpl-0193f2a7c5e84d1b9f60',
      object: 'chat.completion',
      created: 1_795_000_000,
      model: 'deepseek-v4-flash',
      choices: [{ index: 0, message: { role: 'assistant', content: text }, logprobs: null, finish_reason: 'stop' }],
      usage,
      system_fingerprint: 'fp_8802369eaa_prod0623_fp8_kvcache',
    }),
  )
}

/** One buffer per event, in order; each is written by itself. */
export function streamAnswer(protocol: BenchProtocol): Buffer[] {
  const events = protocol === 'chat' ? chatEvents() : messagesEvents()
  return events.map((event) => Buffer.from(event))
}

function chatEvents(): string[] {
  const chunk = (delta: unknown, finishReason: string | null): string =>
    `data: ${JSON.stringify({
      id: 'chatcmpl-0193f2a7c5e84d1b9f60',
      object: 'chat.completion.chunk',
      created: 1_795_000_000,
      model: 'deepseek-v4-flash',
      system_fingerprint: 'fp_8802369eaa_prod0623',
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }],
    })}\n\n`
  return [
    chunk({ role: 'assistant', content: '' }, null),
    ...Array.from({ length: eventsPerStream }, () => chunk({ content: ' soundings' }, null)),
    chunk({}, 'stop'),
    `data: ${JSON.stringify({
      id: 'chatcmpl-0193f2a7c5e84d1b9f60',
      object: 'chat.completion.chunk',
      created: 1_795_000_000,
      model: 'deepseek-v4-flash',
      choices: [],
      usage,
    })}\n\n`,
    'data: [DONE]\n\n',
  ]
}

function messagesEvents(): string[] {
  const event = (data: { readonly type: string }): string => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`
  // Deltas of this protocol are terse; longer text brings the event to the same size as on Chat.
  const text = filler.slice(0, 108)
  return [
    event({
      type: 'message_start',
      message: {
        id: 'msg_0193f2a7c5e84d1b9f60',
        type: 'message',
        role: 'assistant',
        model: 'deepseek-v4-pro',
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: { ...messagesUsage, output_tokens: 1 },
      },
    } as { type: string }),
    event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } } as { type: string }),
    ...Array.from({ length: eventsPerStream }, () =>
      event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } } as { type: string }),
    ),
    event({ type: 'content_block_stop', index: 0 } as { type: string }),
    event({
      type: 'message_delta',
      delta: { stop_reason: 'end_turn', stop_sequence: null },
      usage: messagesUsage,
    } as { type: string }),
    event({ type: 'message_stop' }),
  ]
}
