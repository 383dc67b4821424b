/**
 * `portolan check`: batteries of generated cases against one model, or two compared. The table is for people, `--json`
 * or `--out` for scripts; the exit code is 0 only when every case passed.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { Tokenizer } from '@huggingface/tokenizers'
import {
  askTarget,
  batteryVersions,
  effectiveLengthTokens,
  generatedHaystack,
  groupResults,
  heatMap,
  jsonBattery,
  longContextBattery,
  longContextTasks,
  measureCharactersPerToken,
  runCases,
  toolsBattery,
  type Ask,
  type BatteryName,
  type CheckCase,
  type CheckReport,
  type Endpoint,
  type LongContextTask,
} from '@portolan/crossing'
import type { Protocol } from '@portolan/wire'
import { loadConfig } from '../config/load.ts'
import { toGatewayConfig } from '../config/to-gateway.ts'
import { CliError, exitCodes } from '../errors.ts'
import { json, table } from '../output.ts'
import { differencesOf, readCheckFile, textOfComparison } from './check-compare.ts'
import { permitDocuments, readDocuments } from './check-haystack.ts'

export interface CheckOptions {
  readonly config?: string
  readonly json?: boolean
  readonly target: string
  readonly vs?: string
  readonly vsReport?: string
  readonly url?: string
  readonly door: Protocol
  readonly keyEnv: string
  readonly quick?: boolean
  readonly seed: number
  readonly concurrency: number
  readonly timeout: number
  readonly out?: string
}

export interface LongContextCheckOptions extends CheckOptions {
  readonly lengths?: string
  readonly tasks?: string
  readonly depths?: number
  readonly repeats?: number
  readonly tokenizer?: string
  readonly haystack?: string
  readonly plan?: string
}

interface Prepared {
  readonly cases: readonly CheckCase[]
  readonly notes: readonly string[]
  /** Where facts are hidden in something that was not made here. */
  readonly material?: string
}

export function checkTools(options: CheckOptions): Promise<void> {
  return check('tools', options, () => ({ cases: toolsBattery(options.quick === true), notes: [] }))
}

export function checkJson(options: CheckOptions): Promise<void> {
  return check('json', options, () => ({ cases: jsonBattery(options.quick === true), notes: [] }))
}

export function checkLongContext(options: LongContextCheckOptions): Promise<void> {
  const lengthsTokens = (options.lengths ?? (options.quick ? '4k,8k,16k,32k,64k' : '4k,16k,64k,128k'))
    .split(',')
    .map(tokens)
  const tasks = options.tasks ? options.tasks.split(',').map(knownTask) : options.quick ? quickTasks : longContextTasks
  const depthCount = options.depths ?? (options.quick ? 3 : 11)
  const depths = Array.from({ length: depthCount }, (_, i) => (depthCount === 1 ? 0.5 : i / (depthCount - 1)))
  const countTokens = options.tokenizer === undefined ? null : tokenCounter(options.tokenizer)
  const documents = options.haystack === undefined ? null : readDocuments(options.haystack)
  if (documents !== null) permitDocuments(modelsOf(options), options)
  const haystack = documents?.haystack ?? generatedHaystack
  return check('longctx', options, async (ask) => {
    const measured = countTokens === null ? await measureCharactersPerToken(ask, haystack).catch(() => null) : null
    const repeats = options.repeats ?? (options.quick ? 3 : 1)
    return {
      cases: longContextBattery({
        tasks,
        lengthsTokens,
        depths,
        repeats,
        seed: options.seed,
        haystack,
        countTokens,
        charactersPerToken: measured ?? 4,
      }),
      material: haystack.material,
      notes: [
        ...(documents === null ? [] : [documents.note]),
        countTokens !== null
          ? 'Lengths are counted with the given tokenizer.'
          : measured !== null
            ? `Lengths are estimated at ${measured.toFixed(2)} characters a token, from the usage of two short prompts.`
            : 'Lengths are estimated at 4 characters a token: the endpoint reported no usage.',
      ],
    }
  })
}

