/**
 * `portolan replay run`: every case of a frozen plan asked of every arm, as steps, as whole sessions, or both; then, where
 * the plan names a judge, answers in words compared. What is asked already stands in the encrypted journals beside the
 * plan (`plan.attempts`, `plan.judged`), so a run that was stopped or killed goes on where it stood.
 *
 * `--pilot N` asks a draft's first N cases of the first candidate, the incumbent and the incumbent again, and writes what
 * `portolan plan pilot --results` reads.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import {
  allCases,
  AttemptJournal,
  chooseReasoning,
  hashOf,
  IsolatedRunner,
  mintId,
  permitEgress,
  plannedCases,
  replaySteps,
  requireFrozen,
  scoreSession,
  scoreStep,
  toolEventsOf,
  type AdapterChoice,
  type Arm,
  type Attempt,
  type Case,
  type Dataset,
  type EgressPermit,
  type EgressPurpose,
  type Exchange,
  type Plan,
  type PlanChecks,
  type RecordingLibrary,
  type ReplayArm,
  type ReplayInput,
  type ReplayResult,
  type Run,
  type SessionReplay,
  type StepScoring,
  type ToolEvent,
} from '@portolan/crossing'
import { resolveUpstream } from '@portolan/upstream'
import { toGatewayConfig } from '../config/to-gateway.ts'
import type { LoadedConfig } from '../config/load.ts'
import { CliError, exitCodes } from '../errors.ts'
import { json } from '../output.ts'
import { openLibrary } from '../recording.ts'
import { withReplayDoors, type ReplayDoors } from '../replay-doors.ts'
import { checkFilePath, requireCheckFiles } from './check-files.ts'
import { withData, type CommonOptions } from './open.ts'
import { judgeReplay } from './replay-judge.ts'
import { replayProgress } from './replay-progress.ts'
import { emptyTally, summary, tallies } from './replay-summary.ts'
import { casesFileOf, checkCases, erasedSessions, processorsOf, readPlan } from './plan.ts'

export interface ReplayOptions extends CommonOptions {
  readonly pilot?: number
  readonly timeout: number
  readonly budget?: string
}

/** The incumbent asked again: the noise floor. */
const againName = 'aa'
const retries: ReplayInput['retries'] = {
  most: 3,
  pause: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
}

