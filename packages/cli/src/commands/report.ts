/**
 * `portolan report`: what the attempts of a plan show, as one HTML file that people sign, and as Markdown, JSON and JUnit.
 *
 * The JSON file is the report; the others are drawn from it. It holds no clock of its own: made again from the same
 * data it has the same bytes, and a sign-off is bound to them.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import {
  AttemptJournal,
  buildReport,
  byArrival,
  CrossingError,
  floorArm,
  longContextChecks,
  parseReport,
  renderHtml,
  renderJson,
  renderJunit,
  renderMarkdown,
  reportHash,
  requireFrozen,
  signReport,
  verifySignatures,
  type Arm,
  type ArmPricing,
  type Dataset,
  type Exchange,
  type LongContextInput,
  type Plan,
  type RecordingLibrary,
  type ReportData,
} from '@portolan/crossing'
import type { LoadedConfig } from '../config/load.ts'
import { toGatewayConfig } from '../config/to-gateway.ts'
import { CliError, exitCodes } from '../errors.ts'
import { json } from '../output.ts'
import { readPriceBook } from '../price-files.ts'
import { openLibrary } from '../recording.ts'
import { judgePanels } from './calibrate.ts'
import { readCheckFile } from './check-compare.ts'
import { withData, type CommonOptions } from './open.ts'
import { casesFileOf, checkCases, erasedSessions, readPlan } from './plan.ts'
import { journalOf, readRuns } from './replay.ts'
import { reportBudget, type BudgetOptions } from './report-budget.ts'
import { focusOf } from './report-focus.ts'

export interface SignOptions extends CommonOptions {
  readonly role: string
  readonly person: string
  readonly decision: 'approved' | 'rejected'
  readonly note?: string
}

export interface MakeReportOptions extends CommonOptions, BudgetOptions {
  readonly longctx?: string
  readonly focus?: string
}

export function makeReport(file: string, options: MakeReportOptions): Promise<void> {
  return withData(options, ({ path, store }, loaded) => {
    const plan = requireFrozen(readPlan(file))
    const dataset = checkCases(plan, file)
    const budget = reportBudget(store, loaded, plan, options)
    const longContext = longContextOf(file, plan, options.longctx)
    const journalFile = journalOf(file, false)
    if (!existsSync(journalFile))
      throw new CliError('CLI_NOT_FOUND', `There are no attempts yet. \`portolan replay run ${file}\` makes them.`)
    const library = openLibrary(loaded, path, true)
    const journal = new AttemptJournal(journalFile, plan.hash, library.derivedKeys('attempts'))
    try {
      const erased = erasedSessions(dataset, library)
      const sessions = new Set(dataset.cases.map(({ sessionId }) => sessionId).filter((id) => !erased.has(id)))
      const report = buildReport({
        plan,
        dataset,
        runs: readRuns(file, plan) ?? [],
        attempts: journal.attempts,
        recordings: dataset.recordingIds.map((id) => library.recording(id)),
        window: windowOf(dataset, library),
        judge: judgePanels(file, plan, dataset, library),
        erased,
        pricing: {
          book: readPriceBook(loaded),
          arms: pricesOf(plan, loaded),
          exchanges: recordedOf(sessions, library),
        },
        budget,
        longContext,
        reproduce: commandLine(file, options),
      })
      const signed = keptSignatures(file, report)
      writeAll(file, signed)
      if (options.focus !== undefined) writeFocus(options.focus, signed, plan)
      if (options.json)
        console.log(
          json({
            hash: reportHash(report),
            files: { ...formsOf(file), ...(options.focus !== undefined && { focus: options.focus }) },
            verdicts: report.candidates.map(({ name, verdict }) => ({ name, verdict })),
          }),
        )
      else
        console.log(
          [
            ...report.candidates.map(({ name, verdict, reason }) => `${name}: ${verdict}. ${reason}`),
            '',
            ...Object.values(formsOf(file)),
            ...(options.focus === undefined ? [] : [options.focus]),
            reportHash(report),
          ].join('\n'),
        )
    } finally {
      journal.close()
      library.close()
    }
  })
}

/** With all that the report depends on and no file beside the plan holds. */
function commandLine(file: string, { budget, monthly }: BudgetOptions): string {
  return [
    `portolan report make ${file}`,
    ...(budget === undefined ? [] : [`--budget ${budget}`]),
    ...(monthly === undefined ? [] : [`--monthly ${monthly}`]),
  ].join(' ')
}

/** What a check said of the plan's arms: the file that is named now, which is then kept beside the plan, or the one kept. */
function longContextOf(planFile: string, plan: Plan, named: string | undefined): LongContextInput[] {
  const kept = casesFileOf(planFile).replace(/\.cases\.json$/, '.longctx.json')
  if (named === undefined && !existsSync(kept)) return []
  const path = named ?? kept
  const checks = readCheckFile(path)
  let found: LongContextInput[]
  try {
    found = longContextChecks(checks, plan)
  } catch (error) {
    if (!(error instanceof CrossingError)) throw error
    throw new CliError('CLI_BAD_ARGUMENT', `${path} cannot be shown. ${error.message}`, { cause: error })
  }
  if (named !== undefined) writeFileSync(kept, `${json({ reports: checks })}\n`, { mode: 0o600 })
  return found
}

