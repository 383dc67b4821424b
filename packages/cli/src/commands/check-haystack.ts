/**
 * `--haystack`: the user's own documents, in which a check hides its facts. Text files only, with limits; hidden files and
 * links are passed over. They go to nobody whom a named person has not allowed: decisions stand in a plan (`--plan`), as
 * for a replay, and an upstream in this process needs none (law 9).
 */
import { lstatSync, readdirSync, readFileSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { documentHaystack, permitEgress, type EgressDecision, type Haystack } from '@portolan/crossing'
import { resolveUpstream, type UpstreamConfig } from '@portolan/upstream'
import { loadConfig } from '../config/load.ts'
import { toGatewayConfig } from '../config/to-gateway.ts'
import { CliError } from '../errors.ts'
import { readPlan } from './plan.ts'

const mostFiles = 5000
const mostFileBytes = 8 * 1024 * 1024
const mostBytes = 128 * 1024 * 1024

export interface Documents {
  readonly haystack: Haystack
  readonly note: string
}

/** @throws CliError when nothing can be read, or when there is more than may be held */
export function readDocuments(path: string): Documents {
  const texts: string[] = []
  let [bytes, passedOver] = [0, 0]
  const take = (file: string, { size }: Stats, named: boolean): void => {
    const text = size > mostFileBytes ? null : plainText(file)
    if (text === null) {
      if (named)
        throw new CliError(
          'CLI_BAD_ARGUMENT',
          `${file} is no text in UTF-8 of at most ${mostFileBytes / 1_048_576} MiB. Only text can hide a fact.`,
        )
      passedOver++
      return
    }
    bytes += size
    if (bytes > mostBytes || texts.length >= mostFiles)
      throw new CliError(
        'CLI_BAD_ARGUMENT',
        `${path} holds more than ${mostFiles} files or ${mostBytes / 1_048_576} MiB of text. Name a smaller folder, or one file.`,
      )
    texts.push(text)
  }
  const walk = (folder: string): void => {
    const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
    for (const entry of entries) {
      const inside = join(folder, entry.name)
      if (entry.name.startsWith('.') || entry.isSymbolicLink()) passedOver++
      else if (entry.isDirectory()) walk(inside)
      else if (entry.isFile()) take(inside, lstatSync(inside), false)
      else passedOver++
    }
  }
  try {
    const found = lstatSync(path)
    if (found.isDirectory()) walk(path)
    else take(path, found, true)
    const haystack = documentHaystack(texts)
    return {
      haystack,
      note: `Facts are hidden in ${texts.length} ${texts.length === 1 ? 'document' : 'documents'} of yours, ${bytes} bytes${passedOver > 0 ? `; ${passedOver} files that are hidden, linked, too long or no text were passed over` : ''}.`,
    }
  } catch (error) {
    if (error instanceof CliError) throw error
    if (error instanceof RangeError) throw new CliError('CLI_BAD_ARGUMENT', `${path} holds no text.`, { cause: error })
    throw new CliError('CLI_CANNOT_READ', `${path} cannot be read: ${(error as Error).message}`, { cause: error })
  }
}

/** Null: not UTF-8, or with bytes that no text has. */
function plainText(file: string): string | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file))
    return text.includes('\0') ? null : text
  } catch (error) {
    if (error instanceof TypeError) return null
    throw error
  }
}

export interface Destination {
  readonly config?: string
  /** A plan whose egress decisions count. */
  readonly plan?: string
  /** Where the check asks, when it is not the configured gateway. */
  readonly url?: string
}

/** @throws {CrossingError} CROSSING_NO_EGRESS_DECISION unless every upstream that may answer may have the documents. */
export function permitDocuments(models: readonly string[], { config, plan, url }: Destination): void {
  const decisions: readonly EgressDecision[] = plan === undefined ? [] : readPlan(plan).egress
  const processors = url === undefined ? behindTheGateway(models, config) : [{ name: hostOf(url), inProcess: false }]
  for (const { name, inProcess } of processors)
    permitEgress(decisions, {
      processor: name,
      inProcess,
      purpose: 'check',
      data: 'full',
      recordedProcessors: [],
      nowMs: Date.now(),
    })
}

function hostOf(url: string): string {
  if (URL.canParse(url)) return new URL(url).host
  throw new CliError('CLI_BAD_ARGUMENT', `--url: "${url}" is no address; write one like http://127.0.0.1:8000.`)
}

/** Those on the routes of the models; for a name without a route, any upstream might be the one. */
function behindTheGateway(
  models: readonly string[],
  config: string | undefined,
): { readonly name: string; readonly inProcess: boolean }[] {
  const gateway = toGatewayConfig(loadConfig(config ?? null))
  const routed = models.map((model) => gateway.models.find(({ name }) => name === model)?.route ?? null)
  const names = new Set(routed.flatMap((route) => route?.map(({ upstream }) => upstream) ?? []))
  const may = ({ name }: UpstreamConfig): boolean => routed.includes(null) || names.has(name)
  return gateway.upstreams.filter(may).map((upstream) => ({
    name: upstream.name,
    inProcess: resolveUpstream(upstream).definition.transport === 'in-process',
  }))
}
