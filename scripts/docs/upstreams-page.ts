/** `docs/reference/upstreams.md`: what every kind of upstream declares, as the code reads it. */
import {
  definitionOf,
  profilesOf,
  upstreamKinds,
  type Address,
  type PromptCache,
  type UpstreamDefinition,
} from '@portolan/upstream'
import { protocols, type Dialect } from '@portolan/wire'
import { code, generatedFrom, page, table } from './markdown.ts'

/** Whose dialect is shown where it differs by model. */
const exampleModels: Readonly<Record<string, string>> = {
  openai: 'gpt-5.5',
  anthropic: 'claude-opus-4-6',
  vllm: 'deepseek-v4-flash',
  sglang: 'deepseek-v4-flash',
}

export function upstreamsPage(): string {
  return page(
    '# Upstreams',
    generatedFrom('the definitions in `packages/upstream/src/`'),
    "An upstream is one supplier under one credential; an address is where it speaks one protocol. Everything here is declared as data, and shared code branches on these facts and never on a vendor's name. A configuration can narrow or correct them (`protocols`, `profile`, `midSystem`, `paths`, `stripBillingLine`; see [configuration](configuration.md)).",
    "**Bytes.** A request goes to the address of its own door byte for byte (apart from the model's name and what [the byte law's exceptions](../../ARCHITECTURE.md#the-byte-law-and-its-exceptions) say) unless the address declares that it refuses something the request holds. `rewrite`: the same address takes it once worded anew. `other-address`: another address of the same upstream carries it better.",
    summary(),
    ...upstreamKinds.flatMap((kind) => {
      const [newest, ...older] = profilesOf(kind)
        .toReversed()
        .map((profile) => definitionOf(kind, profile))
      if (!newest) return section(definitionOf(kind), `## ${code(kind)}`, null)
      return [
        ...section(newest, `## ${code(kind)}, profile ${code(newest.profile!)} (the default)`, null),
        ...older.flatMap((it) => section(it, `## ${code(kind)}, profile ${code(it.profile!)}`, newest)),
      ]
    }),
  )
}

function summary(): string {
  return table(
    ['kind', 'protocols used', 'base URL', 'key from', 'prompt cache', 'prices', 'at once'],
    upstreamKinds.map((kind) => {
      const it = definitionOf(kind)
      return [
        code(kind),
        it.transport === 'in-process' ? 'all doors, in this process' : it.defaultProtocols.join(', '),
        it.defaultBaseUrl ?? (it.transport === 'in-process' ? '-' : 'must be configured'),
        it.defaultKeyEnv === null ? '-' : code(it.defaultKeyEnv),
        cache(it.promptCache),
        it.vendor ?? '-',
        String(it.defaultConcurrency),
      ]
    }),
  )
}

/** With `newest`: an older behaviour, of which only what differed is shown. */
function section(it: UpstreamDefinition, title: string, newest: UpstreamDefinition | null): string[] {
  const facts = [
    `Cache: ${cache(it.promptCache)}.`,
    it.knownModels.length > 0 ? `Models: ${it.knownModels.map(code).join(', ')}.` : '',
    it.modelNames && it.modelNames.source !== '^'
      ? `Names that belong here without a route: ${code(it.modelNames.source)}.`
      : '',
    it.modelNames?.source === '^' ? 'Answers to any name.' : '',
    it.completerFor === undefined ? '' : 'Answers text completions, with a hole to fill or without.',
    it.passThrough.length > 0
      ? `Passed through: ${it.passThrough.map(({ method, doorPath }) => code(`${method} ${doorPath}`)).join(', ')}.`
      : '',
    it.stripBillingLine ? "Claude Code's billing line is cut for the prefix cache's sake." : '',
    it.errorQuirks.capacityFinishReasons.length > 0
      ? `Finish reasons that are errors: ${it.errorQuirks.capacityFinishReasons.map(code).join(', ')}.`
      : '',
  ].filter((fact) => fact !== '')
  const addresses = protocols.flatMap((protocol) => it.addresses[protocol] ?? [])
  if (it.transport === 'in-process') return [title, facts.join(' ')]
  const model = exampleModels[it.kind] ?? it.knownModels[0] ?? 'any-model'
  return [
    title,
    facts.join(' '),
    table(
      ['protocol', 'path', 'counts tokens', 'input includes cached', 'refuses'],
      addresses.map((address) => [
        address.protocol + (it.defaultProtocols.includes(address.protocol) ? '' : ' (only when configured)'),
        paths(address),
        address.countTokensPath === null ? '-' : code(address.countTokensPath),
        address.countsCachedInInput ? 'yes' : 'no',
        address.refuses.map(({ trait, remedy }) => `${trait} (${remedy})`).join(', ') || '-',
      ]),
    ),
    dialects(
      addresses.map((address) => address.dialect(model)),
      newest === null ? null : addresses.map(({ protocol }) => newest.addresses[protocol]?.dialect(model)),
      exampleModels[it.kind] === undefined ? '' : `, for ${code(model)}`,
    ),
  ]
}

function paths(address: Address): string {
  return [code(address.path), ...address.pathOverrides.map(({ trait, path }) => `${trait}: ${code(path)}`)].join('; ')
}

/** A row for each fact (that differs from `others`), a column for each address. */
function dialects(list: readonly Dialect[], others: readonly (Dialect | undefined)[] | null, model: string): string {
  const rows = [...new Set(list.flatMap((dialect) => Object.keys(dialect)))]
    .filter((name) => name !== 'protocol')
    .map((name) => [name, ...list.map((dialect) => fact(dialect[name as keyof Dialect]))])
    .filter(
      ([name, ...cells]) =>
        others === null || cells.some((cell, i) => cell !== fact(others[i]?.[name as keyof Dialect])),
    )
  if (rows.length === 0) return 'Dialects as in the newest profile.'
  return [
    others === null ? `Dialects${model}:` : `Dialects${model}, where they differed from the newest profile:`,
    table(
      ['fact', ...list.map(({ protocol }) => protocol)],
      rows.map(([name, ...cells]) => [code(name!), ...cells]),
    ),
  ].join('\n\n')
}

function fact(value: Dialect[keyof Dialect]): string {
  if (value === undefined) return '-'
  if (value === null) return 'none'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (typeof value === 'number') return value.toLocaleString('en-US')
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return value.join(', ') || 'none'
  const entries = Object.entries(value)
  return entries.length === 0 ? 'none' : entries.map(([name, word]) => `${name}: ${String(word)}`).join('; ')
}

function cache(promptCache: PromptCache): string {
  switch (promptCache.kind) {
    case 'automatic':
      return [
        'automatic',
        promptCache.blockTokens === null ? '' : `blocks of ${promptCache.blockTokens} tokens`,
        promptCache.minimumTokens === null ? '' : `from ${promptCache.minimumTokens} tokens`,
      ]
        .filter((part) => part !== '')
        .join(', ')
    case 'explicit':
      return `explicit, up to ${promptCache.maxMarks} marks`
    default:
      return 'none known'
  }
}
