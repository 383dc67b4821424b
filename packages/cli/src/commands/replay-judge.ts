/**
 * The judge of a plan: asked at the end of `portolan replay run`, through a door and under a key of its own; its words are
 * kept in `plan.judged` as attempts are, and what people said of the same answers in `plan.labels.json`, without any words.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import {
  judgeBehindDoor,
  JudgementJournal,
  runJudge,
  usageRecordOf,
  type CandidateLabel,
  type EgressPermit,
  type JudgeDoorOptions,
  type JudgeRunInput,
  type JudgeRunResult,
  type Plan,
  type ReplayProgress,
  type SessionKeys,
} from '@portolan/crossing'
import { CliError } from '../errors.ts'
import { json } from '../output.ts'
import type { JudgeAddress } from '../replay-doors.ts'
import { casesFileOf } from './plan.ts'

export interface JudgeReplay extends Pick<
  JudgeRunInput,
  'cases' | 'attempts' | 'spentNanos' | 'spendCapNanos' | 'signal'
> {
  readonly address: JudgeAddress
  readonly permit: EgressPermit
  readonly keyOf: SessionKeys
  readonly timeoutMs: number
  readonly retries: JudgeDoorOptions['retries']
  /** @param stood pairs that earlier runs judged */
  readonly showFrom: (stood: number) => (progress: ReplayProgress) => void
}

export async function judgeReplay(file: string, plan: Plan, replay: JudgeReplay): Promise<JudgeRunResult> {
  const { address, permit, keyOf, timeoutMs, retries, showFrom, ...input } = replay
  const { upstream, settings, rubric } = plan.judge!
  const { currency, concurrency } = plan.replay
  const journal = new JudgementJournal(judgedFileOf(file), plan.hash!, keyOf)
  const show = showFrom(journal.size)
  const ask = judgeBehindDoor({
    baseUrl: address.url,
    key: address.key,
    model: address.model,
    processor: upstream,
    permit,
    timeoutMs,
    settings,
    retries,
  })
  try {
    return await runJudge({
      ...input,
      plan,
      journal,
      rubric,
      concurrency,
      settings: {
        ask,
        priceOf: (usage) => {
          const nanos = address.priceOf(usageRecordOf(usage), Date.now())
          return nanos === null ? null : { currency, nanos }
        },
      },
      onJudged: ({ judged, most, ...spent }) => show({ done: judged, all: most, ...spent }),
    })
  } finally {
    journal.close()
  }
}

export function judgedFileOf(planFile: string): string {
  return casesFileOf(planFile).replace(/\.cases\.json$/, '.judged')
}

function labelsFileOf(planFile: string): string {
  return casesFileOf(planFile).replace(/\.cases\.json$/, '.labels.json')
}

/** @returns where they are kept */
export function writeLabels(planFile: string, plan: Plan, labels: readonly CandidateLabel[]): string {
  const path = labelsFileOf(planFile)
  writeFileSync(path, `${json({ plan: plan.hash, labels })}\n`, { mode: 0o600 })
  return path
}

/** None, or none for this version of the plan: an empty list. @throws CliError for a file that is no list of labels */
export function readLabels(planFile: string, plan: Plan): readonly CandidateLabel[] {
  const path = labelsFileOf(planFile)
  if (!existsSync(path)) return []
  try {
    const { plan: hash, labels } = JSON.parse(readFileSync(path, 'utf8')) as { plan?: unknown; labels?: unknown }
    if (hash !== plan.hash) return []
    if (Array.isArray(labels)) return labels as CandidateLabel[]
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new CliError(
    'CLI_BAD_ARGUMENT',
    `${path} holds no labels. \`portolan report calibrate ${planFile} --labels FILE\` writes it again.`,
  )
}
