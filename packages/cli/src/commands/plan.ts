/**
 * `portolan plan`: what is compared, by which measure, and who allowed what to go where, fixed before anybody looks.
 *
 * The plan is a YAML file that people read and sign; its frozen list of cases lies beside it (`plan.cases.json`).
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import {
  datasetHash,
  draftPlan,
  freezeDataset,
  freezePlan as freeze,
  parsePlan,
  permitEgress,
  planWarnings,
  requireFrozen,
  withPilot,
  writePlan,
  type Arm,
  type Dataset,
  type Plan,
  type RecordingLibrary,
} from '@portolan/crossing'
import { resolveUpstream } from '@portolan/upstream'
import { toGatewayConfig } from '../config/to-gateway.ts'
import type { LoadedConfig } from '../config/load.ts'
import { CliError } from '../errors.ts'
import { json, money, table } from '../output.ts'
import { openLibrary } from '../recording.ts'
import { requireCheckFiles, withCheckHashes } from './check-files.ts'
import { withData, type CommonOptions } from './open.ts'

export interface NewPlanOptions extends CommonOptions {
  readonly recording: readonly string[]
  readonly from: string
  readonly to: readonly string[]
  readonly margin: string
  readonly cases?: number
  readonly force?: boolean
}

export function newPlan(file: string, options: NewPlanOptions): Promise<void> {
  return withData(options, ({ path }, loaded) => {
    const casesFile = casesFileOf(file)
    for (const made of [file, casesFile])
      if (existsSync(made) && !options.force)
        throw new CliError('CLI_IN_USE', `${made} exists already. Name another file, or pass --force.`)
    if (options.cases !== undefined && !(Number.isSafeInteger(options.cases) && options.cases > 0))
      throw new CliError('CLI_BAD_ARGUMENT', '--cases is a whole number from 1.')
    const known = upstreamNames(loaded)
    const incumbent = armOf(options.from, known)
    const candidates = options.to.map((text) => armOf(text, known))
    const library = openLibrary(loaded, path, true)
    try {
      const nowMs = Date.now()
      const dataset = freezeDataset(library, {
        name: `${incumbent.name} to ${candidates.map(({ name }) => name).join(', ')}`,
        recordingIds: options.recording,
        mostCases: options.cases ?? null,
        seed: 1,
        nowMs,
      })
      const plan = draftPlan({
        name: dataset.name,
        incumbent,
        candidates,
        dataset,
        margin: pointsOf(options.margin),
        nowMs,
        currency: toGatewayConfig(loaded).currency,
      })
      writeFileSync(file, writePlan(plan))
      writeFileSync(casesFile, `${json(dataset)}\n`, { mode: 0o600 })
      const missing = undecided(plan, dataset, library, loaded)
      if (options.json) console.log(json({ plan, casesFile, undecided: missing }))
      else
        console.log(
          [
            `${file}: ${plan.dataset.cases} cases of ${plan.dataset.sessions} sessions, margin ${options.margin}. The cases are frozen in ${casesFile}.`,
            ...missing.map((line) => `Not yet allowed: ${line}`),
            `Next: fill in \`egress\`, run a pilot, then \`portolan plan freeze ${file}\`.`,
          ].join('\n'),
        )
    } finally {
      library.close()
    }
  })
}

export function pilotPlan(file: string, options: CommonOptions & { readonly results: string }): Promise<void> {
  return withData(options, () => {
    const plan = readPlan(file)
    const results = readResults(options.results)
    const { plan: next, casesAtWorst } = withPilot(plan, results)
    writeFileSync(file, writePlan(next))
    const { pilot, cases } = next.sampleSize
    const available = plan.replay.mode === 'sessions' ? plan.dataset.sessions : plan.dataset.cases
    if (options.json) console.log(json({ ...next.sampleSize, casesAtWorst, available }))
    else
      console.log(
        [
          `${percent(pilot!.discordance)} of ${pilot!.cases} cases differ, ${percent(pilot!.floorDiscordance)} between the incumbent and itself; design effect ${pilot!.designEffect.toFixed(2)}.`,
          `The plan needs ${cases} cases (${casesAtWorst} if the pilot was lucky); the dataset has ${available}.${cases > available ? ' Record more, or accept a wider margin before freezing.' : ''}`,
          `Projected spend of all arms: ${money(pilot!.projectedNanos, pilot!.currency)}.`,
        ].join('\n'),
      )
  })
}

export function freezePlan(file: string, options: CommonOptions & { readonly amend?: string }): Promise<void> {
  return withData(options, () => {
    const plan = withCheckHashes(readPlan(file), file)
    checkCases(plan, file)
    const warnings = planWarnings(plan)
    // Whether runs exist is known where they are kept; a change of a frozen plan counts as made after data.
    const frozen = freeze(plan, Date.now(), options.amend ?? null, plan.frozenAtMs !== null)
    writeFileSync(file, writePlan(frozen))
    if (options.json) console.log(json({ id: frozen.id, version: frozen.version, hash: frozen.hash, warnings }))
    else
      console.log(
        [
          `Version ${frozen.version} is frozen: ${frozen.hash}`,
          ...(frozen.amendedAfterData === null ? [] : ['Its report will say: amended after data.']),
          ...warnings.map((warning) => `Warning: ${warning}`),
        ].join('\n'),
      )
  })
}

export function showPlan(file: string, options: CommonOptions): Promise<void> {
  return withData(options, () => {
    const plan = readPlan(file)
    if (options.json) {
      console.log(json(plan))
      return
    }
    const arms = [
      { role: 'incumbent', ...plan.incumbent },
      ...plan.candidates.map((arm) => ({ role: 'candidate', ...arm })),
      ...(plan.judge === null ? [] : [{ role: 'judge', ...plan.judge }]),
    ]
    console.log(
      [
        `${plan.name} (version ${plan.version}, ${plan.hash === null ? 'draft' : `frozen ${new Date(plan.frozenAtMs!).toISOString().slice(0, 10)}`})`,
        ...(plan.amendedAfterData === null ? [] : [`AMENDED AFTER DATA: ${plan.amendedAfterData}`]),
        '',
        table(arms, [
          { title: 'ROLE', value: ({ role }) => role },
          { title: 'NAME', value: ({ name }) => name },
          { title: 'UPSTREAM', value: ({ upstream }) => upstream },
          { title: 'MODEL', value: ({ model }) => model },
        ]),
        '',
        table(plan.metrics, [
          { title: 'MEASURE', value: ({ name }) => name },
          { title: 'KIND', value: ({ kind }) => kind },
          {
            title: 'MARGIN',
            align: 'right',
            value: ({ margin, kind }) => (kind === 'count' ? String(margin) : percent(margin)),
          },
          { title: 'GATE', value: ({ gate }) => (gate ? 'yes' : 'shown only') },
        ]),
        '',
        `Mode       ${plan.replay.mode}`,
        ...plan.checks.map(
          ({ name, scorer, severity, tags }) =>
            `Check      ${name}: ${scorer}, ${severity}${tags.length === 0 ? '' : `, of cases with ${tags.join(' or ')}`}`,
        ),
        `Cases      ${plan.sampleSize.cases} needed of ${plan.dataset.cases} (${plan.dataset.sessions} sessions), ${plan.sampleSize.replicates} replicate(s), alpha ${plan.alpha}, power ${plan.power}${plan.sampleSize.pilot === null ? '; no pilot yet' : ''}`,
        `Spend cap  ${plan.replay.spendCapNanos === null ? 'none' : money(plan.replay.spendCapNanos, plan.replay.currency)}`,
        `Prices     of ${plan.prices.asOf}`,
        `Egress     ${plan.egress.length === 0 ? 'nobody has decided anything' : ''}`,
        ...plan.egress.map(
          ({ processor, decision, by, on, purposes, level, data }) =>
            `  ${processor}: ${decision} by ${by} on ${on}, for ${purposes.join(', ')}, level ${level} (${data})`,
        ),
      ].join('\n'),
    )
  })
}

export function verifyPlan(file: string, options: CommonOptions): Promise<void> {
  return withData(options, ({ path }, loaded) => {
    const plan = requireFrozen(readPlan(file))
    const dataset = checkCases(plan, file)
    requireCheckFiles(plan, file)
    const warnings = planWarnings(plan)
    const library = openLibrary(loaded, path, true)
    try {
      const missing = undecided(plan, dataset, library, loaded)
      if (missing.length > 0)
        throw new CliError('CLI_BAD_ARGUMENT', `The plan holds, but not everything may be sent: ${missing.join(' ')}`)
    } finally {
      library.close()
    }
    if (options.json) console.log(json({ hash: plan.hash, ok: true, warnings }))
    else
      console.log(
        [
          `The plan is what was frozen, its cases too, and every arm may be asked. ${plan.hash}`,
          ...warnings.map((warning) => `Warning: ${warning}`),
        ].join('\n'),
      )
  })
}

// ------------------------------------------------------------------------------------------------ files

export function casesFileOf(planFile: string): string {
  return `${planFile.replace(/\.ya?ml$/, '')}.cases.json`
}

/** @throws CliError, CrossingError */
export function readPlan(file: string): Plan {
  return parsePlan(readText(file, 'portolan plan new'), file)
}

