/**
 * The kernels behind one small interface: place weights once, load inputs, multiply, reduce, attend.
 *
 * Every array lies in the kernels' own memory (`arena`); a call outside `stage` returns when the result is
 * there. Inside `stage` calls are collected and run together at its end, so none may need another's result.
 */
import { Arena } from './arena.ts'
import { KernelError } from './errors.ts'
import { Inputs, type InputForm } from './inputs.ts'
import { placeMatrix, panelRows, type PlacedMatrix } from './placement.ts'
import { Pool, type KernelName } from './pool.ts'
import type { StoredMatrix } from './stored-matrix.ts'
import { chooseVariant, moduleBytes, type Variant } from './variants.ts'
import { webAssembly } from './web-assembly.ts'

/** `exact` multiplies f32 inputs; `fast` rounds them to 7 or 8 bits where weights are int8 or FP4. */
export type NumericMode = 'exact' | 'fast'

export interface KernelOptions {
  /** Size of the memory, up to 4 GiB. Pages cost nothing until they are used. */
  readonly bytes: number
  /** Threads besides the caller's. 0 runs everything here. */
  readonly workers?: number
  readonly variant?: Variant | 'auto'
  /** Bytes of working memory per thread; bounds how many tokens one pass over weights serves. */
  readonly scratchBytes?: number
}

const products: Readonly<
  Record<PlacedMatrix['format'], Readonly<Record<NumericMode, readonly [KernelName, InputForm]>>>
> = {
  f32: { exact: ['productF32', 'floats'], fast: ['productF32', 'floats'] },
  bf16: { exact: ['productBf16', 'floats'], fast: ['productBf16', 'floats'] },
  fp8: { exact: ['productE4m3', 'raised'], fast: ['productE4m3', 'raised'] },
  fp4: { exact: ['productE2m1', 'floats'], fast: ['productE2m1Fast', 'eight'] },
  int8: { exact: ['productBytes', 'floats'], fast: ['productBytesFast', 'seven'] },
}

/** Weights, scales and descriptions that a product keeps in scratch, before 64 bytes a token. */
const productScratch = 8320

export class Kernels {
  readonly variant: Variant
  readonly arena: Arena
  readonly #pool: Pool
  readonly #scratchBytes: number
  readonly #tokensPerPass: number
  #collecting = 0

  private constructor(variant: Variant, arena: Arena, pool: Pool, scratchBytes: number) {
    this.variant = variant
    this.arena = arena
    this.#pool = pool
    this.#scratchBytes = scratchBytes
    this.#tokensPerPass = Math.floor((scratchBytes - productScratch) / 64)
  }

  static async start(options: KernelOptions): Promise<Kernels> {
    const variant = chooseVariant(options.variant ?? 'auto')
    const workers = options.workers ?? 0
    const scratchBytes = options.scratchBytes ?? 524_288
    if (!Number.isInteger(workers) || workers < 0 || workers > 256 || !(scratchBytes >= 131_072)) {
      throw new KernelError('KERNELS_SHAPE', `${workers} workers with ${scratchBytes} bytes each are not possible.`)
    }
    const arena = new Arena(options.bytes + (workers + 1) * scratchBytes)
    const module = new webAssembly.Module(moduleBytes(variant))
    const pool = await Pool.start(arena, module, workers, scratchBytes)
    return new Kernels(variant, arena, pool, scratchBytes)
  }

  get workers(): number {
    return this.#pool.workers
  }

  /** Copies a matrix into the memory, in the layout of its kernels. */
  place(matrix: StoredMatrix): PlacedMatrix {
    return placeMatrix(this.arena, matrix)
  }

