/**
 * The names under which tools go to an upstream, and the way back.
 *
 * A name that the upstream would refuse (too long, odd characters, inside a namespace) gets an alias that
 * depends on the name alone, so that it is the same in every turn of a session: `<55 characters>_<8 hex>`
 * (litellm#17904). Namespaced tools flatten to `namespace__tool` (Responses; litellm#32536). Tools of the same
 * name are kept once, the first (9router#3333).
 */
import { createHash } from 'node:crypto'
import type { CanonicalRequest, Tool } from '../canonical/request.ts'
import type { WrittenRequest } from '../canonical/adapter.ts'

export interface ToolNameRule {
  /** Allowed characters as the body of a regular-expression class, e.g. `A-Za-z0-9_-`. */
  readonly charset: string
  readonly maxLength: number
}

export interface ToolNameOptions {
  readonly rule: ToolNameRule
  /** False: `namespace` and `name` become one flat name. */
  readonly namespaces: boolean
  /** False: free-form tools go out as functions, and calls of them are unwrapped on the way back. */
  readonly customTools: boolean
}

export class ToolNames {
  readonly #options: ToolNameOptions
  readonly #outByCaller = new Map<string, string>()
  readonly #callerByOut = new Map<string, string>()
  readonly #restore = new Map<string, { name: string; namespace: string | null; custom: boolean }>()

  /** Declared tools claim their names first, then the names that appear only in the history. */
  constructor(request: Pick<CanonicalRequest, 'tools' | 'items'>, options: ToolNameOptions) {
    this.#options = options
    // Flat and lawful names come first: they keep their spelling whatever else is declared.
    const declared = request.tools.filter((tool) => tool.name !== null)
    for (const tool of declared) if (namespaceOf(tool) === null) this.#claim(tool.name ?? '', null, isCustom(tool))
    for (const tool of declared)
      if (namespaceOf(tool) !== null) this.#claim(tool.name ?? '', namespaceOf(tool), isCustom(tool))
    for (const item of request.items) if (item.kind === 'tool-call') this.#claim(item.name, item.namespace, item.custom)
  }

  /** The name to send for a tool of the caller. */
  out(name: string, namespace: string | null = null): string {
    return this.#outByCaller.get(keyOf(name, namespace)) ?? this.#fit(name, namespace)
  }

  /** Upstream name to what the caller knows, for every name or kind that was changed. */
  restore(): WrittenRequest['toolNames'] {
    return this.#restore
  }

  /** Was this tool's name changed on the way out? */
  isRenamed(name: string, namespace: string | null = null): boolean {
    return this.out(name, namespace) !== name || (namespace !== null && !this.#options.namespaces)
  }

  #claim(name: string, namespace: string | null, custom: boolean): void {
    const caller = keyOf(name, namespace)
    if (this.#outByCaller.has(caller)) return
    let out = this.#fit(name, namespace)
    // Another tool has this very name: `a__b` flat beside `b` in namespace `a`.
    for (let attempt = 0; this.#callerByOut.has(out); attempt++)
      out = aliasToolName(attempt === 0 ? caller : `${caller}#${attempt}`, this.#options.rule, true)
    this.#outByCaller.set(caller, out)
    this.#callerByOut.set(out, caller)
    const unwrapped = custom && !this.#options.customTools
    if (out !== name || unwrapped || (namespace !== null && !this.#options.namespaces))
      this.#restore.set(out, { name, namespace, custom })
  }

  #fit(name: string, namespace: string | null): string {
    const flat = namespace === null || this.#options.namespaces ? name : `${namespace}__${name}`
    return aliasToolName(flat, this.#options.rule)
  }
}

/** `name` if the rule allows it, else its deterministic alias. `always`: an alias even if the name would do. */
export function aliasToolName(name: string, rule: ToolNameRule, always = false): string {
  const lawful = new RegExp(`^[${rule.charset}]+$`)
  if (!always && name.length <= rule.maxLength && lawful.test(name)) return name
  const readable = name.replace(new RegExp(`[^${rule.charset}]`, 'g'), '_').slice(0, rule.maxLength - 9)
  return `${readable}_${createHash('sha256').update(name).digest('hex').slice(0, 8)}`
}

/** The first of each name (and namespace), and the names of those left out. */
export function dedupeTools(tools: readonly Tool[]): {
  readonly tools: readonly Tool[]
  readonly duplicates: string[]
} {
  const seen = new Set<string>()
  const duplicates: string[] = []
  const kept = tools.filter((tool) => {
    if (tool.name === null) return true
    const key = keyOf(tool.name, namespaceOf(tool))
    if (seen.has(key)) {
      duplicates.push(tool.name)
      return false
    }
    seen.add(key)
    return true
  })
  return { tools: kept, duplicates }
}

function namespaceOf(tool: Tool): string | null {
  return tool.kind === 'vendor' ? null : tool.namespace
}

function isCustom(tool: Tool): boolean {
  return tool.kind === 'custom'
}

function keyOf(name: string, namespace: string | null): string {
  return namespace === null ? name : `${namespace}\u0000${name}`
}
