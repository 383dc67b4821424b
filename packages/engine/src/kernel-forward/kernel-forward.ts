/**
 * The port over the WebAssembly kernels: weights in shared memory in the number formats of the checkpoint, state
 * in packed rows beside them.
 *
 * One pass takes pieces of any sequences: single tokens of running answers and chunks of prompts. Every layer
 * reads its weights once a pass, experts included. What a token computes does not depend on its neighbours.
 * Everything that is summed is summed in f32, where the reference sums in f64; see
 * docs/decisions/2026-11-23-kernels-state.md for what that changes.
 */
import { availableParallelism } from 'node:os'
import { Kernels, maximumArenaBytes, type NumericMode as Precision, type Variant } from '@portolan/kernels'
import {
  floatMatrix,
  loadWeights,
  Model,
  ModelError,
  type Checkpoint,
  type NumericMode,
  type RowStorage,
} from '@portolan/model'
import { EngineError } from '../errors.ts'
import type { BlockState, Forward, ForwardPiece, ForwardSequence } from '../forward.ts'
import { attend } from './attention.ts'
import { mixExperts } from './experts.ts'
import { BlockMemory } from './block-memory.ts'
import { PageMemory } from './page-memory.ts'
import type { Batch, Machine, Piece } from './pass.ts'
import { placeWeights, type PlacedWeights } from './placed-weights.ts'
import { KernelSequence, layoutOf, type SequenceLayout } from './sequence-memory.ts'
import { collapseForHead, readStreams, writeStreams } from './streams.ts'
import { headTokens, makeWorkspace, workspaceBytes } from './workspace.ts'

export interface KernelForwardOptions {
  /** Default `packed`. */
  readonly storage?: RowStorage
  /** Default: what the storage implies, as in the plain model. */
  readonly mode?: NumericMode
  /** Default `exact`: inputs stay f32. `fast` rounds them to eight bits where weights are FP4. */
  readonly precision?: Precision
  /** Threads besides this one. Default: what the machine has, for weights that are worth waking them. */
  readonly workers?: number
  readonly variant?: Variant | 'auto'
  /** Memory for sequences. Default: up to 1 GiB of what the weights leave. */
  readonly sequenceBytes?: number
  /** Of how many cached blocks one keeps its tail. Default: 1 where tails are small, else as often as they cost no more than rows. */
  readonly tailEvery?: number
  /** Tokens of one pass through the layers; longer batches take several. Default 160. */
  readonly passTokens?: number
}

/** Weights below this are read faster than a second thread wakes up. */
const worthThreadsBytes = 32 * 2 ** 20
const defaultSequenceBytes = 2 ** 30
/** Lists and scores of one pass. */
const looseBytes = 96 * 2 ** 20
const scratchBytes = 524_288

export class KernelForward implements Forward {
  readonly identity: string
  readonly vocabularySize: number
  readonly maximumPositions: number
  readonly endTokenId: number
  /** Bytes of weights that lie in the memory, and how many of them one token alone reads. */
  readonly weightBytes: number
  readonly weightBytesPerToken: number
  readonly tailEvery: number
  readonly #model: Model
  readonly #machine: Machine
  readonly #weights: PlacedWeights
  readonly #layout: SequenceLayout
  readonly #memory: PageMemory
  readonly #blocks: BlockMemory

  private constructor(
    model: Model,
    machine: Machine,
    weights: PlacedWeights,
    layout: SequenceLayout,
    memory: PageMemory,
    weightsName: string,
    tailEvery: number,
  ) {
    const { config } = model
    this.tailEvery = tailEvery
    this.#model = model
    this.#machine = machine
    this.#weights = weights
    this.#layout = layout
    this.#memory = memory
    this.#blocks = new BlockMemory(memory, layout.blockBytes)
    this.vocabularySize = config.vocabSize
    this.maximumPositions = config.maximumPositions
    this.endTokenId = config.eosTokenId
    this.weightBytes = weights.bytes
    this.weightBytesPerToken = weights.bytesPerToken
    const { precision, kernels } = machine
    this.identity = `${weightsName} ${layout.name} ${JSON.stringify(machine.mode)} ${precision} ${kernels.variant}`
  }

