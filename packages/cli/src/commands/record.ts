/**
 * `portolan record`: what is kept of traffic, for whom, and how it is destroyed again.
 *
 * `start` and `stop` write to the recordings' own database; a running gateway looks there every second, so neither a
 * restart nor an admin address is needed.
 */
import { existsSync, readFileSync } from 'node:fs'
import {
  exportBundle,
  importers,
  importSessions,
  openImport,
  readBundle,
  recordingLevels,
  type ErasureTarget,
  type Recording,
  type StratumRule,
} from '@portolan/crossing'
import type { KeyRecord, SqliteStore } from '@portolan/store'
import { CliError } from '../errors.ts'
import { json, table } from '../output.ts'
import { openLibrary, redactionRules } from '../recording.ts'
import { withData, type CommonOptions } from './open.ts'

export interface StartOptions extends CommonOptions {
  readonly key?: readonly string[]
  readonly level: string
  readonly sample: number
  readonly stratum?: readonly string[]
  readonly retention?: number
  readonly name?: string
}

export function startRecording(options: StartOptions): Promise<void> {
  return withData(options, ({ store, path }, loaded) => {
    const level = levelNamed(options.level)
    redactionRules(loaded)
    const keys = (options.key ?? []).map((name) => keyNamed(store, name))
    const library = openLibrary(loaded, path, false)
    try {
      const recording = library.start(
        {
          name: options.name ?? (keys.length === 0 ? 'all keys' : keys.map((key) => key.name).join(', ')),
          level,
          keyIds: keys.map((key) => key.id),
          sampling: { probability: options.sample, strata: (options.stratum ?? []).map(stratumRule) },
          retentionDays: options.retention ?? null,
          source: { kind: 'live' },
          notExpressed: [],
        },
        Date.now(),
      )
      if (options.json) console.log(json(recording))
      else
        console.log(
          `Recording ${recording.id}: ${scope(recording, store)}, level ${level}, ${share(options.sample)} of sessions.\n` +
            'A running gateway begins within a second; sessions that are open already count from their next request.\n' +
            '`portolan record status` shows what arrives, `portolan record stop` ends it.',
        )
    } finally {
      library.close()
    }
  })
}

export function recordingStatus(options: CommonOptions): Promise<void> {
  return withData(options, ({ store, path }, loaded) => {
    const library = openLibrary(loaded, path, true)
    try {
      const all = library.recordings()
      if (options.json) {
        console.log(json(all))
        return
      }
      if (all.length === 0) console.log('No recordings. `portolan record start --key NAME` begins one.')
      else
        console.log(
          table(all, [
            { title: 'RECORDING', value: ({ id }) => id },
            { title: 'NAME', value: ({ name }) => name },
            { title: 'LEVEL', value: ({ level }) => level },
            { title: 'KEYS', value: (recording) => scope(recording, store) },
            { title: 'SAMPLE', align: 'right', value: ({ sampling }) => share(sampling.probability) },
            { title: 'SESSIONS', align: 'right', value: ({ counts }) => String(counts.sessions) },
            { title: 'EXCHANGES', align: 'right', value: ({ counts }) => String(counts.exchanges) },
            { title: 'DROPPED', align: 'right', value: ({ counts }) => String(counts.dropped) },
            { title: 'STATE', value: stateOf },
          ]),
        )
      for (const { id, counts } of all) {
        const seen = counts.exchanges + counts.dropped
        if (counts.dropped === 0) continue
        const reasons = Object.entries(counts.droppedBy).map(([reason, times]) => `${reason} ${times}`)
        console.log(
          `\n${id}: ${counts.dropped} of ${seen} not recorded (${reasons.join(', ')}).${counts.dropped > 0.01 * seen ? ' More than 1 %: what was kept may not stand for the traffic.' : ''}`,
        )
      }
    } finally {
      library.close()
    }
  })
}

