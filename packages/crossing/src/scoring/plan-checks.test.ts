import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import type { OutputItem } from '@portolan/wire'
import type { PlanCheck } from '../records/index.ts'
import { answerOf, call, requestOf, text, user } from '../replay/replay.test-support.ts'
import { IsolatedRunner } from './isolated.ts'
import { scorePlanChecks, type CheckedAnswer } from './plan-checks.ts'
import { caseOutcome } from './verdict.ts'

const folder = mkdtempSync(join(tmpdir(), 'portolan-plan-checks-'))
const runner = new IsolatedRunner({ taskMs: 300, memoryMiB: 48 })
after(async () => {
  await runner.close()
  rmSync(folder, { recursive: true })
})

type Rule = PlanCheck extends infer Each
  ? Each extends PlanCheck
    ? Omit<Each, 'name' | 'severity' | 'tags'>
    : never
  : never
const named = (name: string, rule: Rule, more: Partial<PlanCheck> = {}): PlanCheck =>
  ({ name, severity: 'major', tags: [], ...rule, ...more }) as PlanCheck
const fileNamed = (name: string, source: string): PlanCheck => {
  writeFileSync(join(folder, `${name}.mjs`), source)
  return named(name, { scorer: 'file', path: `${name}.mjs`, hash: null })
}

const answered = (
  said: readonly OutputItem[],
  recorded: readonly OutputItem[],
  tags: string[] = [],
): CheckedAnswer => ({
  test: { id: 'case_1_0', tags, mode: 'step' },
  request: requestOf([user('How much is order 7?')]),
  response: answerOf(said),
  recorded: answerOf(recorded),
})

async function outcomes(answer: CheckedAnswer, checks: readonly PlanCheck[]): Promise<unknown[]> {
  const pathOf = ({ path }: { readonly path: string }): string => join(folder, path)
  const verdicts = await scorePlanChecks(answer, { checks, runner, pathOf })
  return verdicts.map(({ scorer, outcome, evidence }) =>
    outcome === 'unscored' ? [scorer, (evidence as { reason: string }).reason] : [scorer, outcome],
  )
}

describe('the checks of a plan', () => {
  it('read the words of a final answer, each as a scorer of its own', async () => {
    const checks = [
      named('same', { scorer: 'normalised' }),
      named('polite', { scorer: 'contains', text: 'thank you' }),
      named('total', { scorer: 'number', tolerance: 0.01 }),
      named('close', { scorer: 'similarity', least: 0.5 }),
      named('no-order-id', { scorer: 'pattern', pattern: 'ORD-\\d+', flags: 'u', absent: true }),
      named('shape', { scorer: 'json', schema: { type: 'object' } }),
    ]
    assert.deepEqual(await outcomes(answered([text('It is 12.50. Thank you!')], [text('It is 12.5.')]), checks), [
      ['check:same', 'fail'],
      ['check:polite', 'pass'],
      ['check:total', 'pass'],
      ['check:close', 'pass'],
      ['check:no-order-id', 'pass'],
      ['check:shape', 'fail'],
    ])
  })

  it('leave turns alone whose recording called a tool, and cases without one of their tags', async () => {
    const polite = named('polite', { scorer: 'contains', text: 'thank you' }, { tags: ['length:short'] })
    assert.deepEqual(await outcomes(answered([text('x')], [call('search', {})], ['length:short']), [polite]), [])
    assert.deepEqual(await outcomes(answered([text('x')], [text('y')], ['length:long']), [polite]), [])
    assert.deepEqual(await outcomes(answered([text('x')], [text('y')], ['length:short']), [polite]), [
      ['check:polite', 'fail'],
    ])
  })

  it('hand a file the task, both answers and their calls, tool turns included', async () => {
    const echo = fileNamed('echo', 'export default (input) => ({ pass: true, evidence: input })')
    const pathOf = ({ path }: { readonly path: string }): string => join(folder, path)
    const [verdict] = await scorePlanChecks(
      answered([call('refund', { order: 8 })], [call('refund', { order: 7 })], ['t']),
      {
        checks: [echo],
        runner,
        pathOf,
      },
    )
    assert.deepEqual(verdict!.evidence, {
      case: 'case_1_0',
      tags: ['t'],
      mode: 'step',
      task: 'How much is order 7?',
      text: '',
      calls: [{ name: 'refund', arguments: '{"order":8}' }],
      stop: 'tool-call',
      recorded: { text: '', calls: [{ name: 'refund', arguments: '{"order":7}' }], stop: 'tool-call' },
    })
  })

  it('that throw, loop, fill memory or leave are unscored with that reason, and the next one runs', async () => {
    const checks = [
      fileNamed('throws', 'export default () => { throw new Error("no") }'),
      fileNamed('loops', 'export default () => { for (;;); }'),
      fileNamed('leaves', 'export default () => process.exit(0)'),
      named('backtracks', { scorer: 'pattern', pattern: '^(a+)+$', flags: '', absent: false }),
      named('polite', { scorer: 'contains', text: 'aaa' }),
    ]
    assert.deepEqual(await outcomes(answered([text(`${'a'.repeat(40)}!`)], [text('b')]), checks), [
      ['check:throws', 'failed'],
      ['check:loops', 'time-limit'],
      ['check:leaves', 'stopped'],
      ['check:backtracks', 'time-limit'],
      ['check:polite', 'pass'],
    ])
  })

  it('decide a case by their severity: what cannot be checked is no pass', async () => {
    const answer = answered([text('x')], [text('x')])
    const pathOf = (): string => join(folder, 'none.mjs')
    const verdictsOf = (severity: PlanCheck['severity']): Promise<ReturnType<typeof caseOutcome>> =>
      scorePlanChecks(answer, {
        checks: [
          named('same', { scorer: 'exact' }),
          named('gone', { scorer: 'file', path: 'none.mjs', hash: null }, { severity }),
        ],
        runner,
        pathOf,
      }).then(caseOutcome)
    assert.equal(await verdictsOf('minor'), 'pass')
    assert.equal(await verdictsOf('major'), 'unscored')
  })

  it('carry another version for another rule', async () => {
    const versionFor = async (least: number): Promise<string> => {
      const checks = [named('close', { scorer: 'similarity', least })]
      const [verdict] = await scorePlanChecks(answered([text('a')], [text('a')]), { checks, runner, pathOf: () => '' })
      return verdict!.version
    }
    assert.notEqual(await versionFor(0.5), await versionFor(0.6))
    assert.equal(await versionFor(0.5), await versionFor(0.5))
  })
})
