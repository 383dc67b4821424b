/**
 * Our own gateway as the one under test: a child process with the scripted upstream behind every flavour,
 * in a data directory that is removed afterwards, ended by its handle.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { modelName, type ConformanceCase, type UpstreamFlavour } from './case.ts'
import type { Json } from './json.ts'
import type { LedgerLine } from './room.ts'

const command = fileURLToPath(new URL('../../../packages/cli/bin/portolan.js', import.meta.url))
const run = promisify(execFile)

export interface OwnGateway {
  readonly url: string
  readonly key: string
  readonly ledger: () => Promise<readonly LedgerLine[]>
  readonly close: () => Promise<void>
}

/** How each flavour is configured, and the name under which its models go out. */
const flavours: Readonly<Record<UpstreamFlavour, { readonly config: Json; readonly sent: (name: string) => string }>> =
  {
    chat: { config: { kind: 'openai-compatible' }, sent: (name) => name },
    messages: { config: { kind: 'anthropic-compatible' }, sent: (name) => name },
    responses: { config: { kind: 'openai-compatible', protocols: ['responses'] }, sent: (name) => name },
    vllm: { config: { kind: 'vllm', protocols: ['chat'] }, sent: (name) => name },
    // Vendors know their models by name; the scene stays readable at the end of it.
    deepseek: { config: { kind: 'deepseek', protocols: ['chat'] }, sent: (name) => `deepseek-v4-pro/${name}` },
    'deepseek-messages': {
      config: { kind: 'deepseek', protocols: ['messages'] },
      sent: (name) => `deepseek-v4-pro/${name}`,
    },
    anthropic: { config: { kind: 'anthropic' }, sent: (name) => `claude-opus-4-6/${name}` },
    openai: { config: { kind: 'openai', protocols: ['responses'] }, sent: (name) => `gpt-5.5/${name}` },
  }

/** Much earlier than the usual ten seconds, so that the case about keep-alives need not wait. */
export const ownKeepAliveMs = 500

export async function startOwnGateway(cases: readonly ConformanceCase[], upstreamPort: number): Promise<OwnGateway> {
  const directory = await mkdtemp(join(tmpdir(), 'portolan-conformance-'))
  const config = join(directory, 'portolan.yaml')
  await writeFile(config, JSON.stringify(configOf(cases, upstreamPort)))
  const child = spawn(
    process.execPath,
    ['--conditions=source', command, 'up', '--config', config, '--port', '0', '--data', directory, '--json'],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, CONFORMANCE_UPSTREAM_KEY: 'not-a-key' } },
  )
  const { url, key } = await listening(child).catch(async (error: unknown) => {
    await rm(directory, { recursive: true, force: true })
    throw error
  })
  return {
    url,
    key,
    async ledger() {
      const args = ['usage', '--config', config, '--data', directory, '--last', '2000', '--json']
      const { stdout } = await run(process.execPath, ['--conditions=source', command, ...args], {
        maxBuffer: 64 << 20,
        env: { ...process.env, CONFORMANCE_UPSTREAM_KEY: 'not-a-key' },
      })
      return (JSON.parse(stdout) as LedgerRowText[]).map((row) => ({
        modelAsked: row.modelAsked,
        status: row.status,
        inputTokens: row.usage?.inputTokens ?? null,
        outputTokens: row.usage?.outputTokens ?? null,
      }))
    },
    async close() {
      await ended(child)
      await rm(directory, { recursive: true, force: true })
    },
  }
}

interface LedgerRowText {
  readonly modelAsked: string | null
  readonly status: string
  readonly usage?: { readonly inputTokens: number | null; readonly outputTokens: number | null }
}

function configOf(cases: readonly ConformanceCase[], upstreamPort: number): Json {
  const used = [...new Set(cases.flatMap((one) => one.upstreams))]
  return {
    upstreams: Object.fromEntries(
      used.map((flavour) => [
        flavour,
        {
          ...flavours[flavour].config,
          baseUrl: `http://127.0.0.1:${upstreamPort}`,
          apiKey: '${CONFORMANCE_UPSTREAM_KEY}',
          prices: 'free',
        },
      ]),
    ),
    models: Object.fromEntries(
      cases.flatMap((one) =>
        one.upstreams.map((flavour) => {
          const name = modelName(one.id, flavour)
          return [name, { route: [{ upstream: flavour, model: flavours[flavour].sent(name) }] }]
        }),
      ),
    ),
    keepAliveMs: ownKeepAliveMs,
    log: { level: 'silent' },
  }
}

function listening(child: ChildProcess): Promise<{ readonly url: string; readonly key: string }> {
  return new Promise((resolve, reject) => {
    let out = ''
    let complaint = ''
    child.stderr?.on('data', (piece: Buffer) => (complaint += piece.toString()))
    child.stdout?.on('data', (piece: Buffer) => {
      out += piece.toString()
      const line = out.split('\n').find((one) => one.includes('"listening"'))
      if (line) resolve(JSON.parse(line) as { url: string; key: string })
    })
    child.once('exit', (code) => reject(new Error(`the gateway ended with code ${code}: ${complaint.slice(-2000)}`)))
  })
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve()
      return
    }
    const hard = setTimeout(() => child.kill('SIGKILL'), 3000)
    child.once('exit', () => {
      clearTimeout(hard)
      resolve()
    })
    child.kill('SIGTERM')
  })
}
