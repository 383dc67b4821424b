/**
 * The layer schedule: which layer attends how, owns which compressor, and routes how.
 *
 * Official files give `compress_ratios` (0 = window, 4 = sparse with an indexer and overlapping groups, any
 * other ratio = heavy) and `num_hash_layers`; transformers gives `layer_types`, `compress_rates` and
 * `mlp_layer_types`. Both become the same list of plans. The surplus ratios at the end of the official list
 * belong to the prediction blocks.
 */
import { refuse, type FieldReader } from './field-reader.ts'
import type { LayerPlan } from './model-config.ts'

/** The one ratio that comes with an indexer and overlapping groups in V4. */
export const sparseRatio = 4

/** A ratio beyond this would pool more tokens than any published context holds groups of. */
const maximumRatio = 65_536

const layerTypes = ['sliding_attention', 'compressed_sparse_attention', 'heavily_compressed_attention'] as const
const routerTypes = ['hash_moe', 'moe'] as const

export function planLayer(index: number, ratio: number, router: 'hash' | 'scored'): LayerPlan {
  if (ratio === 0) {
    return { index, attention: 'window', compressor: null, selectionOwner: null, rope: 'plain', router }
  }
  const sparse = ratio === sparseRatio
  return {
    index,
    attention: sparse ? 'sparse' : 'heavy',
    compressor: { ratio, overlaps: sparse, owner: index },
    selectionOwner: sparse ? index : null,
    rope: 'compressed',
    router,
  }
}

/** Ratios of the main layers followed by whatever the file says about prediction blocks. */
function readRatios(fields: FieldReader, layerCount: number): number[] {
  const official = fields.integers(['compress_ratios'], 0, maximumRatio)
  if (official !== null) {
    if (official.values.length < layerCount) {
      refuse(official.name, official.values, `a list of at least ${layerCount} entries, one per layer`)
    }
    const one = official.values.indexOf(1)
    if (one >= 0) refuse(`${official.name}[${one}]`, 1, 'an integer from 2, or 0 for window attention')
    return official.values
  }
  const types = fields.words(['layer_types'], layerTypes)
  if (types === null) return refuse('compress_ratios', undefined, 'compress_ratios, or layer_types with compress_rates')
  if (types.values.length < layerCount) {
    refuse(types.name, types.values, `a list of at least ${layerCount} entries, one per layer`)
  }
  const rates = fields.object(['compress_rates'])
  const sparse = rates?.integer(['compressed_sparse_attention'], sparseRatio, sparseRatio) ?? sparseRatio
  const heavy = rates?.integer(['heavily_compressed_attention'], 2, maximumRatio) ?? 128
  if (heavy === sparseRatio) {
    refuse('compress_rates.heavily_compressed_attention', heavy, `any ratio but ${sparseRatio}, which means sparse`)
  }
  return types.values.map((type) =>
    type === 'sliding_attention' ? 0 : type === 'compressed_sparse_attention' ? sparse : heavy,
  )
}

function readRouters(fields: FieldReader, layerCount: number): ('hash' | 'scored')[] {
  const types = fields.words(['mlp_layer_types'], routerTypes)
  if (types !== null) {
    if (types.values.length < layerCount) {
      refuse(types.name, types.values, `a list of at least ${layerCount} entries, one per layer`)
    }
    return types.values.slice(0, layerCount).map((type) => (type === 'hash_moe' ? 'hash' : 'scored'))
  }
  const hashLayers = fields.integer(['num_hash_layers', 'n_hash_layers'], 0, layerCount, 0)
  return Array.from({ length: layerCount }, (_, index) => (index < hashLayers ? 'hash' : 'scored'))
}

export function readSchedule(
  fields: FieldReader,
  layerCount: number,
  mtpCount: number,
): { layers: LayerPlan[]; mtpLayers: LayerPlan[] } {
  const ratios = readRatios(fields, layerCount)
  const routers = readRouters(fields, layerCount)
  const layers = routers.map((router, index) => planLayer(index, ratios[index] ?? 0, router))
  // Prediction blocks are window-only and scored in every published checkpoint; the file may say so or be silent.
  const mtpLayers = Array.from({ length: mtpCount }, (_, at) => {
    const ratio = ratios[layerCount + at] ?? 0
    if (ratio !== 0) refuse(`compress_ratios[${layerCount + at}]`, ratio, '0 for a prediction block')
    return planLayer(layerCount + at, 0, 'scored')
  })
  return { layers, mtpLayers }
}
