/** promptfoo's result file (`promptfoo eval -o results.json`): one exchange for each result. */
import type { ImportedExchange, ImportedTraffic } from '../recording/import-sessions.ts'
import type { ImportSource } from '../recording/import-source.ts'
import { asObject, badImport, countOf, readAnswer, readRequest, textOf } from './read-chat.ts'

export function importPromptfoo({ whole }: ImportSource): ImportedTraffic {
  let file: unknown
  try {
    file = JSON.parse(whole())
  } catch (error) {
    throw badImport('the file', `it is not JSON (${(error as Error).message.slice(0, 100)}); export results as .json`)
  }
  const outer = asObject(file)?.['results']
  const results = Array.isArray(outer) ? outer : asObject(outer)?.['results']
  if (!Array.isArray(results)) throw badImport('the file', '`results.results` is missing; it is no result file')
  let failed = 0
  const exchanges = results.map((entry: unknown, index): ImportedExchange => {
    const place = `result ${index + 1}`
    const result = asObject(entry)
    if (result === null) throw badImport(place, 'it is not an object')
    const raw = textOf(asObject(result['prompt'])?.['raw']) ?? textOf(result['prompt'])
    if (raw === null) throw badImport(place, '`prompt.raw` is missing')
    const model = modelOf(result['provider'])
    const response = asObject(result['response'])
    const output = response?.['output']
    if (textOf(result['error']) !== null) failed++
    const tokens = asObject(response?.['tokenUsage']) ?? asObject(result['tokenUsage'])
    const input = countOf(tokens?.['prompt'])
    const latencyMs = countOf(result['latencyMs'])
    return {
      session: place,
      request: readRequest({ model, messages: messagesOf(raw) }, place),
      response:
        output === undefined || output === null
          ? null
          : readAnswer(
              { role: 'assistant', content: typeof output === 'string' ? output : JSON.stringify(output) },
              model,
              place,
            ),
      row: {
        endMs: latencyMs,
        status: textOf(result['error']) === null ? 'ok' : 'error',
        ...(input === null
          ? {}
          : {
              usage: {
                inputTokens: input,
                hitTokens: null,
                missTokens: null,
                writtenTokens: null,
                written1hTokens: null,
                outputTokens: countOf(tokens?.['completion']),
                reasoningTokens: null,
                raw: null,
                source: 'reported' as const,
                convention: 'unknown' as const,
              },
            }),
      },
    }
  })
  return {
    exchanges,
    notExpressed: () => [
      'When each request was made, when its first token came, and which prompt tokens a cache served.',
      'Tools, output formats and sampling settings: they are in the provider configuration, not in the results.',
      'Tool calls as such: an answer that is no text is kept as its JSON text.',
      'Assertions and their verdicts: make checks of your own in the plan.',
      ...(failed > 0 ? [`${failed} results are errors of the provider and have no answer.`] : []),
    ],
  }
}

function modelOf(provider: unknown): string {
  const id = textOf(asObject(provider)?.['id']) ?? textOf(provider) ?? 'unknown'
  // `openai:chat:gpt-5.5`: the model is the last part.
  return id.split(':').at(-1) || 'unknown'
}

/** A prompt is a list of messages as JSON, or one text of the user. */
function messagesOf(raw: string): readonly unknown[] {
  try {
    const parsed: unknown = JSON.parse(raw)
    if (
      Array.isArray(parsed) &&
      parsed.length > 0 &&
      parsed.every((message) => asObject(message)?.['role'] !== undefined)
    )
      return parsed
  } catch {
    // A text.
  }
  return [{ role: 'user', content: raw }]
}
