/**
 * Kinds of sessions, so that rare ones can be taken more often than common ones; known at a session's first request,
 * because that is when the draw is made. Whether a session will fail is not known then and is no stratum.
 */
import type { CanonicalRequest } from '@portolan/wire'
import type { LengthBucket, SamplingPlan, Stratum } from '../records/index.ts'
import type { CapturedExchange } from './captured.ts'

/** Prompt tokens: reported, else a quarter of the body's bytes. */
export function stratumOf(request: CanonicalRequest, { row, body }: CapturedExchange): Stratum {
  const tokens = row.usage.inputTokens ?? Math.round((body?.length ?? row.bytesIn) / 4)
  return { model: request.model, tools: request.tools.length > 0, length: bucketOf(tokens) }
}

function bucketOf(tokens: number): LengthBucket {
  return tokens < 4_000 ? 'short' : tokens < 32_000 ? 'medium' : tokens < 200_000 ? 'long' : 'huge'
}

export function probabilityOf(plan: SamplingPlan, stratum: Stratum): number {
  const rule = plan.strata.find(
    ({ when }) =>
      (when.model === undefined || when.model === stratum.model) &&
      (when.tools === undefined || when.tools === stratum.tools) &&
      (when.length === undefined || when.length === stratum.length),
  )
  return rule?.probability ?? plan.probability
}