const quickTasks: readonly LongContextTask[] = ['needle', 'absent', 'many-keys', 'chain', 'no-overlap', 'join-ends']

async function check(
  battery: BatteryName,
  options: CheckOptions,
  prepare: (ask: Ask) => Prepared | Promise<Prepared>,
): Promise<void> {
  const before = options.vsReport === undefined ? [] : readCheckFile(options.vsReport)
  const reports: CheckReport[] = []
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort())
  for (const model of modelsOf(options))
    reports.push(await runBattery(battery, targetOf(options, model), options, prepare, stop.signal))
  if (options.out !== undefined) writeReports(options.out, reports)
  const [first, second] = reports
  const comparisons = [
    ...(second === undefined ? [] : differencesOf([first!], [second])),
    ...(options.vsReport === undefined ? [] : differencesOf(before, reports)),
  ]
  if (options.json) console.log(json({ reports, comparisons }))
  else {
    for (const report of reports) console.log(`${textOfReport(report)}\n`)
    for (const comparison of comparisons) console.log(textOfComparison(comparison))
  }
  if (reports.some(({ cases }) => cases.some(({ outcome }) => outcome !== 'pass'))) process.exitCode = exitCodes.failed
}

function modelsOf({ target, vs }: CheckOptions): readonly string[] {
  return vs === undefined ? [target] : [target, vs]
}

/** Before anything is compared: what was asked and answered has been paid for. */
function writeReports(path: string, reports: readonly CheckReport[]): void {
  try {
    writeFileSync(path, `${json({ reports })}\n`, { mode: 0o600 })
  } catch (cause) {
    throw new CliError('CLI_BAD_ARGUMENT', `--out: ${path} cannot be written.`, { cause })
  }
}

async function runBattery(
  battery: BatteryName,
  target: Endpoint,
  options: CheckOptions,
  prepare: (ask: Ask) => Prepared | Promise<Prepared>,
  signal: AbortSignal,
): Promise<CheckReport> {
  const ask = askTarget(target)
  const startedAtMs = Date.now()
  const { cases, notes, material = generatedHaystack.material } = await prepare(ask)
  const showProgress = process.stderr.isTTY && options.json !== true
  const found = await runCases(cases, ask, {
    concurrency: options.concurrency,
    signal,
    onResult: (_result, done, all) => {
      if (showProgress) process.stderr.write(`\r${target.model}: ${done} of ${all} cases${done === all ? '\n' : ''}`)
    },
  })
  const { baseUrl, protocol, model } = target
  return {
    battery,
    version: batteryVersions[battery],
    material,
    target: { baseUrl, protocol, model },
    seed: options.seed,
    startedAtMs,
    cases: found,
    groups: groupResults(found),
    notes,
  }
}

function targetOf(options: CheckOptions, model: string): Endpoint {
  const apiKey = process.env[options.keyEnv]
  if (apiKey === undefined || apiKey === '')
    throw new CliError(
      'CLI_MISSING_ENV',
      `Put an API key of the endpoint into ${options.keyEnv}, or name another variable with --key-env.`,
    )
  return {
    baseUrl: options.url ?? ownAddress(options),
    protocol: options.door,
    model,
    apiKey,
    timeoutMs: options.timeout * 1000,
  }
}

