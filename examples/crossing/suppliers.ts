/**
 * Two scripted suppliers for the example, real HTTP servers on loopback. They are stand-ins and no models: what they say
 * stands in `workloads.ts`. The second differs from the first by what is planted there, and by the delay here.
 */
import { startMockUpstream, type MockUpstream } from '@portolan-testing/mock-upstream'
import { taskOf, type Role } from './workloads.ts'

/** Milliseconds until each begins to answer. */
export const delayMs = { incumbent: 5, candidate: 40 } as const

export function startSupplier(role: Role): Promise<MockUpstream> {
  return startMockUpstream({
    dialect: 'openai',
    script: ({ view, bytes }) => {
      const found = taskOf(view.turns.flatMap(({ texts }) => texts).join(' '))
      if (found === null) return { error: { status: 400, message: 'No task is named.' } }
      const turn = view.turns.filter(({ role }) => role === 'assistant').length
      const usage = { inputTokens: Math.ceil(bytes.length / 4), cachedTokens: 0, outputTokens: 40 }
      return { delayMs: delayMs[role], usage, ...found.workload.says(found.task, turn, role) }
    },
  })
}
