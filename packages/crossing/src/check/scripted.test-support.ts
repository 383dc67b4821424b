/** A stand-in endpoint for tests of the checks: what it answers is a function of the canonical request. It is no model. */
import {
  adapterOf,
  createSealer,
  disassemble,
  noUsage,
  TranslationReport,
  type CanonicalRequest,
  type CanonicalResponse,
  type OutputItem,
  type Protocol,
} from '@portolan/wire'
import { askTarget, type Ask } from './target.ts'

export interface Scripted {
  readonly items: readonly OutputItem[]
  readonly stop?: CanonicalResponse['stop']
}

export function say(text: string): Scripted {
  return { items: [{ kind: 'assistant-text', parts: [{ type: 'text', text }] }] }
}

let lastCall = 0

export function call(...calls: readonly (readonly [name: string, args: unknown])[]): Scripted {
  return {
    items: calls.map(([name, args]) => ({
      kind: 'tool-call',
      callId: `call_${++lastCall}`,
      name,
      namespace: null,
      argumentsText: typeof args === 'string' ? args : JSON.stringify(args),
      custom: false,
    })),
    stop: 'tool-call',
  }
}

/** @param script a number is an HTTP status to refuse with. */
export function scripted(protocol: Protocol, script: (request: CanonicalRequest) => Scripted | number): Ask {
  const adapter = adapterOf(protocol)
  const sealer = createSealer(Buffer.alloc(32, 7))
  const send: typeof fetch = (_url, init) => {
    const text = init?.body as string
    const request = adapter.toCanonicalRequest(JSON.parse(text), {
      messagesVersion: '2023-06-01',
      sealer,
      text,
      report: new TranslationReport('silent'),
    })
    const answer = script(request)
    if (typeof answer === 'number') {
      const error = {
        kind: 'invalid-request',
        message: 'no such thing',
        code: null,
        param: null,
        requestId: 'r',
      } as const
      return Promise.resolve(Response.json(adapter.writeErrorBody(error).body, { status: answer }))
    }
    const response: CanonicalResponse = {
      id: 'a1',
      model: request.model,
      createdSec: 1,
      items: answer.items,
      stop: answer.stop ?? 'end',
      stopSequence: null,
      refusalExplanation: null,
      usage: {
        ...noUsage,
        inputTokens: Math.ceil(text.length / 4),
        hitTokens: 0,
        missTokens: Math.ceil(text.length / 4),
        outputTokens: 5,
      },
      logprobs: null,
      moreChoices: [],
    }
    const context = {
      model: request.model,
      requestId: 'r1',
      createdSec: 1,
      messagesVersion: '2023-06-01',
      request,
      sealer,
      upstreamFamily: 'stand-in',
      toolNames: new Map(),
    } as const
    if (!request.stream) return Promise.resolve(Response.json(adapter.fromCanonicalResponse(response, context)))
    const writer = adapter.createStreamWriter(context)
    const stream = [...disassemble(response)].map((event) => writer.write(event)).join('')
    return Promise.resolve(new Response(stream, { headers: { 'content-type': 'text/event-stream' } }))
  }
  return askTarget(
    { baseUrl: 'http://127.0.0.1:1/v1/', protocol, model: 'stand-in', apiKey: 'k', timeoutMs: 5000 },
    send,
  )
}