function ownAddress(options: CheckOptions): string {
  const { host, port } = toGatewayConfig(loadConfig(options.config ?? null)).listen
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

function tokens(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([kM]?)$/.exec(text.trim())
  const count = match
    ? Math.round(Number(match[1]) * (match[2] === 'k' ? 1000 : match[2] === 'M' ? 1_000_000 : 1))
    : Number.NaN
  if (!(count >= 100 && count <= 4_000_000))
    throw new CliError('CLI_BAD_ARGUMENT', `"${text}" is no length: write 4k, 128k or 1M, from 100 to 4M tokens.`)
  return count
}

function knownTask(name: string): LongContextTask {
  const task = longContextTasks.find((known) => known === name.trim())
  if (!task)
    throw new CliError('CLI_BAD_ARGUMENT', `There is no task "${name}". The tasks are: ${longContextTasks.join(', ')}.`)
  return task
}

function tokenCounter(path: string): (text: string) => number {
  try {
    const tokenizer = new Tokenizer(JSON.parse(readFileSync(path, 'utf8')) as object, {})
    return (text) => tokenizer.encode(text, { add_special_tokens: false }).ids.length
  } catch (error) {
    throw new CliError('CLI_CANNOT_READ', `${path} cannot be used as a tokenizer.json: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

function textOfReport(report: CheckReport): string {
  const judged = report.cases.filter(({ outcome }) => outcome === 'pass' || outcome === 'fail' || outcome === 'refused')
  const passes = judged.filter(({ outcome }) => outcome === 'pass').length
  const missing = report.cases.length - judged.length
  const lines = [
    `${report.battery}: ${report.target.model} at ${report.target.baseUrl} (${report.target.protocol}), seed ${report.seed}`,
    `${passes} of ${judged.length} judged cases passed${missing > 0 ? `; ${missing} could not be judged` : ''}.`,
    '',
    table(report.groups, [
      { title: 'GROUP', value: ({ group }) => group },
      { title: 'PASSED', value: ({ passed, judged: all }) => `${passed}/${all}`, align: 'right' },
      {
        title: '95 %',
        value: ({ interval }) => (interval === null ? '-' : `${percent(interval.lower)} to ${percent(interval.upper)}`),
        align: 'right',
      },
      { title: 'REFUSED', value: ({ refused }) => String(refused), align: 'right' },
      { title: 'MISSING', value: (group) => String(group.missing), align: 'right' },
    ]),
  ]
  if (report.battery === 'longctx') lines.push('', textOfHeatMap(report))
  const notPassed = report.cases.filter(({ outcome }) => outcome !== 'pass' && outcome !== 'unscored')
  if (notPassed.length > 0)
    lines.push(
      '',
      ...notPassed.slice(0, shownCases).map(({ id, outcome, detail }) => `${outcome.padEnd(8)} ${id}: ${detail}`),
    )
  if (notPassed.length > shownCases) lines.push(`and ${notPassed.length - shownCases} more; --out writes all of them.`)
  const unscored = Map.groupBy(
    report.cases.filter(({ outcome }) => outcome === 'unscored'),
    ({ detail }) => detail,
  )
  for (const [detail, { length }] of unscored) lines.push('', `${length} not asked: ${detail}`)
  return [...lines, ...report.notes.map((note) => `\n${note}`)].join('\n')
}

const shownCases = 40

function textOfHeatMap(report: CheckReport): string {
  const cells = heatMap(report.cases)
  const lengths = [...new Set(cells.map(({ lengthTokens }) => lengthTokens))].sort((a, b) => a - b)
  const depths = [...new Set(cells.map(({ depth }) => depth))].sort((a, b) => (a ?? 2) - (b ?? 2))
  const effective = effectiveLengthTokens(report.cases)
  return [
    table(depths, [
      { title: 'DEPTH', value: (depth) => (depth === null ? 'whole' : percent(depth)), align: 'right' },
      ...lengths.map((length) => ({
        title: String(length),
        value: (depth: number | null) => {
          const cell = cells.find((at) => at.lengthTokens === length && at.depth === depth)
          return cell === undefined ? '-' : percent(cell.passed / cell.judged)
        },
        align: 'right' as const,
      })),
    ]),
    effective === null
      ? 'Effective length: none, not even the shortest prompts were answered.'
      : `Effective length: ${effective} tokens (lower 95 % bound above 0.85 of the shortest).`,
  ].join('\n')
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`
}
