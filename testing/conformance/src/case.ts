/** A conformance case: one catalogued bug of a gateway, as a scene that a correct gateway survives. */
import type { DoorProtocol } from './heard.ts'
import type { Room } from './room.ts'

/**
 * Who stands behind the gateway in a scene. `chat`, `messages`, `responses`: servers known by convention only;
 * the others are suppliers whose extra rules matter to the bug. All are played by the scripted upstream.
 */
export type UpstreamFlavour =
  | 'chat'
  | 'messages'
  | 'responses'
  | 'vllm'
  | 'deepseek'
  | 'deepseek-messages'
  | 'anthropic'
  | 'openai'

export interface ConformanceCase {
  /** Number in the catalogue, 1..100. */
  readonly id: number
  /** What a correct gateway does, as a sentence. */
  readonly title: string
  /** Where the bug was reported, e.g. `vllm-project/vllm#44000`. */
  readonly sources: readonly string[]
  /** Doors at which the scene is played; once for each. */
  readonly doors: readonly DoorProtocol[]
  /** Upstreams that the scene uses. */
  readonly upstreams: readonly UpstreamFlavour[]
  /** Throws AssertionError where the gateway fails. */
  readonly check: (room: Room) => Promise<void>
}

/** A catalogued bug that no scene can provoke here, and why. */
export interface ImpossibleCase {
  readonly id: number
  readonly title: string
  readonly sources: readonly string[]
  readonly reason: string
}

/** The model name of a scene: `case-031`, with the flavour behind it where it is not `chat`. */
export function modelName(id: number, flavour: UpstreamFlavour): string {
  const name = `case-${String(id).padStart(3, '0')}`
  return flavour === 'chat' ? name : `${name}-${flavour}`
}
