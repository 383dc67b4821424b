/**
 * A whole model folder of our own making, weights from a seed: everything that a published checkpoint has, in the
 * official layout and quantisation, small enough for any machine.
 *
 * Nobody trained it. Its `config.json` says so under `portolan`, and whoever speaks for such a model must say
 * it too. Tokenizer and prompt texts are the same for every seed.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ModelConfig } from '../config/model-config.ts'
import { publishedConstants } from '../config/published-constants.ts'
import { readConfig } from '../config/read-config.ts'
import { encodingFile, ownProfile } from '../encoding/own-texts.ts'
import { ownCorpus } from '../tokenizer/own-corpus.ts'
import { Tokenizer } from '../tokenizer/tokenizer.ts'
import { trainTokenizer } from '../tokenizer/train.ts'
import { randomCheckpoint } from './random-checkpoint.ts'
import { writeCheckpoint } from './write-checkpoint.ts'

/** Sizes beside what both shapes share. `tiny` answers at reading speed, `small` has room for every mechanism. */
const shapes = {
  tiny: {
    vocabularySize: 512,
    corpusParagraphs: 400,
    hidden_size: 64,
    compress_ratios: [0, 0, 4, 128, 4, 0],
    num_hash_layers: 1,
    num_attention_heads: 4,
    head_dim: 128,
    q_lora_rank: 64,
    o_groups: 2,
    o_lora_rank: 32,
    sliding_window: 32,
    index_n_heads: 4,
    index_topk: 16,
    n_routed_experts: 8,
    num_experts_per_tok: 2,
    moe_intermediate_size: 64,
    max_position_embeddings: 16_384,
  },
  small: {
    vocabularySize: 1024,
    corpusParagraphs: 1500,
    hidden_size: 256,
    compress_ratios: [0, 0, 4, 128, 4, 128, 4, 128, 0],
    num_hash_layers: 2,
    num_attention_heads: 8,
    head_dim: 128,
    q_lora_rank: 128,
    o_groups: 4,
    o_lora_rank: 64,
    sliding_window: 128,
    index_n_heads: 8,
    index_topk: 64,
    n_routed_experts: 16,
    num_experts_per_tok: 4,
    moe_intermediate_size: 128,
    max_position_embeddings: 65_536,
  },
} as const

export type MadeShape = keyof typeof shapes

export const madeShapes = Object.keys(shapes) as MadeShape[]

const common = {
  ...publishedConstants,
  num_nextn_predict_layers: 1,
  qk_rope_head_dim: 64,
  index_head_dim: 128,
  rope_scaling: { type: 'yarn', factor: 4, original_max_position_embeddings: 4096, beta_fast: 32, beta_slow: 1 },
  routed_scaling_factor: 1.5,
  quantization_config: { weight_block_size: [128, 128] },
}

/** What `config.json` of a model that we made says about its making. */
export interface Making {
  readonly trained: boolean
  readonly shape: string
  readonly seed: number
}

/**
 * Writes the folder, which is made when it does not exist, and returns the names of its files. Equal seeds give
 * equal bytes. `onStep` hears what comes next; the larger shape takes seconds.
 */
export function writeMadeModel(
  directory: string,
  seed: number,
  shape: MadeShape,
  onStep: (step: 'tokenizer' | 'weights' | 'files') => void = () => {},
): string[] {
  onStep('tokenizer')
  const { vocabularySize, corpusParagraphs, ...sizes } = shapes[shape]
  const tokenizer = trainTokenizer(ownCorpus(1, corpusParagraphs), { vocabularySize })
  const making: Making = { trained: false, shape, seed }
  const config = readConfig({
    ...common,
    ...sizes,
    num_hidden_layers: sizes.compress_ratios.length - 1,
    vocab_size: new Tokenizer(tokenizer).vocabularySize,
    portolan: making,
  })
  onStep('weights')
  const checkpoint = randomCheckpoint(config, seed)
  onStep('files')
  mkdirSync(directory, { recursive: true })
  const files = writeCheckpoint(directory, checkpoint)
  writeFileSync(join(directory, 'tokenizer.json'), `${JSON.stringify(tokenizer)}\n`)
  writeFileSync(join(directory, 'encoding.json'), encodingFile(ownProfile))
  return [...files, 'tokenizer.json', 'encoding.json']
}

/** How this model was made, if we made it; null for everybody else's. */
export function makingOf(config: ModelConfig): Making | null {
  const stated = config.source['portolan']
  if (typeof stated !== 'object' || stated === null) return null
  const { trained, shape, seed } = stated as Partial<Making>
  if (typeof trained !== 'boolean' || typeof shape !== 'string' || typeof seed !== 'number') return null
  return { trained, shape, seed }
}