  /**
   * Reads the whole checkpoint; it can be closed afterwards.
   *
   * @param weightsName Names the weights; equal names must mean equal weights.
   * @throws {KernelError} `KERNELS_OUT_OF_MEMORY` when the weights do not fit in one memory of 4 GiB
   */
  static async open(
    checkpoint: Checkpoint,
    weightsName: string,
    options: KernelForwardOptions = {},
  ): Promise<KernelForward> {
    const { storage = 'packed', precision = 'exact' } = options
    const stored = loadWeights(checkpoint, { residentExperts: 1 })
    const { config } = stored
    // What is left of the plain model: embedding, rotation, checks.
    const model = new Model(
      { ...stored, blocks: [], predictions: [], logits: floatMatrix(0, 0, new Float32Array(0)) },
      { storage, ...(options.mode === undefined ? {} : { mode: options.mode }) },
    )
    let storedBytes = 0
    for (const [name, tensor] of checkpoint.tensors) if (name !== 'embed.weight') storedBytes += tensor.byteLength
    const passTokens = options.passTokens ?? 160
    // Padding of small matrices, and FP4 scales in their wider place.
    const fixed = storedBytes * 1.1 + 64 * 2 ** 20 + workspaceBytes(config, passTokens) + looseBytes
    const workers = options.workers ?? (storedBytes < worthThreadsBytes ? 0 : Math.min(15, availableParallelism() - 1))
    const most = maximumArenaBytes - (workers + 2) * scratchBytes - 2 ** 20
    const bytes = Math.min(most, fixed + (options.sequenceBytes ?? defaultSequenceBytes))
    const kernels = await Kernels.start({ bytes, workers, scratchBytes, variant: options.variant ?? 'auto' })
    try {
      const weights = placeWeights(kernels, stored)
      const workspace = makeWorkspace(kernels, config, passTokens)
      const room = Math.min(options.sequenceBytes ?? Infinity, kernels.arena.freeBytes - looseBytes)
      const layout = layoutOf(config, storage, model.run.mode)
      if (room < layout.fixedBytes)
        throw new EngineError('ENGINE_FAILED', 'The weights leave no memory for a sequence.')
      const memory = new PageMemory(kernels.arena.take(room), room)
      const unit = new Float32Array(config.attention.ropeDim)
      const machine: Machine = {
        kernels,
        config,
        mode: model.run.mode,
        precision,
        workspace,
        bytes: new Uint8Array(kernels.arena.buffer),
        rotation(set, position, out, at) {
          for (let dim = 0; dim < unit.length; dim += 2) {
            unit[dim] = 1
            unit[dim + 1] = 0
          }
          model.rotary(set).rotate(unit, 0, position)
          out.set(unit, at)
        },
      }
      const tailEvery = options.tailEvery ?? layout.tailEvery
      return new KernelForward(model, machine, weights, layout, memory, weightsName, tailEvery)
    } catch (error) {
      await kernels.close()
      throw error
    }
  }

  /** What sequences may hold together. */
  get roomBytes(): number {
    return this.#memory.bytes
  }

  /** What sequences hold. */
  get lentBytes(): number {
    return this.#memory.lentBytes
  }

  /** The kernels' memory: pages that were ever touched, and the whole of it, which is never exceeded. */
  get arenaBytes(): { readonly touched: number; readonly whole: number } {
    const { arena } = this.#machine.kernels
    const untouched = this.#memory.bytes - this.#memory.touchedBytes
    return { touched: arena.peakBytes - untouched, whole: arena.buffer.byteLength }
  }

  get workers(): number {
    return this.#machine.kernels.workers
  }

