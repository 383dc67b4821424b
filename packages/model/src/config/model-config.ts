/**
 * The shape of one V4 model, in our words: sizes, schedules as data, number formats.
 *
 * Everything that differs from layer to layer is a `LayerPlan`, decided once when the configuration is
 * read. The forward pass, the tensor plan and the efficiency figures ask the plan and never the ratio, so
 * a successor that shares compressors or selections between layers is another schedule, not another graph.
 */

/**
 * How a layer sees the past beyond its window.
 * `window` sees nothing more (SWA); `sparse` attends the best few of many lightly compressed rows (CSA);
 * `heavy` attends every row of a strong compression (HCA).
 */
export type AttentionKind = 'window' | 'sparse' | 'heavy'

export interface CompressorPlan {
  /** Tokens pooled into one row, `m` in the paper. */
  readonly ratio: number
  /** True when a row also pools the previous group of tokens through a second stream of channels. */
  readonly overlaps: boolean
  /** Layer whose compressor produces the rows: always the layer itself in V4. */
  readonly owner: number
}

export interface LayerPlan {
  readonly index: number
  readonly attention: AttentionKind
  /** Null for `window` layers. */
  readonly compressor: CompressorPlan | null
  /** Layer whose indexer selects the rows; null where there is nothing to select. Always the layer itself in V4. */
  readonly selectionOwner: number | null
  readonly rope: 'plain' | 'compressed'
  readonly router: 'hash' | 'scored'
}

/** YaRN stretch of a rotary base. There is no magnitude factor: attention is not rescaled. */
export interface YarnStretch {
  readonly factor: number
  readonly originalPositions: number
  readonly betaFast: number
  readonly betaSlow: number
}

export interface RopeSet {
  readonly base: number
  readonly yarn: YarnStretch | null
}

export interface ModelConfig {
  readonly modelType: string
  readonly vocabSize: number
  /** Width of one residual stream, `D`. */
  readonly hiddenSize: number
  readonly maximumPositions: number
  readonly normEpsilon: number
  readonly bosTokenId: number
  readonly eosTokenId: number

  readonly layers: readonly LayerPlan[]
  /** Plans of the multi-token-prediction blocks, which follow the main layers. */
  readonly mtpLayers: readonly LayerPlan[]

  readonly attention: {
    readonly heads: number
    /** Width of the one shared key = value row, `d`; its last `ropeDim` dimensions rotate. */
    readonly headDim: number
    readonly ropeDim: number
    readonly queryRank: number
    readonly outputGroups: number
    readonly outputRank: number
    readonly windowTokens: number
  }
  readonly indexer: { readonly heads: number; readonly dim: number; readonly topK: number }
  readonly rope: { readonly plain: RopeSet; readonly compressed: RopeSet }
  readonly experts: {
    readonly routed: number
    readonly perToken: number
    readonly innerSize: number
    /** Factor on the normalised routing weights. */
    readonly routeScale: number
    /** SwiGLU clamp: gate above, value on both sides. */
    readonly clampLimit: number
  }
  readonly hyperConnections: {
    /** Parallel residual streams, `C`. */
    readonly streams: number
    readonly sinkhornIterations: number
    readonly epsilon: number
  }
  /** Rows and columns of one FP8 weight scale block. */
  readonly weightBlock: readonly [rows: number, columns: number]

  /** The configuration object as it was read, unknown fields included; written back unchanged. */
  readonly source: Readonly<Record<string, unknown>>
}

/** Dimensions of a row that do not rotate. */
export function plainDims(config: ModelConfig): number {
  return config.attention.headDim - config.attention.ropeDim
}

/** Mixing logits of one hyper-connection site: pre, post and a full stream-by-stream matrix. */
export function mixSize(streams: number): number {
  return (2 + streams) * streams
}
