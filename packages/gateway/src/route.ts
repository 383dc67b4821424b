/**
 * Which upstreams may answer a model name, in order of preference.
 *
 * Configured models come first; a name that no entry mentions goes to the upstreams whose declared name
 * patterns fit it, in the order in which they are configured. A conversation stays with the upstream that
 * answered it last, because that is where its prefix is cached; the memory of that is a hint with a lifetime.
 */
import type { LossPolicy } from '@portolan/wire'
import type { Upstream } from '@portolan/upstream'

export interface RouteTarget {
  readonly upstream: Upstream
  /** The name to send. */
  readonly model: string
}

export interface ModelRoute {
  /** The name callers use. */
  readonly name: string
  readonly targets: readonly RouteTarget[]
  /** Null: as the upstream that answers has it. */
  readonly lossPolicy: LossPolicy | null
  /** Path of a `tokenizer.json` for exact counts; null: none. */
  readonly tokenizer: string | null
}

/** Claude Code marks a long-context wish in the model's name; it is not part of the name. */
const contextSuffix = /\[\d+m\]$/i

export class RouteTable {
  readonly #configured: ReadonlyMap<string, ModelRoute>
  readonly #upstreams: readonly Upstream[]

  constructor(routes: readonly ModelRoute[], upstreams: readonly Upstream[]) {
    this.#configured = new Map(routes.map((route) => [route.name, route]))
    this.#upstreams = upstreams
  }

  get upstreams(): readonly Upstream[] {
    return this.#upstreams
  }

  /** Null when no upstream serves the name. */
  find(model: string): ModelRoute | null {
    const configured = this.#configured.get(model)
    if (configured) return configured
    const plain = model.replace(contextSuffix, '')
    if (plain !== model) {
      const route = this.find(plain)
      return route && { ...route, name: model }
    }
    const targets = this.#upstreams
      .filter((upstream) => upstream.serves(model))
      .map((upstream) => ({ upstream, model }))
    return targets.length === 0 ? null : { name: model, targets, lossPolicy: null, tokenizer: null }
  }

  /** Names for GET /models: configured ones, then those that upstreams list without patterns. */
  names(): string[] {
    const listed = this.#upstreams.flatMap((upstream) => upstream.listedModels)
    return [...new Set([...this.#configured.keys(), ...listed])]
  }
}

/** Remembers which upstream a conversation was answered by. Bounded; entries expire. */
export class Affinity {
  readonly #ttlMs: number
  readonly #max: number
  readonly #entries = new Map<string, { upstream: string; untilMs: number }>()

  constructor(ttlMs: number, max = 50_000) {
    this.#ttlMs = ttlMs
    this.#max = max
  }

  remember(session: string, upstream: string, nowMs: number): void {
    this.#entries.delete(session)
    this.#entries.set(session, { upstream, untilMs: nowMs + this.#ttlMs })
    if (this.#entries.size > this.#max) this.#entries.delete(this.#entries.keys().next().value!)
  }

  /** The targets with the remembered upstream first. */
  order(session: string, targets: readonly RouteTarget[], nowMs: number): readonly RouteTarget[] {
    const entry = this.#entries.get(session)
    if (targets.length < 2 || !entry || entry.untilMs < nowMs) return targets
    const index = targets.findIndex((target) => target.upstream.name === entry.upstream)
    return index <= 0 ? targets : [targets[index]!, ...targets.slice(0, index), ...targets.slice(index + 1)]
  }
}
