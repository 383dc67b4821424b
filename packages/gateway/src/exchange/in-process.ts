/**
 * An upstream inside this process: canonical events come from a generator instead of a socket.
 *
 * The same rules as for a relay: nothing before the first meaningful event, back-pressure from the caller's
 * socket, the last bytes handed back so that the ledger row goes first.
 */
import {
  ResponseAssembler,
  type AnswerContext,
  type CanonicalEvent,
  type ProtocolAdapter,
  type StreamWriter,
} from '@portolan/wire'
import type { ClientHeaders, ClientSide } from './client-side.ts'
import type { Observer } from './observer.ts'
import { retryHeaders, type AttemptResult } from './relay.ts'

export interface InProcessRun {
  readonly events: AsyncIterable<CanonicalEvent>
  /** How the door says it: event by event, or in one object. */
  readonly answer: StreamWriter | WholeAnswer
  readonly client: ClientSide
  readonly observer: Observer
  readonly signal: AbortSignal
  readonly headers: () => ClientHeaders
  readonly onFirstEvent: () => void
}

export interface WholeAnswer {
  push(event: CanonicalEvent): void
  /** Null before the end. */
  body(): Record<string, unknown> | null
}

export function wholeAnswer(adapter: ProtocolAdapter, context: AnswerContext): WholeAnswer {
  const assembler = new ResponseAssembler()
  return {
    push: (event) => assembler.push(event),
    body() {
      const response = assembler.response()
      return response && adapter.fromCanonicalResponse(response, context)
    },
  }
}

export async function answerInProcess(run: InProcessRun): Promise<AttemptResult> {
  const { answer, client, observer, signal } = run
  const writer = 'write' in answer ? answer : null
  let held = ''
  for await (const event of run.events) {
    if (client.gone) return { kind: 'gone' }
    run.onFirstEvent()
    observer.observe(event)
    if (event.type === 'error' && !client.contentSent) return failed(event)
    if ('push' in answer) answer.push(event)
    if (!writer) continue
    held += writer.write(event)
    if (observer.ended || observer.error) {
      client.commit(200, streamHeaders(run))
      return { kind: 'done', final: held, head: null, outcome: observer.error ? 'error' : 'ok' }
    }
    if (!observer.meaningful || held === '') continue
    client.commit(200, streamHeaders(run))
    const more = client.write(held)
    held = ''
    if (!more) await drained(client, signal)
  }
  if (client.gone || signal.aborted) return { kind: 'gone' }
  const whole = 'body' in answer ? answer.body() : null
  if (whole === null)
    return failed({
      type: 'error',
      kind: 'internal',
      message: 'The embedded upstream ended its answer early.',
      code: null,
    })
  const body = JSON.stringify(whole)
  const headers: ClientHeaders = {
    ...run.headers(),
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
  }
  return { kind: 'done', final: body, head: { status: 200, headers }, outcome: 'ok' }
}

function failed(event: Extract<CanonicalEvent, { type: 'error' }>): AttemptResult {
  const { kind, message, code, retryAfterMs, param } = event
  const headers = retryAfterMs === undefined ? {} : retryHeaders(retryAfterMs)
  return {
    kind: 'failed',
    stage: 'streaming',
    status: null,
    error: { kind, message, code, param },
    headers,
    body: null,
  }
}

export const eventStream = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
} as const

function streamHeaders(run: InProcessRun): ClientHeaders {
  return { ...run.headers(), ...eventStream }
}

function drained(client: ClientSide, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      signal.removeEventListener('abort', done)
      resolve()
    }
    client.whenDrained(done)
    signal.addEventListener('abort', done, { once: true })
  })
}
