/**
 * Answers of a running gateway against the schemas they were asked for by, in a thread that may be killed.
 *
 * A schema is a caller's: one that takes longer than its answer is worth gets no verdict.
 */
import { IsolatedRunner, scoreJson } from '@portolan/crossing'
import type { SchemaPort } from '@portolan/gateway'

const longestCheckMs = 200

export function answerSchemas(): { readonly port: SchemaPort; close(): Promise<void> } {
  const runner = new IsolatedRunner({ taskMs: longestCheckMs })
  return {
    port: {
      async fits(schema, text) {
        const { outcome } = await scoreJson(text, schema, runner)
        return outcome === 'pass' ? true : outcome === 'fail' ? false : null
      },
    },
    close: () => runner.close(),
  }
}
