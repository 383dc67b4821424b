/** `portolan price lint`: every error and every oddity of price files, with line and column. */
import { isNode, LineCounter, parseDocument } from 'yaml'
import { lintPriceFile, type PriceFinding } from '@portolan/meter'
import { exitCodes } from '../errors.ts'
import { json } from '../output.ts'
import { readTextFile } from '../price-files.ts'

export interface LintOptions {
  readonly strict?: boolean
  readonly json?: boolean
}

export function lintPrices(files: readonly string[], options: LintOptions): void {
  const findings = files.flatMap((file) => {
    const text = readTextFile(file)
    const found = lintPriceFile(text)
    const place = found.length === 0 ? null : placesIn(text)
    return found.map((finding) => ({ file, ...(place?.(finding) ?? { line: 1, column: 1 }), ...finding }))
  })
  const errors = findings.filter(({ severity }) => severity === 'error').length
  if (options.json) console.log(json({ files, errors, warnings: findings.length - errors, findings }))
  else {
    for (const { file, line, column, severity, code, message } of findings)
      console.log(`${file}:${line}:${column}: ${severity} (${code}): ${message}`)
    const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`
    console.log(
      `${count(files.length, 'file')}: ${count(errors, 'error')}, ${count(findings.length - errors, 'warning')}.`,
    )
  }
  if (errors > 0 || (options.strict && findings.length > 0)) process.exitCode = exitCodes.failed
}

/** JSON is YAML, and the YAML reader keeps where everything stood. */
function placesIn(text: string): (finding: PriceFinding) => { readonly line: number; readonly column: number } {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false })
  const syntax = document.errors[0]
  return ({ path }) => {
    let offset = path.length === 0 ? (syntax?.pos[0] ?? 0) : 0
    for (let length = path.length; length > 0; length--) {
      const node: unknown = document.getIn(path.slice(0, length), true)
      if (!isNode(node) || !node.range) continue
      offset = node.range[0]
      break
    }
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
}
