/** What every coding agent must manage: a text, a tool loop with its own real shell, parallel tools, an error. */

import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import { toolResultsOf } from '../mock-upstream/src/index.ts'
import { runAgent, tellRun, type AgentResult, type AgentRun } from './agent-process.ts'
import { agentEnd, agentOutput, loopTurns } from './scenes.ts'
import type { Stage, Target, Theatre } from './theatre.ts'

/** Where an agent is sent. */
export type AgentPlace = Pick<Stage, 'baseUrl' | 'key' | 'model'>

export interface Agent {
  name: string
  absent: string | undefined
  run: (place: AgentPlace, prompt: string) => AgentRun
  /** What it printed as the final answer. */
  answerOf?: (result: AgentResult) => string
  /** How the agent ends when the supplier fails; by default with a code other than 0. */
  tellsFailure?: (result: AgentResult) => boolean
}

/** One supplier per protocol; the tool loop there is the dialect's hardest. */
export function agentTargets(theatre: Theatre): Target[] {
  const wanted = ['deepseek-chat', 'anthropic-messages', 'deepseek-messages', 'openai-responses']
  return theatre.targets.filter((target) => wanted.includes(target.name))
}

export function playAgent(theatre: Theatre, agent: Agent, targets: readonly Target[] = agentTargets(theatre)): void {
  const skip = agent.absent ?? false
  for (const target of targets) {
    describe(`${agent.name} -> ${theatre.door} door -> ${target.name}`, { skip }, () => {
      afterEach(() => theatre.verify())

      const play = async (stage: Stage, prompt: string): Promise<AgentResult> => {
        const result = await runAgent(agent.run(stage, prompt))
        assert.equal(result.timedOut, false, tellRun(result))
        return result
      }
      const answerOf = agent.answerOf ?? ((result: AgentResult) => result.out)

      it('answers with a plain text', async () => {
        const result = await play(theatre.stage(target, 'plain'), 'Say PONG.')
        assert.equal(result.code, 0, tellRun(result))
        assert.match(answerOf(result), /PONG/, tellRun(result))
      })

      it('works through a tool loop of five turns with its own shell', async () => {
        const stage = theatre.stage(target, 'agent')
        const result = await play(stage, 'Run the five commands.')
        assert.equal(result.code, 0, tellRun(result))
        assert.match(answerOf(result), new RegExp(agentEnd), tellRun(result))
        assertOutputs(stage, loopTurns)
      })

      it('runs two commands of one turn', async () => {
        const stage = theatre.stage(target, 'agentparallel')
        const result = await play(stage, 'Run the two commands.')
        assert.match(answerOf(result), new RegExp(agentEnd), tellRun(result))
        assertOutputs(stage, 2)
      })

      it('says that the supplier refused, and ends', async () => {
        const result = await play(theatre.stage(target, 'error400'), 'Say PONG.')
        const told = agent.tellsFailure?.(result) ?? result.code !== 0
        assert.ok(told, tellRun(result))
        assert.match(result.out + result.err, /refuses this on purpose/, tellRun(result))
      })
    })
  }
}

/**
 * The shell really ran: its output came back to the supplier, every one. Agents send results in the order in
 * which they ended; a translation puts them back into the order of the calls.
 */
function assertOutputs(stage: Stage, total: number): void {
  const last = stage.seen().findLast((request) => toolResultsOf(request.view).length === total)
  assert.ok(last, 'no request with all results')
  const texts = toolResultsOf(last.view).map((result) => result.text)
  const steps = texts.map((text) => /step-\d+-\d+/.exec(text)?.[0])
  if (stage.target.protocol === stage.door) steps.sort((a, b) => String(a).localeCompare(String(b)))
  const expected = Array.from({ length: total }, (_, i) => agentOutput(i + 1))
  assert.deepEqual(steps, expected, JSON.stringify(texts))
}
