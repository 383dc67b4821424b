/**
 * The attention sub-layer of one layer for a batch of any sequences, over rows in the kernels' memory.
 *
 * Rows of the batch's own tokens lie beside the window ring until every token has attended, because an early
 * token of a long piece still needs what a late one overwrites. Compressed rows are appended first; each token
 * sees only those whose group is complete at its position. Result in `output`.
 */
import type { Inputs } from '@portolan/kernels'
import { roundActivations, roundsInputs, type Batch, type Machine } from './pass.ts'
import type { Linear, PlacedBlock, PlacedCompressor } from './placed-weights.ts'
import type { KernelSequence, LayerLayout, RowKind } from './sequence-memory.ts'
import { loadInput } from './streams.ts'

/** Width of the blocks in which cache rows share a scale. */
const cacheRowBlock = 64
/** Scores that may lie in memory at once. */
const scoresAtOnce = 4 * 2 ** 20
/** Rows that the indexer takes at once. */
const indexTileRows = 16

export function attend(machine: Machine, block: PlacedBlock, layerAt: number, batch: Batch): void {
  const { kernels, config, workspace, precision, bytes } = machine
  const { floats, inputs } = workspace
  const { tokens } = batch
  const { heads, headDim, ropeDim, queryRank, outputRank, windowTokens } = config.attention
  const { plan, compressor, indexer } = block
  const plain = headDim - ropeDim
  const { layout } = batch.pieces[0]!.sequence
  const layer = layout.layers[layerAt]!
  const table = plan.rope === 'plain' ? floats.plainTable : floats.compressedTable

  const roundsDown = roundsInputs(machine, block.queryDown)
  const roundsKeys = roundsInputs(machine, block.keyValue)
  loadInput(machine, tokens, roundsDown || roundsKeys)
  kernels.stage(() => {
    kernels.multiply(block.queryDown.placed, roundsDown ? inputs.rounded : inputs.exact, floats.lowRank, precision)
    kernels.multiply(block.keyValue.placed, roundsKeys ? inputs.rounded : inputs.exact, floats.keyValue, precision)
    if (compressor !== null) {
      kernels.multiply(compressor.values, inputs.exact, floats.values, precision)
      kernels.multiply(compressor.gates, inputs.exact, floats.gates, precision)
    }
    if (indexer !== null) {
      kernels.multiply(indexer.compressor.values, inputs.exact, floats.indexValues, precision)
      kernels.multiply(indexer.compressor.gates, inputs.exact, floats.indexGates, precision)
      kernels.multiply(indexer.headWeights, inputs.exact, floats.indexWeights, precision)
    }
  })
  kernels.stage(() => {
    kernels.normalise(floats.lowRank, tokens, queryRank, block.queryNorm, config.normEpsilon)
    kernels.normalise(floats.keyValue, tokens, headDim, block.keyValueNorm, config.normEpsilon)
  })
  const lowRankFor = prepareLowRank(machine, tokens, [block.queryUp, ...(indexer === null ? [] : [indexer.queries])])
  kernels.stage(() => {
    kernels.multiply(block.queryUp.placed, lowRankFor(block.queryUp), floats.queries, precision)
    if (indexer !== null)
      kernels.multiply(indexer.queries.placed, lowRankFor(indexer.queries), floats.indexQueries, precision)
    kernels.rotate(floats.keyValue, tokens, headDim, plain, ropeDim, table, 1, 1)
  })
  kernels.normalise(floats.queries, tokens * heads, headDim, null, config.normEpsilon)
  kernels.rotate(floats.queries, tokens * heads, headDim, plain, ropeDim, table, heads, 1)

  const freshAt = storeFreshRows(machine, tokens, layout.isPacked, layout.rowBytes)
  if (compressor !== null && layer.compressed !== null) {
    appendRows(machine, compressor, layer.compressed, batch, plan.rope, floats.values, floats.gates, floats.pooled)
    if (indexer !== null && layer.index !== null)
      appendRows(
        machine,
        indexer.compressor,
        layer.index,
        batch,
        plan.rope,
        floats.indexValues,
        floats.indexGates,
        floats.indexPooled,
      )
  }

  const mark = kernels.arena.mark()
  const selected = layer.index === null ? null : selectRows(machine, layer.index, batch, table)
  const { rows, ends } = listRows(machine, layer, batch, selected, freshAt, layout.rowBytes)
  kernels.attend(
    floats.queries,
    tokens,
    heads,
    headDim,
    layout.isPacked ? ropeDim : 0,
    rows,
    ends,
    block.sinks,
    floats.attended,
  )
  kernels.arena.release(mark)
  kernels.rotate(floats.attended, tokens * heads, headDim, plain, ropeDim, table, heads, -1)

  for (const { sequence, start, from, tokens: count } of batch.pieces) {
    const ring = sequence.fixedAt + layer.windowAt
    for (let at = Math.max(0, count - windowTokens); at < count; at++) {
      const row = freshAt + (from + at) * layout.rowBytes
      bytes.copyWithin(ring + ((start + at) % windowTokens) * layout.rowBytes, row, row + layout.rowBytes)
    }
  }

  // Each group of heads goes through a matrix of its own, inputs exact; then all groups together.
  const groups = block.outputDown.length
  const groupWidth = (heads / groups) * headDim
  const byGroup = tokens === 1 ? floats.attended : floats.byGroup
  if (tokens > 1) {
    for (let token = 0; token < tokens; token++)
      for (let group = 0; group < groups; group++) {
        const at = (token * groups + group) * groupWidth
        byGroup.set(floats.attended.subarray(at, at + groupWidth), (group * tokens + token) * groupWidth)
      }
  }
  inputs.groups.load(byGroup, tokens * groups)
  kernels.stage(() => {
    for (const [group, matrix] of block.outputDown.entries()) {
      const out = floats.middle.subarray(group * outputRank)
      kernels.multiply(matrix, inputs.groups, out, precision, groups * outputRank, group * tokens, tokens)
    }
  })
  if (roundsInputs(machine, block.outputUp)) roundActivations(machine, floats.middle, tokens, groups * outputRank)
  inputs.middle.load(floats.middle, tokens)
  kernels.multiply(block.outputUp.placed, inputs.middle, floats.output, precision)
}

