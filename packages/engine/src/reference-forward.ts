/**
 * The port over the plain TypeScript model, and how its state is cut into blocks.
 *
 * Block bytes: of each layer in order, the compressed rows and index rows that the block's tokens completed
 * (`rows`); the window ring and, where a group is open or overlaps into the next, its numbers (`tail`). Lengths
 * follow from the configuration, so nothing but numbers is stored.
 */
import type { LayerSnapshot, Model, SequenceState } from '@portolan/model'
import { EngineError } from './errors.ts'
import { blockTokens, type BlockState, type Forward, type ForwardPiece, type ForwardSequence } from './forward.ts'

interface Stored {
  readonly ratio: number
  readonly rowBytes: number
  readonly indexRowBytes: number | null
  /** Numbers of the two open groups, and how many at their beginning are void at a block's end. */
  readonly openNumbers: number
  readonly indexOpenNumbers: number
  readonly voidNumbers: number
  readonly indexVoidNumbers: number
}

export class ReferenceForward implements Forward {
  readonly identity: string
  readonly vocabularySize: number
  readonly maximumPositions: number
  readonly endTokenId: number
  readonly #model: Model
  readonly #layers: readonly { readonly windowBytes: number; readonly stored: Stored | null }[]
  readonly #layout: string

  /** @param weightsName Names the weights; equal names must mean equal weights. */
  constructor(model: Model, weightsName: string) {
    this.#model = model
    const { config } = model
    this.vocabularySize = config.vocabSize
    this.maximumPositions = config.maximumPositions
    this.endTokenId = config.eosTokenId
    const probe = model.newState()
    this.#layout = probe.layout
    this.identity = `${weightsName} ${probe.layout} ${JSON.stringify(model.run.mode)}`
    this.#layers = probe.layers.map(({ window, compressed, index }, at) => {
      const compressor = config.layers[at]!.compressor
      if (compressed === null || compressor === null) return { windowBytes: window.allocatedBytes, stored: null }
      // At the end of a block a group whose ratio divides it is empty: its own slots are overwritten before they
      // are read, and only what overlaps from the group before counts.
      const isVoid = blockTokens % compressor.ratio === 0
      const voidOf = (width: number): number => (isVoid ? 2 * compressor.ratio * width : 0)
      return {
        windowBytes: window.allocatedBytes,
        stored: {
          ratio: compressor.ratio,
          rowBytes: compressed.rows.codec.rowBytes,
          indexRowBytes: index?.rows.codec.rowBytes ?? null,
          openNumbers: compressed.open.toFloats().length,
          indexOpenNumbers: index?.open.toFloats().length ?? 0,
          voidNumbers: voidOf(compressed.open.width),
          indexVoidNumbers: index === null ? 0 : voidOf(index.open.width),
        },
      }
    })
  }

  open(): ForwardSequence {
    return this.#model.newState()
  }

  advance(pieces: readonly ForwardPiece[]): (Float32Array | null)[] {
    const segments = pieces.map(({ sequence, ids }) => ({ state: sequence as SequenceState, ids }))
    const wanted = pieces.some((piece) => piece.wantsLogits)
    const results = this.#model.forward(segments, { logits: wanted ? 'last' : 'none' })
    return results.map(({ logits }, at) => (pieces[at]!.wantsLogits ? logits : null))
  }

  capture(sequence: ForwardSequence): BlockState {
    const state = sequence as SequenceState
    const end = state.position
    if (end === 0 || end % blockTokens !== 0) throw new RangeError(`No block ends at token ${end}.`)
    const rows: Uint8Array[] = []
    const tail: Uint8Array[] = []
    for (const [at, layer] of state.layers.entries()) {
      tail.push(layer.window.toBytes())
      const { stored } = this.#layers[at]!
      if (stored === null) continue
      const [from, to] = rowsOfBlock(stored.ratio, end)
      rows.push(layer.compressed!.rows.encodedRows(from, to))
      tail.push(bytesOf(layer.compressed!.open.toFloats().subarray(stored.voidNumbers)))
      if (layer.index === null) continue
      rows.push(layer.index.rows.encodedRows(from, to))
      tail.push(bytesOf(layer.index.open.toFloats().subarray(stored.indexVoidNumbers)))
    }
    return { rows: joined(rows), tail: joined(tail) }
  }

  resume(blocks: readonly Uint8Array[], tail: Uint8Array): ForwardSequence {
    const position = blocks.length * blockTokens
    const tailReader = new Reader(tail)
    const readers = blocks.map((block) => new Reader(block))
    const gather = (ratio: number, rowBytes: number): Uint8Array[] =>
      readers.map((reader, at) => reader.take(rowBytesOfBlock(ratio, rowBytes, (at + 1) * blockTokens)))
    const layers = this.#layers.map(({ windowBytes, stored }): LayerSnapshot => {
      const window = Uint8Array.from(tailReader.take(windowBytes))
      if (stored === null) return { window, compressed: null, index: null }
      const compressed = {
        rows: gather(stored.ratio, stored.rowBytes),
        open: openNumbers(tailReader, stored.openNumbers, stored.voidNumbers),
      }
      if (stored.indexRowBytes === null) return { window, compressed, index: null }
      const index = {
        rows: gather(stored.ratio, stored.indexRowBytes),
        open: openNumbers(tailReader, stored.indexOpenNumbers, stored.indexVoidNumbers),
      }
      return { window, compressed, index }
    })
    for (const reader of [tailReader, ...readers]) reader.end()
    const state = this.#model.newState()
    state.restore({ layout: this.#layout, position, layers })
    return state
  }

  share(sequence: ForwardSequence, rows: Uint8Array): void {
    const state = sequence as SequenceState
    const reader = new Reader(rows)
    for (const [at, layer] of state.layers.entries()) {
      const { stored } = this.#layers[at]!
      if (stored === null) continue
      layer.compressed!.rows.share(reader.take(rowBytesOfBlock(stored.ratio, stored.rowBytes, state.position)))
      layer.index?.rows.share(reader.take(rowBytesOfBlock(stored.ratio, stored.indexRowBytes!, state.position)))
    }
    reader.end()
  }

  ownBytes(sequence: ForwardSequence): number {
    return (sequence as SequenceState).allocatedBytes
  }
}

/** Rows that the block ending at `end` completed. */
function rowsOfBlock(ratio: number, end: number): readonly [from: number, to: number] {
  return [Math.floor((end - blockTokens) / ratio), Math.floor(end / ratio)]
}

function rowBytesOfBlock(ratio: number, rowBytes: number, end: number): number {
  const [from, to] = rowsOfBlock(ratio, end)
  return (to - from) * rowBytes
}

function openNumbers(reader: Reader, total: number, voided: number): Float32Array<ArrayBuffer> {
  const numbers = new Float32Array(total)
  const kept = reader.take((total - voided) * 4)
  new Uint8Array(numbers.buffer, voided * 4).set(kept)
  return numbers
}

function bytesOf(numbers: Float32Array): Uint8Array {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength)
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

class Reader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  take(length: number): Uint8Array {
    const end = this.#at + length
    if (end > this.#bytes.length) throw misfit()
    const part = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return part
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw misfit()
  }
}

function misfit(): EngineError {
  return new EngineError('ENGINE_FAILED', 'Cached state does not have the size that this model needs.')
}