function writeFocus(path: string, report: ReportData, { incumbent, candidates }: Plan): void {
  const billed = new Map([incumbent, ...candidates, { ...incumbent, name: floorArm }].map((arm) => [arm.name, arm]))
  try {
    writeFileSync(path, focusOf(report, billed), { mode: 0o600 })
  } catch (cause) {
    throw new CliError('CLI_BAD_ARGUMENT', `--focus: ${path} cannot be written.`, { cause })
  }
  if (report.unpricedAttempts > 0)
    console.error(`portolan: ${report.unpricedAttempts} attempts have no price and are in no charge of ${path}.`)
}

export function signTheReport(file: string, options: SignOptions): Promise<void> {
  return withData(options, () => {
    const { role, person, decision, note } = options
    const report = signReport(readReport(file), { role, person, decision, note: note ?? null, signedAtMs: Date.now() })
    writeAll(file, report)
    console.log(
      options.json
        ? json(report.signatures.at(-1))
        : `${person} (${role}): ${decision}. Bound to ${reportHash(report)}.`,
    )
  })
}

/** Exit code 1 when a sign-off no longer holds. */
export function verifyTheReport(file: string, options: CommonOptions): Promise<void> {
  return withData(options, () => {
    const checks = verifySignatures(readReport(file), readPlan(file))
    if (checks.some(({ valid }) => !valid)) process.exitCode = exitCodes.failed
    if (options.json) {
      console.log(json(checks))
      return
    }
    if (checks.length === 0) console.log('Nobody has signed this report.')
    for (const { signature, valid, problem } of checks)
      console.log(
        `${signature.person} (${signature.role}), ${signature.decision}: ${valid ? 'holds' : `broken. ${problem}`}`,
      )
  })
}

interface Forms {
  readonly html: string
  readonly markdown: string
  readonly json: string
  readonly junit: string
}

function formsOf(planFile: string): Forms {
  const stem = casesFileOf(planFile).replace(/\.cases\.json$/, '.report')
  return { html: `${stem}.html`, markdown: `${stem}.md`, json: `${stem}.json`, junit: `${stem}.junit.xml` }
}

function writeAll(planFile: string, report: ReportData): void {
  const forms = formsOf(planFile)
  const owner = { mode: 0o600 }
  writeFileSync(forms.json, renderJson(report), owner)
  writeFileSync(forms.html, renderHtml(report), owner)
  writeFileSync(forms.markdown, renderMarkdown(report), owner)
  writeFileSync(forms.junit, renderJunit(report), owner)
}

function readReport(planFile: string): ReportData {
  const path = formsOf(planFile).json
  if (!existsSync(path))
    throw new CliError('CLI_NOT_FOUND', `There is no ${path}. \`portolan report make ${planFile}\` writes it.`)
  return parseReport(readFileSync(path, 'utf8'))
}

/** A report that came out the same keeps who signed it; a changed one starts without. */
function keptSignatures(planFile: string, report: ReportData): ReportData {
  if (!existsSync(formsOf(planFile).json)) return report
  const before = readReport(planFile)
  return reportHash(before) === reportHash(report) ? { ...report, signatures: before.signatures } : report
}

/** What the cost study needs of the recorded sessions, by arrival; their words are let go one session at a time. */
function recordedOf(sessions: Iterable<string>, library: RecordingLibrary): Iterable<Exchange> {
  const wordless = (id: string): Exchange[] =>
    library.exchanges(id).map((exchange) => ({ ...exchange, content: null, redactions: null }))
  return byArrival(
    Array.from(sessions, (id) => library.session(id)),
    wordless,
  )
}

function windowOf(
  dataset: Dataset,
  library: RecordingLibrary,
): { readonly firstAtMs: number; readonly lastAtMs: number } | null {
  let [firstAtMs, lastAtMs] = [Infinity, -Infinity]
  for (const [sessionId, cases] of Map.groupBy(dataset.cases, (each) => each.sessionId)) {
    const asked = new Set(cases.map(({ seq }) => seq))
    for (const { seq, startedAtMs } of library.figures(sessionId)) {
      if (!asked.has(seq)) continue
      firstAtMs = Math.min(firstAtMs, startedAtMs)
      lastAtMs = Math.max(lastAtMs, startedAtMs)
    }
  }
  return lastAtMs === -Infinity ? null : { firstAtMs, lastAtMs }
}

function pricesOf(plan: Plan, loaded: LoadedConfig): Record<string, ArmPricing> {
  const config = toGatewayConfig(loaded)
  const priced = ({ name, upstream, model }: Arm): [string, ArmPricing] => {
    const supplier = config.upstreams.find((each) => each.name === upstream)
    return [name, { vendor: supplier?.prices ?? supplier?.kind ?? upstream, model, currency: plan.replay.currency }]
  }
  return Object.fromEntries([plan.incumbent, ...plan.candidates].map(priced))
}
