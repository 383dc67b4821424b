/**
 * The coding agents themselves against the engine inside the gateway, each at its own door: their whole prompts and
 * offers of tools, their own loops, homes and folders that are thrown away.
 *
 * The model is untrained, so what is proven is form: answers that the vendor's types allow, calls of offered tools with
 * arguments that fit, no complaint of the agent, a row for each request, and the turns before found in the cache.
 * Which tool is called is forced (`forced-calls.ts`), and only such as look and do nothing.
 */

import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { tellRun, runAgent, whyAbsent, type AgentRun } from './agent-process.ts'
import type { AgentPlace } from './agent-plays.ts'
import { claudeCode } from './claude-code.ts'
import { codex } from './codex.ts'
import { callsOf, countResults, forceCalls, offeredTools } from './forced-calls.ts'
import { startGateway, type LedgerRow } from './gateway.ts'
import { isAsked, judgeExchange, type Door } from './judge-exchange.ts'
import { makeJudge } from './judges.ts'
import { opencode } from './opencode.ts'
import { startTap, type Exchange } from './tap.ts'

interface Play {
  agent: string
  door: Door
  absent: string | undefined
  /** What it is made to call, turn by turn. */
  calls: readonly string[]
  run: (place: AgentPlace, prompt: string) => AgentRun
}

const prompt = 'Look around in this folder.'
const opencodeAgent = await opencode('@ai-sdk/openai-compatible', { bash: 'deny', edit: 'deny', webfetch: 'deny' })

const plays: readonly Play[] = [
  {
    agent: 'claude -p',
    door: 'messages',
    absent: await whyAbsent('claude'),
    calls: ['Read', 'Read', 'Read'],
    // By default it leaves most of its tools out until it has searched for them.
    run: (place) => claudeCode(place, prompt, ['--max-turns', '6'], { ENABLE_TOOL_SEARCH: 'false' }),
  },
  {
    agent: 'codex exec',
    door: 'responses',
    absent: await whyAbsent('codex'),
    calls: ['get_goal', 'view_image', 'get_goal'],
    run: (place) => codex(place, prompt, ['--sandbox', 'read-only']),
  },
  {
    agent: 'opencode run',
    door: 'chat',
    absent: opencodeAgent.absent,
    calls: ['read', 'todowrite', 'read'],
    run: (place) => opencodeAgent.run(place, prompt),
  },
]

const judge = await makeJudge()
const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false })
const gateway = await startGateway({
  upstreams: { local: { kind: 'embedded' } },
  models: Object.fromEntries(plays.map(({ door }) => [door, { route: ['local'] }])),
})
after(() => gateway.close())

/** Words of the agents themselves when a door, a stream or a call was not what their protocol says. */
const complaints =
  /API Error|APIError|"?type"?: ?"error"|InputValidationError|invalid arguments|failed to parse|stream (error|disconnected|closed)/i

for (const { agent, door, absent, calls, run } of plays)
  describe(`${agent} -> ${door} door -> embedded engine`, { skip: absent ?? false }, () => {
    it(`calls tools in ${calls.length} turns of its own loop over its whole prompt, and ends in words`, async (test) => {
      const tap = await startTap(gateway.url, forceCalls(door, calls))
      const place = { baseUrl: tap.url, key: gateway.key, model: door }
      const result = await runAgent({ ...run(place, prompt), limitMs: 55_000 })
      const asked = tap.take().filter((exchange) => isAsked(door, exchange))
      await tap.close()

      assert.ok(!result.timedOut && result.code === 0, tellRun(result))
      assert.doesNotMatch(result.out + result.err, complaints, tellRun(result))
      assert.match(result.out, /This model is untrained/, tellRun(result))
      for (const exchange of asked) {
        assert.ok(exchange.status === 200 && exchange.whole, exchange.body.toString())
        assert.equal(judgeExchange(judge, door, exchange), undefined)
      }

      const turns = asked.filter(({ requestBody }) => offeredTools(requestBody).length > 0)
      assert.equal(turns.length, calls.length + 1)
      let made = 0
      for (const [at, turn] of turns.entries()) {
        assert.equal(countResults(turn.requestBody), made, `results that turn ${at + 1} brings back`)
        made += checkCalls(turn, calls[at])
      }

      const rows = (await gateway.rows()).filter((row) => row.door === door)
      assert.deepEqual(
        rows.map(({ status, upstream }) => [status, upstream]),
        asked.map(() => ['ok', 'local']),
      )
      checkHits(rows, turns.length)
      const [first] = loopOf(rows, turns.length)
      test.diagnostic(
        `${offeredTools(turns[0]!.requestBody).length} tools; prompts of ${loopOf(rows, turns.length)
          .map(({ usage }) => `${usage.inputTokens} tokens (${usage.hitTokens} hit)`)
          .join(', ')}; the first turn in ${first?.endMs} ms`,
      )
    })
  })

/** How many calls the turn made: of the wanted tool alone, which is offered, with arguments that fit; or none. */
function checkCalls(turn: Exchange, wanted: string | undefined): number {
  const made = callsOf(turn)
  assert.equal(made.length > 0, wanted !== undefined, `calls of ${wanted}: ${JSON.stringify(made)}`)
  for (const { name, argumentsText } of made) {
    assert.equal(name, wanted)
    const tool = offeredTools(turn.requestBody).find((one) => one.name === name)
    assert.ok(tool, `${name} is not offered`)
    const validate = ajv.compile(tool.schema)
    assert.ok(validate(JSON.parse(argumentsText)), `${argumentsText}: ${ajv.errorsText(validate.errors)}`)
  }
  return made.length
}

/** The rows of the loop in order: those with the longest prompts, as titles and summaries are short. */
function loopOf(rows: readonly LedgerRow[], turns: number): LedgerRow[] {
  return rows
    .toSorted((a, b) => b.usage.inputTokens - a.usage.inputTokens)
    .slice(0, turns)
    .toSorted((a, b) => a.startedAtMs - b.startedAtMs)
}

/** Every whole block of the prompt before is found again: each turn extends the one before it. */
function checkHits(rows: readonly LedgerRow[], turns: number): void {
  let before = 0
  for (const { usage } of loopOf(rows, turns)) {
    assert.ok(usage.hitTokens >= before - (before % 128), `${usage.hitTokens} tokens hit of ${before} sent before`)
    before = usage.inputTokens
  }
  assert.ok(before > 8000, `${before} tokens are no agent's prompt`)
}
