/**
 * One budget, many callers at once, streams that break on either side, and processes that die (law 5).
 *
 *   spent <= limit + overrun, where only rows that came after their reservation was given back are overrun
 *   spent = the sum of the ledger's rows: nothing is counted twice, nothing is forgotten. Rows whose cost nobody knows
 *   (broken off before a word was said) count as what they reserved: unknown is never free
 *   nobody is refused while there is room: each refusal names what is left, and it is less than what is needed
 *   what a dead process held is free again within seconds, not when its hour is over
 *
 * What no counter can know: answers that were under way when a process was killed may be on the supplier's bill
 * without a row. Each is at most its reservation, so a kill costs at most what was reserved at that instant.
 *
 * PORTOLAN_BUDGET_CROWD: callers at once, 64 by default. PORTOLAN_BUDGET_KILLS: processes killed, 4 by default.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { request as send, Agent } from 'node:http'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, it } from 'node:test'
import { startFaultProxy, type FaultProxy } from '@portolan-testing/fault-proxy'
import { startMockUpstream, type MockUpstream } from '@portolan-testing/mock-upstream'
import { ChildHome, type ChildGateway } from './child-gateway.ts'
import { sleep, until } from './scene.ts'

const crowd = Number(process.env['PORTOLAN_BUDGET_CROWD'] ?? 64)
const kills = Number(process.env['PORTOLAN_BUDGET_KILLS'] ?? 4)
const model = 'deepseek-v4-pro'

interface Books {
  readonly limit: bigint
  readonly spent: bigint
  readonly reserved: bigint
  readonly overrun: bigint
  /** Rows with a cost, and what those without one had reserved. */
  readonly known: bigint
  readonly unknown: bigint
}

interface Tally {
  served: number
  refused: number
  broken: number
  /** Refusals that left room. */
  readonly wrong: string[]
}

