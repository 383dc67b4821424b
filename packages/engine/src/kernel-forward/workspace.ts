/**
 * Memory of one pass: everything that is computed for up to `tokens` tokens and forgotten afterwards.
 */
import type { Inputs, Kernels } from '@portolan/kernels'
import type { ModelConfig } from '@portolan/model'

/** Tokens whose logits are computed together. */
export const headTokens = 16

function floatLengths(config: ModelConfig, tokens: number) {
  const { hiddenSize, vocabSize } = config
  const { heads, headDim, ropeDim, queryRank, outputGroups, outputRank } = config.attention
  const { streams } = config.hyperConnections
  const { routed, perToken, innerSize } = config.experts
  const { heads: indexHeads, dim: indexDim } = config.indexer
  const visits = tokens * (perToken + 1)
  return {
    streams: tokens * streams * hiddenSize,
    mix: tokens * (2 + streams) * streams,
    pre: tokens * streams,
    post: tokens * streams,
    comb: tokens * streams * streams,
    input: tokens * hiddenSize,
    rounded: tokens * hiddenSize,
    output: tokens * hiddenSize,
    lowRank: tokens * queryRank,
    lowRankRounded: tokens * queryRank,
    queries: tokens * heads * headDim,
    attended: tokens * heads * headDim,
    byGroup: tokens * heads * headDim,
    middle: tokens * outputGroups * outputRank,
    keyValue: tokens * headDim,
    packedRows: tokens * headDim,
    values: tokens * 2 * headDim,
    gates: tokens * 2 * headDim,
    pooled: tokens * headDim,
    indexValues: tokens * 2 * indexDim,
    indexGates: tokens * 2 * indexDim,
    indexPooled: tokens * indexDim,
    indexQueries: tokens * indexHeads * indexDim,
    packedQueries: tokens * indexHeads * indexDim,
    indexWeights: tokens * indexHeads,
    plainTable: tokens * ropeDim,
    compressedTable: tokens * ropeDim,
    rowTable: tokens * ropeDim,
    routerLogits: tokens * routed,
    visitors: visits * hiddenSize,
    visitWeights: visits,
    gate: visits * innerSize,
    up: visits * innerSize,
    expertOutputs: visits * hiddenSize,
    headStreams: headTokens * streams * hiddenSize,
    headMix: headTokens * streams,
    headInput: headTokens * hiddenSize,
    logits: headTokens * vocabSize,
  }
}

function inputShapes(config: ModelConfig, tokens: number) {
  const { hiddenSize } = config
  const { heads, headDim, queryRank, outputGroups, outputRank } = config.attention
  const { perToken, innerSize } = config.experts
  const visits = tokens * (perToken + 1)
  return {
    streams: [config.hyperConnections.streams * hiddenSize, tokens],
    exact: [hiddenSize, tokens],
    rounded: [hiddenSize, tokens],
    lowRank: [queryRank, tokens],
    lowRankRounded: [queryRank, tokens],
    groups: [(heads / outputGroups) * headDim, tokens * outputGroups],
    middle: [outputGroups * outputRank, tokens],
    visitors: [hiddenSize, visits],
    inner: [innerSize, visits],
    head: [hiddenSize, headTokens],
  } satisfies Record<string, [columns: number, tokens: number]>
}

type Named<Keys extends string, Value> = Readonly<Record<Keys, Value>>

export interface Workspace {
  readonly tokens: number
  readonly floats: Named<keyof ReturnType<typeof floatLengths>, Float32Array>
  readonly inputs: Named<keyof ReturnType<typeof inputShapes>, Inputs>
  readonly rowAddresses: Int32Array
  readonly indexAddresses: Int32Array
  readonly visitTokens: Int32Array
}

/** A little more than `makeWorkspace` takes. */
export function workspaceBytes(config: ModelConfig, tokens: number): number {
  let bytes = 2 ** 20
  for (const length of Object.values(floatLengths(config, tokens))) bytes += length * 4 + 64
  for (const [columns, count] of Object.values(inputShapes(config, tokens)))
    bytes += (Math.ceil(columns / 128) * 128 * 11 + 64) * count
  return bytes
}

export function makeWorkspace(kernels: Kernels, config: ModelConfig, tokens: number): Workspace {
  const { arena } = kernels
  const mapped = <From, To>(from: Record<string, From>, make: (value: From) => To): Record<string, To> =>
    Object.fromEntries(Object.entries(from).map(([name, value]) => [name, make(value)]))
  return {
    tokens,
    floats: mapped(floatLengths(config, tokens), (length) => arena.floats(length)) as Workspace['floats'],
    inputs: mapped<[number, number], Inputs>(inputShapes(config, tokens), ([columns, count]) =>
      kernels.inputs(columns, count),
    ) as Workspace['inputs'],
    rowAddresses: arena.integers(tokens),
    indexAddresses: arena.integers(tokens),
    visitTokens: arena.integers(tokens * (config.experts.perToken + 1)),
  }
}
