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
const readBytesPerSec = measureReading(opened.forward)!
const speeds = measureContexts(opened.forward, {
  contexts: [...new Set(contexts)],
  tokens: Number(values.tokens),
  computeUpTo: 0,
  onContext: ({ contextTokens, decodeMsPerToken }) => console.error(contextTokens, decodeMsPerToken.toFixed(1)),
})
const readAfter = measureReading(opened.forward)!
await opened.stop()
checkpoint.close()

const perToken = opened.weights!.bytesPerToken
const report = {
  machine: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, Node ${process.versions.node}`,
  load: loadavg()[0],
  forward: opened.kind,
  loadMs: Math.round(loadMs),
  weights: opened.weights,
  readGigabytesPerSec: [readBytesPerSec / 1e9, readAfter / 1e9],
  allowedTokensPerSec: readBytesPerSec / perToken,
  speeds: speeds.map((speed) => ({
    ...speed,
    decodeTokensPerSec: 1000 / speed.decodeMsPerToken,
    shareOfAllowed: ((1000 / speed.decodeMsPerToken) * perToken) / Math.min(readBytesPerSec, readAfter),
  })),
}
console.log(JSON.stringify(report, null, 2))
if (values.svg !== undefined) writeFileSync(values.svg, plot())

/** Milliseconds a token against the logarithm of the context. */
function plot(): string {
  const [width, height, left, bottom] = [720, 360, 70, 50]
  const top = Math.max(...speeds.map(({ decodeMsPerToken }) => decodeMsPerToken)) * 1.15
  const first = Math.log2(speeds[0]!.contextTokens)
  const last = Math.log2(speeds.at(-1)!.contextTokens)
  const x = (tokens: number): number => left + ((Math.log2(tokens) - first) / (last - first)) * (width - left - 30)
  const y = (ms: number): number => height - bottom - (ms / top) * (height - bottom - 30)
  const points = speeds.map(({ contextTokens, decodeMsPerToken }) => [x(contextTokens), y(decodeMsPerToken)] as const)
  const at = ([across, down]: readonly [number, number]): string => `${across.toFixed(1)},${down.toFixed(1)}`
  const step = 10 ** Math.floor(Math.log10(top)) / (top / 10 ** Math.floor(Math.log10(top)) < 3 ? 2 : 1)
  const lines: string[] = []
  for (let ms = 0; ms <= top; ms += step)
    lines.push(
      `<line x1="${left}" y1="${y(ms).toFixed(1)}" x2="${width - 30}" y2="${y(ms).toFixed(1)}" stroke="#ddd"/>`,
      `<text x="${left - 8}" y="${(y(ms) + 4).toFixed(1)}" text-anchor="end">${ms}</text>`,
    )
  for (const { contextTokens, decodeMsPerToken } of speeds) {
    const name = contextTokens >= 2 ** 20 - 1024 ? '1M' : `${Math.round(contextTokens / 1024)}K`
    lines.push(
      `<text x="${x(contextTokens).toFixed(1)}" y="${height - bottom + 20}" text-anchor="middle">${name}</text>`,
      `<circle cx="${x(contextTokens).toFixed(1)}" cy="${y(decodeMsPerToken).toFixed(1)}" r="4" fill="#1f6f8b"/>`,
      `<text x="${x(contextTokens).toFixed(1)}" y="${(y(decodeMsPerToken) - 10).toFixed(1)}" text-anchor="middle">${decodeMsPerToken.toFixed(0)}</text>`,
    )
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="13" role="img" aria-label="Milliseconds a decoded token by tokens of context">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...lines,
    `<polyline points="${points.map(at).join(' ')}" fill="none" stroke="#1f6f8b" stroke-width="2"/>`,
    `<text x="${width / 2}" y="${height - 8}" text-anchor="middle">tokens of context</text>`,
    `<text x="16" y="${height / 2}" text-anchor="middle" transform="rotate(-90 16 ${height / 2})">ms a decoded token</text>`,
    '</svg>',
    '',
  ].join('\n')
}