export function stopRecording(id: string | undefined, options: CommonOptions): Promise<void> {
  return withData(options, ({ path }, loaded) => {
    const library = openLibrary(loaded, path, true)
    try {
      const running = library.running()
      if (id === undefined && running.length !== 1)
        throw new CliError(
          running.length === 0 ? 'CLI_NOT_FOUND' : 'CLI_BAD_ARGUMENT',
          running.length === 0
            ? 'Nothing is being recorded.'
            : `Several recordings run; name one of ${running.map((recording) => recording.id).join(', ')}.`,
        )
      const stopped = library.stop(id ?? running[0]!.id, Date.now())
      if (options.json) console.log(json(stopped))
      else
        console.log(
          `Stopped ${stopped.id}: ${stopped.counts.sessions} sessions, ${stopped.counts.exchanges} exchanges so far; what is in flight still arrives.`,
        )
    } finally {
      library.close()
    }
  })
}

export function exportRecording(
  id: string,
  options: CommonOptions & { readonly out: string; readonly keyFile?: string; readonly force?: boolean },
): Promise<void> {
  return withData(options, ({ path }, loaded) => {
    const keyFile = options.keyFile ?? `${options.out}.key`
    for (const file of [options.out, keyFile])
      if (existsSync(file) && !options.force)
        throw new CliError('CLI_IN_USE', `${file} exists already. Name another with --out, or pass --force.`)
    const library = openLibrary(loaded, path, true)
    try {
      const result = exportBundle(library, id, options.out, keyFile)
      if (options.json) console.log(json({ recording: id, out: options.out, keyFile, ...result }))
      else
        console.log(
          `${options.out}: ${result.sessions} sessions, ${result.exchanges} exchanges${result.erased > 0 ? `, ${result.erased} erased sessions left out` : ''}.\n` +
            `Its key is in ${keyFile}. Send the two by different ways; without the key the file says nothing.`,
        )
    } finally {
      library.close()
    }
  })
}

export function eraseRecorded(
  options: CommonOptions & {
    readonly session?: string
    readonly key?: string
    readonly user?: string
    readonly yes?: boolean
  },
): Promise<void> {
  return withData(options, ({ store, path }, loaded) => {
    const target = erasureTarget(store, options)
    if (!options.yes)
      throw new CliError(
        'CLI_BAD_ARGUMENT',
        'Erasing destroys keys and cannot be undone, not even by us. Say --yes to do it.',
      )
    const library = openLibrary(loaded, path, true)
    try {
      const result = library.erase(target, Date.now())
      if (options.json) console.log(json(result))
      else
        console.log(
          `Erased: the keys of ${result.subjects} ${result.subjects === 1 ? 'subject' : 'subjects'} are destroyed, ${result.sessions} sessions can no longer be read by anybody.\n` +
            'Attempts of replays that repeat them cannot be read either. Figures without content (tokens, times, cost) remain.\n' +
            'Reports, label sheets, exports and backups made earlier hold words and are not reached by this: delete them.',
        )
    } finally {
      library.close()
    }
  })
}

export function importRecording(
  file: string,
  options: CommonOptions & {
    readonly from: string
    readonly level: string
    readonly keyFile?: string
    readonly name?: string
  },
): Promise<void> {
  return withData(options, ({ path }, loaded) => {
    const level = levelNamed(options.level)
    if (level !== 'redacted' && level !== 'full' && level !== 'hashes')
      throw new CliError('CLI_BAD_ARGUMENT', 'Imports are kept at level full, redacted or hashes.')
    if (options.from === 'bundle' && options.keyFile === undefined)
      throw new CliError('CLI_BAD_ARGUMENT', 'A bundle needs its key: --key-file FILE.')
    const importer = importers[options.from]
    if (importer === undefined && options.from !== 'bundle')
      throw new CliError(
        'CLI_BAD_ARGUMENT',
        `--from ${options.from} is not known; it is one of ${[...Object.keys(importers), 'bundle'].join(', ')}.`,
      )
    const source = openImport(file)
    const library = openLibrary(loaded, path, false)
    try {
      const read = importer === undefined ? readBundle(source, readFileSync(options.keyFile!)) : importer(source)
      const recording = importSessions(library, {
        name: options.name ?? file.split('/').at(-1)!,
        level,
        format: options.from,
        fileHash: source.hash(),
        rules: redactionRules(loaded),
        nowMs: Date.now(),
        ...read,
      })
      if (options.json) console.log(json(recording))
      else
        console.log(
          [
            `Imported as ${recording.id}: ${recording.counts.sessions} sessions, ${recording.counts.exchanges} exchanges, level ${level}.`,
            ...(recording.notExpressed.length === 0 ? [] : ['What the source could not say:']),
            ...recording.notExpressed.map((line) => `  - ${line}`),
          ].join('\n'),
        )
    } finally {
      source.close()
      library.close()
    }
  })
}