/** Loads the low-rank queries as they are and rounded, as far as the linears need; says which to use. */
function prepareLowRank(machine: Machine, tokens: number, linears: readonly Linear[]): (linear: Linear) => Inputs {
  const { workspace, config } = machine
  const { lowRank, lowRankRounded } = workspace.floats
  const { queryRank } = config.attention
  workspace.inputs.lowRank.load(lowRank, tokens)
  if (linears.some((linear) => roundsInputs(machine, linear))) {
    lowRankRounded.set(lowRank.subarray(0, tokens * queryRank))
    roundActivations(machine, lowRankRounded, tokens, queryRank)
    workspace.inputs.lowRankRounded.load(lowRankRounded, tokens)
  }
  return (linear) => (roundsInputs(machine, linear) ? workspace.inputs.lowRankRounded : workspace.inputs.lowRank)
}

/** Rounds the rows of the batch's own tokens and lays them out as the cache does; returns the first one's address. */
function storeFreshRows(machine: Machine, tokens: number, isPacked: boolean, rowBytes: number): number {
  const { kernels, config, workspace } = machine
  const { headDim, ropeDim } = config.attention
  const { keyValue, packedRows } = workspace.floats
  if (!isPacked) {
    roundFloatRows(machine, keyValue, tokens)
    return keyValue.byteOffset
  }
  for (let token = 0; token < tokens; token++) workspace.rowAddresses[token] = packedRows.byteOffset + token * rowBytes
  kernels.packAttention(keyValue, tokens, headDim, ropeDim, workspace.rowAddresses)
  return packedRows.byteOffset
}

const word = new Float32Array(1)
const pattern = new Uint32Array(word.buffer)

/** What packing would lose, lost by rows that stay f32. */
function roundFloatRows({ kernels, config, mode }: Machine, values: Float32Array, rows: number): void {
  const { headDim, ropeDim } = config.attention
  if (mode.cacheRows) kernels.round(values, rows, headDim, 0, headDim - ropeDim, cacheRowBlock)
  if (!mode.rotatingDims) return
  for (let row = 0; row < rows; row++)
    for (let at = (row + 1) * headDim - ropeDim; at < (row + 1) * headDim; at++) {
      word[0] = values[at]!
      pattern[0] = (pattern[0]! + 0x7fff + ((pattern[0]! >>> 16) & 1)) & 0xffff_0000
      values[at] = word[0]
    }
}

