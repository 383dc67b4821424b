/** `portolan model bench`: speed of a checkpoint on this machine by length of context, and what it costs in memory. */
import { loadavg } from 'node:os'
import { resolve } from 'node:path'
import { measureContexts, measureReading, openForward, type ContextSpeed, type ForwardChoice } from '@portolan/engine'
import type { Checkpoint } from '@portolan/model'
import { CliError } from '../errors.ts'
import { json, table } from '../output.ts'
import { bytesText, countText, openModelFolder, percentText, startProgress, untrainedNotice } from './model-folder.ts'

export interface BenchOptions {
  readonly json?: boolean
  readonly context?: readonly number[]
  readonly tokens: number
  readonly forward: ForwardChoice
  readonly compute: number
}

/** Those that the model can hold with the tokens measured after them. */
const usualContexts = [1024, 8192, 65_536, 262_144]
/** Tokens beyond a context that measuring it takes, at most, beside the decoded ones. */
const afterContext = 512

export async function benchModel(directory: string, options: BenchOptions): Promise<void> {
  const checkpoint = openModelFolder(directory)
  const progress = startProgress(options.json === true)
  try {
    const contexts = contextsFor(checkpoint, options)
    progress.show('Reading weights ...')
    const begin = performance.now()
    // The name keys cached blocks, and nothing is cached here.
    const opened = await openForward(checkpoint, 'bench', { forward: options.forward })
    const loadMs = performance.now() - begin
    try {
      const { forward, kind } = opened
      const readBytesPerSec = measureReading(forward)
      const perToken = opened.weights?.bytesPerToken ?? null
      const speeds = measureContexts(forward, {
        contexts,
        tokens: options.tokens,
        computeUpTo: options.compute,
        onContext: ({ contextTokens }) => progress.show(`Measured at ${countText(contextTokens)} tokens`),
      })
      const report = {
        forward: kind,
        loadMs: Math.round(loadMs),
        weightBytes: opened.weights?.bytes ?? null,
        weightBytesPerToken: perToken,
        readBytesPerSec,
        processBytes: process.memoryUsage().rss,
        load: loadavg()[0]!,
        contexts: speeds.map((speed) => ({
          ...speed,
          shareOfReading:
            perToken === null || readBytesPerSec === null
              ? null
              : ((perToken / speed.decodeMsPerToken) * 1000) / readBytesPerSec,
        })),
      }
      progress.end()
      if (options.json) console.log(json({ directory: resolve(directory), ...report }))
      else console.log(toText(report, checkpoint))
    } finally {
      await opened.stop()
    }
  } finally {
    progress.end()
    checkpoint.close()
  }
}

function contextsFor({ config }: Checkpoint, { context, tokens }: BenchOptions): readonly number[] {
  const most = config.maximumPositions - tokens - afterContext
  if (context === undefined) return usualContexts.filter((each, at) => at === 0 || each <= most)
  const beyond = context.find((each) => each > most)
  if (beyond !== undefined)
    throw new CliError(
      'CLI_BAD_ARGUMENT',
      `--context: ${countText(beyond)} tokens; with what is measured after it, this model holds at most ${countText(most)}.`,
    )
  return context
}

interface Report {
  readonly forward: string
  readonly loadMs: number
  readonly weightBytes: number | null
  readonly weightBytesPerToken: number | null
  readonly readBytesPerSec: number | null
  readonly processBytes: number
  readonly load: number
  readonly contexts: readonly (ContextSpeed & { readonly shareOfReading: number | null })[]
}

function toText(report: Report, { config }: Checkpoint): string {
  const { weightBytes, weightBytesPerToken, readBytesPerSec } = report
  const milliseconds = (ms: number | null): string =>
    ms === null ? '-' : ms >= 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${ms.toFixed(ms < 10 ? 1 : 0)} ms`
  const lines = [
    `Computed by: ${report.forward === 'reference' ? 'the plain model' : `kernels, ${report.forward} mode`}; loaded in ${milliseconds(report.loadMs)}; load of the machine ${report.load.toFixed(1)}`,
  ]
  if (weightBytes !== null && weightBytesPerToken !== null && readBytesPerSec !== null)
    lines.push(
      `Weights: ${bytesText(weightBytes)}, ${bytesText(weightBytesPerToken)} a token; this machine reads them at ${bytesText(readBytesPerSec)}/s`,
    )
  lines.push(`Process: ${bytesText(report.processBytes)} in memory`, '')
  lines.push(
    table(report.contexts, [
      { title: 'CONTEXT', value: ({ contextTokens }) => countText(contextTokens), align: 'right' },
      {
        title: 'DECODE',
        value: ({ decodeMsPerToken }) => `${(1000 / decodeMsPerToken).toFixed(1)} tok/s`,
        align: 'right',
      },
      {
        title: 'OF READING',
        value: ({ shareOfReading }) => (shareOfReading === null ? '-' : percentText(shareOfReading)),
        align: 'right',
      },
      {
        title: 'PREFILL',
        value: ({ prefillTokensPerSec }) => `${prefillTokensPerSec.toFixed(prefillTokensPerSec < 100 ? 1 : 0)} tok/s`,
        align: 'right',
      },
      { title: 'COMPUTED', value: ({ computedMs }) => milliseconds(computedMs), align: 'right' },
      { title: 'FROM CACHE', value: ({ resumedMs }) => milliseconds(resumedMs), align: 'right' },
      {
        title: 'SEQUENCE',
        value: ({ sequenceBytes }) => (sequenceBytes === null ? '-' : bytesText(sequenceBytes)),
        align: 'right',
      },
    ]),
    '',
    'OF READING: weights of one token over the time it takes, against reading them and doing nothing. COMPUTED and',
    'FROM CACHE: until the logits after that context are there, computed or taken up from blocks in memory. Contexts',
    'repeat one computed block of 128 tokens.',
  )
  const notice = untrainedNotice(config)
  return notice === null ? lines.join('\n') : `${notice}\n\n${lines.join('\n')}`
}
