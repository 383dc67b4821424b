/** The refusals of a tool name, in the words of the OpenAI API reference, which Chat and Responses share. */
import type { Finding } from './violation.ts'

/** Null: the name may stand at `path`. */
export function toolNameFinding(name: string, path: string, limit: number): Finding | null {
  if (!/^[A-Za-z0-9_-]+$/.test(name)) {
    return {
      path,
      message: `Invalid '${path}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.`,
    }
  }
  if (name.length <= limit) return null
  return {
    path,
    message: `Invalid '${path}': string too long. Expected a string with maximum length ${limit}, but got a string with length ${name.length} instead.`,
  }
}
