/**
 * Counting a prompt without generating: at the upstream where it counts itself, here otherwise.
 *
 * The header `x-portolan-token-count` says `exact` or `estimate`, so that nobody plans to the last token on a
 * guess. Nothing is billed, so no ledger row is written; the key's limits of requests hold, counted apart.
 */
import type { IncomingMessage } from 'node:http'
import type { KeyRecord } from '@portolan/store'
import { keyAllowsModel } from '@portolan/store'
import { readBody } from './body.ts'
import type { Door } from './door.ts'
import { GatewayError } from './errors.ts'
import type { ClientHeaders, ClientSide } from './exchange/client-side.ts'
import { errorAnswer } from './exchange/error-answer.ts'
import { problemOf, refusalHeaders } from './exchange/exchange.ts'
import { Inbound } from './exchange/inbound.ts'
import type { GatewayParts } from './gateway.ts'
import { fetchWhole } from './fetch-whole.ts'
import { holdCount } from './limits/count-limits.ts'
import { rateHeaders } from './limits/headers.ts'
import { spliceMembers } from '@portolan/wire'

export async function countTokens(
  parts: GatewayParts,
  door: Door,
  key: KeyRecord,
  request: IncomingMessage,
  client: ClientSide,
  requestId: string,
): Promise<void> {
  const body = await readBody(request, parts.config.limits)
  if (body === null) return
  const inbound = new Inbound(door.protocol, body, request.headers)
  if (inbound.model === '') throw new GatewayError('GATEWAY_NO_MODEL')
  if (!keyAllowsModel(key, inbound.model)) throw new GatewayError('GATEWAY_MODEL_NOT_ALLOWED')
  const route = parts.routes.find(inbound.model)
  if (!route) throw new GatewayError('GATEWAY_UNKNOWN_MODEL')
  const nowMs = parts.now()
  const { rates, refusal, retryAfterMs } = holdCount(parts, key, inbound.model, requestId, nowMs)
  const headers: ClientHeaders = {
    'content-type': 'application/json',
    [door.protocol === 'messages' ? 'request-id' : 'x-request-id']: requestId,
    ...rateHeaders(door.protocol, rates, nowMs),
  }
  if (refusal !== null) {
    const problem = problemOf(refusal, parts, requestId)
    const { status, body: words } = errorAnswer(door.protocol, problem, null, null, requestId)
    const again: ClientHeaders = retryAfterMs === null ? {} : { 'retry-after-ms': String(retryAfterMs) }
    client.send(status, { ...headers, ...refusalHeaders(problem), ...again }, words)
    return
  }

  const { upstream, model } = route.targets[0]!
  const place = route.tokenizer === null ? upstream.locateCountTokens(door.protocol) : null
  if (place) {
    const pieces =
      model === inbound.model
        ? [inbound.bytes]
        : spliceMembers(inbound.bytes, [{ name: 'model', value: JSON.stringify(model) }], inbound.scan)
    const answer = await fetchWhole(parts, client, {
      ...place,
      name: upstream.name,
      method: 'POST',
      headers: upstream.requestHeaders(upstream.definition.addresses[door.protocol]!, request.headers),
      body: Buffer.concat(pieces),
      timeouts: upstream.timeouts,
    })
    if (answer === null) return
    if (answer.status === 200) {
      client.send(200, { ...headers, 'x-portolan-token-count': 'exact' }, answer.body)
      return
    }
    // An upstream that will not count is no reason not to answer.
    parts.log.warn(
      { requestId, upstream: upstream.name, status: answer.status },
      'upstream did not count tokens; estimating',
    )
  }
  const { request: canonical } = inbound.canonical(parts.sealer, 'silent')
  const { tokens, exact } = await parts.counters.count(canonical, route.tokenizer)
  const counted =
    door.protocol === 'responses' ? { object: 'response.input_tokens', input_tokens: tokens } : { input_tokens: tokens }
  client.send(200, { ...headers, 'x-portolan-token-count': exact ? 'exact' : 'estimate' }, JSON.stringify(counted))
}
