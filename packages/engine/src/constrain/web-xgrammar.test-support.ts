/**
 * `@mlc-ai/web-xgrammar` 0.1.27, the grammar engine of MLC, asked about whole texts. Its package says that it is a
 * module but holds a UMD file, so it is evaluated as CommonJS.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'

interface Grammar {
  dispose: () => void
}

interface WebXgrammar {
  readonly Grammar: {
    fromJSONSchema: (
      schema: string,
      anyWhitespace: boolean,
      indent: number | undefined,
      separators: [string, string] | undefined,
      strictMode: boolean,
    ) => Promise<Grammar>
    builtinJSONGrammar: () => Promise<Grammar>
  }
  readonly Testings: { isGrammarAcceptString: (grammar: Grammar, text: string) => Promise<boolean> }
}

let loaded: WebXgrammar | null = null

function load(): WebXgrammar {
  if (loaded !== null) return loaded
  const require = createRequire(import.meta.url)
  const file = require.resolve('@mlc-ai/web-xgrammar')
  const module = { exports: {} }
  // oxlint-disable-next-line typescript/no-implied-eval -- the file is no module, see above
  const evaluate = new Function('module', 'exports', 'require', '__filename', '__dirname', readFileSync(file, 'utf8'))
  evaluate(module, module.exports, require, file, dirname(file))
  loaded = module.exports as WebXgrammar
  return loaded
}

/** Null: it does not take the schema. */
export async function otherAcceptor(schema: unknown): Promise<((text: string) => Promise<boolean>) | null> {
  const { Grammar, Testings } = load()
  try {
    const grammar = await Grammar.fromJSONSchema(JSON.stringify(schema), true, undefined, undefined, true)
    return (text) => Testings.isGrammarAcceptString(grammar, text)
  } catch {
    return null
  }
}
