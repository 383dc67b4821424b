/**
 * Reads `portolan.yaml`: syntax, shape and references, each error with its line and column.
 *
 * Secrets come in only by `${ENV}` reference; a literal `apiKey` is refused, so that the file can be shared.
 */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { isMap, isNode, LineCounter, parseDocument, type Document } from 'yaml'
import { configSchema, type FileConfig } from './schema.ts'
import { CliError } from '../errors.ts'

export interface LoadedConfig {
  readonly file: FileConfig
  /** Absolute; null when there is no file. */
  readonly path: string | null
  /** Relative paths in the configuration start here. */
  readonly directory: string
}

/**
 * @param path as given on the command line; null: `portolan.yaml` in the working directory, if there is one.
 * @throws CliError `CLI_NO_CONFIG`, `CLI_BAD_CONFIG` or `CLI_MISSING_ENV`.
 */
export function loadConfig(path: string | null, env: NodeJS.ProcessEnv = process.env): LoadedConfig {
  const found = resolve(path ?? 'portolan.yaml')
  if (path === null && !existsSync(found)) return { file: {}, path: null, directory: process.cwd() }
  let text: string
  try {
    text = readFileSync(found, 'utf8')
  } catch (error) {
    const why =
      (error as NodeJS.ErrnoException).code === 'ENOENT'
        ? 'there is no such file'
        : (error as NodeJS.ErrnoException).code
    throw new CliError('CLI_NO_CONFIG', `Cannot read ${found}: ${why}. \`portolan init\` makes a configuration.`, {
      cause: error,
    })
  }
  return { file: parseConfig(text, found, env), path: found, directory: dirname(found) }
}

/** @param label what the error calls the text: its path. */
export function parseConfig(text: string, label: string, env: NodeJS.ProcessEnv): FileConfig {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const syntax = document.errors[0]
  if (syntax) throw problem(label, lines, syntax.pos[0], firstLine(syntax.message))
  const value: unknown = document.toJS() ?? {}
  const parsed = configSchema.safeParse(value)
  if (!parsed.success) {
    // A misspelt member is also a missing one; the misspelling is what to say.
    const { issues } = parsed.error
    const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]!
    const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))
    const unknown = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined
    const at = offsetOf(document, unknown === undefined ? path : [...path, unknown], unknown !== undefined)
    const where = [...path, ...(unknown === undefined ? [] : [unknown])].join('.')
    const what = unknown === undefined ? issue.message : `there is no such setting${suggestion(unknown, path)}`
    throw problem(label, lines, at, `${where || 'the file'}: ${what}`)
  }
  return resolveReferences(
    parsed.data,
    (path, message, code) => problem(label, lines, offsetOf(document, path, false), message, code),
    env,
  )
}

function problem(
  label: string,
  lines: LineCounter,
  offset: number,
  message: string,
  code: 'CLI_BAD_CONFIG' | 'CLI_MISSING_ENV' = 'CLI_BAD_CONFIG',
): CliError {
  const { line, col } = lines.linePos(offset)
  return new CliError(code, `${label}:${line}:${col}: ${message}`)
}

/** Character offset of a value (or of its key) in the text; the nearest enclosing node when it is absent. */
function offsetOf(document: Document, path: readonly (string | number)[], ofKey: boolean): number {
  if (ofKey) {
    const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true)
    const pair = isMap(parent) ? parent.items.find((item) => String(item.key) === String(path.at(-1))) : undefined
    if (isNode(pair?.key) && pair.key.range) return pair.key.range[0]
  }
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true)
    if (isNode(node) && node.range) return node.range[0]
  }
  return 0
}

function resolveReferences(
  file: FileConfig,
  fail: (path: readonly (string | number)[], message: string, code: 'CLI_BAD_CONFIG' | 'CLI_MISSING_ENV') => CliError,
  env: NodeJS.ProcessEnv,
): FileConfig {
  const upstreams = Object.entries(file.upstreams ?? {}).map(([name, upstream]) => {
    const path = ['upstreams', name, 'apiKey'] as const
    const { apiKey, baseUrl } = upstream
    if (apiKey !== undefined && !/^\$\{\w+\}$/.test(apiKey))
      throw fail(
        path,
        `${path.join('.')}: a secret belongs in the environment; write "\${SOME_VARIABLE}" here.`,
        'CLI_BAD_CONFIG',
      )
    const resolved = (text: string, at: readonly string[]): string =>
      text.replace(/\$\{(\w+)\}/g, (_whole, variable: string) => {
        const value = env[variable]
        if (!value)
          throw fail(at, `${at.join('.')}: the environment variable ${variable} is not set.`, 'CLI_MISSING_ENV')
        return value
      })
    return [
      name,
      {
        ...upstream,
        ...(apiKey === undefined ? {} : { apiKey: resolved(apiKey, path) }),
        ...(baseUrl === undefined ? {} : { baseUrl: resolved(baseUrl, ['upstreams', name, 'baseUrl']) }),
      },
    ] as const
  })
  for (const [name, model] of Object.entries(file.models ?? {}))
    for (const [index, target] of model.route.entries()) {
      const upstream = typeof target === 'string' ? target : target.upstream
      if (!(upstream in (file.upstreams ?? {})))
        throw fail(
          ['models', name, 'route', index],
          `models.${name}.route: no upstream is called "${upstream}".`,
          'CLI_BAD_CONFIG',
        )
    }
  return { ...file, ...(file.upstreams ? { upstreams: Object.fromEntries(upstreams) } : {}) }
}

const knownMembers: Readonly<Record<string, readonly string[]>> = {
  '': Object.keys(configSchema.shape),
  upstreams: [
    'kind',
    'baseUrl',
    'apiKey',
    'protocols',
    'profile',
    'models',
    'prices',
    'timeouts',
    'concurrency',
    'midSystem',
    'lossy',
    'stripBillingLine',
    'paths',
  ],
  models: ['route', 'model', 'lossy', 'tokenizer'],
}

/** "; did you mean ...?" for a slip of one or two letters. */
function suggestion(given: string, path: readonly (string | number)[]): string {
  const candidates = knownMembers[path.length === 0 ? '' : String(path[0])] ?? []
  const best = candidates
    .map((name) => [distance(given.toLowerCase(), name.toLowerCase()), name] as const)
    .sort((a, b) => a[0] - b[0])[0]
  return best && best[0] <= 2 ? `; did you mean "${best[1]}"?` : ''
}

/** Levenshtein distance over short words. */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_unused, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++)
      current.push(Math.min(previous[j]! + 1, current[j - 1]! + 1, previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    previous = current
  }
  return previous[b.length]!
}

function firstLine(text: string): string {
  return text.split('\n')[0]!
}
