/**
 * A model of any configuration with seeded random weights, in memory.
 *
 * For laws, round trips and demonstrations: sizes are chosen so that signals neither die nor explode over
 * the layers and every mechanism matters (sinks, biases, position biases are not zero). Equal seeds give
 * equal weights on every machine.
 */
import type { ModelConfig } from '../config/model-config.ts'
import { assembleCheckpoint, type Checkpoint } from './checkpoint.ts'
import { memoryTensor, type StoredTensor } from './safetensors.ts'
import { planMainTensors, planPredictionTensors, type PlannedTensor } from './tensor-plan.ts'

/** Uniform numbers in [0, 1) from a 32-bit seed (the mulberry generator). */
export function seededUniform(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Nearly normal: a sum of four uniforms, mean 0 and variance 1. Bounded, cheap and portable. */
function seededNormal(uniform: () => number): () => number {
  return () => (uniform() + uniform() + uniform() + uniform() - 2) * Math.sqrt(3)
}

/** [centre, spread] for the values of a tensor. */
function distribution({ name, shape }: PlannedTensor): readonly [number, number] {
  const fanIn = shape[1] ?? 1
  if (name.endsWith('norm.weight')) return [1, 0.1]
  if (name.endsWith('_scale')) return [0.8, 0.2]
  if (name.endsWith('_base')) return [0, 0.5]
  if (name.endsWith('gate.bias')) return [0, 0.1]
  if (name.endsWith('.ape')) return [0, 0.5]
  if (name.endsWith('attn_sink') || name === 'embed.weight') return [0, 1]
  if (name.endsWith('wgate.weight')) return [0, 2 * fanIn ** -0.5]
  return [0, fanIn ** -0.5]
}

/** Different experts for each token id: `perToken` of `routed`, by a partial shuffle. */
function expertTable(config: ModelConfig, uniform: () => number): Uint8Array {
  const { routed, perToken } = config.experts
  const table = new BigInt64Array(config.vocabSize * perToken)
  const experts = Array.from({ length: routed }, (_, expert) => expert)
  for (let start = 0; start < table.length; start += perToken) {
    for (let at = 0; at < perToken; at++) {
      const other = at + Math.floor(uniform() * (routed - at))
      const chosen = experts[other]!
      experts[other] = experts[at]!
      experts[at] = chosen
      table[start + at] = BigInt(chosen)
    }
  }
  return new Uint8Array(table.buffer)
}

/** F32 weights for `config`, prediction blocks included when the configuration has any. */
export function randomCheckpoint(config: ModelConfig, seed: number): Checkpoint {
  const uniform = seededUniform(seed)
  const normal = seededNormal(uniform)
  const plan = [...planMainTensors(config), ...planPredictionTensors(config)]
  const tensors: StoredTensor[] = plan.map((planned) => {
    if (planned.role === 'table') return memoryTensor(planned.name, 'I64', planned.shape, expertTable(config, uniform))
    const [centre, spread] = distribution(planned)
    const length = planned.shape.reduce((product, size) => product * size, 1)
    const values = Float32Array.from({ length }, () => centre + spread * normal())
    return memoryTensor(planned.name, 'F32', planned.shape, new Uint8Array(values.buffer))
  })
  return assembleCheckpoint(config, tensors, { prediction: config.mtpLayers.length > 0 })
}