/** The frozen cases, if they are the ones that the plan names. */
export function checkCases(plan: Plan, file: string): Dataset {
  const casesFile = casesFileOf(file)
  let dataset: Dataset
  try {
    dataset = JSON.parse(readText(casesFile, 'portolan plan new')) as Dataset
  } catch (error) {
    if (error instanceof CliError) throw error
    throw new CliError('CLI_BAD_ARGUMENT', `${casesFile} is not JSON; it is not the file that \`plan new\` wrote.`, {
      cause: error,
    })
  }
  if (!Array.isArray(dataset.cases) || datasetHash(dataset.cases) !== plan.dataset.hash)
    throw new CliError(
      'CLI_BAD_ARGUMENT',
      `The cases in ${casesFile} are not the ones the plan was made for (${plan.dataset.hash}). Restore the file, or make a new plan.`,
    )
  return dataset
}

function readText(file: string, maker: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new CliError(
      code === 'ENOENT' ? 'CLI_NOT_FOUND' : 'CLI_BAD_ARGUMENT',
      code === 'ENOENT' ? `There is no ${file}. \`${maker}\` writes one.` : `Cannot read ${file} (${code}).`,
      { cause: error },
    )
  }
}

function readResults(file: string): Parameters<typeof withPilot>[1] {
  const wrong = (why: string): CliError =>
    new CliError(
      'CLI_BAD_ARGUMENT',
      `${file} holds no pilot: ${why}. It is {"runAtMs", "spentNanos", "currency", "replicates", "cases": [{"session", "candidate", "incumbent", "incumbentAgain"}]}, shares of passing replicates from 0 to 1.`,
    )
  let value: Record<string, unknown>
  try {
    value = JSON.parse(readText(file, 'portolan replay run --pilot')) as Record<string, unknown>
  } catch (error) {
    if (error instanceof CliError) throw error
    throw wrong('it is not JSON')
  }
  const { cases, runAtMs, spentNanos, currency, replicates = 1 } = value
  if (!Array.isArray(cases)) throw wrong('`cases` is missing')
  if (typeof runAtMs !== 'number' || typeof currency !== 'string' || !/^\d{1,18}$/.test(String(spentNanos)))
    throw wrong('`runAtMs`, `spentNanos` or `currency` is missing')
  if (typeof replicates !== 'number' || !Number.isSafeInteger(replicates) || replicates < 1)
    throw wrong('`replicates` is no whole number from 1')
  const shareIn = (share: unknown): boolean => typeof share === 'number' && share >= 0 && share <= 1
  for (const [index, row] of cases.entries()) {
    const { session, candidate, incumbent, incumbentAgain } = (row ?? {}) as Record<string, unknown>
    if (
      typeof session !== 'string' ||
      !shareIn(candidate) ||
      !shareIn(incumbent) ||
      !(incumbentAgain === null || shareIn(incumbentAgain))
    )
      throw wrong(`cases[${index}] is not one`)
  }
  return {
    cases: cases as Parameters<typeof withPilot>[1]['cases'],
    replicates,
    runAtMs,
    spentNanos: BigInt(String(spentNanos)),
    currency,
  }
}

