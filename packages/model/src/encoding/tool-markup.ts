/**
 * Tool schemas and tool calls in V4's markup (DSML).
 *
 * A string argument is written raw with `string="true"`, everything else as JSON with `string="false"`.
 * Nothing is escaped: the tags carry a special token, which ordinary text cannot contain once tokenised.
 * Arguments that are no JSON object become one parameter named `arguments`, as the published encoder does for
 * text that is not JSON (for JSON that is no object it stops with an error; we do not).
 */
import { ModelError } from '../errors.ts'
import type { ToolCall, ToolDefinition } from './messages.ts'
import { dumpsPython, fromJavaScript, loadsPython } from './python-json.ts'
import type { PythonValue } from './python-json.ts'
import type { CallMarkup } from './profile.ts'
import type { PromptBuilder } from './segments.ts'

/** One schema as the model reads it. @throws {ModelError} `MODEL_ENCODING_REQUEST` when it is no JSON object. */
export function toolSchemaText(tool: ToolDefinition): string {
  const value = orNull(() => ('json' in tool ? loadsPython(tool.json) : fromJavaScript(tool.schema)))
  if (!(value instanceof Map)) throw new ModelError('MODEL_ENCODING_REQUEST', 'A tool definition is not a JSON object.')
  return dumpsPython(value)
}

/** The block that calls tools, with the empty line before it. */
export function writeCalls(out: PromptBuilder, calls: readonly ToolCall[], markup: CallMarkup): void {
  const { mark, block, invoke, parameter } = markup
  out.fixed(`\n\n<${mark}${block}>\n`)
  for (const [index, call] of calls.entries()) {
    out
      .fixed(`${index === 0 ? '' : '\n'}<${mark}${invoke} name="`)
      .plain(call.name)
      .fixed('">\n')
    let first = true
    for (const [key, value] of argumentEntries(call.argumentsText)) {
      out.fixed(`${first ? '' : '\n'}<${mark}${parameter} name="`).plain(key)
      out
        .fixed(`" string="${typeof value === 'string'}">`)
        .plain(typeof value === 'string' ? value : dumpsPython(value))
      out.fixed(`</${mark}${parameter}>`)
      first = false
    }
    out.fixed(`\n</${mark}${invoke}>`)
  }
  out.fixed(`\n</${mark}${block}>`)
}

/**
 * The beginning of a call block, for an answer that must call a tool: of `name`, or of one the model chooses.
 * It goes to the end of the prompt (or, after a thought, into the output) and into the completion machine.
 */
export function callOpening(markup: CallMarkup, name: string | null): string {
  const { mark, block, invoke } = markup
  return `\n\n<${mark}${block}>\n<${mark}${invoke} name="${name === null ? '' : `${name}">\n`}`
}

function argumentEntries(text: string): Map<string, PythonValue> {
  const value = orNull(() => loadsPython(text))
  return value instanceof Map ? value : new Map([['arguments', text]])
}

function orNull(read: () => PythonValue): PythonValue {
  try {
    return read()
  } catch {
    return null
  }
}
