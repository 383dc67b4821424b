/**
 * Call blocks as they were sampled, by the ids of their calls, for as long as memory has room.
 *
 * Printing a call again would change blanks and number spellings, and with them every token after. So the next
 * turn writes the sampled text, if it still says exactly what the caller sent back.
 */
import type { ToolCall } from '@portolan/engine'

const limit = 4096

interface Sampled {
  readonly rawCalls: string
  readonly argumentsTexts: readonly string[]
}

export class SampledCalls {
  readonly #known = new Map<string, Sampled>()

  remember(tenant: string, calls: readonly ToolCall[], rawCalls: string): void {
    const key = keyOf(tenant, calls)
    if (key === null) return
    this.#known.delete(key)
    this.#known.set(key, { rawCalls, argumentsTexts: calls.map((call) => call.argumentsText) })
    if (this.#known.size > limit) this.#known.delete(this.#known.keys().next().value!)
  }

  recall(tenant: string, calls: readonly ToolCall[]): string | null {
    const key = keyOf(tenant, calls)
    const sampled = key === null ? undefined : this.#known.get(key)
    const isSame = sampled?.argumentsTexts.every((text, at) => text === calls[at]!.argumentsText) ?? false
    return isSame ? sampled!.rawCalls : null
  }
}

function keyOf(tenant: string, calls: readonly ToolCall[]): string | null {
  if (calls.length === 0 || calls.some((call) => !call.id)) return null
  return JSON.stringify([tenant, ...calls.map((call) => [call.id, call.name])])
}
