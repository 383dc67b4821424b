/**
 * Import specifiers and code lines of a TypeScript file, by text.
 *
 * Enough for files in the house's own format (imports at the start of a line, block comments with a leading
 * star); not a parser. Left out: specifiers that are put together at run time.
 */
export interface ImportLine {
  readonly specifier: string
  /** From 1. */
  readonly line: number
  /** The statement up to its specifier, e.g. `import { createServer, type Server } from`. */
  readonly clause: string
}

export interface CodeLine {
  readonly text: string
  /** From 1. */
  readonly line: number
}

const statement =
  /^[ \t]*((?:import|export)\b(?!\s*\()[^'"`;=()]*?\bfrom|import)\s*['"]([^'"\n]+)['"]|(\bimport\(\s*)['"]([^'"\n]+)['"]/gm

export function importsOf(source: string): ImportLine[] {
  return [...source.matchAll(statement)].map((match) => ({
    specifier: match[2] ?? match[4]!,
    line: lineAt(source, match.index + match[0].search(/\S/)),
    clause: (match[1] ?? 'import(').replace(/\s+/g, ' ').trim(),
  }))
}

/** Lines with comments taken off; lines that are all comment are left out. */
export function codeLines(source: string): CodeLine[] {
  return source
    .split('\n')
    .map((text, index) => ({ text: text.replace(/(^|\s)\/\/.*$/, '$1'), line: index + 1 }))
    .filter(({ text }) => text.trim() !== '' && !/^\s*(\/\*|\*)/.test(text))
}

function lineAt(source: string, offset: number): number {
  let line = 1
  for (let at = source.indexOf('\n'); at !== -1 && at < offset; at = source.indexOf('\n', at + 1)) line++
  return line
}
