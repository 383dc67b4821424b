/**
 * OpenAI evals: samples of the open framework (`{"input": [...], "ideal": "..."}`) and output items of the hosted
 * service (`{"item", "sample": {"input", "output", "model", "usage"}}`), one a line.
 */
import type { ImportedExchange, ImportedTraffic } from '../recording/import-sessions.ts'
import type { ImportSource } from '../recording/import-source.ts'
import { asObject, badImport, countOf, jsonLines, readAnswer, readRequest, textOf, type Json } from './read-chat.ts'

export function importOpenAiEvals({ lines }: ImportSource): ImportedTraffic {
  let [ideals, graded] = [0, 0]
  function* exchanges(): Generator<ImportedExchange> {
    ;[ideals, graded] = [0, 0]
    for (const { place, value } of jsonLines(lines())) {
      const sample = asObject(value['sample'])
      const source = sample ?? value
      const input = source['input'] ?? source['messages'] ?? asObject(value['item'])?.['input']
      const messages = typeof input === 'string' ? [{ role: 'user', content: input }] : input
      if (!Array.isArray(messages) || messages.length === 0) throw badImport(place, '`input` is missing or empty')
      const model = textOf(source['model']) ?? 'unknown'
      const request = readRequest({ model, messages }, place)
      const output = Array.isArray(source['output']) ? asObject(source['output'].at(-1)) : null
      const ideal = Array.isArray(value['ideal']) ? textOf(value['ideal'][0]) : textOf(value['ideal'])
      if (output === null && ideal !== null) ideals++
      if (value['results'] !== undefined) graded++
      const answer = output ?? (ideal === null ? null : { role: 'assistant', content: ideal })
      yield {
        session: textOf(value['id']) ?? place,
        request,
        response: answer === null ? null : readAnswer(answer, model, place),
        row: rowOf(source),
      }
    }
  }
  return {
    exchanges: { [Symbol.iterator]: exchanges },
    notExpressed: () => [
      'When each request was made and how long it took.',
      ...(ideals > 0
        ? [`${ideals} answers are the reference answers (\`ideal\`) that a person wrote, not what a model said.`]
        : []),
      ...(graded > 0 ? [`The verdicts of graders on ${graded} items: make checks of your own in the plan.`] : []),
    ],
  }
}

function rowOf(sample: Json): ImportedExchange['row'] {
  const usage = asObject(sample['usage'])
  const input = countOf(usage?.['prompt_tokens'])
  const hit = countOf(usage?.['cached_tokens'])
  if (usage === null || input === null) return {}
  return {
    usage: {
      inputTokens: input,
      hitTokens: hit,
      missTokens: hit === null ? null : input - hit,
      writtenTokens: hit === null ? null : 0,
      written1hTokens: hit === null ? null : 0,
      outputTokens: countOf(usage['completion_tokens']),
      reasoningTokens: null,
      raw: null,
      source: 'reported',
      convention: 'cached-inside',
    },
  }
}