// --------------------------------------------------------------------------------------------- arguments

function upstreamNames(loaded: LoadedConfig): readonly string[] {
  return toGatewayConfig(loaded).upstreams.map(({ name }) => name)
}

function armOf(text: string, upstreams: readonly string[]): Arm {
  const colon = text.indexOf(':')
  const upstream = text.slice(0, Math.max(0, colon))
  const model = text.slice(colon + 1)
  if (colon < 1 || model === '')
    throw new CliError(
      'CLI_BAD_ARGUMENT',
      `"${text}" is not upstream:model, such as ${upstreams[0] ?? 'openai'}:gpt-5.5.`,
    )
  if (!upstreams.includes(upstream))
    throw new CliError('CLI_NOT_FOUND', `No upstream is called "${upstream}". Configured: ${upstreams.join(', ')}.`)
  return { name: model, upstream, model, settings: {} }
}

/** `2pt`, `2%` or `0.02`. */
function pointsOf(text: string): number {
  const [, digits, unit] = /^(\d{1,2}(?:\.\d{1,4})?)(pt|%?)$/.exec(text.trim()) ?? []
  const value = Number(digits) / (unit === '' ? 1 : 100)
  if (!(value > 0 && value < 0.5))
    throw new CliError('CLI_BAD_ARGUMENT', `--margin ${text} is not a margin such as 2pt (two points of pass rate).`)
  return value
}