// ------------------------------------------------------------------------------------------- arguments

function levelNamed(text: string): Recording['level'] {
  const level = recordingLevels.find((known) => known === text)
  if (level === undefined || level === 'off')
    throw new CliError(
      'CLI_BAD_ARGUMENT',
      `--level ${text} is not a level; it is one of ${recordingLevels.filter((known) => known !== 'off').join(', ')}. To record nothing, stop the recording.`,
    )
  return level
}

function keyNamed(store: SqliteStore, name: string): KeyRecord {
  const keys = store.keys.listKeys()
  const found = keys.filter((key) => key.id === name || key.name === name)
  if (found.length === 1) return found[0]!
  throw new CliError(
    found.length === 0 ? 'CLI_NOT_FOUND' : 'CLI_BAD_ARGUMENT',
    found.length === 0
      ? `There is no key ${name}. \`portolan keys list\` shows all.`
      : `${found.length} keys are called ${name}; give the id: ${found.map((key) => key.id).join(', ')}.`,
  )
}

function erasureTarget(
  store: SqliteStore,
  { session, key, user }: { readonly session?: string; readonly key?: string; readonly user?: string },
): ErasureTarget {
  if (session !== undefined && key === undefined && user === undefined) return { sessionId: session }
  if (session === undefined && key !== undefined) {
    // A revoked key's data can be erased like any other's; so can one's that the ledger no longer lists.
    const keyId = store.keys.listKeys().some((known) => known.name === key) ? keyNamed(store, key).id : key
    return user === undefined ? { keyId } : { keyId, endUser: user }
  }
  throw new CliError('CLI_BAD_ARGUMENT', 'Say whose data: --session ID, or --key NAME, or --key NAME --user ID.')
}

/** `tools=true,length=long:1` */
function stratumRule(text: string): StratumRule {
  const [conditions, probability] = text.split(':')
  const p = shareOf(probability ?? '')
  const when: { model?: string; tools?: boolean; length?: 'short' | 'medium' | 'long' | 'huge' } = {}
  for (const condition of (conditions ?? '').split(',')) {
    const [name, value = ''] = condition.split('=')
    if (name === 'model' && value !== '') when.model = value
    else if (name === 'tools' && (value === 'true' || value === 'false')) when.tools = value === 'true'
    else if (name === 'length' && (value === 'short' || value === 'medium' || value === 'long' || value === 'huge'))
      when.length = value
    else
      throw new CliError(
        'CLI_BAD_ARGUMENT',
        `--stratum ${text}: write conditions and a share, e.g. tools=true:100% or model=gpt-5.5,length=long:50%.`,
      )
  }
  return { when, probability: p }
}

/** `10%` or `0.1`, above nought. @throws CliError */
export function shareOf(text: string): number {
  const match = /^(\d{1,3}(?:\.\d{1,6})?)(%?)$/.exec(text.trim())
  const value = match === null ? Number.NaN : Number(match[1]) / (match[2] === '%' ? 100 : 1)
  if (!(value > 0 && value <= 1))
    throw new CliError('CLI_BAD_ARGUMENT', `"${text}" is not a share above 0 and up to 100 %, such as 10% or 0.1.`)
  return value
}

function share(probability: number): string {
  return `${Number((probability * 100).toFixed(4))} %`
}

function scope({ keyIds, source }: Recording, store: SqliteStore): string {
  if (source.kind === 'import') return `import (${source.format})`
  if (keyIds.length === 0) return 'all keys'
  const names = new Map(store.keys.listKeys().map((key) => [key.id, key.name]))
  return keyIds.map((id) => names.get(id) ?? id).join(', ')
}

function stateOf({ stoppedAtMs, source, counts }: Recording): string {
  const state = source.kind === 'import' ? 'imported' : stoppedAtMs === null ? 'recording' : 'stopped'
  return counts.erased > 0 ? `${state}, ${counts.erased} erased` : state
}
