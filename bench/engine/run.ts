/**
 * Decode and prefill on a checkpoint that leaves the processor's caches, by length of context:
 *
 *   node --conditions=source bench/engine/run.ts DIRECTORY [--forward fast] [--tokens 9] [--most 1048576] [--svg FILE]
 *
 * DIRECTORY comes from make-checkpoint.ts. Prints JSON; draws the plot that README.md shows.
 */
import { writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { measureContexts, measureReading, openForward, type ForwardChoice } from '@portolan/engine'
import { openCheckpoint } from '@portolan/model'
import { plot } from './plot.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    forward: { type: 'string', default: 'fast' },
    tokens: { type: 'string', default: '9' },
    most: { type: 'string', default: String(2 ** 20) },
    svg: { type: 'string' },
  },
})
const [directory] = positionals
if (directory === undefined) throw new Error('Name the folder of a checkpoint: run.ts DIRECTORY')

const checkpoint = openCheckpoint(directory)
const begin = performance.now()
const opened = await openForward(checkpoint, 'bench', { forward: values.forward as ForwardChoice })
const loadMs = performance.now() - begin
// What is measured at a context comes after it.
const most = Math.min(Number(values.most), checkpoint.config.maximumPositions - 1024)
const contexts = [10, 12, 14, 16, 18, 20].map((power) => Math.min(2 ** power, most))
/** Before and after each context: a busy minute meets both alike. */
const readings = [measureReading(opened.forward)!]
const speeds = measureContexts(opened.forward, {
  contexts: [...new Set(contexts)],
  tokens: Number(values.tokens),
  computeUpTo: 0,
  onContext: ({ contextTokens, decodeMsPerToken, leastDecodeMs }) => {
    readings.push(measureReading(opened.forward)!)
    console.error(contextTokens, decodeMsPerToken.toFixed(1), leastDecodeMs.toFixed(1))
  },
})
await opened.stop()
checkpoint.close()

const perToken = opened.weights!.bytesPerToken
const report = {
  machine: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, Node ${process.versions.node}`,
  load: loadavg()[0],
  forward: opened.kind,
  loadMs: Math.round(loadMs),
  weights: opened.weights,
  readGigabytesPerSec: readings.map((reading) => reading / 1e9),
  speeds: speeds.map((speed, at) => {
    const reading = Math.max(readings[at]!, readings[at + 1]!)
    return {
      ...speed,
      decodeTokensPerSec: 1000 / speed.decodeMsPerToken,
      allowedTokensPerSec: reading / perToken,
      shareOfAllowed: ((1000 / speed.decodeMsPerToken) * perToken) / reading,
      shareAtBest: ((1000 / speed.leastDecodeMs) * perToken) / Math.max(...readings),
    }
  }),
}
console.log(JSON.stringify(report, null, 2))
if (values.svg !== undefined) writeFileSync(values.svg, plot(speeds))
