import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { afterFailure, evidenceValue, noEvidence, type FailureDirection } from './failure-e-process.ts'
import { seededRandom } from './random.ts'
import { sampleRatioFactor } from './sample-ratio.ts'

/** Share of runs that cross 1/0.05 when looked at after every failure, over a 1-5-25-50 ramp of equal lengths. */
function crossing(direction: FailureDirection, nullRatio: number, trueRatio: number, runs: number): number {
  let crossed = 0
  for (let run = 0; run < runs; run++) {
    const random = seededRandom(1000 + run)
    let evidence = noEvidence(direction, nullRatio)
    for (let session = 0; session < 20_000; session++) {
      const share = [0.01, 0.05, 0.25, 0.5][Math.floor(session / 5000)]!
      const inCanary = random() < share
      if (random() >= 0.02 * (inCanary ? trueRatio : 1)) continue
      evidence = afterFailure(evidence, inCanary, share)
      if (evidenceValue(evidence) >= 20) {
        crossed++
        break
      }
    }
  }
  return crossed / runs
}

describe('the failure e-process (check 17)', () => {
  it('raises few false alarms and few false advances although it is looked at after every failure', () => {
    assert.ok(crossing('harm', 1, 1, 600) <= 0.07)
    assert.ok(crossing('safety', 2, 2, 600) <= 0.07)
  })

  it('finds a threefold failure rate, and a candidate that is as good', () => {
    assert.ok(crossing('harm', 1, 3, 100) >= 0.95)
    assert.ok(crossing('safety', 2, 1, 100) >= 0.95)
  })

  it('goes on from its stored state as if nothing had happened', () => {
    let whole = noEvidence('harm', 1)
    let restarted = noEvidence('harm', 1)
    for (let at = 0; at < 50; at++) {
      whole = afterFailure(whole, at % 3 === 0, 0.25)
      restarted = afterFailure(JSON.parse(JSON.stringify(restarted)) as typeof restarted, at % 3 === 0, 0.25)
    }
    assert.equal(evidenceValue(restarted), evidenceValue(whole))
    assert.throws(() => afterFailure(whole, true, 0), RangeError)
  })
})

describe('sample ratio (check 18)', () => {
  /** Sessions until the factor reaches 1000, looked at every 100; null: never. */
  function heldAfter(trueShare: number, sessions: number, seed: number): number | null {
    const random = seededRandom(seed)
    let canary = 0
    for (let session = 1; session <= sessions; session++) {
      if (random() < trueShare) canary++
      if (session % 100 === 0 && sampleRatioFactor([canary, session - canary], [0.05, 0.95]) >= 1000) return session
    }
    return null
  }

  it('raises no alarm in 300 honest runs', () => {
    for (let run = 0; run < 300; run++) assert.equal(heldAfter(0.05, 20_000, run), null)
  })

  it('catches 4 % instead of 5 % within 20,000 sessions in at least 95 % of runs', () => {
    let caught = 0
    for (let run = 0; run < 100; run++) if (heldAfter(0.04, 20_000, run) !== null) caught++
    assert.ok(caught >= 95, String(caught))
  })
})
