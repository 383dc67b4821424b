/**
 * Residual streams around each sub-layer: mixing weights from all of them, collapse into its input, and the way
 * back of its output.
 */
import { roundActivations, type Machine } from './pass.ts'
import type { PlacedSite } from './placed-weights.ts'

function sigmoid(value: number): number {
  return 1 / (1 + Math.exp(-value))
}

function inverseRms(values: Float32Array, from: number, length: number, epsilon: number): number {
  let one = 0
  let two = 0
  for (let at = from; at < from + length; at += 2) {
    one += values[at]! * values[at]!
    two += values[at + 1]! * values[at + 1]!
  }
  return 1 / Math.sqrt((one + two) / length + epsilon)
}

/** Input of a sub-layer in `input`, normalised; `post` and `comb` for the way back. */
export function readStreams(machine: Machine, tokens: number, site: PlacedSite, norm: Float32Array): void {
  const { kernels, config, workspace } = machine
  const { streams, mix, pre, post, comb, input } = workspace.floats
  const { hiddenSize, normEpsilon } = config
  const { streams: count, epsilon, sinkhornIterations } = config.hyperConnections
  const width = count * hiddenSize
  workspace.inputs.streams.load(streams, tokens)
  kernels.multiply(site.fn, workspace.inputs.streams, mix, 'exact')
  const [preScale = 0, postScale = 0, combScale = 0] = site.scale
  for (let token = 0; token < tokens; token++) {
    const factor = inverseRms(streams, token * width, width, normEpsilon)
    const from = token * (2 + count) * count
    for (let stream = 0; stream < count; stream++) {
      pre[token * count + stream] = sigmoid(mix[from + stream]! * factor * preScale + site.base[stream]!) + epsilon
      post[token * count + stream] =
        2 * sigmoid(mix[from + count + stream]! * factor * postScale + site.base[count + stream]!)
    }
    for (let at = 0; at < count * count; at++)
      comb[token * count * count + at] = mix[from + 2 * count + at]! * factor * combScale + site.base[2 * count + at]!
  }
  kernels.stage(() => {
    kernels.sinkhorn(comb, tokens, count, sinkhornIterations, epsilon)
    kernels.collapse(streams, pre, input, tokens, count, hiddenSize)
  })
  kernels.normalise(input, tokens, hiddenSize, norm, normEpsilon)
}

/** The streams after a sub-layer whose result is in `output`. */
export function writeStreams({ kernels, config, workspace }: Machine, tokens: number): void {
  const { streams, output, post, comb } = workspace.floats
  kernels.spread(streams, output, post, comb, tokens, config.hyperConnections.streams, config.hiddenSize)
}

/** Makes `input` ready for linears, as it is and, when one of them wants it, rounded. */
export function loadInput(machine: Machine, tokens: number, wantsRounded: boolean): void {
  const { workspace, config } = machine
  const { input, rounded } = workspace.floats
  workspace.inputs.exact.load(input, tokens)
  if (!wantsRounded) return
  const length = tokens * config.hiddenSize
  rounded.set(input.subarray(0, length))
  roundActivations(machine, rounded, tokens, config.hiddenSize)
  workspace.inputs.rounded.load(rounded, tokens)
}

/** Final collapse of `count` tokens in `headStreams`, normalised, in `headInput`. */
export function collapseForHead(machine: Machine, count: number, site: PlacedSite, norm: Float32Array): void {
  const { kernels, config, workspace } = machine
  const { headStreams, headMix, headInput } = workspace.floats
  const { hiddenSize, normEpsilon } = config
  const { streams, epsilon } = config.hyperConnections
  workspace.inputs.streams.load(headStreams, count)
  kernels.multiply(site.fn, workspace.inputs.streams, headMix, 'exact')
  for (let token = 0; token < count; token++) {
    const factor = inverseRms(headStreams, token * streams * hiddenSize, streams * hiddenSize, normEpsilon)
    for (let stream = 0; stream < streams; stream++) {
      const at = token * streams + stream
      headMix[at] = sigmoid(headMix[at]! * factor * site.scale[0]! + site.base[stream]!) + epsilon
    }
  }
  kernels.collapse(headStreams, headMix, headInput, count, streams, hiddenSize)
  kernels.normalise(headInput, count, hiddenSize, norm, normEpsilon)
}