export function runReplay(file: string, options: ReplayOptions): Promise<void> {
  return withData(options, async (data, loaded) => {
    const isPilot = options.pilot !== undefined
    const draft = readPlan(file)
    const plan = isPilot ? draft : requireFrozen(draft)
    const dataset = checkCases(plan, file)
    requireCheckFiles(plan, file)
    const spendCapNanos = options.budget === undefined ? plan.replay.spendCapNanos : nanosOf(options.budget)
    const library = openLibrary(loaded, data.path, true)
    const runner = new IsolatedRunner()
    const { timeMs, memoryMiB } = plan.checkLimits
    const checkRunner = new IsolatedRunner({ taskMs: timeMs, memoryMiB })
    const again: Arm = { ...plan.incumbent, name: againName }
    const arms = [plan.incumbent, again, ...(isPilot ? plan.candidates.slice(0, 1) : plan.candidates)]
    const judge = isPilot ? null : plan.judge
    const stop = new AbortController()
    process.once('SIGINT', () => stop.abort())
    try {
      const permitFor = permits(plan, dataset, library, loaded)
      const permitted = new Map(arms.map((arm) => [arm.name, permitFor(arm, 'replay')]))
      const judgePermit = judge && permitFor(judge, 'judge')
      const erased = erasedSessions(dataset, library)
      const cases = casesOf(plan, dataset, erased, options.pilot)
      const read = recordedReader(library)
      const journalFile = journalOf(file, isPilot)
      const journal = new AttemptJournal(journalFile, plan.hash ?? plan.dataset.hash, library.derivedKeys('attempts'))
      try {
        await withReplayDoors(
          arms,
          { loaded, data, timeoutMs: options.timeout * 1000, judge },
          async (doors, judgeAddress) => {
            const begun = isPilot ? null : readRuns(file, plan)
            const choices = begun ? choicesOf(begun) : await chosen(arms, doors, sampleOf(dataset, erased, read))
            const replayArms = arms.map(({ name, settings }): ReplayArm => ({
              ...doors.get(name)!,
              name,
              settings,
              reasoning: choices.get(name)!.reasoning,
              permit: permitted.get(name)!,
            }))
            const runs = begun ?? runsOf(plan, arms, choices, loaded)
            // Attempts name their runs, so these stand before the first attempt does.
            if (!isPilot && begun === null) writeRuns(file, runs)
            const output = {
              write: (text: string) => process.stderr.write(text),
              isTerminal: process.stderr.isTTY,
              now: () => performance.now(),
              currency: plan.replay.currency,
            }
            const show = replayProgress(output, journal.size)
            const checks: PlanChecks = {
              checks: plan.checks,
              runner: checkRunner,
              pathOf: (check) => checkFilePath(file, check),
            }
            const result = await replaySteps({
              runIdOf: (arm, replicate) => runs.find((run) => run.arm === arm && run.replicate === replicate)!.id,
              arms: replayArms,
              cases,
              replicates: plan.sampleSize.replicates,
              exchangeOf: read.exchangeOf,
              score: (test, recorded, turn) => scoreStep(test, recorded, turn, { ...toolsOf(plan), runner, checks }),
              sessions: sessionsOf(plan, read, checks),
              journal,
              seed: plan.replay.seed,
              concurrency: plan.replay.concurrency,
              currency: plan.replay.currency,
              spendCapNanos,
              retries,
              now: Date.now,
              signal: stop.signal,
              onAttempt: options.json === true ? undefined : (_attempt, progress) => show(progress),
            })
            if (isPilot) writePilot(file, plan, cases, journal.attempts)
            else writeRuns(file, finished(runs, journal.attempts, result))
            const judged =
              judgeAddress === null || judgePermit === null || result.state !== 'finished'
                ? null
                : await judgeReplay(file, plan, {
                    address: judgeAddress,
                    permit: judgePermit,
                    cases: plannedCases(plan.replay.mode, dataset).primary.filter(
                      ({ sessionId }) => !erased.has(sessionId),
                    ),
                    attempts: journal.attempts,
                    keyOf: library.derivedKeys('attempts'),
                    spentNanos: result.spentNanos,
                    spendCapNanos,
                    timeoutMs: options.timeout * 1000,
                    signal: stop.signal,
                    retries,
                    showFrom: (stood) =>
                      options.json === true
                        ? () => undefined
                        : replayProgress({ ...output, what: 'pairs judged' }, stood),
                  })
            if (result.state !== 'finished' || (judged !== null && judged.state !== 'finished'))
              process.exitCode = exitCodes.failed
            const next = isPilot ? `portolan plan pilot ${file} --results ${pilotFileOf(file)}` : null
            console.log(
              summary(
                {
                  plan,
                  arms,
                  cases,
                  choices,
                  attempts: journal.attempts,
                  result,
                  judge: judged,
                  journalFile,
                  erased: journal.erased,
                  next,
                },
                options.json === true,
              ),
            )
          },
        )
      } finally {
        journal.close()
      }
    } finally {
      library.close()
      await runner.close()
      await checkRunner.close()
    }
  })
}

/** What is asked: of a pilot the first cases that quality is judged by, of a plan all. Erased sessions are asked nothing. */
function casesOf(
  plan: Plan,
  dataset: Dataset,
  erased: ReadonlySet<string>,
  pilot: number | undefined,
): readonly Case[] {
  const planned = plannedCases(plan.replay.mode, dataset)
  const asked = pilot === undefined ? allCases(planned) : planned.primary.slice(0, pilot)
  return asked.filter(({ sessionId }) => !erased.has(sessionId))
}

type Choices = ReadonlyMap<string, AdapterChoice>

/** For every arm a way to treat missing reasoning that it accepts. */
async function chosen(
  arms: readonly Arm[],
  doors: ReadonlyMap<string, ReplayDoors>,
  requests: Parameters<typeof chooseReasoning>[1],
): Promise<Choices> {
  const choices = new Map<string, AdapterChoice>()
  for (const { name, settings } of arms)
    choices.set(name, await chooseReasoning(doors.get(name)!.ask, requests, settings))
  return choices
}

