/**
 * Experts of one layer for a whole batch: every expert reads its weights once, for all tokens that visit it.
 *
 * A visit is one token at one expert. Visits lie ordered by expert, those of the shared expert last, so a token's
 * contributions are added in the same order whoever else is in the batch. Result in `output`.
 */
import { roundActivations, roundsInputs, type Batch, type Machine } from './pass.ts'
import type { PlacedBlock, PlacedExpert } from './placed-weights.ts'
import { loadInput } from './streams.ts'

interface Visits {
  readonly expert: PlacedExpert
  readonly first: number
  readonly count: number
}

export function mixExperts(machine: Machine, block: PlacedBlock, batch: Batch): void {
  const { kernels, config, workspace, precision } = machine
  const { floats, inputs, visitTokens } = workspace
  const { tokens } = batch
  const { hiddenSize } = config
  const { perToken, innerSize, clampLimit } = config.experts
  const { sharedExpert } = block

  const all = [...block.experts.slice(0, 1), sharedExpert]
  const wantsRounded = all.some(({ gate, up }) => roundsInputs(machine, gate) || roundsInputs(machine, up))
  loadInput(machine, tokens, wantsRounded)
  kernels.multiply(block.router.gate, inputs.exact, floats.routerLogits, precision)
  const visits = plan(machine, block, batch)
  const total = tokens * (perToken + 1)

  for (const { expert, first, count } of visits) {
    const source = roundsInputs(machine, expert.gate) ? floats.rounded : floats.input
    for (let visit = first; visit < first + count; visit++) {
      const from = visitTokens[visit]! * hiddenSize
      floats.visitors.set(source.subarray(from, from + hiddenSize), visit * hiddenSize)
    }
  }
  inputs.visitors.load(floats.visitors, total)
  kernels.stage(() => {
    for (const { expert, first, count } of visits) {
      const at = first * innerSize
      kernels.multiply(
        expert.gate.placed,
        inputs.visitors,
        floats.gate.subarray(at),
        precision,
        innerSize,
        first,
        count,
      )
      kernels.multiply(expert.up.placed, inputs.visitors, floats.up.subarray(at), precision, innerSize, first, count)
    }
  })
  kernels.gate(floats.gate, floats.up, total, innerSize, floats.visitWeights, clampLimit)
  kernels.stage(() => {
    for (const { expert, first, count } of visits)
      if (roundsInputs(machine, expert.down))
        roundActivations(machine, floats.gate.subarray(first * innerSize), count, innerSize)
  })
  inputs.inner.load(floats.gate, total)
  kernels.stage(() => {
    for (const { expert, first, count } of visits) {
      const out = floats.expertOutputs.subarray(first * hiddenSize)
      kernels.multiply(expert.down.placed, inputs.inner, out, precision, hiddenSize, first, count)
    }
  })
  floats.output.fill(0, 0, tokens * hiddenSize)
  kernels.addRows(floats.output, floats.expertOutputs, hiddenSize, visitTokens, total)
}

/** Routes every token and lays out the visits in `visitTokens` and `visitWeights`. */
function plan({ config, workspace }: Machine, block: PlacedBlock, { tokens, ids }: Batch): Visits[] {
  const { routed, perToken, routeScale } = config.experts
  const { routerLogits, visitWeights } = workspace.floats
  const { bias, expertsOfToken } = block.router
  const byExpert = new Map<number, { readonly token: number; readonly weight: number }[]>()
  const scores = new Float64Array(routed)
  const biased = new Float64Array(routed)
  for (let token = 0; token < tokens; token++) {
    for (let expert = 0; expert < routed; expert++) {
      const logit = routerLogits[token * routed + expert]!
      scores[expert] = Math.sqrt(Math.max(logit, 0) + Math.log1p(Math.exp(-Math.abs(logit))))
      biased[expert] = scores[expert]! + (bias?.[expert] ?? 0)
    }
    const id = ids[token]!
    const chosen =
      expertsOfToken === null
        ? bestOf(biased, perToken)
        : expertsOfToken.slice(id * perToken, (id + 1) * perToken).sort()
    // Scores can underflow to exactly zero together.
    let sum = 1e-20
    for (const expert of chosen) sum += scores[expert]!
    for (const expert of chosen) {
      const visit = { token, weight: (scores[expert]! / sum) * routeScale }
      const list = byExpert.get(expert)
      if (list === undefined) byExpert.set(expert, [visit])
      else list.push(visit)
    }
  }
  const visits: Visits[] = []
  let first = 0
  const add = (expert: PlacedExpert, list: readonly { readonly token: number; readonly weight: number }[]): void => {
    visits.push({ expert, first, count: list.length })
    for (const { token, weight } of list) {
      workspace.visitTokens[first] = token
      visitWeights[first++] = weight
    }
  }
  for (const [expert, list] of [...byExpert].sort(([one], [other]) => one - other)) add(block.experts[expert]!, list)
  add(
    block.sharedExpert,
    Array.from({ length: tokens }, (_, token) => ({ token, weight: 1 })),
  )
  return visits
}

/** Indices of the `count` largest, ascending; of equal ones the first. */
function bestOf(scores: Float64Array, count: number): Int32Array {
  const taken = new Int32Array(count)
  for (let place = 0; place < count; place++) {
    let best = -1
    for (let at = 0; at < scores.length; at++)
      if ((best < 0 || scores[at]! > scores[best]!) && !taken.subarray(0, place).includes(at)) best = at
    taken[place] = best
  }
  return taken.sort()
}
