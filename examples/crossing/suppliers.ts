/**
 * Two scripted suppliers for the example, real HTTP servers on loopback. They are stand-ins and no models: each plays a
 * clerk who looks an order up, refunds it and says so. The second one differs from the first by what is planted here.
 */
import { startMockUpstream, type MockUpstream, type Script } from '@portolan-testing/mock-upstream'

/** Every so many orders the candidate refunds the wrong one. */
export const wrongOrderEvery = 7
/** Milliseconds until each begins to answer. */
export const delayMs = { incumbent: 5, candidate: 40 } as const

export function startSupplier(role: 'incumbent' | 'candidate'): Promise<MockUpstream> {
  const script: Script = ({ view }) => {
    const order = Number(/order (\d+)/.exec(view?.turns.flatMap(({ texts }) => texts).join(' ') ?? '')?.[1] ?? 0)
    const results = view?.turns.flatMap(({ toolResults }) => toolResults).length ?? 0
    const common = {
      delayMs: delayMs[role],
      usage: { inputTokens: 1800 + 120 * results, cachedTokens: 0, outputTokens: 40 },
    }
    if (results === 0) return { ...common, toolCalls: [{ name: 'look_up', arguments: { order } }] }
    const isWrong = role === 'candidate' && order % wrongOrderEvery === 0
    if (results === 1)
      return { ...common, toolCalls: [{ name: 'refund', arguments: { order: isWrong ? order + 1 : order } }] }
    return { ...common, text: `Order ${order} was refunded.` }
  }
  return startMockUpstream({ script, dialect: 'openai' })
}