/** A run that goes on goes on as it began: asked again, an arm might accept something else, and it costs. */
function choicesOf(runs: readonly Run[]): Choices {
  return new Map(runs.map(({ arm, adapter }) => [arm, adapter]))
}

/** Recorded requests to try histories with. */
function sampleOf(
  dataset: Dataset,
  erased: ReadonlySet<string>,
  read: RecordedReader,
): Parameters<typeof chooseReasoning>[1] {
  return dataset.cases
    .filter(({ sessionId }) => !erased.has(sessionId))
    .slice(0, 200)
    .flatMap((each) => read.exchangeOf(each).content?.request ?? [])
}

/** What the plan says of tools, as the scorer of steps reads it. */
function toolsOf({ replay }: Plan): Pick<StepScoring, 'classes' | 'rules'> {
  const policies = Object.entries(replay.tools)
  return {
    classes: Object.fromEntries(
      policies.flatMap(([name, policy]) => (policy.class === null ? [] : [[name, policy.class]])),
    ),
    rules: Object.fromEntries(policies.map(([name, policy]) => [name, policy.arguments])),
  }
}

function sessionsOf(plan: Plan, { recordedOf }: RecordedReader, checks: PlanChecks): SessionReplay {
  return {
    settings: plan.replay,
    recordedOf,
    score: (test, exchanges, run) => scoreSession(test, exchanges, run, checks),
  }
}

export function journalOf(planFile: string, pilot: boolean): string {
  return casesFileOf(planFile).replace(/\.cases\.json$/, pilot ? '.pilot.attempts' : '.attempts')
}

/** Null: none were begun under this version of the plan. */
export function readRuns(planFile: string, plan: Plan): Run[] | null {
  const path = runsFileOf(planFile)
  if (!existsSync(path)) return null
  const runs = (
    JSON.parse(readFileSync(path, 'utf8')) as (Omit<Run, 'spentNanos'> & { readonly spentNanos: string })[]
  ).map((run) => ({
    ...run,
    spentNanos: BigInt(run.spentNanos),
  }))
  return runs.every(({ planHash }) => planHash === plan.hash) ? runs : null
}

function writeRuns(planFile: string, runs: readonly Run[]): void {
  writeFileSync(runsFileOf(planFile), `${json(runs)}\n`, { mode: 0o600 })
}

function runsFileOf(planFile: string): string {
  return casesFileOf(planFile).replace(/\.cases\.json$/, '.runs.json')
}

/**
 * Before anything is asked: may this arm be sent these data, for this purpose?
 *
 * @throws {CrossingError} CROSSING_NO_EGRESS_DECISION
 */
function permits(
  plan: Plan,
  dataset: Dataset,
  library: RecordingLibrary,
  loaded: LoadedConfig,
): (arm: Arm, purpose: EgressPurpose) => EgressPermit {
  const transports = new Map(
    toGatewayConfig(loaded).upstreams.map((upstream) => [
      upstream.name,
      resolveUpstream(upstream).definition.transport,
    ]),
  )
  const data = dataset.recordingIds.some((id) => library.recording(id).level === 'full') ? 'full' : 'redacted'
  const recordedProcessors = processorsOf(dataset, library)
  return ({ upstream }, purpose) =>
    permitEgress(plan.egress, {
      processor: upstream,
      inProcess: transports.get(upstream) === 'in-process',
      purpose,
      data,
      recordedProcessors,
      nowMs: Date.now(),
    })
}

interface RecordedReader {
  readonly exchangeOf: (test: Case) => Exchange
  readonly recordedOf: SessionReplay['recordedOf']
}

/** Few sessions are held at a time: cases of a dataset stand by session. @throws {CrossingError} CROSSING_ERASED */
function recordedReader(library: RecordingLibrary): RecordedReader {
  const held = new Map<string, { readonly exchanges: readonly Exchange[]; readonly events: readonly ToolEvent[] }>()
  const most = 64
  const recordedOf = ({ sessionId }: Case): NonNullable<ReturnType<typeof held.get>> => {
    const known = held.get(sessionId)
    if (known) return known
    const exchanges = library.exchanges(sessionId)
    const session = { exchanges, events: toolEventsOf(sessionId, exchanges) }
    held.set(sessionId, session)
    if (held.size > most) held.delete(held.keys().next().value!)
    return session
  }
  return { recordedOf, exchangeOf: (test) => recordedOf(test).exchanges.find(({ seq }) => seq === test.seq)! }
}

