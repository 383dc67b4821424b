/**
 * `npm run test:llama`: the comparison of exported models with llama.cpp, which `npm test` skips by name.
 *
 * Installs node-llama-cpp and its CPU binary beside this file when they are missing (85 MB; the overrides of
 * package.json keep every other platform's binary out), then runs the model package's own test against it.
 * Where the binary cannot be had or does not load, it says so and ends well: the proof is an extra opinion.
 * `PORTOLAN_LLAMA_CPP` names the entry file of another installation, for other platforms.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'

const here = import.meta.dirname
const root = resolve(here, '../..')
const given = process.env['PORTOLAN_LLAMA_CPP']
const entry = given ?? resolve(here, 'node_modules/node-llama-cpp/dist/index.js')

/** Why the proof cannot run here, or null. Installs when it may. */
function prepare(): string | null {
  if (existsSync(entry)) return null
  if (given !== undefined) return `PORTOLAN_LLAMA_CPP names ${given}, which does not exist.`
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return `The pinned binary is for linux-x64, and this is ${process.platform}-${process.arch}; PORTOLAN_LLAMA_CPP can name another installation.`
  console.log('Installing node-llama-cpp with its CPU binary into testing/llama (once) ...')
  const { status, stderr } = spawnSync('npm', ['ci', '--omit=optional', '--omit=peer', '--ignore-scripts'], {
    cwd: here,
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  })
  return status === 0 ? null : `npm ci in testing/llama failed:\n${stderr}`
}

/** Why the binary does not load, or null. In a process of its own: a bad binary may take its process along. */
function refusal(): string | null {
  const { status, signal, stderr } = spawnSync(process.execPath, [resolve(here, 'load.ts'), entry], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  if (status === 0) return null
  const said = stderr.split('\n').find((line) => /error/i.test(line)) ?? 'it says nothing'
  return `Loading it ends with ${signal ?? `exit code ${status}`}: ${said.trim()}`
}

// Only as a program: an entry that names this very file by mistake must not start it again.
if (import.meta.main) {
  const obstacle = prepare()
  const reason = obstacle ?? refusal()
  if (reason !== null) {
    console.log(`Skipped: llama.cpp is not available here. ${reason}`)
  } else {
    const { status } = spawnSync(
      process.execPath,
      [
        '--conditions=source',
        '--test',
        '--test-reporter=spec',
        resolve(root, 'packages/model/src/checkpoint/llama-cpp.test.ts'),
      ],
      { cwd: root, stdio: 'inherit', env: { ...process.env, PORTOLAN_LLAMA_CPP: entry } },
    )
    process.exitCode = status ?? 1
  }
}
