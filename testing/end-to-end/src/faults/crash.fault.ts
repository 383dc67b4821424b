/**
 * `kill -9` under load (law 12): every answer that a caller saw complete has its row, no row is there twice, and the
 * gateway starts again on what it left behind. PORTOLAN_CRASH_ROUNDS says how often; 20 by default, 1000 by night.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { runLoad } from '@portolan-testing/load'
import { startMockUpstream, type MockUpstream } from '@portolan-testing/mock-upstream'
import { protocols } from '@portolan/wire'
import { ChildHome } from './child-gateway.ts'
import { bodyFor, doorPaths, sleep } from './scene.ts'

const rounds = Number(process.env['PORTOLAN_CRASH_ROUNDS'] ?? 20)

describe('a gateway that is killed under load', () => {
  let upstream: MockUpstream
  let home: ChildHome
  before(async () => {
    upstream = await startMockUpstream({ script: () => ({ text: 'PONG, said the wall.' }), refuseUnknownFields: false })
    home = new ChildHome({
      upstreams: { far: { kind: 'openai-compatible', baseUrl: upstream.url, concurrency: 256 } },
      models: { m: { route: ['far'] } },
    })
  })
  after(async () => {
    home.close()
    await upstream.close()
  })

  it(`${rounds} times loses no row of an answer that was seen complete, and comes back each time`, async () => {
    let key: string | null = null
    const seen = new Set<string>()
    let began = 0
    for (let round = 0; round < rounds; round++) {
      const gateway = await home.start()
      key ??= gateway.key
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
      await sleep(20 + ((round * 0.618_034) % 1) * 880)
      assert.equal(await gateway.stop('SIGKILL'), 'SIGKILL')
      kill.abort()
      for (const report of await runs) {
        for (const id of report.completeIds) seen.add(id)
        began += report.ids.length
        assert.deepEqual(
          Object.keys(report.byStatus).filter((status) => status !== '200'),
          [],
        )
      }
      const { ids, sound } = home.ledger()
      assert.ok(sound, `round ${round}: the database is damaged`)
      const written = new Set(ids)
      assert.equal(written.size, ids.length, `round ${round}: a row is there twice`)
      const lost = [...seen].filter((id) => !written.has(id))
      assert.deepEqual(lost, [], `round ${round}: rows of complete answers are lost`)
      upstream.clear()
    }
    assert.ok(seen.size > rounds, `only ${seen.size} answers were complete`)
    const { ids, statuses } = home.ledger()
    console.log(
      `crash: ${rounds} kills, ${began} answers begun, ${seen.size} seen complete, ${ids.length} rows ${JSON.stringify(statuses)}, 0 lost`,
    )
    // What the last kill left is readable through the front door as well.
    const gateway = await home.start()
    assert.equal((await fetch(`${gateway.url}/healthz`)).status, 200)
    assert.equal(await gateway.stop('SIGTERM'), 0)
  })
})
