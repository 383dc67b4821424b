/** The gates of all configured upstreams. A reload keeps the state of those whose limits did not change. */
import { UpstreamHealth, type Upstream } from '@portolan/upstream'

export class Health {
  readonly #gates = new Map<string, { readonly slots: number; readonly gate: UpstreamHealth }>()

  constructor(upstreams: readonly Upstream[], now: () => number, before: Health | null) {
    for (const { name, concurrency: slots } of upstreams) {
      const kept = before === null ? undefined : before.#gates.get(name)
      this.#gates.set(name, kept?.slots === slots ? kept : { slots, gate: new UpstreamHealth({ name, slots, now }) })
    }
  }

  of(upstream: Upstream): UpstreamHealth {
    return this.#gates.get(upstream.name)!.gate
  }

  /** For `/metrics` and `portolan upstreams`. */
  snapshot(): { readonly name: string; readonly state: string; readonly inFlight: number; readonly waiting: number }[] {
    return [...this.#gates].map(([name, { gate }]) => ({
      name,
      state: gate.state,
      inFlight: gate.inFlight,
      waiting: gate.waiting,
    }))
  }
}