/** Arms that may not be sent anything yet, and why. */
function undecided(plan: Plan, dataset: Dataset, library: RecordingLibrary, loaded: LoadedConfig): string[] {
  const transports = new Map(
    toGatewayConfig(loaded).upstreams.map(
      (upstream) => [upstream.name, resolveUpstream(upstream).definition.transport] as const,
    ),
  )
  const level = dataset.recordingIds.some((id) => library.recording(id).level === 'full') ? 'full' : 'redacted'
  const recordedProcessors = processorsOf(dataset, library)
  const problems: string[] = []
  for (const [arm, purpose] of [
    ...[plan.incumbent, ...plan.candidates].map((each) => [each, 'replay'] as const),
    ...(plan.judge === null ? [] : [[plan.judge, 'judge'] as const]),
  ])
    try {
      permitEgress(plan.egress, {
        processor: arm.upstream,
        inProcess: transports.get(arm.upstream) === 'in-process',
        purpose,
        data: level,
        recordedProcessors,
        nowMs: Date.now(),
      })
    } catch (error) {
      problems.push((error as Error).message)
    }
  return [...new Set(problems)]
}

/** Sessions of the frozen cases whose subject was erased since: nothing of them can be asked or counted. */
export function erasedSessions(dataset: Dataset, library: RecordingLibrary): ReadonlySet<string> {
  const sessions = new Set(dataset.cases.map(({ sessionId }) => sessionId))
  return new Set([...sessions].filter((id) => library.session(id).erased))
}

/** Upstreams that answered every one of these cases: what they were not sent is new to them. */
export function processorsOf(dataset: Dataset, library: RecordingLibrary): string[] {
  let shared: readonly string[] | null = null
  const bySession = Map.groupBy(dataset.cases, (each) => each.sessionId)
  for (const [sessionId, cases] of bySession) {
    const asked = new Set(cases.map((each) => each.seq))
    for (const { seq, upstream } of library.figures(sessionId)) {
      if (!asked.has(seq)) continue
      const own = upstream === null ? [] : [upstream]
      shared = shared === null ? own : shared.filter((name) => own.includes(name))
      if (shared.length === 0) return []
    }
  }
  return [...(shared ?? [])]
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(2))} %`
}