describe(`a budget and ${crowd} callers at once`, () => {
  let upstream: MockUpstream
  let proxy: FaultProxy
  const agent = new Agent({ keepAlive: true, maxSockets: crowd })
  before(async () => {
    upstream = await startMockUpstream({ script: () => ({}), dialect: 'deepseek' })
    proxy = await startFaultProxy({ target: upstream.url })
  })
  after(async () => {
    agent.destroy()
    for (const place of places) place.close()
    await proxy.close()
    await upstream.close()
  })

  const places: ChildHome[] = []
  function home(limit: string): ChildHome {
    const place = new ChildHome({
      upstreams: {
        deepseek: { kind: 'deepseek', baseUrl: proxy.url, apiKey: '${BUDGET_FAULT_KEY}', concurrency: 1024 },
      },
      models: { [model]: { route: ['deepseek'] } },
      budgets: { team: { limit, period: 'total' } },
      workers: 2,
      log: { level: 'silent' },
    })
    places.push(place)
    return place
  }

  /** The deterministic noise of a linear congruential generator: the same mischief every time. */
  let noise = 12_345
  const random = (): number => (noise = (noise * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648

  /** One caller's request; some leave in the middle. */
  function ask(
    { url }: ChildGateway,
    key: string,
    tally: Tally,
    calm: boolean,
  ): Promise<'served' | 'refused' | 'broken'> {
    const stream = calm || random() < 0.7
    const leaves = !calm && random() < 0.2
    return new Promise((resolve) => {
      const end = (how: 'served' | 'refused' | 'broken'): void => {
        tally[how]++
        resolve(how)
      }
      let answered = false
      const request = send(
        `${url}/v1/chat/completions`,
        { method: 'POST', agent, headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' } },
        (response) => {
          let text = ''
          response.on('data', (chunk: Buffer) => {
            text += chunk.toString()
            if (leaves) request.destroy()
          })
          response.on('error', () => {})
          response.on('close', () => {
            if (response.statusCode === 429) {
              const [, left, need] =
                /has (\d+(?:\.\d+)?) left and this request may cost up to (\d+(?:\.\d+)?)/.exec(text) ?? []
              if (!(Number(need) >= Number(left))) tally.wrong.push(text)
              end('refused')
            } else end(response.complete && response.statusCode === 200 ? 'served' : 'broken')
          })
        },
      )
      request.on('error', () => {
        if (!answered) end('broken')
      })
      request.end(
        JSON.stringify({
          model,
          max_tokens: 100,
          stream,
          messages: [{ role: 'user', content: `question ${random()}` }],
        }),
      )
    })
  }

  function misbehave(): void {
    upstream.setScript(() => ({
      text: 'words that are streamed '.repeat(6),
      delayMs: Math.floor(random() * 20),
      chunkDelayMs: random() < 0.5 ? 1 : 0,
      usage: { inputTokens: 20, outputTokens: 50 },
    }))
    proxy.setPlan((connection) =>
      connection % 9 === 8 ? { toClient: { resetAfterBytes: 200 + Math.floor(random() * 3000) } } : {},
    )
  }

  function calmDown(): void {
    upstream.setScript(() => ({ text: 'ok', usage: { inputTokens: 20, outputTokens: 50 } }))
    proxy.setPlan(() => ({}))
  }

  function books({ directory }: ChildHome): Books {
    const database = new DatabaseSync(join(directory, 'data', 'portolan.db'), { readOnly: true })
    try {
      const statement = database.prepare(
        `SELECT (SELECT limit_amount FROM budgets WHERE id = 'team') AS "limit",
           coalesce((SELECT sum(spent) FROM budget_counters), 0) AS spent,
           coalesce((SELECT sum(reserved) FROM budget_counters), 0) AS reserved,
           coalesce((SELECT sum(overrun) FROM budget_counters), 0) AS overrun,
           coalesce((SELECT sum(cost_nanos) FROM requests), 0) AS known,
           coalesce((SELECT sum(amount) FROM reservations JOIN requests USING (request_id)
             WHERE cost_nanos IS NULL), 0) AS unknown`,
      )
      statement.setReadBigInts(true)
      return statement.get() as unknown as Books
    } finally {
      database.close()
    }
  }

  function balanced(now: Books): void {
    assert.ok(now.spent <= now.limit + now.overrun, `${now.spent} spent of ${now.limit}, ${now.overrun} of it overrun`)
    // Of the unknown, what was never sent counts as nothing.
    assert.ok(
      now.known <= now.spent && now.spent <= now.known + now.unknown,
      `${now.spent} spent, rows say ${now.known} to ${now.known + now.unknown}`,
    )
  }

  /** Alone now: whatever still fits is let through, to the last request. */
  async function drain(gateway: ChildGateway, key: string, tally: Tally): Promise<number> {
    let fitted = 0
    for (; fitted < 10_000; fitted++) {
      const how = await ask(gateway, key, tally, true)
      if (how === 'refused') return fitted
    }
    throw new Error('the budget has no end')
  }

  process.env['BUDGET_FAULT_KEY'] = 'sk-fault'

  it('is not overspent, is used to its last request, and refuses nobody while there is room', async () => {
    // A request costs some 0.00005 and reserves some three times that: half of the crowd's requests fit.
    const place = home(String(crowd * 0.000_2))
    const gateway = await place.start()
    const tally: Tally = { served: 0, refused: 0, broken: 0, wrong: [] }
    misbehave()
    const caller = async (): Promise<void> => {
      for (let turn = 0; turn < 8; turn++) await ask(gateway, gateway.key!, tally, false)
    }
    await Promise.all(Array.from({ length: crowd }, caller))
    calmDown()
    await until(() => books(place).reserved === 0n, 5000, 'everything being settled')
    const fitted = await drain(gateway, gateway.key!, tally)
    await until(() => books(place).reserved === 0n, 2000, 'everything being settled')
    const end = books(place)
    balanced(end)
    assert.equal(end.overrun, 0n)
    assert.deepEqual(tally.wrong.slice(0, 3), [])
    assert.ok(tally.served > crowd / 4 && tally.refused > 0 && tally.broken > 0, JSON.stringify(tally))
    console.log(
      `budget: ${crowd} callers, ${tally.served} served, ${tally.refused} refused, ${tally.broken} broken off, ${fitted} more fitted at the end; ${end.spent} of ${end.limit} nanos spent, 0 overrun`,
    )
    assert.equal(await gateway.stop('SIGTERM'), 0)
  })

  it(`and ${kills} processes killed: nothing stays reserved, and the counter is the ledger's sum`, async () => {
    const place = home(String(crowd * 0.001))
    const tally: Tally = { served: 0, refused: 0, broken: 0, wrong: [] }
    let gateway = await place.start()
    const key = gateway.key!
    let atKills = 0n
    for (let round = 0; round < kills; round++) {
      misbehave()
      const going = { on: true }
      const caller = async (): Promise<void> => {
        while (going.on) if ((await ask(gateway, key, tally, false)) === 'broken') await sleep(20)
      }
      const callers = Promise.all(Array.from({ length: crowd }, caller))
      await sleep(300 + random() * 500)
      atKills += books(place).reserved
      const whole = round % 2 === 1
      if (whole) await gateway.stop('SIGKILL')
      else process.kill(childrenOf(gateway.pid)[round % 2]!, 'SIGKILL')
      await sleep(100)
      going.on = false
      agent.destroy()
      await callers
      if (whole) gateway = await place.start()
      // Two rounds of five seconds: a dead worker's row may have been on its way, and workers outlive their primary
      // for a moment.
      await until(() => books(place).reserved === 0n, 13_000, 'what the dead held')
      balanced(books(place))
    }
    calmDown()
    const fitted = await drain(gateway, key, tally)
    await until(() => books(place).reserved === 0n, 2000, 'everything being settled')
    const end = books(place)
    balanced(end)
    assert.deepEqual(tally.wrong.slice(0, 3), [])
    console.log(
      `budget: ${kills} kills among ${crowd} callers, ${tally.served} served, ${tally.refused} refused, ${tally.broken} broken off, ${fitted} more fitted; ${end.spent} of ${end.limit} nanos spent, ${end.overrun} overrun; ${atKills} were reserved at the kills, the most that may be missing from the rows`,
    )
    assert.equal(await gateway.stop('SIGTERM'), 0)
  })
})

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number)
}
