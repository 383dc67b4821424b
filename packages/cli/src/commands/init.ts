/** `portolan init`: a first `portolan.yaml`, for the suppliers whose keys are in the environment. */
import { existsSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { definitionOf, type UpstreamKind } from '@portolan/upstream'
import { CliError } from '../errors.ts'
import { json } from '../output.ts'
import type { CommonOptions } from './open.ts'

const suppliers: readonly UpstreamKind[] = ['deepseek', 'openai', 'anthropic']

export function init(options: CommonOptions & { readonly force?: boolean }): void {
  const path = resolve(options.config ?? 'portolan.yaml')
  if (existsSync(path) && !options.force)
    throw new CliError('CLI_IN_USE', `${path} exists. Edit it, or replace it with \`portolan init --force\`.`)
  const found = suppliers.filter((kind) => process.env[variableOf(kind)])
  try {
    writeFileSync(path, configText(found))
  } catch (error) {
    throw new CliError('CLI_DATA_DIRECTORY', `Cannot write ${path} (${(error as NodeJS.ErrnoException).code}).`, {
      cause: error,
    })
  }
  console.log(
    options.json
      ? json({ path, upstreams: found })
      : `Wrote ${path}${found.length > 0 ? ` with ${found.join(', ')}` : '; no supplier key was found in the environment, so their lines are comments'}.`,
  )
}

/** Suppliers without a key stand there as comments: one edit away. */
function configText(found: readonly UpstreamKind[]): string {
  const line = (kind: UpstreamKind): string =>
    `${found.includes(kind) ? '  ' : '  # '}${`${kind}:`.padEnd(11)}{ kind: ${kind}, apiKey: "\${${variableOf(kind)}}" }`
  const first = found[0]
  return `# Portolan. Every setting: docs/reference/configuration.md; \`portolan doctor\` checks this file.
listen: 127.0.0.1:4114

upstreams:
${first ? '' : '  demo:      { kind: demo }\n'}${suppliers.map(line).join('\n')}
  # cluster:  { kind: vllm, baseUrl: "http://127.0.0.1:8000/v1", prices: { input: 0.05, output: 0.20 } }

# Names that callers use, each with its upstreams in order of preference. Names that are not listed here go to
# the supplier that knows them.
# models:
#   deepseek-v4-pro: { route: [deepseek, cluster] }
`
}

function variableOf(kind: UpstreamKind): string {
  return definitionOf(kind, null, kind).defaultKeyEnv!
}
