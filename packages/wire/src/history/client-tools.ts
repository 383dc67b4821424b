/**
 * Vendor-typed tools that the client runs itself, as plain functions for any other upstream.
 *
 * Messages' `bash_*`, `text_editor_*` and `memory_*` carry no schema: the vendor's models know them by heart.
 * The client only needs the call, so the published parameters are enough.
 */
import type { FunctionTool, VendorTool } from '../canonical/request.ts'

interface Published {
  readonly description: string
  readonly parameters: unknown
}

const text = (description: string): Record<string, unknown> => ({ type: 'string', description })
const lineRange = {
  type: 'array',
  items: { type: 'integer' },
  minItems: 2,
  maxItems: 2,
  description: 'First and last line to show, counted from 1; -1 means the end of the file.',
}

const bash: Published = {
  description: 'Runs a command in a persistent bash session and returns its output.',
  parameters: {
    type: 'object',
    properties: {
      command: text('The command to run. Required unless the session is restarted.'),
      restart: { type: 'boolean', description: 'True restarts the session.' },
    },
  },
}

const textEditor: Published = {
  description: 'Views and edits text files.',
  parameters: {
    type: 'object',
    properties: {
      command: { type: 'string', enum: ['view', 'create', 'str_replace', 'insert'] },
      path: text('The file or directory.'),
      file_text: text('For create: the content of the new file.'),
      old_str: text('For str_replace: the text to replace; it must occur exactly once.'),
      new_str: text('For str_replace: the new text.'),
      insert_line: { type: 'integer', description: 'For insert: the line after which to insert; 0 is the top.' },
      insert_text: text('For insert: the text to insert.'),
      view_range: lineRange,
    },
    required: ['command', 'path'],
  },
}

const memory: Published = {
  description: 'Reads and writes files in a memory directory that outlives the conversation.',
  parameters: {
    type: 'object',
    properties: {
      command: { type: 'string', enum: ['view', 'create', 'str_replace', 'insert', 'delete', 'rename'] },
      path: text('The file or directory under /memories.'),
      view_range: lineRange,
      file_text: text('For create: the content of the file.'),
      old_str: text('For str_replace: the text to replace.'),
      new_str: text('For str_replace: the new text.'),
      insert_line: { type: 'integer', description: 'For insert: the line after which to insert.' },
      insert_text: text('For insert: the text to insert.'),
      old_path: text('For rename: the present path.'),
      new_path: text('For rename: the new path.'),
    },
    required: ['command'],
  },
}

const known: readonly { readonly prefix: string; readonly name: string; readonly tool: Published }[] = [
  { prefix: 'bash_', name: 'bash', tool: bash },
  { prefix: 'text_editor_', name: 'str_replace_based_edit_tool', tool: textEditor },
  { prefix: 'memory_', name: 'memory', tool: memory },
]

/** The function that stands in for a tool; null when the vendor has to run it or its schema is not known. */
export function functionForClientTool(tool: VendorTool): FunctionTool | null {
  const match = tool.clientExecuted ? known.find((entry) => tool.type.startsWith(entry.prefix)) : undefined
  if (match === undefined) return null
  return {
    kind: 'function',
    name: tool.name ?? match.name,
    namespace: null,
    description: match.tool.description,
    parameters: match.tool.parameters,
    strict: null,
  }
}
