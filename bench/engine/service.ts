/**
 * The default checkpoint through the engine's thread, once for every forward pass:
 *
 *   node --conditions=source bench/engine/service.ts [--json]
 *
 * One answer, eight at once, a prompt of some 3,800 tokens cold and again from memory. Medians of three.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ensureDefaultCheckpoint, EngineThread, type ForwardChoice } from '@portolan/engine'

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } })
const directory = mkdtempSync(join(tmpdir(), 'bench-engine-'))
const checkpoint = ensureDefaultCheckpoint(directory)
const long = 'The keeper of the light measures the depth of the bay and writes it down. '.repeat(170)

interface Timing {
  readonly promptTokens: number
  readonly hitTokens: number
  readonly outputTokens: number
  readonly firstMs: number
  readonly totalMs: number
}

async function answer(thread: EngineThread, seed: number, outputTokens: number, text: string): Promise<Timing> {
  const begin = performance.now()
  let firstMs = 0
  for await (const event of thread.generate(
    {
      tenant: `tenant ${seed}`,
      chat: { mode: 'chat', messages: [{ role: 'user', content: text }] },
      maximumOutputTokens: outputTokens,
      stops: [],
      sampling: { seed },
      deadlineMs: null,
    },
    null,
  )) {
    if (event.type === 'completion' && firstMs === 0) firstMs = performance.now() - begin
    if (event.type === 'failed') throw new Error(event.message)
    if (event.type === 'ended')
      return {
        promptTokens: event.promptTokens,
        hitTokens: event.hitTokens,
        outputTokens: event.outputTokens,
        firstMs,
        totalMs: performance.now() - begin,
      }
  }
  throw new Error('The answer did not end.')
}

const median = (numbers: number[]): number => numbers.sort((one, other) => one - other)[numbers.length >> 1]!

async function measure(forward: ForwardChoice) {
  const begin = performance.now()
  const thread = new EngineThread({ checkpoint, forward })
  await thread.ready
  const readyMs = performance.now() - begin
  await answer(thread, 99, 64, 'Warm.')
  const rates: number[] = []
  const together: number[] = []
  const prompts: number[] = []
  const cold: number[] = []
  const warm: number[] = []
  for (let round = 0; round < 3; round++) {
    const one = await answer(thread, round, 200, 'Tell me.')
    rates.push((one.outputTokens / (one.totalMs - one.firstMs)) * 1000)
    const start = performance.now()
    const eight = await Promise.all(
      Array.from({ length: 8 }, (_, at) => answer(thread, 100 + round * 8 + at, 200, 'Tell me.')),
    )
    const tokens = eight.reduce((sum, { outputTokens }) => sum + outputTokens, 0)
    together.push((tokens / (performance.now() - start)) * 1000)
    const first = await answer(thread, 1000 + round, 2, long)
    const again = await answer(thread, 1000 + round, 2, long)
    prompts.push((first.promptTokens / first.totalMs) * 1000)
    cold.push(first.totalMs)
    warm.push(again.totalMs)
  }
  await thread.close()
  return {
    forward,
    readyMs: Math.round(readyMs),
    oneAnswerTokensPerSec: Math.round(median(rates)),
    eightAnswersTokensPerSec: Math.round(median(together)),
    promptTokensPerSec: Math.round(median(prompts)),
    coldPromptMs: Math.round(median(cold)),
    cachedPromptMs: Math.round(median(warm)),
  }
}

try {
  const results = []
  for (const forward of ['reference', 'exact', 'fast'] as const) results.push(await measure(forward))
  if (values.json) console.log(JSON.stringify(results, null, 2))
  else console.table(results)
} finally {
  rmSync(directory, { recursive: true })
}
