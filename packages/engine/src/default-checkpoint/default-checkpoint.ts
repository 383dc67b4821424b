/**
 * The checkpoint that answers when nobody has configured another: V4's architecture in the official layout,
 * every kind of layer, an own byte-level vocabulary with V4's special tokens, weights from a seed.
 *
 * It is made on the machine where it runs, in about a second, and is the same bytes everywhere. Nobody has
 * trained it: `config.json` says so, and whatever speaks for it must say so too.
 */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import {
  createRandom,
  encodingFile,
  ownCorpus,
  ownProfile,
  publishedConstants,
  randomCheckpoint,
  readConfig,
  trainTokenizer,
  writeCheckpoint,
  Tokenizer,
  type TokenizerFile,
} from '@portolan/model'
import { words } from './words.ts'

/** Part of the folder's name: another recipe is another model, and caches of the old one must not fit. */
export const defaultCheckpointName = 'portolan-untrained-1'

const seed = 20_261_123
const vocabularySize = 4096

/** Small in every direction but complete: window, sparse and heavy layers, hash and scored routing. */
const shape = {
  ...publishedConstants,
  hidden_size: 64,
  num_hidden_layers: 5,
  num_nextn_predict_layers: 0,
  num_hash_layers: 1,
  compress_ratios: [0, 4, 128, 4, 128],
  num_attention_heads: 4,
  head_dim: 64,
  qk_rope_head_dim: 16,
  q_lora_rank: 64,
  o_groups: 2,
  o_lora_rank: 32,
  sliding_window: 128,
  index_n_heads: 8,
  index_head_dim: 32,
  index_topk: 64,
  rope_scaling: { type: 'yarn', factor: 16, original_max_position_embeddings: 65_536, beta_fast: 32, beta_slow: 1 },
  n_routed_experts: 8,
  num_experts_per_tok: 2,
  moe_intermediate_size: 64,
  routed_scaling_factor: 1.5,
  max_position_embeddings: 1_048_576,
} as const

/** Words in random order in the three spellings in which text has them, between paragraphs of the own corpus. */
function* vocabularyTexts(): Generator<string> {
  const random = createRandom(seed)
  for (let line = 0; line < 1500; line++) {
    const picked = Array.from({ length: 12 }, () => words[random.below(words.length)]!)
    yield line % 5 === 0 ? picked.join('_') : `${capital(picked[0]!)} ${picked.slice(1).join(' ')}.`
  }
  // Each word at least as often as a merge needs, also those that chance left out.
  yield words.flatMap((word) => [word, word, capital(word), capital(word)]).join(' ')
  yield* ownCorpus(seed, 400)
}

function capital(word: string): string {
  return word[0]!.toUpperCase() + word.slice(1)
}

export function defaultTokenizer(): TokenizerFile {
  return trainTokenizer(vocabularyTexts(), { vocabularySize })
}

/** Writes the folder, replacing nothing; returns the names of its files. */
export function writeDefaultCheckpoint(directory: string): string[] {
  const tokenizer = defaultTokenizer()
  const config = readConfig({
    ...shape,
    vocab_size: new Tokenizer(tokenizer).vocabularySize,
    portolan: { trained: false, shape: defaultCheckpointName, seed },
  })
  mkdirSync(directory, { recursive: true })
  const files = writeCheckpoint(directory, randomCheckpoint(config, seed))
  writeFileSync(join(directory, 'tokenizer.json'), `${JSON.stringify(tokenizer)}\n`)
  writeFileSync(join(directory, 'encoding.json'), encodingFile(ownProfile))
  return [...files, 'tokenizer.json', 'encoding.json']
}

/**
 * The folder below `parent`, made when it is not there. Whole or not at all: it is written beside its place and
 * renamed, so neither a crash nor a second process leaves half a model.
 */
export function ensureDefaultCheckpoint(parent: string): string {
  const directory = join(parent, defaultCheckpointName)
  if (existsSync(join(directory, 'config.json'))) return directory
  const making = `${directory}.${process.pid}.making`
  rmSync(making, { recursive: true, force: true })
  writeDefaultCheckpoint(making)
  mkdirSync(dirname(directory), { recursive: true })
  try {
    renameSync(making, directory)
  } catch (error) {
    rmSync(making, { recursive: true, force: true })
    if (!existsSync(join(directory, 'config.json'))) throw error
  }
  return directory
}