function runsOf(
  plan: Plan,
  arms: readonly Arm[],
  choices: ReadonlyMap<string, AdapterChoice>,
  loaded: LoadedConfig,
): Run[] {
  const nowMs = Date.now()
  const addresses = new Map(
    toGatewayConfig(loaded).upstreams.map((upstream) => [upstream.name, resolveUpstream(upstream).baseUrl]),
  )
  return arms.flatMap((arm) =>
    Array.from({ length: plan.sampleSize.replicates }, (_, replicate): Run => ({
      id: mintId('run', nowMs),
      planId: plan.id,
      planHash: plan.hash ?? hashOf(plan.dataset.hash),
      arm: arm.name,
      replicate,
      startedAtMs: nowMs,
      endedAtMs: null,
      state: 'running',
      environment: {
        node: process.version,
        upstream: arm.upstream,
        model: arm.model,
        address: addresses.get(arm.upstream) ?? 'in this process',
      },
      adapter: choices.get(arm.name)!,
      currency: plan.replay.currency,
      spentNanos: 0n,
      unpriced: 0,
    })),
  )
}

function finished(runs: readonly Run[], attempts: Iterable<Attempt>, result: ReplayResult): Run[] {
  const sums = tallies(attempts, ({ arm, replicate }) => `${arm} ${replicate}`)
  return runs.map((run) => {
    const { spentNanos, unpriced } = sums.get(`${run.arm} ${run.replicate}`) ?? emptyTally
    return {
      ...run,
      endedAtMs: result.state === 'finished' ? Date.now() : null,
      state: result.state,
      spentNanos,
      unpriced,
    }
  })
}

function writePilot(file: string, plan: Plan, cases: readonly Case[], attempts: Iterable<Attempt>): void {
  const asked = new Set(cases.map(({ id }) => id))
  const outcomes = new Map<string, Attempt['outcome'][]>()
  let spentNanos = 0n
  for (const { arm, caseId, outcome, costNanos } of attempts) {
    if (!asked.has(caseId)) continue
    const key = `${arm} ${caseId}`
    const same = outcomes.get(key)
    if (same) same.push(outcome)
    else outcomes.set(key, [outcome])
    spentNanos += costNanos ?? 0n
  }
  /** Of the replicates that could be scored, how many passed. */
  const share = (arm: string, caseId: string): number | null => {
    const scored = (outcomes.get(`${arm} ${caseId}`) ?? []).filter((outcome) => outcome !== 'unscored')
    return scored.length === 0 ? null : scored.filter((outcome) => outcome === 'pass').length / scored.length
  }
  const rows = cases.flatMap(({ id, sessionId }) => {
    const candidate = share(plan.candidates[0]!.name, id)
    const incumbent = share(plan.incumbent.name, id)
    return candidate === null || incumbent === null
      ? []
      : [{ session: sessionId, candidate, incumbent, incumbentAgain: share(againName, id) }]
  })
  const { replicates } = plan.sampleSize
  writeFileSync(
    pilotFileOf(file),
    `${json({ runAtMs: Date.now(), spentNanos, currency: plan.replay.currency, replicates, cases: rows })}\n`,
  )
}

function pilotFileOf(planFile: string): string {
  return casesFileOf(planFile).replace(/\.cases\.json$/, '.pilot.json')
}

/** `25USD` or `25`: the plan's currency. */
function nanosOf(text: string): bigint {
  const [, whole, fraction = ''] = /^(\d{1,9})(?:\.(\d{1,9}))?[A-Z]{0,3}$/.exec(text.trim()) ?? []
  if (whole === undefined) throw new CliError('CLI_BAD_ARGUMENT', `--budget ${text} is not an amount such as 25USD.`)
  return BigInt(whole) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'))
}
