/**
 * The JavaScript files that a plan names as checks: found beside the plan, and the same from the freeze to the report. The
 * plan's hash covers the hash of each, so a check that was changed afterwards is noticed like any other promise.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Plan, PlanCheck } from '@portolan/crossing'
import { CliError } from '../errors.ts'

export function checkFilePath(planFile: string, check: Extract<PlanCheck, { scorer: 'file' }>): string {
  return resolve(dirname(planFile), check.path)
}

/** @throws CliError for a file that cannot be read */
export function withCheckHashes(plan: Plan, planFile: string): Plan {
  return {
    ...plan,
    checks: plan.checks.map((check) =>
      check.scorer === 'file' ? { ...check, hash: hashOfFile(checkFilePath(planFile, check), check.name) } : check,
    ),
  }
}

/** @throws CliError for a file that cannot be read, or is not the one that was frozen */
export function requireCheckFiles(plan: Plan, planFile: string): void {
  for (const check of plan.checks) {
    if (check.scorer !== 'file') continue
    const hash = hashOfFile(checkFilePath(planFile, check), check.name)
    if (check.hash !== null && check.hash !== hash)
      throw new CliError(
        'CLI_BAD_ARGUMENT',
        `The check "${check.name}" (${check.path}) was changed after the plan was frozen: it was ${check.hash} and is ${hash}. Restore the file, or make it a new version with \`portolan plan freeze --amend "reason"\`.`,
      )
  }
}

function hashOfFile(path: string, name: string): string {
  try {
    return `sha256:${createHash('sha256').update(readFileSync(path)).digest('hex')}`
  } catch (error) {
    throw new CliError(
      'CLI_BAD_ARGUMENT',
      `The check "${name}" of the plan: cannot read ${path} (${(error as NodeJS.ErrnoException).code}).`,
      { cause: error },
    )
  }
}
