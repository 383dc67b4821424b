/**
 * Rules by which a plan leaves cases out, stated before data: `case:ID`, `session:ID` or `tag:NAME`. Any other rule
 * excludes nothing; who freezes the plan is told, and so is who reads the report.
 */
import type { Case, Exclusion } from '../records/index.ts'

export function isReadable({ rule }: Exclusion): boolean {
  return /^(case|session|tag):./.test(rule)
}

export function excludes({ rule }: Exclusion, test: Case): boolean {
  const value = rule.slice(rule.indexOf(':') + 1)
  if (rule.startsWith('case:')) return test.id === value
  if (rule.startsWith('session:')) return test.sessionId === value
  return rule.startsWith('tag:') && test.tags.includes(value)
}
