/** `portolan model inspect`: what a checkpoint is, and what this machine could do with it. Reads headers only. */
import {
  describeCheckpoint,
  estimateDecode,
  makingOf,
  measureSequence,
  ModelError,
  verifyCheckpoint,
  type Checkpoint,
  type CheckpointDescription,
  type DecodeEstimate,
} from '@portolan/model'
import { json, table } from '../output.ts'
import { bytesText, countText, openModelFolder, percentText, startProgress, untrainedNotice } from './model-folder.ts'

/** Context that bytes per token are measured at; windows are left out of them, so the length hardly matters. */
const measuredContextTokens = 4096

export interface InspectOptions {
  readonly json?: boolean
  readonly verify?: boolean
}

export function inspectModel(directory: string, options: InspectOptions): void {
  const checkpoint = openModelFolder(directory)
  const progress = startProgress(options.json === true)
  try {
    const description = describeCheckpoint(checkpoint)
    if (options.verify === true) {
      try {
        verifyCheckpoint(checkpoint, (done, total) => {
          if (done % 64 === 0) progress.show(`Reading every value: tensor ${done} of ${total}`)
        })
      } finally {
        progress.end()
      }
    }
    const machine = lookAtMachine(checkpoint, description)
    const isVerified = options.verify === true
    if (options.json) console.log(json(toJson(directory, description, machine, isVerified)))
    else console.log(toText(directory, description, machine, isVerified))
  } finally {
    checkpoint.close()
  }
}

interface Machine {
  readonly availableBytes: number
  readonly holdsAllWeights: boolean
  /** Everything but routed experts, which are read when a token first needs them. */
  readonly denseBytes: number
  /** Rows that grow with the context, in the packed formats; null where this shape cannot be packed. */
  readonly cacheBytesPerToken: number | null
  /** Null when the probe met damage, which `problem` states. */
  readonly decode: DecodeEstimate | null
  readonly problem: { readonly code: string; readonly message: string } | null
}

function lookAtMachine(checkpoint: Checkpoint, description: CheckpointDescription): Machine {
  const { config, totalBytes, bytesByPart } = description
  const availableBytes = process.availableMemory()
  return {
    availableBytes,
    holdsAllWeights: totalBytes < availableBytes,
    denseBytes: totalBytes - (bytesByPart['routed-expert'] ?? 0) - (bytesByPart.prediction ?? 0),
    cacheBytesPerToken: cacheBytesPerToken(checkpoint),
    ...probe(),
  }

  function probe(): Pick<Machine, 'decode' | 'problem'> {
    try {
      return { decode: estimateDecode(checkpoint), problem: null }
    } catch (error) {
      if (!(error instanceof ModelError)) throw error
      return { decode: null, problem: { code: error.code, message: error.message } }
    }
  }

  function cacheBytesPerToken({ config: shape }: Checkpoint): number | null {
    const contextTokens = Math.min(measuredContextTokens, config.maximumPositions)
    try {
      return measureSequence(shape, contextTokens).growingBytes / contextTokens
    } catch (error) {
      if (error instanceof ModelError) return null
      throw error
    }
  }
}

function toJson(
  directory: string,
  description: CheckpointDescription,
  machine: Machine,
  isVerified: boolean,
): Record<string, unknown> {
  const { config, layers, parameters, totalBytes, bytesByPart, bytesByDataType, bytesPerToken } = description
  return {
    directory,
    architecture: config.modelType,
    making: makingOf(config),
    verified: isVerified,
    layers: { total: config.layers.length, ...layers, prediction: config.mtpLayers.length },
    hiddenSize: config.hiddenSize,
    vocabularySize: config.vocabSize,
    maximumPositions: config.maximumPositions,
    attention: config.attention,
    indexer: config.indexer,
    experts: config.experts,
    parameters,
    bytes: { total: totalBytes, byPart: bytesByPart, byDataType: bytesByDataType, readPerToken: bytesPerToken },
    machine,
  }
}

const partNames: Readonly<Record<string, string>> = {
  embedding: 'embedding',
  attention: 'attention',
  compressor: 'compressors',
  indexer: 'indexers',
  router: 'routers',
  'routed-expert': 'routed experts',
  'shared-expert': 'shared experts',
  'hyper-connection': 'hyper-connections',
  norm: 'norms',
  head: 'head',
  prediction: 'prediction blocks',
}

