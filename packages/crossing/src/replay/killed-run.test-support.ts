/** A replay in a process of its own, to be killed: `node killed-run.test-support.ts JOURNAL ASKED CASES`. */
import { appendFileSync } from 'node:fs'
import { AttemptJournal } from './journal.ts'
import { answerOf, armAsk, armOf, caseOf, exchangeOf, noRetries, requestOf, text, user } from './replay.test-support.ts'
import { replaySteps } from './runner.ts'

const [journalPath, askedPath, count] = process.argv.slice(2)
const exchanges = Array.from({ length: Number(count) }, (_, i) =>
  exchangeOf(i, requestOf([user(`q${i}`)]), answerOf([text(`a${i}`)])),
)
const journal = new AttemptJournal(journalPath!, 'plan-1', () => Buffer.alloc(32, 5))
const slow = (name: string): ReturnType<typeof armAsk> => {
  const ask = armAsk(() => [text('x')])
  return async (request) => {
    await new Promise((resolve) => setTimeout(resolve, 2))
    const [item] = request.items
    appendFileSync(
      askedPath!,
      `${name} ${item?.kind === 'user' && item.parts[0]?.type === 'text' ? item.parts[0].text : ''}\n`,
    )
    return ask(request)
  }
}
const result = await replaySteps({
  runIdOf: (arm) => `run_${arm}`,
  arms: [armOf('old', slow('old')), armOf('new', slow('new'))],
  cases: exchanges.map(caseOf),
  replicates: 1,
  exchangeOf: (test) => exchanges[test.seq!]!,
  score: () =>
    Promise.resolve([
      { scorer: 's', version: '1', outcome: 'pass', score: 1, severity: 'major', evidence: null, cost: null },
    ]),
  journal,
  seed: 1,
  concurrency: 4,
  currency: 'USD',
  spendCapNanos: null,
  retries: noRetries,
  now: () => 0,
})
console.log(`${result.state} ${result.done} ${result.spentNanos}`)
