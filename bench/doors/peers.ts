/**
 * Other gateways, installed at exact versions into a throw-away folder, without their install scripts.
 *
 * Each is asked only what it can do: Portkey forwards Chat to Chat, claude-code-router serves Messages in front of
 * Chat. A peer that cannot be installed or does not start is reported and left out.
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Cell } from './cells.ts'
import { direct, freePort, stopChild, untilListening, type Target } from './targets.ts'

/** Paced streams are left to the measure of our own events: peers get whole requests. */
const serving = (door: Cell['door']) => (cell: Cell) =>
  cell.door === door && cell.far === 'chat' && cell.stream !== 'paced'

export async function startPeers(
  upstreamPort: number,
  directory: string,
  say: (text: string) => void,
): Promise<Target[]> {
  const targets: Target[] = []
  for (const start of [startPortkey, startRouter]) {
    try {
      targets.push(await start(upstreamPort, directory))
    } catch (error) {
      say(`left out: ${(error as Error).message}`)
    }
  }
  return targets
}

async function startPortkey(upstreamPort: number, directory: string): Promise<Target> {
  const folder = install(directory, '@portkey-ai/gateway', '1.15.2')
  const port = await freePort()
  // Its streams set headers on what fetch returned, which newer runtimes refuse; an answer made anew takes them.
  const shim = join(directory, 'mutable-fetch.mjs')
  writeFileSync(
    shim,
    `const original = globalThis.fetch
globalThis.fetch = async (...args) => {
  const { body, status, headers } = await original(...args)
  return new Response(body, { status, headers: new Headers(headers) })
}
`,
  )
  const child = spawn(
    process.execPath,
    ['--import', shim, join(folder, 'build/start-server.js'), `--port=${port}`, '--headless'],
    { cwd: folder, stdio: 'ignore', env: { ...process.env, TRUSTED_CUSTOM_HOSTS: '127.0.0.1,localhost' } },
  )
  await untilListening(port, child)
  return {
    ...direct(upstreamPort),
    name: 'Portkey 1.15.2',
    port,
    pid: child.pid!,
    headers: {
      authorization: 'Bearer bench-upstream-key',
      'x-portkey-provider': 'openai',
      'x-portkey-custom-host': `http://127.0.0.1:${upstreamPort}/v1`,
    },
    share: 0.1,
    serves: serving('chat'),
    stop: () => stopChild(child),
  }
}

async function startRouter(upstreamPort: number, directory: string): Promise<Target> {
  const folder = install(directory, '@musistudio/claude-code-router', '2.0.0')
  const port = await freePort()
  const home = join(directory, 'router-home')
  mkdirSync(join(home, '.claude-code-router'), { recursive: true })
  writeFileSync(
    join(home, '.claude-code-router/config.json'),
    JSON.stringify({
      PORT: port,
      HOST: '127.0.0.1',
      LOG: false,
      NON_INTERACTIVE_MODE: true,
      Providers: [
        {
          name: 'bench',
          api_base_url: `http://127.0.0.1:${upstreamPort}/v1/chat/completions`,
          api_key: 'bench-upstream-key',
          models: ['deepseek-v4-flash'],
        },
      ],
      Router: { default: 'bench,deepseek-v4-flash' },
    }),
  )
  const child = spawn(process.execPath, [join(folder, 'dist/cli.js'), 'start'], {
    cwd: folder,
    stdio: 'ignore',
    env: { ...process.env, HOME: home, SERVICE_PORT: String(port) },
  })
  await untilListening(port, child)
  return {
    ...direct(upstreamPort),
    name: 'claude-code-router 2.0.0',
    port,
    pid: child.pid!,
    headers: { 'x-api-key': 'bench-upstream-key' },
    share: 0.1,
    serves: serving('messages'),
    asks: () => 'messages',
    stop: () => stopChild(child),
  }
}

/** The package's folder. */
function install(directory: string, name: string, version: string): string {
  const prefix = join(directory, name.replaceAll(/[^a-z]+/g, '-'))
  mkdirSync(prefix, { recursive: true })
  const { status, stderr } = spawnSync(
    'npm',
    ['install', '--prefix', prefix, '--no-audit', '--no-fund', '--ignore-scripts', `${name}@${version}`],
    { encoding: 'utf8', timeout: 240_000 },
  )
  if (status !== 0) throw new Error(`${name}@${version} does not install: ${stderr.slice(-300)}`)
  return join(prefix, 'node_modules', name)
}
