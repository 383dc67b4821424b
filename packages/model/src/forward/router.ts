/**
 * Router: which experts a token visits, and with what weight.
 *
 *   s_e    = sqrt(softplus(gate_e . u))
 *   scored layers choose the k best of s_e + bias_e;  hash layers look the k up by token id
 *   weight = s_e / sum of chosen s, times the route scale
 *
 * The bias moves the choice and never the weight. Hash layers still compute scores, for the weights.
 */
import type { Matrix } from '../checkpoint/matrix.ts'
import type { ModelConfig } from '../config/model-config.ts'
import { projectExact } from './linear.ts'
import type { Run } from './run.ts'
import { topK } from './top-k.ts'

export interface RouterWeights {
  /** [E, D] */
  readonly gate: Matrix
  /** [E] on scored layers. */
  readonly bias: Float32Array | null
  /** [V, k] on hash layers: experts of each token id, all different. */
  readonly expertsOfToken: Int32Array | null
}

export interface Routing {
  /** [tokens, k], ascending within a token. */
  readonly experts: Int32Array
  /** [tokens, k] */
  readonly weights: Float32Array
}

function softplus(value: number): number {
  return Math.max(value, 0) + Math.log1p(Math.exp(-Math.abs(value)))
}

export function route(
  weights: RouterWeights,
  inputs: Float32Array,
  ids: Int32Array,
  config: ModelConfig,
  run: Run,
): Routing {
  const tokens = ids.length
  const { routed, perToken, routeScale } = config.experts
  const logits = projectExact(weights.gate, inputs, tokens, run, 'router')
  const experts = new Int32Array(tokens * perToken)
  const routeWeights = new Float32Array(tokens * perToken)
  const scores = new Float64Array(routed)
  const biased = new Float64Array(routed)
  for (let token = 0; token < tokens; token++) {
    for (let expert = 0; expert < routed; expert++) {
      scores[expert] = Math.sqrt(softplus(logits[token * routed + expert]!))
      biased[expert] = scores[expert]! + (weights.bias?.[expert] ?? 0)
    }
    const id = ids[token]!
    const chosen =
      weights.expertsOfToken === null
        ? topK(biased, routed, perToken)
        : weights.expertsOfToken.slice(id * perToken, (id + 1) * perToken).sort()
    // Scores can underflow to exactly zero together; the guard is far below any sum that matters.
    const sum = chosen.reduce((total, expert) => total + scores[expert]!, 1e-20)
    experts.set(chosen, token * perToken)
    for (let at = 0; at < perToken; at++)
      routeWeights[token * perToken + at] = (scores[chosen[at]!]! / sum) * routeScale
  }
  return { experts, weights: routeWeights }
}