  open(): ForwardSequence {
    return new KernelSequence(this.#layout, this.#memory, this.#blocks, this.#machine.bytes)
  }

  close(sequence: ForwardSequence): void {
    if (sequence instanceof KernelSequence) sequence.release()
  }

  ownBytes(sequence: ForwardSequence): number {
    return sequence instanceof KernelSequence ? sequence.ownBytes : 0
  }

  get sharedBytes(): number {
    return this.#blocks.sharedBytes
  }

  share(sequence: ForwardSequence, rows: Uint8Array): void {
    if (sequence instanceof KernelSequence) sequence.share(rows)
  }

  advance(pieces: readonly ForwardPiece[]): (Float32Array | null)[] {
    for (const { sequence, ids } of pieces) {
      if (ids.length === 0) throw new ModelError('MODEL_TOKEN', 'A piece without tokens has nothing to compute.')
      this.#model.checkTokens(ids, sequence.position)
    }
    if (new Set(pieces.map(({ sequence }) => sequence)).size !== pieces.length)
      throw new ModelError('MODEL_STATE', 'One sequence appears twice in a pass; join its pieces.')
    for (const { sequence, ids } of pieces) (sequence as KernelSequence).reserve(sequence.position + ids.length)

    const results: (Float32Array | null)[] = pieces.map(() => null)
    const { tokens: capacity } = this.#machine.workspace
    for (let at = 0; at < pieces.length;) {
      const part: { readonly at: number; readonly piece: ForwardPiece; readonly first: number }[] = []
      let tokens = 0
      for (; at < pieces.length; at++) {
        const piece = pieces[at]!
        if (piece.ids.length > capacity && part.length === 0) {
          // All but the last stretch of a long piece go alone.
          for (let first = 0; first < piece.ids.length; first += capacity) this.#pass([{ at, piece, first }], results)
          continue
        }
        if (tokens + piece.ids.length > capacity) break
        tokens += piece.ids.length
        part.push({ at, piece, first: 0 })
      }
      if (part.length > 0) this.#pass(part, results)
    }
    return results
  }

  capture(sequence: ForwardSequence): BlockState {
    return (sequence as KernelSequence).capture()
  }

  resume(rows: readonly Uint8Array[], tail: Uint8Array): ForwardSequence {
    const sequence = this.open() as KernelSequence
    try {
      sequence.restore(rows, tail)
    } catch (error) {
      sequence.release()
      throw error
    }
    return sequence
  }

  /** Reads weights with all threads and keeps nothing: how many milliseconds `bytes` of them take, at most half a GiB. */
  readWeights(bytes: number): { readonly bytes: number; readonly ms: number } {
    const { kernels } = this.#machine
    const from = this.#weights.logits.weightsAt + this.#weights.logits.bytes - this.weightBytes
    const read = Math.floor(Math.min(bytes, this.weightBytes, 2 ** 29) / 4096) * 4096
    const begin = performance.now()
    kernels.readThrough(Math.max(2 ** 18, from), read)
    return { bytes: read, ms: performance.now() - begin }
  }

  /** Ends the threads; nothing can be computed afterwards. */
  stop(): Promise<void> {
    return this.#machine.kernels.close()
  }

  /** One pass through all layers; `first` is where in its piece a part begins. */
  #pass(
    parts: readonly { readonly at: number; readonly piece: ForwardPiece; readonly first: number }[],
    results: (Float32Array | null)[],
  ): void {
    const machine = this.#machine
    const { workspace, config } = machine
    const { hiddenSize } = config
    const { streams: count } = config.hyperConnections
    const cut = parts.map(({ piece, first }) => piece.ids.slice(first, first + workspace.tokens))
    const batch = this.#layOut(
      parts.map(({ piece }) => piece.sequence as KernelSequence),
      cut,
    )
    const { streams, plainTable, compressedTable } = workspace.floats
    const embedded = this.#model.embed(batch.ids)
    for (let token = 0; token < batch.tokens; token++) {
      const row = embedded.subarray(token * hiddenSize, (token + 1) * hiddenSize)
      for (let stream = 0; stream < count; stream++) streams.set(row, (token * count + stream) * hiddenSize)
      const { ropeDim } = config.attention
      machine.rotation('plain', batch.positions[token]!, plainTable, token * ropeDim)
      machine.rotation('compressed', batch.positions[token]!, compressedTable, token * ropeDim)
    }
    for (const [layerAt, block] of this.#weights.blocks.entries()) {
      readStreams(machine, batch.tokens, block.attentionSite, block.attentionNorm)
      attend(machine, block, layerAt, batch)
      writeStreams(machine, batch.tokens)
      readStreams(machine, batch.tokens, block.expertSite, block.expertNorm)
      mixExperts(machine, block, batch)
      writeStreams(machine, batch.tokens)
    }
    for (const { sequence, tokens } of batch.pieces) sequence.position += tokens

    const wanted = parts.flatMap(({ at, piece, first }, part) => {
      const isLast = first + cut[part]!.length === piece.ids.length
      const { from, tokens } = batch.pieces[part]!
      return piece.wantsLogits && isLast ? [{ at, token: from + tokens - 1 }] : []
    })
    for (let at = 0; at < wanted.length; at += headTokens) this.#head(wanted.slice(at, at + headTokens), results)
  }

  #layOut(sequences: readonly KernelSequence[], ids: readonly (readonly number[])[]): Batch {
    const all = Int32Array.from(ids.flat())
    const positions = new Int32Array(all.length)
    const pieces: Piece[] = []
    let from = 0
    for (const [at, sequence] of sequences.entries()) {
      const tokens = ids[at]!.length
      for (let token = 0; token < tokens; token++) positions[from + token] = sequence.position + token
      pieces.push({ sequence, start: sequence.position, from, tokens })
      from += tokens
    }
    return { tokens: all.length, ids: all, positions, pieces }
  }

  #head(wanted: readonly { readonly at: number; readonly token: number }[], results: (Float32Array | null)[]): void {
    const { workspace, config, kernels, precision } = this.#machine
    const { streams, headStreams, headInput, logits } = workspace.floats
    const width = config.hyperConnections.streams * config.hiddenSize
    for (const [place, { token }] of wanted.entries())
      headStreams.set(streams.subarray(token * width, (token + 1) * width), place * width)
    const { collapse, norm } = this.#weights.head
    collapseForHead(this.#machine, wanted.length, collapse, norm)
    workspace.inputs.head.load(headInput, wanted.length)
    kernels.multiply(this.#weights.logits, workspace.inputs.head, logits, precision)
    for (const [place, { at }] of wanted.entries())
      results[at] = Float32Array.from(logits.subarray(place * config.vocabSize, (place + 1) * config.vocabSize))
  }
}
