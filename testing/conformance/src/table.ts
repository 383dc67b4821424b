/** Verdicts for people. */
import type { Verdict } from './run.ts'

export interface Summary {
  readonly passed: number
  readonly failed: number
  readonly unseen: number
  /** Passed of played, by door. */
  readonly doors: Readonly<Record<string, string>>
}

export function summaryOf(verdicts: readonly Verdict[]): Summary {
  const of = (kind: string): number => verdicts.filter((one) => one.verdict === kind).length
  const doors: Record<string, string> = {}
  for (const door of new Set(verdicts.map((one) => one.door))) {
    const played = verdicts.filter((one) => one.door === door)
    doors[door] = `${played.filter((one) => one.verdict === 'pass').length}/${played.length}`
  }
  return { passed: of('pass'), failed: of('fail'), unseen: of('unseen'), doors }
}

export function tableOf(verdicts: readonly Verdict[]): string {
  const lines = verdicts.map(({ id, door, verdict, title, reason }) => {
    const row = `${String(id).padStart(3)}  ${door.padEnd(9)}  ${verdict.padEnd(6)}  ${title}`
    return reason === null ? row : `${row}\n${indented(reason)}`
  })
  const { passed, failed, unseen, doors } = summaryOf(verdicts)
  const byDoor = Object.entries(doors).map(([door, share]) => `${door} ${share}`)
  return [
    ' ID  DOOR       VERDICT TITLE',
    ...lines,
    '',
    `${passed} passed, ${failed} failed, ${unseen} not visible; ${byDoor.join(', ')}`,
  ].join('\n')
}

function indented(reason: string): string {
  return reason
    .split('\n')
    .slice(0, 12)
    .map((line) => `                         ${line}`)
    .join('\n')
}
