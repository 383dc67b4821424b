/**
 * `portolan replay run`: every case of a frozen plan asked of every arm, in step mode. What is asked already stands in
 * the encrypted journal beside the plan (`plan.attempts`), so a run that was stopped or killed goes on where it stood.
 *
 * `--pilot N` asks a draft's first N cases of the first candidate, the incumbent and the incumbent again, and writes what
 * `portolan plan pilot --results` reads.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import {
  AttemptJournal,
  chooseReasoning,
  hashOf,
  IsolatedRunner,
  mintId,
  permitEgress,
  replaySteps,
  requireFrozen,
  scoreStep,
  wilsonInterval,
  type AdapterChoice,
  type Arm,
  type Attempt,
  type Case,
  type Dataset,
  type Exchange,
  type Plan,
  type RecordingLibrary,
  type ReplayArm,
  type ReplayResult,
  type Run,
} from '@portolan/crossing'
import { resolveUpstream } from '@portolan/upstream'
import { toGatewayConfig } from '../config/to-gateway.ts'
import type { LoadedConfig } from '../config/load.ts'
import { CliError, exitCodes } from '../errors.ts'
import { json, money, table } from '../output.ts'
import { openLibrary } from '../recording.ts'
import { withReplayDoors } from '../replay-doors.ts'
import { withData, type CommonOptions } from './open.ts'
import { replayProgress } from './replay-progress.ts'
import { casesFileOf, checkCases, processorsOf, readPlan } from './plan.ts'

export interface ReplayOptions extends CommonOptions {
  readonly pilot?: number
  readonly timeout: number
  readonly budget?: string
}

/** The incumbent asked again: the noise floor. */
const againName = 'aa'

export function runReplay(file: string, options: ReplayOptions): Promise<void> {
  return withData(options, async (data, loaded) => {
    const draft = readPlan(file)
    const plan = options.pilot === undefined ? requireFrozen(draft) : draft
    const dataset = checkCases(plan, file)
    const library = openLibrary(loaded, data.path, true)
    const runner = new IsolatedRunner()
    const again: Arm = { ...plan.incumbent, name: againName }
    const arms = [
      plan.incumbent,
      again,
      ...(options.pilot === undefined ? plan.candidates : plan.candidates.slice(0, 1)),
    ]
    const cases = options.pilot === undefined ? dataset.cases : dataset.cases.slice(0, options.pilot)
    const stop = new AbortController()
    process.once('SIGINT', () => stop.abort())
    try {
      const permits = permitsOf(arms, plan, dataset, library, loaded)
      const exchangeOf = exchangeReader(library)
      const journal = new AttemptJournal(
        journalOf(file, options.pilot !== undefined),
        plan.hash ?? plan.dataset.hash,
        library.derivedKeys('attempts'),
      )
      try {
        await withReplayDoors(arms, { loaded, data, timeoutMs: options.timeout * 1000 }, async (doors) => {
          const choices = new Map<string, AdapterChoice>()
          const replayArms: ReplayArm[] = []
          for (const arm of arms) {
            const { ask, priceOf } = doors.get(arm.name)!
            const requests = cases.slice(0, 200).flatMap((each) => exchangeOf(each).content?.request ?? [])
            const choice = await chooseReasoning(ask, requests, arm.settings)
            choices.set(arm.name, choice)
            replayArms.push({
              name: arm.name,
              ask,
              priceOf,
              reasoning: choice.reasoning,
              settings: arm.settings,
              permit: permits.get(arm.name)!,
            })
          }
          const begun = options.pilot === undefined ? readRuns(file, plan) : null
          const runs = begun ?? runsOf(plan, arms, choices, loaded)
          // Attempts name their runs, so these stand before the first attempt does.
          if (options.pilot === undefined && begun === null) writeRuns(file, runs)
          const show = replayProgress(
            {
              write: (text) => process.stderr.write(text),
              isTerminal: process.stderr.isTTY,
              now: () => performance.now(),
              currency: plan.replay.currency,
            },
            journal.size,
          )
          const result = await replaySteps({
            runIdOf: (arm, replicate) => runs.find((run) => run.arm === arm && run.replicate === replicate)!.id,
            arms: replayArms,
            cases,
            replicates: options.pilot === undefined ? plan.sampleSize.replicates : 1,
            exchangeOf,
            score: (test, recorded, turn) => scoreStep(test, recorded, turn, { runner, classes: {}, rules: {} }),
            journal,
            seed: plan.replay.seed,
            concurrency: plan.replay.concurrency,
            currency: plan.replay.currency,
            spendCapNanos: options.budget === undefined ? plan.replay.spendCapNanos : nanosOf(options.budget),
            retries: { most: 3, pause: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)) },
            now: Date.now,
            signal: stop.signal,
            onAttempt: options.json === true ? undefined : (_attempt, progress) => show(progress),
          })
          if (options.pilot === undefined) writeRuns(file, finished(runs, journal.attempts, result))
          if (options.pilot !== undefined) writePilot(file, plan, cases, journal.attempts)
          say(file, plan, arms, choices, journal.attempts, result, options)
        })
      } finally {
        journal.close()
      }
    } finally {
      library.close()
      await runner.close()
    }
  })
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