/** Feeds the batch to a compressor and appends the rows of completed groups to each sequence. */
function appendRows(
  machine: Machine,
  weights: PlacedCompressor,
  kind: RowKind,
  batch: Batch,
  rope: 'plain' | 'compressed',
  values: Float32Array,
  gates: Float32Array,
  pooled: Float32Array,
): void {
  const { kernels, config, workspace, bytes } = machine
  const { isIndex, ratio, overlaps, rowDims, rowBytes } = kind
  const { ropeDim } = config.attention
  const width = overlaps ? 2 * rowDims : rowDims
  let count = 0
  kernels.stage(() => {
    for (const { sequence, start, from, tokens } of batch.pieces) {
      const inputs = [values.subarray(from * width), gates.subarray(from * width)] as const
      const group = { ratio, overlaps, rowDims }
      kernels.pool(...inputs, sequence.open(kind), weights.bias, group, start, tokens, pooled.subarray(count * rowDims))
      for (let row = Math.floor(start / ratio); row < Math.floor((start + tokens) / ratio); row++, count++) {
        workspace.indexAddresses[count] = sequence.rowAddress(kind, row)
        machine.rotation(rope, row * ratio, workspace.floats.rowTable, count * ropeDim)
      }
    }
  })
  if (count === 0) return
  kernels.normalise(pooled, count, rowDims, weights.norm, config.normEpsilon)
  kernels.rotate(pooled, count, rowDims, rowDims - ropeDim, ropeDim, workspace.floats.rowTable, 1, 1)
  if (isIndex) kernels.transform(pooled, count, rowDims)
  else if (!kind.isPacked) roundFloatRows(machine, pooled, count)
  if (kind.isPacked) {
    if (isIndex) kernels.packIndex(pooled, count, rowDims, workspace.indexAddresses)
    else kernels.packAttention(pooled, count, rowDims, ropeDim, workspace.indexAddresses)
    return
  }
  for (let row = 0; row < count; row++) {
    const at = pooled.byteOffset + row * rowBytes
    bytes.copyWithin(workspace.indexAddresses[row]! >>> 0, at, at + rowBytes)
  }
}

/** Rows that each token attends among the compressed ones, ascending; null where it attends all that it sees. */
type Selection = readonly (Int32Array | null)[]

function selectRows(machine: Machine, kind: RowKind, batch: Batch, table: Float32Array): Selection {
  const { kernels, config, workspace, mode } = machine
  const { indexQueries, indexWeights, packedQueries } = workspace.floats
  const { heads, dim, topK } = config.indexer
  const { ropeDim } = config.attention
  const { tokens, positions } = batch
  const selection: (Int32Array | null)[] = Array.from({ length: tokens }, () => null)
  const visible = Array.from(positions, (position) => Math.floor((position + 1) / kind.ratio))
  if (visible.every((rows) => rows <= topK)) return selection

  kernels.rotate(indexQueries, tokens * heads, dim, dim - ropeDim, ropeDim, table, heads, 1)
  kernels.transform(indexQueries, tokens * heads, dim)
  const factor = dim ** -0.5 * heads ** -0.5
  for (let at = 0; at < tokens * heads; at++) indexWeights[at] = indexWeights[at]! * factor
  const queryBytes = heads * (dim / 2 + dim / 32)
  const queries = new Uint8Array(packedQueries.buffer, packedQueries.byteOffset, tokens * queryBytes)
  if (mode.indexVectors) kernels.packIndex(indexQueries, tokens * heads, dim, queries)

  for (const piece of batch.pieces) {
    const last = piece.from + piece.tokens
    const { rows, pageRows } = listIndexRows(machine, piece.sequence, kind, visible[last - 1]!)
    for (let token = piece.from; token < last;) {
      const mark = kernels.arena.mark()
      // Chosen rows are copied out, so that scores of a few tokens at a time are enough memory.
      const scored: { readonly token: number; readonly scores: Float32Array; readonly best: Int32Array }[] = []
      for (let room = scoresAtOnce; token < last && (scored.length === 0 || room >= visible[token]!); token++) {
        if (visible[token]! <= topK) continue
        room -= visible[token]!
        scored.push({ token, scores: kernels.arena.floats(visible[token]!), best: kernels.arena.integers(topK) })
      }
      kernels.stage(() => {
        for (const { token: at, scores } of scored) {
          const weights = indexWeights.subarray(at * heads, (at + 1) * heads)
          if (mode.indexVectors)
            kernels.indexScores(
              queries.subarray(at * queryBytes),
              weights,
              heads,
              dim,
              rows,
              scores.length,
              scores,
              pageRows,
            )
          else
            scoreFloatRows(indexQueries.subarray(at * heads * dim), weights, dim, piece.sequence, kind, machine, scores)
        }
      })
      kernels.stage(() => {
        for (const { scores, best } of scored) kernels.chooseBest(scores, scores.length, topK, best)
      })
      for (const { token: at, best } of scored) selection[at] = Int32Array.from(best)
      kernels.arena.release(mark)
    }
  }
  return selection
}

