/**
 * A second implementation's opinion: small models exported to GGUF, run by llama.cpp, logits compared.
 *
 * Runs where `node-llama-cpp` 3.22.1 is installed (or `PORTOLAN_LLAMA_CPP` points at its entry file) and its
 * prebuilt binary loads; skipped by name otherwise. llama.cpp rounds no cache row to FP8 and no index vector
 * to FP4, so it is compared with the plain numeric mode. Measured over 300 positions: with an F32 cache the
 * logits agree to 2.3e-5 and on all 300 choices, which leaves summation order and nothing else; with its default
 * F16 cache to 2.6e-3 and on 299, so storing rows in F16 is the one operation that differs.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { smallConfig } from '../config/small-configs.ts'
import { Model } from '../forward/model.ts'
import { numericModes } from '../forward/run.ts'
import { logSumExp } from '../sampling/log-probabilities.ts'
import type { Checkpoint } from './checkpoint.ts'
import { writeGguf } from './gguf.ts'
import { randomCheckpoint, seededUniform } from './random-checkpoint.ts'

/** The few calls of node-llama-cpp that are used here. */
interface LlamaModule {
  getLlama(options: object): Promise<{
    loadModel(options: object): Promise<{
      createContext(options: object): Promise<{
        getSequence(): {
          controlledEvaluate(
            input: [number, object][],
          ): Promise<({ next: { logits?: Map<number, number> } } | undefined)[]>
        }
      }>
    }>
    dispose(): Promise<void>
  }>
}

async function loadLlama(): Promise<{ llama: Awaited<ReturnType<LlamaModule['getLlama']>> } | { reason: string }> {
  const place = process.env['PORTOLAN_LLAMA_CPP']
  const specifier: string = place === undefined ? 'node-llama-cpp' : pathToFileURL(place).href
  try {
    const module: LlamaModule = await import(specifier)
    // Never builds or downloads: a machine without the prebuilt binary skips.
    return { llama: await module.getLlama({ gpu: false, build: 'never', skipDownload: true, logLevel: 'error' }) }
  } catch (error) {
    return {
      reason: `node-llama-cpp does not load here (${error instanceof Error ? error.message.split('\n')[0] : 'unknown'})`,
    }
  }
}

const loaded = await loadLlama()
const folder = mkdtempSync(join(tmpdir(), 'portolan-llama-'))
after(async () => {
  rmSync(folder, { recursive: true, force: true })
  if ('llama' in loaded) await loaded.llama.dispose()
})

const large = {
  head_dim: 128,
  qk_rope_head_dim: 64,
  index_head_dim: 128,
  vocab_size: 64,
  max_position_embeddings: 1024,
}

/** Largest logit difference and number of equal choices over all positions of one prompt. */
async function compare(
  checkpoint: Checkpoint,
  ids: readonly number[],
  cacheType: 'F32' | 'F16',
): Promise<{ maximum: number; sameChoice: number; summary: string }> {
  assert.ok('llama' in loaded)
  const { vocabSize } = checkpoint.config
  const path = join(folder, 'model.gguf')
  const tokens = Array.from({ length: vocabSize }, (_, id) => `t${id}`)
  writeGguf(path, checkpoint, { vocabulary: { tokens, merges: [], types: tokens.map((_, id) => (id < 2 ? 3 : 1)) } })
  const model = await loaded.llama.loadModel({ modelPath: path, gpuLayers: 0, useMmap: false })
  const context = await model.createContext({
    contextSize: 512,
    batchSize: 512,
    threads: 1,
    flashAttention: false,
    experimentalKvCacheKeyType: cacheType,
    experimentalKvCacheValueType: cacheType,
  })
  const theirs = await context
    .getSequence()
    .controlledEvaluate(ids.map((id) => [id, { generateNext: { logits: true } }]))
  const ours = Model.load(checkpoint, { mode: numericModes.plain })
  const [result] = ours.forward([{ state: ours.newState(), ids }], { logits: 'all' })
  let maximum = 0
  let sameChoice = 0
  let furthestApart = 0
  for (let at = 0; at < ids.length; at++) {
    const logits = theirs[at]?.next.logits
    assert.equal(logits?.size, vocabSize, `logits at position ${at}`)
    const theirLogits = Float32Array.from({ length: vocabSize }, (_, id) => logits.get(id)!)
    furthestApart = Math.max(
      furthestApart,
      variation(theirLogits, result!.logits.subarray(at * vocabSize, (at + 1) * vocabSize)),
    )
    let [theirBest, ourBest] = [0, 0]
    for (let id = 0; id < vocabSize; id++) {
      const ourLogit = (of: number) => result!.logits[at * vocabSize + of]!
      maximum = Math.max(maximum, Math.abs(logits.get(id)! - ourLogit(id)))
      if (logits.get(id)! > logits.get(theirBest)!) theirBest = id
      if (ourLogit(id) > ourLogit(ourBest)) ourBest = id
    }
    if (theirBest === ourBest) sameChoice++
  }
  const summary = `${cacheType} cache: largest logit difference ${maximum.toExponential(1)}, largest total variation ${furthestApart.toExponential(1)}, ${sameChoice} of ${ids.length} choices equal`
  return { maximum, sameChoice, summary }
}

/** Total variation between the next-token distributions of two rows of logits: 0 equal, 1 disjoint. */
function variation(one: Float32Array, other: Float32Array): number {
  const [first, second] = [logSumExp(one), logSumExp(other)]
  let sum = 0
  for (let id = 0; id < one.length; id++) sum += Math.abs(Math.exp(one[id]! - first) - Math.exp(other[id]! - second))
  return sum / 2
}

describe('llama.cpp on exported models', { skip: 'reason' in loaded ? loaded.reason : false }, () => {
  const uniform = seededUniform(9)
  const ids = Array.from({ length: 300 }, () => Math.floor(uniform() * 64))

  const shapes: [name: string, overrides: Record<string, unknown>][] = [
    [
      'a Flash-like schedule with hash layers, window 16 and top-k 5',
      {
        compress_ratios: [0, 0, 4, 128, 4],
        num_hidden_layers: 5,
        num_hash_layers: 2,
        sliding_window: 16,
        index_topk: 5,
      },
    ],
    [
      'a Pro-like schedule with more heads and groups, window 40 and top-k 9',
      {
        compress_ratios: [128, 128, 4, 128, 4],
        num_hidden_layers: 5,
        num_hash_layers: 3,
        num_attention_heads: 8,
        o_groups: 4,
        sliding_window: 40,
        index_topk: 9,
        n_routed_experts: 8,
        num_experts_per_tok: 3,
      },
    ],
  ]
  for (const [name, overrides] of shapes) {
    it(`agrees to 1e-4 and on every choice over 300 positions of ${name}`, async (test) => {
      const { maximum, sameChoice, summary } = await compare(
        randomCheckpoint(smallConfig({ ...large, ...overrides }), 21),
        ids,
        'F32',
      )
      test.diagnostic(summary)
      assert.ok(maximum <= 1e-4, `largest difference ${maximum}`)
      assert.equal(sameChoice, ids.length)
    })
  }

  it('differs only by F16 rounding of rows with its default cache', async (test) => {
    const { sameChoice, summary } = await compare(
      randomCheckpoint(smallConfig({ ...large, compress_ratios: [0, 4, 128, 4] }), 21),
      ids,
      'F16',
    )
    test.diagnostic(summary)
    assert.ok(sameChoice >= 0.97 * ids.length, `${sameChoice} of ${ids.length} choices`)
  })
})