/** Before anything is asked: may every arm be sent these data? @throws {CrossingError} CROSSING_NO_EGRESS_DECISION */
function permitsOf(
  arms: readonly Arm[],
  plan: Plan,
  dataset: Dataset,
  library: RecordingLibrary,
  loaded: LoadedConfig,
): Map<string, ReplayArm['permit']> {
  const transports = new Map(
    toGatewayConfig(loaded).upstreams.map((upstream) => [
      upstream.name,
      resolveUpstream(upstream).definition.transport,
    ]),
  )
  const data = dataset.recordingIds.some((id) => library.recording(id).level === 'full') ? 'full' : 'redacted'
  const recordedProcessors = processorsOf(dataset, library)
  return new Map(
    arms.map((arm) => [
      arm.name,
      permitEgress(plan.egress, {
        processor: arm.upstream,
        inProcess: transports.get(arm.upstream) === 'in-process',
        purpose: 'replay',
        data,
        recordedProcessors,
        nowMs: Date.now(),
      }),
    ]),
  )
}

/** One session is held at a time: cases of a dataset stand by session. */
function exchangeReader(library: RecordingLibrary): (test: Case) => Exchange {
  const held = new Map<string, readonly Exchange[]>()
  const most = 64
  return ({ sessionId, seq }) => {
    let exchanges = held.get(sessionId)
    if (!exchanges) {
      exchanges = library.exchanges(sessionId)
      held.set(sessionId, exchanges)
      if (held.size > most) held.delete(held.keys().next().value!)
    }
    return exchanges.find((exchange) => exchange.seq === seq)!
  }
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

interface Tally {
  readonly asked: number
  readonly outcomes: Readonly<Record<Attempt['outcome'], number>>
  readonly spentNanos: bigint
  readonly unpriced: number
}

const emptyTally: Tally = {
  asked: 0,
  outcomes: { pass: 0, fail: 0, error: 0, unscored: 0 },
  spentNanos: 0n,
  unpriced: 0,
}

/** One pass over the attempts; none is kept. */
function tallies(attempts: Iterable<Attempt>, group: (attempt: Attempt) => string): Map<string, Tally> {
  const sums = new Map<string, Tally>()
  for (const attempt of attempts) {
    const { asked, outcomes, spentNanos, unpriced } = sums.get(group(attempt)) ?? emptyTally
    const { outcome, costNanos } = attempt
    sums.set(group(attempt), {
      asked: asked + 1,
      outcomes: { ...outcomes, [outcome]: outcomes[outcome] + 1 },
      spentNanos: spentNanos + (costNanos ?? 0n),
      unpriced: unpriced + Number(costNanos === null),
    })
  }
  return sums
}

function writePilot(file: string, plan: Plan, cases: readonly Case[], attempts: Iterable<Attempt>): void {
  const outcomes = new Map<string, Attempt['outcome']>()
  let spentNanos = 0n
  for (const { arm, caseId, outcome, costNanos } of attempts) {
    outcomes.set(`${arm} ${caseId}`, outcome)
    spentNanos += costNanos ?? 0n
  }
  const outcome = (arm: string, caseId: string): number | null => {
    const found = outcomes.get(`${arm} ${caseId}`) ?? 'unscored'
    return found === 'unscored' ? null : found === 'pass' ? 1 : 0
  }
  const rows = cases.flatMap(({ id, sessionId }) => {
    const candidate = outcome(plan.candidates[0]!.name, id)
    const incumbent = outcome(plan.incumbent.name, id)
    return candidate === null || incumbent === null
      ? []
      : [{ session: sessionId, candidate, incumbent, incumbentAgain: outcome(againName, id) }]
  })
  writeFileSync(
    pilotFileOf(file),
    `${json({ runAtMs: Date.now(), spentNanos, currency: plan.replay.currency, cases: rows })}\n`,
  )
}

function pilotFileOf(planFile: string): string {
  return casesFileOf(planFile).replace(/\.cases\.json$/, '.pilot.json')
}

function say(
  file: string,
  plan: Plan,
  arms: readonly Arm[],
  choices: ReadonlyMap<string, AdapterChoice>,
  attempts: Iterable<Attempt>,
  result: ReplayResult,
  options: ReplayOptions,
): void {
  if (result.state !== 'finished') process.exitCode = exitCodes.failed
  const sums = tallies(attempts, ({ arm }) => arm)
  const rows = arms.map(({ name, upstream, model }) => {
    const { asked, outcomes, spentNanos, unpriced } = sums.get(name) ?? emptyTally
    const judged = outcomes.pass + outcomes.fail + outcomes.error
    return {
      name,
      target: `${upstream}:${model}`,
      asked,
      passed: outcomes.pass,
      failed: outcomes.fail,
      errors: outcomes.error,
      unscored: outcomes.unscored,
      interval: judged === 0 ? null : wilsonInterval(outcomes.pass, judged),
      reasoning: choices.get(name)!.reasoning,
      spentNanos,
      unpriced,
    }
  })
  if (options.json) {
    console.log(json({ ...result, arms: rows }))
    return
  }
  console.log(
    [
      table(rows, [
        { title: 'ARM', value: ({ name }) => name },
        { title: 'ASKED OF', value: ({ target }) => target },
        { title: 'CASES', value: ({ asked }) => String(asked), align: 'right' },
        { title: 'PASS', value: ({ passed }) => String(passed), align: 'right' },
        { title: 'FAIL', value: ({ failed }) => String(failed), align: 'right' },
        { title: 'ERROR', value: ({ errors }) => String(errors), align: 'right' },
        { title: 'UNSCORED', value: ({ unscored }) => String(unscored), align: 'right' },
        {
          title: '95 %',
          value: ({ interval }) =>
            interval === null ? '-' : `${(100 * interval.lower).toFixed(1)} to ${(100 * interval.upper).toFixed(1)}`,
          align: 'right',
        },
        { title: 'REASONING', value: ({ reasoning }) => reasoning },
        {
          title: 'COST',
          value: ({ spentNanos, unpriced, asked }) =>
            unpriced === 0
              ? money(spentNanos, plan.replay.currency)
              : unpriced === asked
                ? 'unpriced'
                : `${money(spentNanos, plan.replay.currency)} and ${unpriced} unpriced`,
          align: 'right',
        },
      ]),
      '',
      result.state === 'finished'
        ? `All ${result.all} attempts stand in ${journalOf(file, options.pilot !== undefined)}.`
        : `${result.done} of ${result.all} attempts stand in ${journalOf(file, options.pilot !== undefined)} (${result.state}). The same command goes on from there.`,
      ...(options.pilot === undefined ? [] : [`Next: \`portolan plan pilot ${file} --results ${pilotFileOf(file)}\`.`]),
    ].join('\n'),
  )
}

/** `25USD` or `25`: the plan's currency. */
function nanosOf(text: string): bigint {
  const [, whole, fraction = ''] = /^(\d{1,9})(?:\.(\d{1,9}))?[A-Z]{0,3}$/.exec(text.trim()) ?? []
  if (whole === undefined) throw new CliError('CLI_BAD_ARGUMENT', `--budget ${text} is not an amount such as 25USD.`)
  return BigInt(whole) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'))
}
