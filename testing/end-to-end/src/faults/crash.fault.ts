/**
 * `kill -9` under load (law 12): the sum of rows is what the counters say and what the upstream served.
 *
 * Every answer of the upstream has its own number of output tokens, so a row names the answer that it is for. After
 * each kill: every answer that a caller saw complete has its row, no answer has two, no row is for an answer that was
 * never given, tokens and money are those of the answer, the counters are the sums of the rows, the hash chain holds,
 * and the gateway starts again on what was left behind. PORTOLAN_CRASH_ROUNDS says how often; 20 by default. A
 * thousand take about a quarter of an hour: `PORTOLAN_CRASH_ROUNDS=1000 node --conditions=source --test
 * testing/end-to-end/src/faults/crash.fault.ts`.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { runLoad } from '@portolan-testing/load'
import { startMockUpstream, type MockUpstream } from '@portolan-testing/mock-upstream'
import { openSqliteStore } from '@portolan/store'
import { protocols } from '@portolan/wire'
import { ChildHome } from './child-gateway.ts'
import { bodyFor, doorPaths, sleep } from './scene.ts'

const rounds = Number(process.env['PORTOLAN_CRASH_ROUNDS'] ?? 20)
/** A fresh home now and then, so that the first pages of a file are crashed into as well. */
const roundsAHome = 50
const inputTokens = 100
// Prices per 1,000,000 tokens: 1,000 and 2,000 nanos a token.
const [inputNanos, outputNanos] = [1000n, 2000n]

interface Tally {
  seen: number
  rows: number
  served: number
  incomplete: number
}

describe('a gateway that is killed under load', () => {
  let upstream: MockUpstream
  /** Output tokens of the last answer, which is also how many were given. */
  let served = 0
  before(async () => {
    upstream = await startMockUpstream({
      script: () => {
        served += 1
        return { text: 'PONG, said the wall.', usage: { inputTokens, outputTokens: served } }
      },
      refuseUnknownFields: false,
    })
  })
  after(() => upstream.close())

  it(`${rounds} times has written what the upstream served, and comes back each time`, async () => {
    const tally: Tally = { seen: 0, rows: 0, served: 0, incomplete: 0 }
    for (let done = 0; done < rounds; done += roundsAHome) {
      served = 0
      const home = new ChildHome({
        upstreams: {
          far: {
            kind: 'openai-compatible',
            baseUrl: upstream.url,
            concurrency: 256,
            prices: { input: '1', output: '2' },
          },
        },
        models: { m: { route: ['far'] } },
      })
      try {
        await crashInto(home, Math.min(roundsAHome, rounds - done), done, tally)
      } finally {
        home.close()
      }
      if (rounds > 20) console.log(`${done + roundsAHome}: ${JSON.stringify(tally)}`)
    }
    assert.ok(tally.seen > rounds, `only ${tally.seen} answers were complete`)
    console.log(
      `crash: ${rounds} kills, ${tally.served} answers given, ${tally.seen} seen complete, ${tally.rows} rows (${tally.incomplete} of requests that did not end well), 0 lost, 0 twice, sums equal`,
    )
  })

  async function crashInto(home: ChildHome, times: number, firstRound: number, tally: Tally): Promise<void> {
    // A clean start and stop: what was compiled is kept, which a killed process has no time for.
    const first = await home.start()
    const key = first.key
    assert.equal((await fetch(`${first.url}/healthz`)).status, 200)
    assert.equal(await first.stop('SIGTERM'), 0)
    const seen = new Set<string>()
    for (let round = firstRound; round < firstRound + times; round++) {
      const gateway = await home.start()
      const kill = new AbortController()
      const load = (door: (typeof protocols)[number], stream: boolean) =>
        runLoad({
          url: gateway.url + doorPaths[door],
          requests: 5000,
          concurrency: 8,
          stream,
          body: bodyFor(door, 'm', stream),
          headers: { authorization: `Bearer ${key}` },
          signal: kill.signal,
        })
      const runs = Promise.all(protocols.flatMap((door) => [load(door, true), load(door, false)]))
      // From before the first commit to well into the run; the golden ratio spreads the moments evenly.
      await sleep(15 + ((round * 0.618_034) % 1) * 285)
      assert.equal(await gateway.stop('SIGKILL'), 'SIGKILL')
      kill.abort()
      for (const report of await runs) {
        for (const id of report.completeIds) seen.add(id)
        assert.deepEqual(
          Object.keys(report.byStatus).filter((status) => status !== '200'),
          [],
        )
      }
      upstream.clear()
      balance(home, seen, round, tally, round === firstRound + times - 1)
    }
    // What the last kill left is readable through the front door as well.
    const gateway = await home.start()
    assert.equal((await fetch(`${gateway.url}/healthz`)).status, 200)
    assert.equal(await gateway.stop('SIGTERM'), 0)
  }

  function balance(home: ChildHome, seen: ReadonlySet<string>, round: number, tally: Tally, last: boolean): void {
    const store = openSqliteStore({ directory: home.dataDirectory })
    try {
      const written = new Set<string>()
      const answers = new Set<number>()
      const sums = { requests: 0, output: 0, nanos: 0n }
      let incomplete = 0
      for (const row of store.ledger.rows()) {
        written.add(row.requestId)
        const { outputTokens } = row.usage
        sums.requests += 1
        sums.output += outputTokens ?? 0
        sums.nanos += row.costNanos ?? 0n
        if (row.status !== 'ok') {
          incomplete += 1
          continue
        }
        assert.ok(
          outputTokens !== null && outputTokens >= 1 && outputTokens <= served,
          `round ${round}: a row for nothing`,
        )
        assert.ok(!answers.has(outputTokens), `round ${round}: answer ${outputTokens} has two rows`)
        answers.add(outputTokens)
        assert.equal(row.costNanos, BigInt(inputTokens) * inputNanos + BigInt(outputTokens) * outputNanos)
      }
      const lost = [...seen].filter((id) => !written.has(id))
      assert.deepEqual(lost, [], `round ${round}: rows of complete answers are lost`)
      const lines = store.ledger.usage({ groupBy: [] })
      const counters = {
        requests: lines.reduce((sum, line) => sum + line.requests, 0),
        output: lines.reduce((sum, line) => sum + line.outputTokens, 0),
        nanos: lines.reduce((sum, line) => sum + line.costNanos, 0n),
      }
      assert.deepEqual(counters, sums, `round ${round}: counters are not the sums of the rows`)
      assert.equal(store.ledger.verify().problem, null, `round ${round}`)
      if (!last) return
      tally.seen += seen.size
      tally.rows += sums.requests
      tally.served += served
      tally.incomplete += incomplete
    } finally {
      store.close()
    }
  }
})
