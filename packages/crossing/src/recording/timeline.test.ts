import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Exchange } from '../records/index.ts'
import { answerOf, exchangeOf, requestOf, text, user } from '../replay/replay.test-support.ts'
import { seededRandom } from '../statistics/index.ts'
import { byArrival } from './timeline.ts'

/** Sessions that begin one after the other and overlap by a few; instants are distinct. */
function recorded(sessions: number): Map<string, readonly Exchange[]> {
  const random = seededRandom(7)
  const plain = exchangeOf(0, requestOf([user('go')]), answerOf([text('done')]))
  return new Map(
    Array.from({ length: sessions }, (_, number) => {
      const sessionId = `ses_${number}`
      let at = 1000 * number + 900 * random()
      const exchanges = Array.from({ length: 1 + Math.floor(4 * random()) }, (_each, seq): Exchange => {
        at += 1500 * random()
        return { ...plain, sessionId, seq, startedAtMs: at }
      })
      return [sessionId, exchanges] as const
    }),
  )
}

describe('exchanges of many sessions by arrival', () => {
  const stored = recorded(300)
  // Names in no order of time.
  const sessions = Array.from(stored, ([id, exchanges]) => ({ id, firstAtMs: exchanges[0]!.startedAtMs })).sort(
    (a, b) => (a.id < b.id ? -1 : 1),
  )

  it('are all there, in the order in which sorting them together would put them', () => {
    const together = [...stored.values()].flat().sort((a, b) => a.startedAtMs - b.startedAtMs)
    assert.deepEqual([...byArrival(sessions, (id) => stored.get(id)!)], together)
  })

  it('are read of the sessions that are going on at one moment, and of no others', () => {
    const left = new Map<string, number>()
    let most = 0
    const read = (id: string): readonly Exchange[] => {
      const exchanges = stored.get(id)!
      left.set(id, exchanges.length)
      most = Math.max(most, left.size)
      return exchanges
    }
    for (const { sessionId } of byArrival(sessions, read)) {
      const rest = left.get(sessionId)! - 1
      if (rest === 0) left.delete(sessionId)
      else left.set(sessionId, rest)
    }
    assert.equal(left.size, 0)
    assert.ok(most <= 8, `${most} sessions of 300 were held at once`)
  })

  it('are none where a session lost all it had', () => {
    assert.deepEqual([...byArrival(sessions, () => [])], [])
  })
})
