import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { conformanceCases } from './catalogue.ts'
import { modelName } from './case.ts'
import { impossibleCases } from './impossible.ts'
import { ownKeepAliveMs, startOwnGateway, type OwnGateway } from './own-gateway.ts'
import { renderConformanceReference } from './reference.ts'
import { runConformance, type Verdict } from './run.ts'
import { ScriptedUpstream, sceneOf } from './scripted-upstream.ts'
import { summaryOf, tableOf } from './table.ts'

describe('the catalogue', () => {
  it('accounts for each of the hundred bugs exactly once, by a scene or by a reason', () => {
    const ids = [...conformanceCases, ...impossibleCases].map((one) => one.id).sort((a, b) => a - b)
    assert.deepEqual(
      ids,
      Array.from({ length: 100 }, (_, index) => index + 1),
    )
  })

  it('names a source for each, a door for each scene and a reason for each impossibility', () => {
    for (const one of [...conformanceCases, ...impossibleCases])
      assert.ok(one.sources.length > 0 && one.sources.every((source) => /^[\w.-]+\/[\w.-]+[#@]\w+$/.test(source)))
    for (const one of conformanceCases) assert.ok(one.doors.length > 0 && one.upstreams.length > 0)
    for (const one of impossibleCases) assert.ok(one.reason.length > 40)
  })

  it('finds its scene in a model name whatever a gateway makes of it', () => {
    assert.equal(sceneOf(`openai/${modelName(7, 'chat')}`), 'case-007')
    assert.equal(sceneOf(`deepseek-v4-pro/${modelName(43, 'deepseek-messages')}`), 'case-043-deepseek-messages')
    assert.equal(sceneOf('gpt-5.5'), '')
  })

  it('is told in the reference page with every id', () => {
    const page = renderConformanceReference()
    for (let id = 1; id <= 100; id++) assert.ok(page.includes(`\n| ${id} |`), `case ${id} is missing`)
  })
})

describe('our gateway', () => {
  const upstream = new ScriptedUpstream()
  let gateway: OwnGateway
  let verdicts: readonly Verdict[] = []

  before(async () => {
    await upstream.listen(0)
    gateway = await startOwnGateway(conformanceCases, upstream.port)
    verdicts = await runConformance({
      url: gateway.url,
      key: gateway.key,
      upstream,
      cases: conformanceCases,
      silenceMs: ownKeepAliveMs * 1.4,
      echoesModel: true,
      ledger: gateway.ledger,
    })
  })

  after(async () => {
    await gateway?.close()
    await upstream.close()
  })

  for (const one of conformanceCases)
    it(`${one.id}. ${one.title} (${one.sources.join(', ')})`, () => {
      const mine = verdicts.filter((verdict) => verdict.id === one.id)
      assert.equal(mine.length, one.doors.length)
      for (const { door, verdict, reason } of mine) assert.equal(verdict, 'pass', `${door} door: ${reason}`)
    })

  it('leaves nothing unseen', () => {
    const { failed, unseen } = summaryOf(verdicts)
    assert.deepEqual([failed, unseen], [0, 0], tableOf(verdicts.filter((one) => one.verdict !== 'pass')))
  })
})