  /** Buffers for up to `tokens` inputs of a width. */
  inputs(columns: number, tokens: number): Inputs {
    return new Inputs(this.arena, this.#pool, columns, tokens)
  }

  /**
   * `out[token * outStride + row] = sum over columns of W[row] x[token]`; `outStride` is `rows` by default.
   *
   * @param first which of the loaded tokens, `tokens` of them: tokens of one expert among those of all
   */
  multiply(
    matrix: PlacedMatrix,
    inputs: Inputs,
    out: Float32Array,
    mode: NumericMode,
    outStride = matrix.rows,
    first = 0,
    tokens = inputs.tokens - first,
  ): void {
    if (inputs.columns !== matrix.columns || outStride < matrix.rows) {
      throw new KernelError('KERNELS_SHAPE', `Inputs of ${inputs.columns} for a matrix of ${matrix.columns} columns.`)
    }
    if (first < 0 || tokens < 0 || first + tokens > inputs.tokens) {
      throw new KernelError('KERNELS_SHAPE', `Inputs ${first} to ${first + tokens} of ${inputs.tokens} do not exist.`)
    }
    const { padded } = inputs
    if (tokens === 0) return
    const outAt = this.arena.addressOf(out, (tokens - 1) * outStride + matrix.rows, 'An output')
    const [kernel, form] = products[matrix.format][mode]
    const { at, scalesAt, startsAt } = inputs.prepared(form)
    const panels = Math.ceil(matrix.rows / panelRows)
    const cell = form === 'seven' || form === 'eight' ? 1 : 4
    for (let from = 0; from < tokens; from += this.#tokensPerPass) {
      const count = Math.min(this.#tokensPerPass, tokens - from)
      this.#pool.add(
        kernel,
        [
          matrix.weightsAt,
          matrix.scalesAt,
          matrix.rows,
          padded,
          count,
          at + (first + from) * 128 * cell,
          scalesAt + (first + from) * Math.ceil(padded / 128) * 4,
          startsAt + (first + from) * (padded / 32) * 4,
          outAt + from * outStride * 4,
          outStride,
          inputs.tokens * 128 * cell,
        ],
        panels,
        this.#pool.grainFor(panels),
      )
    }
    this.#done()
  }

  /**
   * RMSNorm of `rows` vectors in place, with a weight or without.
   * Agrees with f64 to 3 units in the last place.
   */
  normalise(values: Float32Array, rows: number, width: number, weight: Float32Array | null, epsilon: number): void {
    const at = this.arena.addressOf(values, rows * width, 'Values')
    const weightAt = weight === null ? 0 : this.arena.addressOf(weight, width, 'A norm weight')
    this.#rows('normaliseRows', [at, width, weightAt], rows, 3, epsilon)
  }

  /**
   * Rotates pairs in place: dimensions `first .. first + dims` of every row of `stride` numbers.
   *
   * @param table cosine and sine of each pair, [tables, dims]; row r uses table `floor(r / rowsPerTable)`
   * @param sign  1 turns to the position, -1 turns back
   */
  rotate(
    values: Float32Array,
    rows: number,
    stride: number,
    first: number,
    dims: number,
    table: Float32Array,
    rowsPerTable: number,
    sign: 1 | -1,
  ): void {
    if (dims % 2 !== 0 || first + dims > stride) {
      throw new KernelError('KERNELS_SHAPE', `Rows of ${stride} have no ${dims} rotating dimensions at ${first}.`)
    }
    const at = this.arena.addressOf(values, rows * stride, 'Values')
    const tableAt = this.arena.addressOf(table, Math.ceil(rows / rowsPerTable) * dims, 'A rotation table')
    this.#rows('rotateRows', [at, stride, first, dims, tableAt, rowsPerTable], rows, 6, sign)
  }

  /** Softmax of each row in place; `sinks` [rows] join the denominators only. */
  softmax(values: Float32Array, rows: number, width: number, sinks: Float32Array | null): void {
    const at = this.arena.addressOf(values, rows * width, 'Values')
    const sinksAt = sinks === null ? 0 : this.arena.addressOf(sinks, rows, 'Sinks')
    this.#rows('softmaxRows', [at, width, sinksAt], rows)
  }

  /** `gate = weight * silu(min(gate, limit)) * clamp(up, -limit, limit)`, [rows, width], in place. */
  gate(
    gate: Float32Array,
    up: Float32Array,
    rows: number,
    width: number,
    weights: Float32Array | null,
    limit: number,
  ): void {
    const gateAt = this.arena.addressOf(gate, rows * width, 'Gates')
    const upAt = this.arena.addressOf(up, rows * width, 'Values')
    const weightsAt = weights === null ? 0 : this.arena.addressOf(weights, rows, 'Weights')
    this.#rows('gateRows', [gateAt, upAt, width, weightsAt], rows, 4, limit)
  }

  /** `out[indices[row]] += from[row]`, in order of rows: expert results back to their tokens. */
  addRows(out: Float32Array, from: Float32Array, width: number, indices: Int32Array, rows: number): void {
    const indicesAt = this.arena.addressOf(indices, rows, 'Indices')
    let last = -1
    for (let row = 0; row < rows; row++) last = Math.max(last, indices[row]! >>> 0)
    const outAt = this.arena.addressOf(out, (last + 1) * width, 'An output')
    const fromAt = this.arena.addressOf(from, rows * width, 'Values')
    const blocks = Math.ceil(width / 64)
    this.#pool.add('addRows', [outAt, fromAt, width, indicesAt, rows], blocks, this.#pool.grainFor(blocks))
    this.#done()
  }

  /** Sinkhorn normalisation of `count` matrices [size, size] in place: logits in, nearly doubly stochastic out. */
  sinkhorn(matrices: Float32Array, count: number, size: number, iterations: number, epsilon: number): void {
    if (size > 16) throw new KernelError('KERNELS_SHAPE', `Sinkhorn takes up to 16 streams, not ${size}.`)
    const at = this.arena.addressOf(matrices, count * size * size, 'Matrices')
    this.#rows('sinkhorn', [at, size, iterations], count, 3, epsilon)
  }

  /** `out[row] = sum over streams of weights[row][stream] * streams[row][stream]`. */
  collapse(
    streams: Float32Array,
    weights: Float32Array,
    out: Float32Array,
    rows: number,
    count: number,
    width: number,
  ): void {
    const streamsAt = this.arena.addressOf(streams, rows * count * width, 'Streams')
    const weightsAt = this.arena.addressOf(weights, rows * count, 'Weights')
    const outAt = this.arena.addressOf(out, rows * width, 'An output')
    this.#rows('collapseStreams', [streamsAt, weightsAt, outAt, count, width], rows)
  }

  /** `streams[j] = post[j] * output + sum over i of comb[i][j] * streams[i]` for every row, in place. */
  spread(
    streams: Float32Array,
    output: Float32Array,
    post: Float32Array,
    comb: Float32Array,
    rows: number,
    count: number,
    width: number,
  ): void {
    if (count > 16) throw new KernelError('KERNELS_SHAPE', `At most 16 streams, not ${count}.`)
    const streamsAt = this.arena.addressOf(streams, rows * count * width, 'Streams')
    const outputAt = this.arena.addressOf(output, rows * width, 'An output')
    const postAt = this.arena.addressOf(post, rows * count, 'Weights')
    const combAt = this.arena.addressOf(comb, rows * count * count, 'Combinations')
    this.#rows('spreadStreams', [streamsAt, outputAt, postAt, combAt, count, width], rows)
  }

  /**
   * Attention of all heads of each token over its own list of cache rows, with a sink per head.
   *
   * @param rows    addresses of cache rows in this memory, all tokens' lists one after another
   * @param ends    [tokens] end of each token's list in `rows`; no list is empty
   * @param rotating BF16 dimensions at the end of a packed row; 0 when rows are f32
   * @param out     [tokens, heads, width], not rotated back
   */
  attend(
    queries: Float32Array,
    tokens: number,
    heads: number,
    width: number,
    rotating: number,
    rows: Int32Array,
    ends: Int32Array,
    sinks: Float32Array,
    out: Float32Array,
  ): void {
    const queriesAt = this.arena.addressOf(queries, tokens * heads * width, 'Queries')
    const endsAt = this.arena.addressOf(ends, tokens, 'List ends')
    let before = 0
    for (let token = 0; token < tokens; token++) {
      if (ends[token]! <= before) throw new KernelError('KERNELS_SHAPE', `Token ${token} attends to no row.`)
      before = ends[token]!
    }
    const rowsAt = this.arena.addressOf(rows, before, 'Row addresses')
    const sinksAt = this.arena.addressOf(sinks, heads, 'Sinks')
    const outAt = this.arena.addressOf(out, tokens * heads * width, 'An output')
    if (16 * width * 4 + heads * 72 > this.#scratchBytes) {
      throw new KernelError('KERNELS_SHAPE', `${heads} heads of ${width} need more scratch memory.`)
    }
    // A task decodes each of its rows once, so heads are split only as far as threads need work.
    const units = tokens * heads
    const grain = Math.min(heads, Math.max(1, Math.ceil(units / (this.workers + 1))))
    const values = [queriesAt, heads, width, rotating, rowsAt, endsAt, sinksAt, outAt]
    this.#pool.add('attend', values, units, grain)
    this.#done()
  }

  /**
   * Indexer scores `sum over heads of weight * max(0, q . row)` of packed queries and rows.
   *
   * @param queries [heads, packed row], as the cache packs index rows
   * @param rows     addresses of the rows, or the rows themselves one after another
   * @param pageRows when given, `rows` are addresses of pages of so many rows, a multiple of 16
   */
  indexScores(
    queries: Uint8Array,
    weights: Float32Array,
    heads: number,
    dims: number,
    rows: Int32Array | Uint8Array,
    count: number,
    out: Float32Array,
    pageRows = 0,
  ): void {
    if (dims % 32 !== 0) throw new KernelError('KERNELS_SHAPE', `Index rows of ${dims} are not runs of 32.`)
    const rowBytes = dims / 2 + dims / 32
    if (dims * 16 + dims * 2 + heads * (dims + dims / 4) > this.#scratchBytes) {
      throw new KernelError('KERNELS_SHAPE', `${heads} index heads of ${dims} need more scratch memory.`)
    }
    const listed = rows instanceof Int32Array
    if (pageRows % 16 !== 0 || (pageRows > 0 && !listed))
      throw new KernelError('KERNELS_SHAPE', `Pages of ${pageRows} rows: allowed are lists of multiples of 16.`)
    const entries = pageRows === 0 ? count : Math.ceil(count / pageRows)
    const rowsAt = this.arena.addressOf(rows, listed ? entries : count * rowBytes, 'Index rows')
    const queriesAt = this.arena.addressOf(queries, heads * rowBytes, 'Index queries')
    const weightsAt = this.arena.addressOf(weights, heads, 'Index weights')
    const outAt = this.arena.addressOf(out, count, 'Scores')
    const tiles = Math.ceil(count / 16)
    const values = [queriesAt, weightsAt, heads, dims, listed ? 0 : rowsAt, listed ? rowsAt : 0, count, outAt, pageRows]
    this.#pool.add('indexScores', values, tiles, this.#pool.grainFor(tiles))
    this.#done()
  }

  /** Indices of the `wanted` largest scores, ascending; equal scores go to the lower index, NaN is least. */
  chooseBest(scores: Float32Array, count: number, wanted: number, out: Int32Array): void {
    const scoresAt = this.arena.addressOf(scores, count, 'Scores')
    const outAt = this.arena.addressOf(out, Math.min(count, wanted), 'An output')
    if (this.#scratchBytes < 262_144) throw new KernelError('KERNELS_SHAPE', 'Choosing needs 256 KB of scratch memory.')
    this.#pool.add('chooseBest', [scoresAt, count, wanted, outAt], 1, 1)
    this.#done()
  }

  /**
   * Rounds dimensions `first .. first + dims` of every row of `stride` numbers to E4M3 and back, in place, each
   * `block` of them with a power-of-two scale of its own.
   */
  round(values: Float32Array, rows: number, stride: number, first: number, dims: number, block: number): void {
    if (first + dims > stride || block % 4 !== 0 || block === 0)
      throw new KernelError('KERNELS_SHAPE', `Rows of ${stride} have no ${dims} dimensions in blocks of ${block}.`)
    const at = this.arena.addressOf(values, rows * stride, 'Values')
    this.#rows('roundRows', [at, stride, first, dims, block], rows)
  }

  /** Walsh-Hadamard transform of each row in place, lengths kept; `width` is a power of two. */
  transform(values: Float32Array, rows: number, width: number): void {
    if (width < 1 || (width & (width - 1)) !== 0)
      throw new KernelError('KERNELS_SHAPE', `Rows of ${width} are not a power of two wide.`)
    this.#rows('transformRows', [this.arena.addressOf(values, rows * width, 'Values'), width], rows)
  }

  /** Packs attention rows [rows, width] to `addresses` in this memory, as `attend` reads them. */
  packAttention(values: Float32Array, rows: number, width: number, rotating: number, addresses: Int32Array): void {
    const at = this.arena.addressOf(values, rows * width, 'Values')
    const addressesAt = this.arena.addressOf(addresses, rows, 'Row addresses')
    this.#rows('packAttention', [at, width, rotating, addressesAt], rows)
  }

  /** Packs index rows or queries [rows, dims] to addresses, or one after another into bytes. */
  packIndex(values: Float32Array, rows: number, dims: number, to: Int32Array | Uint8Array): void {
    if (dims % 32 !== 0) throw new KernelError('KERNELS_SHAPE', `Index rows of ${dims} are not runs of 32.`)
    const at = this.arena.addressOf(values, rows * dims, 'Values')
    const listed = to instanceof Int32Array
    const toAt = this.arena.addressOf(to, listed ? rows : rows * (dims / 2 + dims / 32), 'Packed rows')
    this.#rows('packIndex', [at, dims, listed ? toAt : 0, listed ? 0 : toAt], rows)
  }

  /**
   * Feeds tokens of one sequence to a compressor: softmax over the tokens of each group, channel by channel.
   *
   * @param values [tokens, width]; width is the row's dimensions, twice that when groups overlap
   * @param state  open group, values and gates [ratio, width], and with overlap stream A of the group before,
   *               values and gates [ratio, row]; advanced in place. Gates of minus infinity weigh nothing.
   * @param out    a row for each group that these tokens complete
   */
  pool(
    values: Float32Array,
    gates: Float32Array,
    state: Float32Array,
    bias: Float32Array,
    group: { readonly ratio: number; readonly overlaps: boolean; readonly rowDims: number },
    position: number,
    tokens: number,
    out: Float32Array,
  ): void {
    const { ratio, overlaps, rowDims } = group
    if (rowDims % 4 !== 0) throw new KernelError('KERNELS_SHAPE', `Pooled rows of ${rowDims} are not a multiple of 4.`)
    const width = overlaps ? 2 * rowDims : rowDims
    const completed = Math.floor((position + tokens) / ratio) - Math.floor(position / ratio)
    const integers = [
      this.arena.addressOf(values, tokens * width, 'Values'),
      this.arena.addressOf(gates, tokens * width, 'Gates'),
      this.arena.addressOf(state, 2 * ratio * (overlaps ? width + rowDims : width), 'An open group'),
      this.arena.addressOf(bias, ratio * width, 'Position biases'),
      ratio,
      overlaps ? 1 : 0,
      rowDims,
      position,
      tokens,
      this.arena.addressOf(out, completed * rowDims, 'Pooled rows'),
    ]
    this.#rows('poolGroups', integers, rowDims / 4)
  }

  /** Reads `bytes` from the start of an allocation and keeps nothing: the bandwidth that kernels can see. */
  readThrough(at: number, bytes: number): void {
    const blocks = Math.floor(bytes / 4096)
    this.#pool.add('readBytes', [at], blocks, this.#pool.grainFor(blocks))
    this.#done()
  }

  #rows(kernel: KernelName, values: readonly number[], rows: number, floatAt = -1, float = 0): void {
    this.#pool.add(kernel, values, rows, this.#pool.grainFor(rows), floatAt, float)
    this.#done()
  }

  /** Collects the calls of `work` and runs them together. */
  stage(work: () => void): void {
    this.#collecting++
    try {
      work()
    } finally {
      this.#collecting--
    }
    this.#done()
  }

  #done(): void {
    if (this.#collecting === 0) this.#pool.flush()
  }

  /** Stops the workers. The memory goes when nobody holds it any more. */
  close(): Promise<void> {
    return this.#pool.close()
  }
}