function toText(directory: string, description: CheckpointDescription, machine: Machine, isVerified: boolean): string {
  const { config, parameters, totalBytes, bytesByPart, bytesByDataType } = description
  const { attention, indexer, experts } = config
  const notice = untrainedNotice(config)
  const lines = [
    `${directory}: ${config.modelType}, ${config.layers.length} layers, hidden size ${config.hiddenSize}, ${countText(config.vocabSize)} tokens in the vocabulary, context of ${countText(config.maximumPositions)}`,
    ...(notice === null ? [] : [notice]),
    ...(isVerified ? ['Every value was read: no NaN, no infinity, no impossible scale or expert number.'] : []),
    '',
    `layers       ${layerText(description)}`,
    `attention    ${attention.heads} heads of ${attention.headDim} (${attention.ropeDim} rotating), window ${attention.windowTokens}, query rank ${attention.queryRank}, output in ${attention.outputGroups} groups of rank ${attention.outputRank}`,
    `indexer      ${description.layers.sparse === 0 ? 'none' : `${indexer.heads} heads of ${indexer.dim}, best ${indexer.topK} rows`}`,
    `experts      ${experts.routed} routed, ${experts.perToken} a token, 1 shared, inner size ${experts.innerSize}`,
    `parameters   ${countText(parameters.total)} in all, ${countText(parameters.active)} active for one token`,
    '',
    table(
      Object.entries(partNames).filter(([part]) => part in bytesByPart),
      [
        { title: 'PART', value: ([, name]) => name },
        {
          title: 'PARAMETERS',
          align: 'right',
          value: ([part]) => (parameters.byPart[part] === undefined ? '' : countText(parameters.byPart[part])),
        },
        {
          title: 'BYTES',
          align: 'right',
          value: ([part]) => countText(bytesByPart[part as keyof typeof bytesByPart]!),
        },
        {
          title: 'SHARE',
          align: 'right',
          value: ([part]) => percentText(bytesByPart[part as keyof typeof bytesByPart]! / totalBytes),
        },
      ],
    ),
    '',
    table(Object.entries(bytesByDataType), [
      { title: 'STORED AS', value: ([type]) => storedAs[type] ?? type },
      { title: 'BYTES', align: 'right', value: ([, bytes]) => countText(bytes) },
      { title: 'SHARE', align: 'right', value: ([, bytes]) => percentText(bytes / totalBytes) },
    ]),
    '',
    'This machine',
    ...machineText(description, machine).map((line) => `  ${line}`),
  ]
  return lines.join('\n')
}

const storedAs: Readonly<Record<string, string>> = {
  F8_E4M3: 'FP8 (E4M3)',
  F8_E8M0: 'scales (UE8M0)',
  I8: 'FP4 (E2M1, packed)',
  U8: 'FP4 (E2M1, packed)',
}

function layerText({ config, layers }: CheckpointDescription): string {
  const ratios = (kind: string): string =>
    [
      ...new Set(config.layers.filter((layer) => layer.attention === kind).map((layer) => layer.compressor?.ratio)),
    ].join(', ')
  return [
    `${layers.window} window only`,
    `${layers.sparse} sparse (CSA${layers.sparse > 0 ? `, 1 row per ${ratios('sparse')} tokens` : ''})`,
    `${layers.heavy} heavy (HCA${layers.heavy > 0 ? `, 1 row per ${ratios('heavy')} tokens` : ''})`,
    `${layers.hashRouted} of them routed by hash`,
    `${config.mtpLayers.length} prediction block${config.mtpLayers.length === 1 ? '' : 's'}`,
  ].join('; ')
}

function machineText({ config, totalBytes, bytesPerToken }: CheckpointDescription, machine: Machine): string[] {
  const { availableBytes, decode, denseBytes, cacheBytesPerToken, problem } = machine
  const weights = machine.holdsAllWeights
    ? 'they fit'
    : denseBytes < availableBytes
      ? `they do not fit; ${bytesText(denseBytes)} must, and experts are read from disk as tokens need them`
      : `they do not fit, and neither do the ${bytesText(denseBytes)} that every token needs: it will not run here`
  const lines = [`memory       ${bytesText(availableBytes)} free, ${bytesText(totalBytes)} of weights: ${weights}`]
  if (cacheBytesPerToken !== null) {
    const roomTokens =
      Math.max(0, availableBytes - Math.min(totalBytes, availableBytes)) / Math.max(1, cacheBytesPerToken)
    const room = Math.min(config.maximumPositions, Math.floor(roomTokens))
    lines.push(
      `context      ${countText(cacheBytesPerToken)} bytes of packed cache a token; beside the weights there is room for ${room === config.maximumPositions ? `the full ${countText(room)}` : countText(room)} tokens`,
    )
  }
  if (decode === null)
    return [...lines, `decode       not measured: ${problem?.message ?? 'unknown'} [${problem?.code ?? ''}]`]
  const speed = decode.tokensPerSecond
  const speedText = speed >= 1 ? `${speed.toFixed(speed < 10 ? 1 : 0)} tokens/s` : `${countText(1 / speed)} s a token`
  lines.push(
    decode.probed === 'tokens'
      ? `decode       about ${speedText}: the reference pass on one thread, measured on a few tokens of this model`
      : `decode       at best ${speedText}: the reference pass on one thread, reckoned from a probe of its kernels with weights in memory`,
    `             one token reads ${bytesText(bytesPerToken)} of weights`,
  )
  return lines
}
