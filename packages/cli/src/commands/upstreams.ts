/** `portolan upstreams`: what is configured and declared, and with `--check` whether it answers. */
import { HttpClient, resolveUpstream, type Upstream } from '@portolan/upstream'
import { loadConfig } from '../config/load.ts'
import { toGatewayConfig } from '../config/to-gateway.ts'
import { exitCodes } from '../errors.ts'
import { json, table } from '../output.ts'
import type { CommonOptions } from './open.ts'

export interface UpstreamCheck {
  readonly ok: boolean
  readonly detail: string
}

export async function upstreams(options: CommonOptions & { readonly check?: boolean }): Promise<void> {
  const config = toGatewayConfig(loadConfig(options.config ?? null))
  const resolved = config.upstreams.map((upstream) => resolveUpstream(upstream))
  const checks = options.check ? await checkAll(resolved) : null
  const rows = resolved.map((upstream, i) => ({
    name: upstream.name,
    kind: upstream.definition.kind,
    baseUrl: upstream.baseUrl,
    protocols: Object.keys(upstream.definition.addresses),
    profile: upstream.definition.profile,
    promptCache: upstream.definition.promptCache.kind,
    prices: upstream.priceVendor,
    check: checks?.[i] ?? null,
  }))
  if (options.json) console.log(json(rows))
  else
    console.log(
      table(rows, [
        { title: 'NAME', value: (row) => row.name },
        { title: 'KIND', value: (row) => row.kind },
        { title: 'ADDRESS', value: (row) => row.baseUrl ?? 'in this process' },
        { title: 'PROTOCOLS', value: (row) => row.protocols.join(', ') || 'all doors' },
        { title: 'CACHE', value: (row) => row.promptCache },
        ...(checks ? [{ title: 'CHECK', value: (row: (typeof rows)[number]) => row.check!.detail }] : []),
      ]),
    )
  if (checks?.some((check) => !check.ok)) process.exitCode = exitCodes.failed
}

export async function checkAll(list: readonly Upstream[]): Promise<UpstreamCheck[]> {
  const http = new HttpClient({ connectMs: 5000 })
  try {
    return await Promise.all(list.map((upstream) => check(http, upstream)))
  } finally {
    await http.close()
  }
}

function check(http: HttpClient, upstream: Upstream): Promise<UpstreamCheck> {
  const place = upstream.locateModels()
  if (upstream.definition.transport === 'in-process')
    return Promise.resolve({ ok: true, detail: 'answers in this process' })
  if (!place) return Promise.resolve({ ok: true, detail: 'cannot be asked without generating' })
  return new Promise((resolve) => {
    let status = 0
    const startedAt = performance.now()
    http.send(
      {
        ...place,
        name: upstream.name,
        method: 'GET',
        headers: upstream.plainHeaders(),
        body: null,
        timeouts: { firstByteMs: 10_000, idleMs: 10_000 },
      },
      {
        onHeaders: (code) => {
          status = code
        },
        onData: () => true,
        onEnd: () => {
          const ms = (performance.now() - startedAt).toFixed(0)
          if (status === 200) resolve({ ok: true, detail: `answers in ${ms} ms` })
          else if (status === 401 || status === 403)
            resolve({ ok: false, detail: `refuses the credentials (${status}); check apiKey` })
          else resolve({ ok: status < 500, detail: `answers ${status} to the question for its models` })
        },
        onFail: (error) => resolve({ ok: false, detail: error.message }),
      },
    )
  })
}
