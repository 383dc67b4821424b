/**
 * What engines inside this process say of themselves, asked when somebody reads the metrics.
 *
 * All series of one reading come from one question to each engine; the only labels are the upstream's name and
 * words from this file.
 */
import { Counter, Gauge, type Registry } from 'prom-client'
import type { InProcessFigures, InProcessProbe } from '@portolan/upstream'

export interface WatchedEngine {
  readonly upstream: string
  readonly probe: InProcessProbe
}

interface Reading {
  readonly upstream: string
  readonly figures: InProcessFigures
}

interface Series {
  readonly type: 'gauge' | 'counter'
  readonly name: string
  readonly help: string
  /** Null: the series has no label but the upstream. */
  readonly label: string | null
  readonly values: Readonly<Record<string, (figures: InProcessFigures) => number>>
}

const series: readonly Series[] = [
  {
    type: 'gauge',
    name: 'portolan_engine_requests',
    help: 'Requests in the engine: running, waiting.',
    label: 'state',
    values: { running: ({ running }) => running, waiting: ({ waiting }) => waiting },
  },
  {
    type: 'counter',
    name: 'portolan_engine_tokens_total',
    help: 'Tokens through the model: prefill, decode. Those computed again for requests that were put down are in them.',
    label: 'phase',
    values: { prefill: ({ prefillTokens }) => prefillTokens, decode: ({ decodeTokens }) => decodeTokens },
  },
  {
    type: 'counter',
    name: 'portolan_engine_recomputed_tokens_total',
    help: 'Tokens computed again after a request was put down for another.',
    label: null,
    values: { '': ({ recomputedTokens }) => recomputedTokens },
  },
  {
    type: 'gauge',
    name: 'portolan_engine_tokens_per_second',
    help: 'Over the last ten seconds: prefill, decode.',
    label: 'phase',
    values: {
      prefill: ({ prefillTokensPerSec }) => prefillTokensPerSec,
      decode: ({ decodeTokensPerSec }) => decodeTokensPerSec,
    },
  },
  {
    type: 'counter',
    name: 'portolan_engine_prompt_tokens_total',
    help: 'Prompt tokens by what the prefix cache knew of them: hit, miss.',
    label: 'cache',
    values: { hit: ({ hitTokens }) => hitTokens, miss: ({ missTokens }) => missTokens },
  },
  {
    type: 'gauge',
    name: 'portolan_engine_cache_bytes',
    help: 'Bytes of kept prefixes: memory, disk.',
    label: 'tier',
    values: { memory: ({ memoryBytes }) => memoryBytes, disk: ({ diskBytes }) => diskBytes },
  },
  {
    type: 'gauge',
    name: 'portolan_engine_cache_limit_bytes',
    help: 'What kept prefixes may fill: memory, disk.',
    label: 'tier',
    values: { memory: ({ memoryLimitBytes }) => memoryLimitBytes, disk: ({ diskLimitBytes }) => diskLimitBytes },
  },
  {
    type: 'gauge',
    name: 'portolan_engine_memory_bytes',
    help: "Memory of the engine's thread: heap (of it used, and remembered by grammars as states and masks), buffers (prefixes in memory among them), kernels (touched so far).",
    label: 'part',
    values: {
      heap: ({ memory }) => memory.heapBytes,
      heap_used: ({ memory }) => memory.heapUsedBytes,
      grammar_states: ({ memory }) => memory.grammarStateBytes,
      grammar_masks: ({ memory }) => memory.grammarMaskBytes,
      buffers: ({ memory }) => memory.bufferBytes,
      kernels: ({ memory }) => memory.arenaTouchedBytes,
    },
  },
  {
    type: 'gauge',
    name: 'portolan_engine_kernels_limit_bytes',
    help: 'What the memory of the kernels (weights, sequences, one pass) can grow to at most.',
    label: null,
    values: { '': ({ memory }) => memory.arenaBytes },
  },
  {
    type: 'gauge',
    name: 'portolan_engine_cache_blocks',
    help: 'Blocks of 128 tokens: memory, disk.',
    label: 'tier',
    values: { memory: ({ memoryBlocks }) => memoryBlocks, disk: ({ diskBlocks }) => diskBlocks },
  },
  {
    type: 'gauge',
    name: 'portolan_engine_sequence_bytes',
    help: 'What running requests remember, shared blocks counted once.',
    label: null,
    values: { '': ({ sequenceBytes }) => sequenceBytes },
  },
  {
    type: 'counter',
    name: 'portolan_engine_evictions_total',
    help: 'Blocks that left to make room: memory, disk.',
    label: 'tier',
    values: { memory: ({ memoryEvictions }) => memoryEvictions, disk: ({ diskEvictions }) => diskEvictions },
  },
  {
    type: 'counter',
    name: 'portolan_engine_preemptions_total',
    help: 'Requests put down for another, or for want of memory.',
    label: null,
    values: { '': ({ preemptions }) => preemptions },
  },
  {
    type: 'counter',
    name: 'portolan_engine_refused_total',
    help: 'Requests refused because the queue was full.',
    label: null,
    values: { '': ({ refused }) => refused },
  },
]

export class EngineMetrics {
  #engines: readonly WatchedEngine[] = []
  #reading: Promise<readonly Reading[]> | null = null

  constructor(registry: Registry) {
    for (const each of series) this.#register(each, registry)
  }

  watch(engines: readonly WatchedEngine[]): void {
    this.#engines = engines
  }

  #register({ type, name, help, label, values }: Series, registry: Registry): void {
    const labelNames = label === null ? ['upstream'] : ['upstream', label]
    const read = () => this.#read()
    const labelsOf = (upstream: string, word: string) => (label === null ? { upstream } : { upstream, [label]: word })
    if (type === 'gauge') {
      const gauge: Gauge = new Gauge({
        name,
        help,
        labelNames,
        registers: [registry],
        async collect() {
          const engines = await read()
          gauge.reset()
          for (const { upstream, figures } of engines)
            for (const [word, value] of Object.entries(values)) gauge.set(labelsOf(upstream, word), value(figures))
        },
      })
      return
    }
    const counter: Counter = new Counter({
      name,
      help,
      labelNames,
      registers: [registry],
      async collect() {
        const engines = await read()
        counter.reset()
        for (const { upstream, figures } of engines)
          for (const [word, value] of Object.entries(values)) counter.inc(labelsOf(upstream, word), value(figures))
      },
    })
  }

  /** Series that are read together ask together. */
  #read(): Promise<readonly Reading[]> {
    this.#reading ??= Promise.all(
      this.#engines.map(async ({ upstream, probe }) => ({ upstream, figures: await probe.figures() })),
    )
      .then((all) => all.flatMap(({ upstream, figures }) => (figures === null ? [] : [{ upstream, figures }])))
      .finally(() => {
        this.#reading = null
      })
    return this.#reading
  }
}
