/**
 * Draws milliseconds a decoded token by context; alone, from figures that were kept:
 *
 *   node --conditions=source bench/engine/plot.ts bench/engine/decode-by-context.json > decode-by-context.svg
 */
import { readFileSync } from 'node:fs'

interface Point {
  readonly contextTokens: number
  readonly decodeMsPerToken: number
}

/** Milliseconds a token against the logarithm of the context. */
export function plot(speeds: readonly Point[]): string {
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

const [file] = process.argv.slice(2)
if (import.meta.main && file !== undefined)
  process.stdout.write(plot((JSON.parse(readFileSync(file, 'utf8')) as { speeds: Point[] }).speeds))
