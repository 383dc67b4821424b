/**
 * How fast the reference pass would decode on this machine, from a probe of a fraction of a second.
 *
 * Small models decode a few tokens for real. For others the matrix-vector kernel is timed on one small matrix of
 * each storage format that the checkpoint uses, and the weights that one token touches are added up. That leaves
 * out attention over the past, norms, the mixing of streams and reading weights from disk: it is an upper end, for
 * a short context of a model that fits into memory.
 */
import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { plannedTensors } from '../checkpoint/convert.ts'
import type { Matrix } from '../checkpoint/matrix.ts'
import { seededUniform } from '../checkpoint/random-checkpoint.ts'
import type { DataType } from '../checkpoint/safetensors.ts'
import { project } from '../forward/linear.ts'
import { Model } from '../forward/model.ts'
import { numericModes } from '../forward/run.ts'

export type StoredFormat = Exclude<Matrix['format'], 'shape-only'>

export interface DecodeEstimate {
  readonly tokensPerSecond: number
  /** `tokens`: this model decoded some. `kernels`: an upper end from the speed of the weight kernels. */
  readonly probed: 'tokens' | 'kernels'
  /** Weights that one token goes through, by stored format. */
  readonly weightsPerToken: Readonly<Partial<Record<StoredFormat, number>>>
  /** Weights a second of the kernel on one thread, as probed. */
  readonly weightsPerSecond: Readonly<Partial<Record<StoredFormat, number>>>
}

const formats: Partial<Record<DataType, StoredFormat>> = {
  F32: 'f32',
  BF16: 'bf16',
  F8_E4M3: 'fp8',
  I8: 'fp4',
  U8: 'fp4',
}

/** Enough to leave the fastest cache, as real layers do; a multiple of every block. */
const [probeRows, probeColumns] = [256, 1024]

/** A model whose kernels alone would be slower than this, in tokens a second, is not decoded for a probe. */
const slowestRealProbe = 5
const [probeTokens, probeMs] = [32, 300]
const kernelProbeMs = 40

function probeMatrix(format: StoredFormat): Matrix {
  const [rows, columns] = [probeRows, probeColumns]
  const uniform = seededUniform(1)
  const bytes = (count: number, below: number) =>
    Uint8Array.from({ length: count }, () => Math.floor(uniform() * below))
  const size = { rows, columns }
  switch (format) {
    case 'f32':
      return { ...size, format, values: Float32Array.from({ length: rows * columns }, uniform) }
    case 'bf16':
      return { ...size, format, codes: Uint16Array.from({ length: rows * columns }, () => 0x3c00 + uniform() * 0x300) }
    case 'fp8':
      return {
        ...size,
        format,
        codes: bytes(rows * columns, 0x7e),
        scales: new Float32Array((rows * columns) / 128 ** 2).fill(1),
        block: [128, 128],
      }
    default:
      return {
        ...size,
        format,
        codes: bytes((rows * columns) / 2, 256),
        scales: new Float32Array((rows * columns) / 32).fill(1),
      }
  }
}

/** Best of several passes: other work on the machine can only slow a pass down. */
function probeSpeed(format: StoredFormat): number {
  const matrix = probeMatrix(format)
  const input = Float32Array.from({ length: probeColumns }, seededUniform(2))
  const run = { mode: numericModes.official, tally: null }
  const probeStartedMs = performance.now()
  let bestMs = Infinity
  for (let pass = 0; pass < 24 && (pass < 4 || performance.now() - probeStartedMs < kernelProbeMs); pass++) {
    const startedMs = performance.now()
    project(matrix, input, 1, run, 'expert')
    bestMs = Math.min(bestMs, performance.now() - startedMs)
  }
  return (probeRows * probeColumns * 1000) / bestMs
}

export function estimateDecode(checkpoint: Checkpoint): DecodeEstimate {
  const { routed, perToken } = checkpoint.config.experts
  const weightsPerToken: Partial<Record<StoredFormat, number>> = {}
  for (const { name, part, shape } of plannedTensors(checkpoint)) {
    const format = formats[checkpoint.tensors.get(name)?.dtype ?? 'I64']
    if (format === undefined || shape.length !== 2 || part === 'embedding' || part === 'prediction') continue
    const visited = part === 'routed-expert' ? perToken / routed : 1
    weightsPerToken[format] = (weightsPerToken[format] ?? 0) + shape[0]! * shape[1]! * visited
  }
  const weightsPerSecond: Partial<Record<StoredFormat, number>> = {}
  let seconds = 0
  for (const [format, weights] of Object.entries(weightsPerToken) as [StoredFormat, number][]) {
    const speed = probeSpeed(format)
    weightsPerSecond[format] = speed
    seconds += weights / speed
  }
  const kernels = { tokensPerSecond: 1 / seconds, probed: 'kernels', weightsPerToken, weightsPerSecond } as const
  if (kernels.tokensPerSecond < slowestRealProbe) return kernels
  return { ...kernels, tokensPerSecond: decodeSome(checkpoint), probed: 'tokens' }
}

/** Tokens a second over a few tokens, once their experts are read and the kernels are warm. */
function decodeSome(checkpoint: Checkpoint): number {
  const model = Model.load(checkpoint)
  const state = model.newState()
  const startedMs = performance.now()
  const tokenMs: number[] = []
  for (let at = 0; at < probeTokens && performance.now() - startedMs < probeMs; at++) {
    const tokenStartedMs = performance.now()
    model.decode(state, (at * 7) % checkpoint.config.vocabSize)
    tokenMs.push(performance.now() - tokenStartedMs)
  }
  const settled = tokenMs.slice(tokenMs.length >> 1).sort((a, b) => a - b)
  return 1000 / settled[settled.length >> 1]!
}
