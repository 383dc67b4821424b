/**
 * Installs the pinned clients when they are missing or older than the lock, and lets them play:
 *
 *   node testing/clients/run.ts                  all clients through the gateway
 *   node testing/clients/run.ts claude codex     files whose name contains one of the words
 *   node testing/clients/run.ts --direct         without the gateway: proves the stand-ins and the tests themselves
 *
 * Ends with the test runner's own code. The tests run without the `source` condition: a package behind the AI SDK
 * exports TypeScript under that name, which Node does not load from node_modules.
 */

import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
const stamp = join(here, 'node_modules/.lock-installed')
const words = process.argv.slice(2).filter((word) => !word.startsWith('--'))
const direct = process.argv.includes('--direct')

if (Number(process.versions.node.split('.')[0]) < 24) {
  console.error(`The clients need Node 24 and this is ${process.version}. Run it by \`npm run test:clients\`.`)
  process.exit(2)
}

const environment: NodeJS.ProcessEnv = {
  ...process.env,
  // Install scripts and clients find this Node before any other.
  PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
}
delete environment.NODE_OPTIONS
delete environment.NODE_TEST_CONTEXT
if (direct) environment.PORTOLAN_CLIENTS = 'direct'

installWhenNeeded()
const { makeJudge } = await import('./judges.ts')
await makeJudge()
const { whyAbsent } = await import('./agent-process.ts')
for (const bin of ['claude', 'codex', 'opencode']) {
  const reason = await whyAbsent(bin)
  if (reason) console.error(`\n${reason}; its proofs are skipped.\n`)
}

const files = readdirSync(here)
  .filter((name) => name.endsWith('.test.ts') && (words.length === 0 || words.some((word) => name.includes(word))))
  .map((name) => join(here, name))
if (files.length === 0) {
  console.error(`No test file matches ${words.join(' ')}.`)
  process.exit(2)
}
const runner = spawn(process.execPath, ['--test', '--test-concurrency=2', ...files], {
  stdio: 'inherit',
  env: environment,
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => runner.kill(signal))
runner.once('close', (code) => process.exit(code ?? 1))

function installWhenNeeded(): void {
  const lock = createHash('sha256')
    .update(readFileSync(join(here, 'package-lock.json')))
    .digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return
  console.error('Installing the clients (about 1.3 GB, once per lock file) ...')
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: here, stdio: 'inherit', env: environment })
  if (npm.status !== 0) {
    console.error('npm ci failed in testing/clients; no client was tried.')
    process.exit(npm.status ?? 1)
  }
  writeFileSync(stamp, lock)
}
