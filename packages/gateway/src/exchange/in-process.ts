/**
 * An upstream inside this process: canonical events come from a generator instead of a socket.
 *
 * The same rules as for a relay: nothing before the first meaningful event, back-pressure from the caller's
 * socket, the last bytes handed back so that the ledger row goes first.
 */
import { ResponseAssembler, type CanonicalEvent } from '@portolan/wire'
import type { UpstreamDefinition } from '@portolan/upstream'
import type { ClientHeaders, ClientSide } from './client-side.ts'
import type { Inbound } from './inbound.ts'
import type { Observer } from './observer.ts'
import type { Outbound } from './outbound.ts'
import { retryHeaders, type AttemptResult } from './relay.ts'

export interface InProcessRun {
  readonly generate: NonNullable<UpstreamDefinition['generate']>
  readonly inbound: Inbound
  readonly outbound: Outbound
  readonly client: ClientSide
  readonly observer: Observer
  readonly signal: AbortSignal
  /** Whose prefixes the request may hit: the key's id. */
  readonly tenant: string
  readonly headers: () => ClientHeaders
  readonly onFirstEvent: () => void
  readonly onProgress: (doneTokens: number, promptTokens: number) => void
  readonly onNotice: (notice: string) => void
}

export async function generateInProcess(run: InProcessRun): Promise<AttemptResult> {
  const { inbound, outbound, client, observer, signal } = run
  const answer = outbound.answer()
  const writer = inbound.stream ? inbound.adapter.createStreamWriter(answer) : null
  const assembler = new ResponseAssembler()
  let held = ''
  const events = run.generate(answer.request, {
    requestId: answer.requestId,
    createdSec: answer.createdSec,
    signal,
    tenant: run.tenant,
    onProgress: run.onProgress,
    onNotice: run.onNotice,
  })
  for await (const event of events) {
    if (client.gone) return { kind: 'gone' }
    run.onFirstEvent()
    observer.observe(event)
    if (event.type === 'error' && !client.contentSent) return failed(event)
    assembler.push(event)
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
  const response = assembler.response()
  if (!response)
    return failed({
      type: 'error',
      kind: 'internal',
      message: 'The embedded upstream ended its answer early.',
      code: null,
    })
  const body = JSON.stringify(inbound.adapter.fromCanonicalResponse(response, answer))
  const headers: ClientHeaders = {
    ...run.headers(),
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
  }
  return { kind: 'done', final: body, head: { status: 200, headers }, outcome: 'ok' }
}

function failed(event: Extract<CanonicalEvent, { type: 'error' }>): AttemptResult {
  const { kind, message, code, retryAfterMs } = event
  const headers = retryAfterMs === undefined ? {} : retryHeaders(retryAfterMs)
  return { kind: 'failed', stage: 'streaming', status: null, error: { kind, message, code }, headers, body: null }
}

function streamHeaders(run: InProcessRun): ClientHeaders {
  return {
    ...run.headers(),
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
  }
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
