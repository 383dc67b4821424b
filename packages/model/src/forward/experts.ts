/**
 * Mixture of experts: a few SwiGLU experts per token, and one that every token visits.
 *
 *   a = min(w1 . u, limit);  b = clamp(w3 . u, -limit, limit);  y = w2 . (weight * silu(a) * b)
 *
 * The gate is clamped above only. The routing weight goes in before w2, inside the rounding of its inputs.
 * Contributions are added in ascending order of expert, so a token's sum does not depend on its neighbours.
 */
import type { Matrix } from '../checkpoint/matrix.ts'
import type { ModelConfig } from '../config/model-config.ts'
import { project } from './linear.ts'
import type { Routing } from './router.ts'
import type { Run } from './run.ts'
import type { Work } from './tally.ts'

export interface ExpertWeights {
  /** w1 [F, D] */
  readonly gate: Matrix
  /** w3 [F, D] */
  readonly up: Matrix
  /** w2 [D, F] */
  readonly down: Matrix
}

/** One expert over `tokens` inputs; `weights` null means 1. */
export function runExpert(
  expert: ExpertWeights,
  inputs: Float32Array,
  tokens: number,
  weights: Float32Array | null,
  limit: number,
  run: Run,
  work: Work,
): Float32Array {
  const inner = expert.gate.rows
  const gate = project(expert.gate, inputs, tokens, run, work)
  const up = project(expert.up, inputs, tokens, run, work)
  for (let token = 0; token < tokens; token++) {
    const weight = weights?.[token] ?? 1
    for (let at = token * inner; at < (token + 1) * inner; at++) {
      const a = Math.min(gate[at]!, limit)
      const b = Math.min(limit, Math.max(-limit, up[at]!))
      gate[at] = (weight * a * b) / (1 + Math.exp(-a))
    }
  }
  return project(expert.down, gate, tokens, run, work)
}

/** Routed and shared experts together, [tokens, D]. */
export function mixExperts(
  expertAt: (expert: number) => ExpertWeights,
  shared: ExpertWeights,
  routing: Routing,
  inputs: Float32Array,
  tokens: number,
  config: ModelConfig,
  run: Run,
): Float32Array {
  const { hiddenSize } = config
  const { perToken, clampLimit } = config.experts
  const visitors = new Map<number, { token: number; weight: number }[]>()
  for (let token = 0; token < tokens; token++) {
    for (let at = token * perToken; at < (token + 1) * perToken; at++) {
      const expert = routing.experts[at]!
      const list = visitors.get(expert)
      const visitor = { token, weight: routing.weights[at]! }
      if (list === undefined) visitors.set(expert, [visitor])
      else list.push(visitor)
    }
  }
  const out = new Float32Array(tokens * hiddenSize)
  for (const [expert, list] of [...visitors].sort(([one], [other]) => one - other)) {
    const gathered = new Float32Array(list.length * hiddenSize)
    for (const [at, { token }] of list.entries())
      gathered.set(inputs.subarray(token * hiddenSize, (token + 1) * hiddenSize), at * hiddenSize)
    const weights = Float32Array.from(list, ({ weight }) => weight)
    const result = runExpert(expertAt(expert), gathered, list.length, weights, clampLimit, run, 'expert')
    for (const [at, { token }] of list.entries()) {
      for (let dim = 0; dim < hiddenSize; dim++) out[token * hiddenSize + dim]! += result[at * hiddenSize + dim]!
    }
  }
  const always = runExpert(shared, inputs, tokens, null, clampLimit, run, 'shared-expert')
  for (let at = 0; at < out.length; at++) out[at]! += always[at]!
  return out
}
