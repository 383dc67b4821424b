/**
 * `report make --focus FILE`: what the replay cost, as the FOCUS 1.2 records of `portolan usage export`, one a day, arm and
 * meter, with the arm and the plan in the columns of our own. What another model would have cost is no charge.
 */
import type { ReportData } from '@portolan/crossing'
import { csvLine } from '@portolan/store'
import { focusColumns, focusRecord } from './usage-focus.ts'

/** @param upstreams by arm, who billed it */
export function focusOf(report: ReportData, upstreams: ReadonlyMap<string, Billed>): string {
  const records = report.charges.map(({ arm, day, currency, meter, tokens, requests, nanos }) => {
    const { upstream, model } = upstreams.get(arm) ?? { upstream: arm, model: arm }
    return focusRecord(
      {
        day,
        account: 'portolan',
        provider: upstream,
        model,
        currency,
        meter,
        tokens,
        requests,
        nanos: BigInt(nanos),
      },
      {
        Tags: JSON.stringify({ plan: report.plan.name, arm }),
        x_Arm: arm,
        x_ExperimentId: report.plan.id,
      },
    )
  })
  return [csvLine(focusColumns), ...records.map((record) => csvLine(focusColumns.map((name) => record[name])))].join('')
}

interface Billed {
  readonly upstream: string
  readonly model: string
}
