/**
 * The weights of a model in the kernels' memory, in the number formats of the checkpoint.
 *
 * Matrices are laid out in panels there; the checkpoint's own arrays can go once this has run. The embedding
 * stays outside: a token reads one row of it.
 */
import type { Kernels, PlacedMatrix } from '@portolan/kernels'
import { decodeMatrix, type Matrix, type ModelConfig, type ModelWeights } from '@portolan/model'
import { EngineError } from '../errors.ts'

type Block = ModelWeights['blocks'][number]
type StoredExpert = Block['sharedExpert']

/** A matrix, and whether the official code rounds its inputs to E4M3: when its weights are stored quantised. */
export interface Linear {
  readonly placed: PlacedMatrix
  readonly isQuantised: boolean
}

export interface PlacedSite {
  readonly fn: PlacedMatrix
  readonly base: Float32Array
  readonly scale: Float32Array
}

export interface PlacedCompressor {
  readonly values: PlacedMatrix
  readonly gates: PlacedMatrix
  readonly bias: Float32Array
  readonly norm: Float32Array
}

export interface PlacedExpert {
  readonly gate: Linear
  readonly up: Linear
  readonly down: Linear
}

export interface PlacedBlock {
  readonly plan: Block['plan']
  readonly attentionSite: PlacedSite
  readonly attentionNorm: Float32Array
  readonly queryDown: Linear
  readonly queryNorm: Float32Array
  readonly queryUp: Linear
  readonly keyValue: Linear
  readonly keyValueNorm: Float32Array
  readonly sinks: Float32Array
  /** One matrix per group of heads. */
  readonly outputDown: readonly PlacedMatrix[]
  readonly outputUp: Linear
  readonly compressor: PlacedCompressor | null
  readonly indexer: {
    readonly queries: Linear
    readonly headWeights: PlacedMatrix
    readonly compressor: PlacedCompressor
  } | null
  readonly expertSite: PlacedSite
  readonly expertNorm: Float32Array
  readonly router: {
    readonly gate: PlacedMatrix
    readonly bias: Float32Array | null
    readonly expertsOfToken: Int32Array | null
  }
  readonly experts: readonly PlacedExpert[]
  readonly sharedExpert: PlacedExpert
}

export interface PlacedWeights {
  readonly blocks: readonly PlacedBlock[]
  readonly head: { readonly collapse: PlacedSite; readonly norm: Float32Array }
  readonly logits: PlacedMatrix
  /** Bytes of all matrices as kernels read them. */
  readonly bytes: number
  /** Of these, what one token alone reads: everything but the experts that it does not visit. */
  readonly bytesPerToken: number
}

export function placeWeights(kernels: Kernels, weights: ModelWeights): PlacedWeights {
  let bytes = 0
  const place = (matrix: Matrix): PlacedMatrix => {
    if (matrix.format === 'shape-only')
      throw new EngineError('ENGINE_FAILED', 'A matrix without numbers cannot be multiplied.')
    const placed = kernels.place(matrix)
    bytes += placed.bytes
    return placed
  }
  const linear = (matrix: Matrix): Linear => ({
    placed: place(matrix),
    isQuantised: matrix.format === 'fp8' || matrix.format === 'fp4',
  })
  const vector = (values: Float32Array): Float32Array => {
    const placed = kernels.arena.floats(values.length)
    placed.set(values)
    return placed
  }
  const site = ({ fn, base, scale }: Block['attentionSite']): PlacedSite => ({ fn: place(fn), base, scale })
  const compressor = (from: NonNullable<Block['attention']['compressor']>): PlacedCompressor => ({
    values: place(from.values),
    gates: place(from.gates),
    bias: vector(from.positionBias),
    norm: vector(from.norm),
  })
  const expert = ({ gate, up, down }: StoredExpert): PlacedExpert => ({
    gate: linear(gate),
    up: linear(up),
    down: linear(down),
  })
  const blocks = weights.blocks.map(({ plan, attention, router, ...block }): PlacedBlock => ({
    plan,
    attentionSite: site(block.attentionSite),
    attentionNorm: vector(block.attentionNorm),
    queryDown: linear(attention.queryDown),
    queryNorm: vector(attention.queryNorm),
    queryUp: linear(attention.queryUp),
    keyValue: linear(attention.keyValue),
    keyValueNorm: vector(attention.keyValueNorm),
    sinks: vector(attention.sinks),
    outputDown: outputGroups(attention.outputDown, weights.config).map(place),
    outputUp: linear(attention.outputUp),
    compressor: attention.compressor && compressor(attention.compressor),
    indexer: attention.indexer && {
      queries: linear(attention.indexer.queries),
      headWeights: place(attention.indexer.headWeights),
      compressor: compressor(attention.indexer.compressor),
    },
    expertSite: site(block.expertSite),
    expertNorm: vector(block.expertNorm),
    router: { gate: place(router.gate), bias: router.bias, expertsOfToken: router.expertsOfToken },
    experts: Array.from({ length: weights.config.experts.routed }, (_, at) => expert(block.expertAt(at))),
    sharedExpert: expert(block.sharedExpert),
  }))
  const head = { collapse: site(weights.head.collapse), norm: vector(weights.head.norm) }
  const logits = place(weights.logits)
  const { routed, perToken } = weights.config.experts
  const expertBytes = blocks.flatMap(({ experts }) =>
    experts.flatMap(({ gate, up, down }) => [gate, up, down].map(({ placed }) => placed.bytes)),
  )
  const idle = expertBytes.reduce((sum, each) => sum + each, 0) * (1 - perToken / routed)
  return { blocks, head, logits, bytes, bytesPerToken: bytes - idle }
}

/** The rows of each group of heads as a matrix of their own, in stored precision where scale blocks allow. */
function outputGroups(matrix: Matrix, config: ModelConfig): Matrix[] {
  const { outputGroups: groups } = config.attention
  const rows = matrix.rows / groups
  const { columns } = matrix
  const cut = <T extends Float32Array | Uint16Array | Uint8Array>(array: T, from: number, length: number): T =>
    array.subarray(from * length, (from + 1) * length) as T
  return Array.from({ length: groups }, (_, group): Matrix => {
    const first = group * rows
    switch (matrix.format) {
      case 'bf16':
        return { format: 'bf16', rows, columns, codes: cut(matrix.codes, group, rows * columns) }
      case 'fp8': {
        const [blockRows, blockColumns] = matrix.block
        const perRow = Math.ceil(columns / blockColumns)
        const from = Math.floor(first / blockRows)
        const to = Math.ceil((first + rows) / blockRows)
        // A group begins where scales begin, or lies within one row of scales.
        if (first % blockRows !== 0 && to - from > 1) break
        const codes = cut(matrix.codes, group, rows * columns)
        return { ...matrix, rows, codes, scales: matrix.scales.subarray(from * perRow, to * perRow) }
      }
      case 'fp4': {
        const codes = cut(matrix.codes, group, (rows * columns) / 2)
        return { format: 'fp4', rows, columns, codes, scales: cut(matrix.scales, group, (rows * columns) / 32) }
      }
    }
    return { format: 'f32', rows, columns, values: cut(decodeMatrix(matrix), group, rows * columns) }
  })
}
