/**
 * The most that a request can come to, before it is sent: three bounds, each tighter and dearer than the one before.
 *
 *   bytes    every byte of the body is a prompt token: a byte-level tokenizer never makes more tokens than bytes
 *   content  the body is read: bytes of its strings as they will stand in the prompt, structure by count, and
 *            pictures by what vendors charge for one at most instead of by their base64
 *   counted  the same with the model's own tokenizer, where the configuration names one
 *
 * Far from a budget's end the first is taken, which costs nothing; the others only after it did not fit. What no
 * bound can see is what a supplier adds by itself (server-side tools that read whole pages): that is counted when it
 * is settled, as overrun.
 */
import { isUnpriced, largestCost, priceAt, type Price, type Unpriced } from '@portolan/meter'
import type { RequestAmounts } from '@portolan/store'
import { GatewayError } from '../errors.ts'
import type { Inbound } from '../exchange/inbound.ts'
import type { GatewayParts } from '../gateway.ts'
import type { ModelRoute, RouteTarget } from '../route.ts'

/** What an upstream may generate when neither the caller nor the model's table says: DeepSeek's own largest. */
const unboundedOutputTokens = 393_216
/** A larger wish is no number of tokens. */
const absurdOutputTokens = 2 ** 40
/** A picture costs tokens that its bytes do not show; above every vendor's cap. */
const tokensPerImage = 16_384
/** Quotes, braces, roles and separators that a template may make of one node of the body. */
const tokensPerNode = 4
/** What templates say by themselves: around a conversation, and about tools. */
const tokensOfTemplate = 64
const tokensOfToolTemplate = 1024

export interface PromptBound {
  readonly kind: 'bytes' | 'content' | 'counted'
  readonly tokens: number
}

export function bytesBound(inbound: Inbound): PromptBound {
  return {
    kind: 'bytes',
    tokens: inbound.bytes.length + templateTokens(inbound) + linkedImages(inbound) * tokensPerImage,
  }
}

/** What of the body can become prompt. */
export interface PromptContent {
  readonly texts: readonly string[]
  /** Tokens of everything that is not text. */
  readonly otherTokens: number
}

/** Null where the body is too large to be read, or cannot be. */
export function promptContent(inbound: Inbound): PromptContent | null {
  if (!inbound.readable) return null
  const texts: string[] = []
  let nodes = 0
  let images = 0
  // Not by recursion: the body may be nested as deeply as it likes.
  const open: { readonly value: unknown; readonly place: Place }[] = [{ value: inbound.parsed, place: 'root' }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, place } = next
    nodes++
    if (typeof value === 'string') texts.push(value)
    else if (Array.isArray(value)) for (const member of value as unknown[]) open.push({ value: member, place })
    else if (typeof value === 'object' && value !== null) {
      const members = value as Readonly<Record<string, unknown>>
      const picture = place === 'message' ? pictureIn(members) : 'none'
      if (picture !== 'none') images++
      for (const name in members) {
        texts.push(name)
        if (picture === 'inline' && (name === 'image_url' || name === 'source')) continue
        open.push({ value: members[name], place: placeBelow(place, name) })
      }
    }
  }
  return { texts, otherTokens: nodes * tokensPerNode + images * tokensPerImage + templateTokens(inbound) }
}

/** Only what lies in a message can be a picture: the same object among a tool's arguments is text of the prompt. */
type Place = 'root' | 'message' | 'elsewhere'

function placeBelow(place: Place, name: string): Place {
  if (place === 'root') return name === 'messages' || name === 'input' ? 'message' : 'elsewhere'
  return place === 'message' && (name === 'content' || name === 'output') ? 'message' : 'elsewhere'
}

/** `inline`: its bytes lie in `image_url` or `source` and never become text. */
function pictureIn({ type, image_url: link, source }: Readonly<Record<string, unknown>>): 'none' | 'inline' | 'linked' {
  if (type === 'image_url' || type === 'input_image') {
    const url = typeof link === 'object' && link !== null ? (link as { url?: unknown }).url : link
    return typeof url === 'string' && url.startsWith('data:image/') ? 'inline' : 'linked'
  }
  if (typeof source !== 'object' || source === null) return 'none'
  const { type: kind, media_type: media } = source as Readonly<Record<string, unknown>>
  if (kind === 'url' || kind === 'file') return 'linked'
  return type === 'image' && kind === 'base64' && typeof media === 'string' && media.startsWith('image/')
    ? 'inline'
    : 'none'
}

export function contentBound({ texts, otherTokens }: PromptContent): PromptBound {
  return { kind: 'content', tokens: texts.reduce((sum, text) => sum + Buffer.byteLength(text), otherTokens) }
}

/** Of all targets the dearest. @throws GatewayError when money is counted and one of them has no price. */
export function largestAmounts(
  parts: GatewayParts,
  inbound: Inbound,
  route: ModelRoute,
  promptTokens: number,
  priced: boolean,
  atMs: number,
): RequestAmounts {
  let nanos = 0n
  let outputTokens = 0
  for (const target of route.targets) {
    const output = outputBound(target, inbound)
    if (output > outputTokens) outputTokens = output
    if (!priced) continue
    const cost = costBound(parts, target, promptTokens, output, atMs)
    if (cost > nanos) nanos = cost
  }
  return { nanos, tokens: BigInt(promptTokens + outputTokens) }
}

function outputBound({ upstream, model }: RouteTarget, inbound: Inbound): number {
  const dialect = Object.values(upstream.definition.addresses)[0]?.dialect(model)
  const each = inbound.maxOutputTokens ?? dialect?.maxOutputTokens ?? unboundedOutputTokens
  return Math.min(Math.ceil(each) * inbound.choices, absurdOutputTokens)
}

function costBound(
  parts: GatewayParts,
  { upstream, model }: RouteTarget,
  promptTokens: number,
  outputTokens: number,
  atMs: number,
): bigint {
  const price = priceOf(parts, upstream.name, upstream.priceVendor, model, promptTokens, atMs)
  const bound = isUnpriced(price) ? null : largestCost(price, promptTokens, outputTokens)
  if (bound === null)
    throw new GatewayError(
      'GATEWAY_BUDGET_UNPRICED',
      `The model \`${model}\` of the upstream ${upstream.name} has no complete price, so the budget of this key cannot be held. The operator can give it one with \`prices\`.`,
    )
  return bound
}

function priceOf(
  parts: GatewayParts,
  name: string,
  vendor: string | null,
  model: string,
  promptTokens: number,
  atMs: number,
): Price | Unpriced {
  const fixed = parts.fixedPrices.get(name)
  return (
    fixed ??
    priceAt(parts.priceBook, { vendor: vendor ?? name, model, currency: parts.config.currency, atMs, promptTokens })
  )
}

function templateTokens(inbound: Inbound): number {
  return inbound.bytes.includes('"tools"') ? tokensOfTemplate + tokensOfToolTemplate : tokensOfTemplate
}

function linkedImages(inbound: Inbound): number {
  // Only bodies that link pictures pay for the search.
  return inbound.bytes.includes('"http') ? (inbound.text.match(/"(image_url|url|input_image)"/g)?.length ?? 0) : 0
}