/** Rows for the indexer: by block where blocks are alike and whole tiles of it, else one by one. From the arena. */
function listIndexRows(
  { kernels }: Machine,
  sequence: KernelSequence,
  kind: RowKind,
  count: number,
): { readonly rows: Int32Array; readonly pageRows: number } {
  const { blockRows, blockAt } = kind
  if (blockRows !== null && blockRows % indexTileRows === 0) {
    const rows = kernels.arena.integers(Math.ceil(count / blockRows))
    for (let block = 0; block < rows.length; block++) rows[block] = sequence.blocks[block]!.at + blockAt
    return { rows, pageRows: blockRows }
  }
  const rows = kernels.arena.integers(count)
  sequence.listRows(kind, count, rows, 0)
  return { rows, pageRows: 0 }
}

/** Scores of rows that were never rounded: for comparison with unrounded arithmetic, not for speed. */
function scoreFloatRows(
  queries: Float32Array,
  weights: Float32Array,
  dim: number,
  sequence: KernelSequence,
  kind: RowKind,
  { bytes }: Machine,
  scores: Float32Array,
): void {
  for (let row = 0; row < scores.length; row++) {
    const values = new Float32Array(bytes.buffer, sequence.rowAddress(kind, row), dim)
    let score = 0
    for (let head = 0; head < weights.length; head++) {
      let product = 0
      for (let at = 0; at < dim; at++) product += queries[head * dim + at]! * values[at]!
      if (product > 0) score += weights[head]! * product
    }
    scores[row] = score
  }
}

/** Addresses of everything that each token attends: its window, then compressed rows. Taken from the arena. */
function listRows(
  { kernels }: Machine,
  { windowAt, compressed }: LayerLayout,
  batch: Batch,
  selection: Selection | null,
  freshAt: number,
  rowBytes: number,
): { readonly rows: Int32Array; readonly ends: Int32Array } {
  const { windowTokens } = batch.pieces[0]!.sequence.layout
  const { positions } = batch
  const countOf = (token: number): number => {
    const position = positions[token]!
    const visible = compressed === null ? 0 : Math.floor((position + 1) / compressed.ratio)
    return Math.min(windowTokens, position + 1) + (selection?.[token]?.length ?? visible)
  }
  const ends = kernels.arena.integers(batch.tokens)
  for (let token = 0, end = 0; token < batch.tokens; token++) ends[token] = end += countOf(token)
  const rows = kernels.arena.integers(ends[batch.tokens - 1]!)
  let out = 0
  for (const { sequence, start, from, tokens } of batch.pieces) {
    const ring = sequence.fixedAt + windowAt
    for (let token = from; token < from + tokens; token++) {
      const position = positions[token]!
      for (let at = Math.max(0, position - windowTokens + 1); at <= position; at++)
        rows[out++] = at < start ? ring + (at % windowTokens) * rowBytes : freshAt + (from + at - start) * rowBytes
      if (compressed === null) continue
      const chosen = selection?.[token] ?? null
      const count = chosen?.length ?? Math.floor((position + 1) / compressed.ratio)
      if (chosen === null) out = sequence.listRows(compressed, count, rows, out)
      else for (let at = 0; at < count; at++) rows[out++] = sequence.rowAddress(compressed, chosen[at]!)
    }
  }
  return { rows, ends }
}
