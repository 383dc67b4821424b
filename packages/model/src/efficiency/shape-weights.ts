/**
 * Weights that are only shapes: the forward pass runs through them at any size, counting what it would do.
 *
 * Products of shape-only matrices are counted and come out as zeros; small vectors exist for real. Caches
 * are the real objects, so what depends on the length of the past is executed, not assumed.
 */
import type { Matrix } from '../checkpoint/matrix.ts'
import { mixSize, type CompressorPlan, type LayerPlan, type ModelConfig } from '../config/model-config.ts'
import type { BlockWeights } from '../forward/block.ts'
import type { CompressorWeights } from '../forward/compressor.ts'
import type { ExpertWeights } from '../forward/experts.ts'
import type { HyperSite } from '../forward/hyper-connections.ts'
import type { HeadWeights } from '../forward/weights.ts'

export function shapeOnly(rows: number, columns: number, precision: 'bf16' | 'fp8' | 'fp4' | 'f32'): Matrix {
  return { format: 'shape-only', rows, columns, precision }
}

function ones(length: number): Float32Array {
  return new Float32Array(length).fill(1)
}

function shapeSite(config: ModelConfig, rows: number, scales: number): HyperSite {
  const { streams } = config.hyperConnections
  return { fn: shapeOnly(rows, streams * config.hiddenSize, 'f32'), base: new Float32Array(rows), scale: ones(scales) }
}

function shapeCompressor(config: ModelConfig, plan: CompressorPlan, rowDim: number): CompressorWeights {
  const width = (plan.overlaps ? 2 : 1) * rowDim
  return {
    values: shapeOnly(width, config.hiddenSize, 'bf16'),
    gates: shapeOnly(width, config.hiddenSize, 'bf16'),
    positionBias: new Float32Array(plan.ratio * width),
    norm: ones(rowDim),
  }
}

function shapeExpert(config: ModelConfig, precision: 'fp8' | 'fp4'): ExpertWeights {
  const { innerSize } = config.experts
  return {
    gate: shapeOnly(innerSize, config.hiddenSize, precision),
    up: shapeOnly(innerSize, config.hiddenSize, precision),
    down: shapeOnly(config.hiddenSize, innerSize, precision),
  }
}

export function shapeBlock(config: ModelConfig, plan: LayerPlan): BlockWeights {
  const { hiddenSize, attention, indexer, experts } = config
  const { heads, headDim, queryRank, outputGroups, outputRank } = attention
  const mix = mixSize(config.hyperConnections.streams)
  const expert = shapeExpert(config, 'fp4')
  return {
    plan,
    attentionSite: shapeSite(config, mix, 3),
    attentionNorm: ones(hiddenSize),
    attention: {
      queryDown: shapeOnly(queryRank, hiddenSize, 'fp8'),
      queryNorm: ones(queryRank),
      queryUp: shapeOnly(heads * headDim, queryRank, 'fp8'),
      keyValue: shapeOnly(headDim, hiddenSize, 'fp8'),
      keyValueNorm: ones(headDim),
      sinks: new Float32Array(heads),
      outputDown: shapeOnly(outputGroups * outputRank, (heads / outputGroups) * headDim, 'bf16'),
      outputUp: shapeOnly(hiddenSize, outputGroups * outputRank, 'fp8'),
      compressor: plan.compressor === null ? null : shapeCompressor(config, plan.compressor, headDim),
      indexer:
        plan.compressor === null || plan.selectionOwner === null
          ? null
          : {
              queries: shapeOnly(indexer.heads * indexer.dim, queryRank, 'fp8'),
              headWeights: shapeOnly(indexer.heads, hiddenSize, 'bf16'),
              compressor: shapeCompressor(config, plan.compressor, indexer.dim),
            },
    },
    expertSite: shapeSite(config, mix, 3),
    expertNorm: ones(hiddenSize),
    router: {
      gate: shapeOnly(experts.routed, hiddenSize, 'bf16'),
      bias: new Float32Array(experts.routed),
      expertsOfToken: null,
    },
    expertAt: () => expert,
    sharedExpert: shapeExpert(config, 'fp8'),
  }
}

export function shapeHead(config: ModelConfig): { head: HeadWeights; vocabulary: Matrix } {
  return {
    head: { collapse: shapeSite(config, config.hyperConnections.streams, 1), norm: ones(config.hiddenSize) },
    vocabulary: shapeOnly(config.vocabSize, config.hiddenSize, 'bf16'),
  }
}
