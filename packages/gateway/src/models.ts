/**
 * GET /v1/models and /v1/models/{name}, in the dialect that asks.
 *
 * Both vendors list at the same path. Each object carries the members of both shapes, which satisfies both
 * official SDKs; the envelope is the asker's.
 */
import type { Protocol } from '@portolan/wire'
import { keyAllowsModel, type KeyRecord } from '@portolan/store'
import type { Door } from './door.ts'
import { GatewayError } from './errors.ts'
import type { ClientSide } from './exchange/client-side.ts'
import type { GatewayParts } from './gateway.ts'

/** When this list was first kept; no upstream tells a creation time for every model. */
const createdSec = Date.UTC(2026, 3, 24) / 1000

export function listModels(
  parts: GatewayParts,
  door: Door,
  protocol: Protocol,
  key: KeyRecord,
  client: ClientSide,
  requestId: string,
): void {
  const headers = {
    'content-type': 'application/json',
    [protocol === 'messages' ? 'request-id' : 'x-request-id']: requestId,
  }
  if (door.endpoint === 'model') {
    const name = door.modelName ?? ''
    const route = keyAllowsModel(key, name) ? parts.routes.find(name) : null
    if (!route)
      throw new GatewayError('GATEWAY_UNKNOWN_MODEL', `No route leads to the model \`${name.slice(0, 100)}\`.`)
    client.send(200, headers, JSON.stringify(modelObject(name, route.targets[0]!.upstream.name)))
    return
  }
  const names = parts.routes.names().filter((name) => keyAllowsModel(key, name))
  const data = names.map((name) => modelObject(name, parts.routes.find(name)?.targets[0]?.upstream.name ?? 'portolan'))
  const list =
    protocol === 'messages'
      ? { data, has_more: false, first_id: names[0] ?? null, last_id: names.at(-1) ?? null }
      : { object: 'list', data }
  client.send(200, headers, JSON.stringify(list))
}

function modelObject(id: string, owner: string): Record<string, unknown> {
  return {
    id,
    object: 'model',
    type: 'model',
    created: createdSec,
    created_at: new Date(createdSec * 1000).toISOString(),
    owned_by: owner,
    display_name: id,
  }
}
