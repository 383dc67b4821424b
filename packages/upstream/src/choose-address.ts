/**
 * In which protocol a request leaves for an upstream, and whether its bytes may go as they are.
 *
 * Deterministic: the same door, upstream and traits give the same answer, so that turns of one conversation
 * keep their address and with it their prefix cache.
 */
import type { Protocol } from '@portolan/wire'
import type { Address, Refusal } from './capabilities.ts'
import { UpstreamError } from './errors.ts'
import type { RequestTrait, RequestTraits } from './traits.ts'
import type { Upstream } from './upstream.ts'

export interface AddressChoice {
  readonly protocol: Protocol
  /** True: the bytes must not go as they are, even in the door's own protocol; the dialect words them anew. */
  readonly rewrite: boolean
  /** Why the door's own protocol was not spliced; empty when it was, or is not spoken there. */
  readonly refused: readonly RequestTrait[]
}

/** What carries most of a door's meaning when its own protocol cannot. */
const nextBest: Readonly<Record<Protocol, readonly Protocol[]>> = {
  chat: ['responses', 'messages'],
  messages: ['chat', 'responses'],
  responses: ['chat', 'messages'],
}

export function chooseAddress(door: Protocol, upstream: Upstream, traits: RequestTraits): AddressChoice {
  const { addresses } = upstream.definition
  const own = addresses[door]
  const refusals = own ? refusalsOf(own, traits) : []
  const refused = refusals.map(({ trait }) => trait)
  if (own && refusals.length === 0) return { protocol: door, rewrite: false, refused }
  if (own && refusals.every(({ remedy }) => remedy === 'rewrite')) return { protocol: door, rewrite: true, refused }
  const other = nextBest[door].find((protocol) => addresses[protocol])
  if (other) return { protocol: other, rewrite: true, refused }
  // The only address: its dialect knows how to say it there.
  if (own) return { protocol: door, rewrite: true, refused }
  throw new UpstreamError('UPSTREAM_BAD_CONFIG', `The upstream ${upstream.name} has no address.`)
}

/** The declared refusals that this request runs into. */
export function refusalsOf(address: Address, traits: RequestTraits): readonly Refusal[] {
  return address.refuses.filter(({ trait }) => {
    if (!traits.traits.has(trait)) return false
    // An address that knows some custom tools by name refuses the others only.
    if (trait !== 'custom-tools' || !traits.customToolNames) return true
    return traits.customToolNames.some((name) => !address.knownCustomTools.includes(name))
  })
}
