/**
 * `npm test [-- WORDS and --test-* options]`: every fast test, in node's own runner.
 *
 * Each file is a process of its own, so that a leaked handle or a changed global stays with its file. Words
 * narrow the run to files whose path holds one of them: `npm test -- wire/src/chat`. Options go to node as they
 * are: `npm test -- --test-name-pattern=billing`. People see node's `spec` report, pipes its `tap` report, whose
 * last lines are always the summary. Slower suites have scripts of their own (see CONTRIBUTING.md).
 */
import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { resolve, sep } from 'node:path'

const root = resolve(import.meta.dirname, '..')
const patterns = [
  'packages/*/src/**/*.test.ts',
  'packages/*/test/**/*.test.ts',
  'testing/*/src/**/*.test.ts',
  'scripts/**/*.test.ts',
]

const options = process.argv.slice(2).filter((argument) => argument.startsWith('-'))
const words = process.argv
  .slice(2)
  .filter((argument) => !argument.startsWith('-'))
  .map((word) => word.replaceAll('\\', '/').replace(/^\.\//, ''))

const files = globSync(patterns, { cwd: root })
  .map((file) => file.split(sep).join('/'))
  .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
  .sort()

if (files.length === 0) {
  console.error(`No test file has a path with ${words.map((word) => `"${word}"`).join(' or ')}.`)
  process.exitCode = 2
} else {
  const given = (name: string): boolean => options.some((option) => option.startsWith(name))
  const runner = spawn(
    process.execPath,
    [
      '--conditions=source',
      '--test',
      ...(given('--test-concurrency') ? [] : [`--test-concurrency=${Math.max(2, availableParallelism())}`]),
      ...(given('--test-reporter') ? [] : [`--test-reporter=${process.stdout.isTTY ? 'spec' : 'tap'}`]),
      ...options,
      ...files,
    ],
    { cwd: root, stdio: 'inherit' },
  )
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => runner.kill(signal))
  runner.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === null ? 1 : 130)
  })
}
