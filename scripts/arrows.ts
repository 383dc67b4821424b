/**
 * The house's rules about who may know whom, as data and one pure function over a file's text.
 *
 *   cli ─▶ gateway ─▶ upstream ─▶ engine ─▶ model        kernels ◀── engine
 *    │        │  └──▶ store ─▶ meter ─▶ wire ◀── upstream
 *    └─▶ crossing ─▶ (upstream, store, meter, wire)      console ─▶ admin API over HTTP only
 *
 * Rooms that do not exist yet (kernels, engine, crossing, console) have their rules already. A rule that has to
 * give way somewhere gives way in `vendorAllowances`, by name and with a reason; an allowance that nothing needs
 * any more is itself a finding.
 */
import { codeLines, importsOf, type ImportLine } from './import-scan.ts'

/** What each package may import, apart from itself. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  wire: [],
  meter: ['wire'],
  store: ['meter', 'wire'],
  model: [],
  kernels: [],
  engine: ['model', 'kernels'],
  upstream: ['wire', 'engine'],
  gateway: ['wire', 'meter', 'store', 'upstream'],
  crossing: ['wire', 'meter', 'store', 'upstream'],
  console: [],
  cli: ['wire', 'meter', 'store', 'model', 'kernels', 'engine', 'upstream', 'gateway', 'crossing'],
}

/** Pure packages: time, randomness, files, network and environment come in as arguments. */
const purePackages: readonly string[] = ['wire', 'meter']
/** Computation only. Which functions of node:crypto may be used is `impure`'s business. */
const pureModules: readonly string[] = ['node:crypto', 'node:zlib', 'node:util', 'node:buffer', 'node:assert/strict']
const impure: readonly (readonly [RegExp, string])[] = [
  [/\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\.now\b/, 'reads the clock'],
  [/\bMath\.random\b|\brandom(Bytes|UUID|Int|FillSync)\b|\bgetRandomValues\b/, 'draws random numbers'],
  [/\bprocess\.(?!emitWarning)/, 'looks at the process or its environment'],
  [/\bset(Timeout|Interval|Immediate)\s*\(/, 'waits'],
  [/\bfetch\s*\(/, 'uses the network'],
  [/\bconsole\./, 'prints'],
]

/** Modules that only certain files of the packages may import as values (types are free within their package). */
const reserved: readonly {
  readonly modules: RegExp
  readonly valuesIn: RegExp
  readonly typesIn: RegExp
  readonly why: string
}[] = [
  {
    modules: /^(node:)?https?2?$/,
    // What hears a request and answers it; everything else of the gateway knows only the types.
    valuesIn: /^packages\/gateway\/src\/gateway\.ts$/,
    typesIn: /^packages\/gateway\/src\//,
    why: 'only the door (gateway/src/gateway.ts) serves HTTP, and only gateway knows its types',
  },
  {
    modules: /^undici$/,
    valuesIn: /^packages\/upstream\/src\/http\.ts$/,
    typesIn: /^packages\/upstream\/src\/http\.ts$/,
    why: 'only upstream/src/http.ts sends HTTP',
  },
  {
    modules: /^node:sqlite$/,
    valuesIn: /^packages\/(store\/src\/sqlite|crossing\/src\/recording\/sqlite)\//,
    typesIn: /^packages\/(store\/src\/sqlite|crossing\/src\/recording\/sqlite)\//,
    why: 'only store/src/sqlite and crossing/src/recording/sqlite know the embedded database',
  },
  {
    modules: /^@portolan\/engine$/,
    valuesIn: /^packages\/(upstream\/src\/embedded|cli\/src)\//,
    typesIn: /^packages\/(upstream\/src\/embedded|cli\/src)\//,
    why: 'upstream knows the engine in its embedded/ room only',
  },
]

/** Shared code reads declarations and never asks who the vendor is. */
const vendorNames = /deepseek|openai|anthropic|claude|codex|gemini|mistral|moonshot|\bvllm|sglang|litellm|opencode/i
/** Where vendor names belong: a vendor's own room, the protocols' rooms, the command line's texts and examples. */
const vendorRooms: readonly RegExp[] = [
  /^packages\/upstream\/src\/(deepseek|openai|anthropic|vllm|sglang|compatible|demo|embedded)\//,
  /^packages\/wire\/src\/(chat|messages|responses)\//,
  /^packages\/cli\//,
  // The model's published shapes and prompt formats are data of that model; `engine` runs that one.
  /^packages\/(model|engine)\//,
  // Adapters to catalogues that other people keep; their spelling of vendors is the data.
  /^packages\/meter\/src\/import\//,
  // Files that other tools write, by the names of those tools.
  /^packages\/crossing\/src\/importers\//,
]

export interface VendorAllowance {
  readonly file: string
  /** Found in the code line. */
  readonly text: RegExp
  readonly why: string
}

/** Facts of the wire that carry a vendor's name, each at the one place that owns it. */
export const vendorAllowances: readonly VendorAllowance[] = [
  {
    file: 'packages/crossing/src/endpoint/endpoint.ts',
    text: /'anthropic-version'/,
    why: "the Messages protocol's version header",
  },
  {
    file: 'packages/gateway/src/door.ts',
    text: /\/\^?\\?\/?\(?anthropic|'anthropic-version'/,
    why: 'paths and a header that Messages clients use by convention',
  },
  {
    file: 'packages/gateway/src/exchange/inbound.ts',
    text: /'anthropic-version'/,
    why: "the Messages protocol's version header",
  },
  {
    file: 'packages/gateway/src/exchange/relay.ts',
    text: /anthropic-ratelimit-|openai-(processing-ms|version)/,
    why: 'response headers handed to the caller',
  },
  {
    file: 'packages/gateway/src/limits/headers.ts',
    text: /anthropic-ratelimit-/,
    why: "the Messages protocol's rate-limit headers",
  },
  {
    file: 'packages/gateway/src/session.ts',
    text: /'x-claude-code-session-id'/,
    why: 'data: a header in which a client names its conversation',
  },
  {
    file: 'packages/upstream/src/capabilities.ts',
    text: /^\s*\|? ?'[a-z-]+',?$|modelsDialect/,
    why: 'the kinds that a configuration may name',
  },
  {
    file: 'packages/upstream/src/definitions.ts',
    text: /./,
    why: 'the register: one row per vendor room',
  },
  {
    file: 'packages/upstream/src/upstream.ts',
    text: /'anthropic-version'|modelsDialect/,
    why: "the Messages protocol's version header, and the two shapes of a model list",
  },
  {
    file: 'packages/meter/src/index.ts',
    text: /\.\/import\//,
    why: 'the public surface names the catalogue readers',
  },
  {
    file: 'packages/wire/src/canonical/request.ts',
    text: /family: /,
    why: 'whose opaque reasoning token it is: nobody else can open it',
  },
  { file: 'packages/wire/src/canonical/dialect.ts', text: /reasoningTokenFamily/, why: 'the same fact, declared' },
  {
    file: 'packages/wire/src/history/billing.ts',
    text: /billing/,
    why: 'the line of a client that must be recognised by its own words',
  },
  {
    file: 'packages/wire/src/translation/messages-fields.ts',
    text: /billing/,
    why: 'data: the sample of that line in the field table',
  },
  {
    file: 'packages/wire/src/translation/reference-dialects.ts',
    text: /reasoningTokenFamily/,
    why: 'data: the reference upstreams of the field table',
  },
  {
    file: 'packages/wire/src/translation/document.ts',
    text: /-like'/,
    why: 'column titles of the generated page',
  },
]

export interface Finding {
  readonly file: string
  readonly line: number
  readonly message: string
}

/** What a reader of all files learns: findings, and which allowances were needed. */
export class ArrowCheck {
  readonly #findings: Finding[] = []
  readonly #used = new Set<VendorAllowance>()

  /** @param file from the root, with forward slashes */
  read(file: string, source: string): void {
    const say = (line: number, message: string): void => void this.#findings.push({ file, line, message })
    const owner = /^packages\/([^/]+)\//.exec(file)?.[1] ?? null
    const isTest = /\.test(-support)?\.ts$/.test(file) || file.includes('/test/')
    for (const found of importsOf(source)) this.#import(file, owner, isTest, found, say)
    if (owner === null || isTest || !file.includes('/src/')) return
    if (purePackages.includes(owner)) impurities(owner, source, say)
    this.#vendors(file, source, say)
  }

  findings(): readonly Finding[] {
    const idle = vendorAllowances
      .filter((allowance) => !this.#used.has(allowance) && allowance.text.source !== '.')
      .map(({ file, text }) => ({
        file,
        line: 1,
        message: `the allowance ${text} of scripts/arrows.ts is not needed here; remove it`,
      }))
    return [...this.#findings, ...idle]
  }

  #import(
    file: string,
    owner: string | null,
    isTest: boolean,
    { specifier, line, clause }: ImportLine,
    say: (line: number, message: string) => void,
  ): void {
    if (specifier.startsWith('.')) {
      const target = resolveRelative(file, specifier)
      if (target !== null && roomOf(target) !== roomOf(file) && !outsideWorkspaces(file, target))
        say(line, `reaches into ${roomOf(target)} by path; import it by name, through its public entry`)
      if (!/\.(ts|js|json|mjs|node|wasm)$/.test(specifier)) say(line, `"${specifier}" needs its file ending`)
      return
    }
    const [, scope, name, inside] = /^(@portolan(?:-testing)?)\/([^/]+)(\/.+)?$/.exec(specifier) ?? []
    if (name !== undefined) {
      if (inside !== undefined) say(line, `"${specifier}" goes past the public entry of ${scope}/${name}`)
      if (owner !== null && scope === '@portolan-testing' && !isTest)
        say(line, `${owner} must not need ${specifier}; only tests may`)
      if (owner !== null && scope === '@portolan' && name !== owner && !(arrows[owner] ?? []).includes(name))
        say(line, `${owner} may not know ${name} (allowed: ${(arrows[owner] ?? []).join(', ') || 'nothing'})`)
    }
    if (owner === null || isTest || !file.includes('/src/')) return
    for (const rule of reserved) {
      if (!rule.modules.test(specifier)) continue
      const typesOnly = /^(import|export) type\b/.test(clause) || onlyTypes(clause)
      if (!(typesOnly ? rule.typesIn : rule.valuesIn).test(file)) say(line, `imports ${specifier}: ${rule.why}`)
    }
    if (purePackages.includes(owner) && name === undefined && !pureModules.includes(specifier))
      say(line, `${owner} is pure and must not import ${specifier} (allowed: ${pureModules.join(', ')})`)
  }

  #vendors(file: string, source: string, say: (line: number, message: string) => void): void {
    if (vendorRooms.some((room) => room.test(file))) return
    const allowed = vendorAllowances.filter((allowance) => allowance.file === file)
    for (const { text, line } of codeLines(source)) {
      const name = vendorNames.exec(text)?.[0]
      if (name === undefined) continue
      const allowance = allowed.find((candidate) => candidate.text.test(text))
      if (allowance) this.#used.add(allowance)
      else
        say(
          line,
          `"${name}" in shared code; declare a capability in upstream/ and read that, or allow it with a reason`,
        )
    }
  }
}

function impurities(owner: string, source: string, say: (line: number, message: string) => void): void {
  for (const { text, line } of codeLines(source))
    for (const [pattern, what] of impure)
      if (pattern.test(text)) say(line, `${owner} is pure, and this ${what}; take it as an argument`)
}

/** `import { type A, type B } from` */
function onlyTypes(clause: string): boolean {
  const names = /\{([^}]*)\}/.exec(clause)?.[1]
  if (names === undefined || !/^(import|export) ?\{/.test(clause)) return false
  return names
    .split(',')
    .map((member) => member.trim())
    .filter((member) => member !== '')
    .every((member) => member.startsWith('type '))
}

/** The workspace that a path lies in: `packages/wire`, `testing/load`, `bench`, `scripts`. */
function roomOf(path: string): string {
  const [top = '', second = ''] = path.split('/')
  return top === 'packages' || top === 'testing' ? `${top}/${second}` : top
}

/** `testing/clients` has a lock file of its own and declares nothing of ours: it names public entries by path. */
function outsideWorkspaces(file: string, target: string): boolean {
  return file.startsWith('testing/clients/') && target.endsWith('/src/index.ts')
}

function resolveRelative(file: string, specifier: string): string | null {
  const parts = file.split('/').slice(0, -1)
  for (const part of specifier.split('/')) {
    if (part === '.') continue
    if (part !== '..') parts.push(part)
    else if (parts.pop() === undefined) return null
  }
  return parts.join('/')
}
