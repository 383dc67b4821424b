/**
 * `portolan report label` and `report calibrate`: people say which of two answers is better, blind; from then on the judge of
 * the plan counts as far as it agrees with them, or is shown and decides nothing.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import {
  AttemptJournal,
  casesToJudge,
  JudgementJournal,
  labelSheet,
  plannedCases,
  readLabelSheet,
  readPanels,
  requireFrozen,
  spokenPairs,
  type Dataset,
  type JudgePanel,
  type Plan,
  type RecordingLibrary,
} from '@portolan/crossing'
import { CliError } from '../errors.ts'
import { json, table } from '../output.ts'
import { openLibrary } from '../recording.ts'
import { withData, type CommonOptions } from './open.ts'
import { casesFileOf, checkCases, erasedSessions, readPlan } from './plan.ts'
import { judgedFileOf, readLabels, writeLabels } from './replay-judge.ts'
import { journalOf } from './replay.ts'

export interface LabelOptions extends CommonOptions {
  readonly cases: number
  readonly out?: string
  readonly force?: boolean
}

/** Writes the sheet: pairs that the judge was asked about, drawn whatever it said. */
export function labelAnswers(file: string, options: LabelOptions): Promise<void> {
  return withData(options, ({ path }, loaded) => {
    const { plan, dataset } = frozenPlan(file)
    const out = options.out ?? sheetFileOf(file)
    if (existsSync(out) && !options.force)
      throw new CliError(
        'CLI_IN_USE',
        `${out} exists already, perhaps with labels in it. Name another with --out, or pass --force.`,
      )
    const library = openLibrary(loaded, path, true)
    const keyOf = library.derivedKeys('attempts')
    const judged = judgedJournal(file, plan, keyOf)
    const journal = new AttemptJournal(journalOf(file, false), plan.hash, keyOf)
    try {
      const cases = casesToJudge(plan, plannedCases(plan.replay.mode, dataset).primary)
      const pairs = spokenPairs(plan, cases, journal.attempts)
      const { text, rows } = labelSheet(plan, onlyJudged(pairs, judged), options.cases)
      if (rows === 0)
        throw new CliError(
          'CLI_NOT_FOUND',
          'The judge compared no pair of answers, so there is nothing to label: in no case did both arms end in words.',
        )
      writeFileSync(out, text, { mode: 0o600 })
      if (options.json) console.log(json({ out, rows }))
      else
        console.log(
          `${out}: ${rows} pairs of answers, nothing in it says whose.${rows < 60 ? ' A judge needs 60 labels.' : ''}\n` +
            `Fill in \`better:\`, then \`portolan report calibrate ${file} --labels ${out}\`. It holds recorded words in the open: delete it afterwards.`,
        )
    } finally {
      journal.close()
      judged.close()
      library.close()
    }
  })
}

/** Takes the labels of a filled sheet in place of earlier ones, and says what the judge is worth. */
export function calibrateJudge(file: string, options: CommonOptions & { readonly labels: string }): Promise<void> {
  return withData(options, ({ path }, loaded) => {
    const { plan, dataset } = frozenPlan(file)
    const labels = readLabelSheet(plan, sheetText(options.labels), options.labels)
    if (labels.length === 0)
      throw new CliError('CLI_BAD_ARGUMENT', `${options.labels} has no row with a word under \`better:\`.`)
    const library = openLibrary(loaded, path, true)
    try {
      judgedJournal(file, plan, library.derivedKeys('attempts')).close()
      const kept = writeLabels(file, plan, labels)
      const panels = judgePanels(file, plan, dataset, library)
      if (options.json) console.log(json({ labels: labels.length, file: kept, panels }))
      else
        console.log(
          [
            panelTable(panels),
            '',
            `${labels.length} labels are kept in ${kept}, without words. Next: \`portolan report make ${file}\`.`,
          ].join('\n'),
        )
    } finally {
      library.close()
    }
  })
}

/** What the judge said of each candidate, with the labels that are kept; none where the plan has no judge or it was not asked. */
export function judgePanels(file: string, plan: Plan, dataset: Dataset, library: RecordingLibrary): JudgePanel[] {
  if (plan.judge === null || !existsSync(judgedFileOf(file))) return []
  const judged = new JudgementJournal(judgedFileOf(file), plan.hash!, library.derivedKeys('attempts'))
  try {
    return readPanels(plan, dataset, {
      judgements: judged.judgements,
      labels: readLabels(file, plan),
      erased: erasedSessions(dataset, library),
    })
  } finally {
    judged.close()
  }
}

function panelTable(panels: readonly JudgePanel[]): string {
  const figure = (value: number | null): string => (value === null ? '-' : value.toFixed(2))
  return table(panels, [
    { title: 'CANDIDATE', value: ({ candidate }) => candidate },
    { title: 'WIN RATE', align: 'right', value: ({ panel }) => panel.winRate.toFixed(3) },
    {
      title: 'INTERVAL',
      align: 'right',
      value: ({ panel: { interval } }) => `${interval.lower.toFixed(3)} to ${interval.upper.toFixed(3)}`,
    },
    { title: 'LABELS', align: 'right', value: ({ panel }) => String(panel.kappa.labels) },
    { title: 'KAPPA', align: 'right', value: ({ panel }) => figure(panel.kappa.kappa) },
    { title: 'FLIPS', align: 'right', value: ({ panel }) => `${Math.round(100 * panel.flipRate)} %` },
    {
      title: 'CALIBRATED',
      value: ({ panel }) => (panel.calibrated ? 'yes' : `no, so it is information only: ${panel.problems.join('; ')}`),
    },
  ])
}

function* onlyJudged(pairs: ReturnType<typeof spokenPairs>, judged: JudgementJournal): ReturnType<typeof spokenPairs> {
  for (const pair of pairs) if (judged.has(pair.candidate, pair.test.id)) yield pair
}

function frozenPlan(file: string): { readonly plan: ReturnType<typeof requireFrozen>; readonly dataset: Dataset } {
  const plan = requireFrozen(readPlan(file))
  if (plan.judge === null)
    throw new CliError(
      'CLI_BAD_ARGUMENT',
      `${file} names no judge. Write one under \`judge\`, and freeze the plan again.`,
    )
  return { plan, dataset: checkCases(plan, file) }
}

function judgedJournal(file: string, plan: Plan, keyOf: ReturnType<RecordingLibrary['derivedKeys']>): JudgementJournal {
  if (!existsSync(judgedFileOf(file)))
    throw new CliError(
      'CLI_NOT_FOUND',
      `The judge was not asked yet. \`portolan replay run ${file}\` does so at its end.`,
    )
  return new JudgementJournal(judgedFileOf(file), plan.hash!, keyOf)
}

function sheetFileOf(planFile: string): string {
  return casesFileOf(planFile).replace(/\.cases\.json$/, '.labels.yaml')
}

function sheetText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new CliError('CLI_BAD_ARGUMENT', `Cannot read ${path} (${(error as NodeJS.ErrnoException).code}).`, {
      cause: error,
    })
  }
}
