/**
 * A TCP proxy on loopback that breaks connections on purpose: delay, slow and tiny packets, stalls, resets,
 * half-closes, garbage, slow readers; in either direction, at an exact byte, planned per connection.
 * It knows nothing of HTTP. For tests only.
 */

import { connect, createServer, type Socket } from 'node:net'
import { planFor, type ConnectionPlan, type DirectionPlan, type FaultPlan } from './plan.ts'
import { pump } from './pump.ts'

export interface FaultProxyOptions {
  /** Address behind the proxy: an http(s) origin or `host:port`. */
  target: string
  plan?: FaultPlan
}

export interface FaultCounters {
  accepted: number
  open: number
  bytesToTarget: number
  bytesToClient: number
  stalls: number
  resets: number
  halfCloses: number
  garbage: number
}

export interface FaultProxy {
  /** http://127.0.0.1:port */
  url: string
  port: number
  counters: FaultCounters
  /** For connections accepted from now on; connections are numbered from 0 again. */
  setPlan: (plan: FaultPlan) => void
  /** Resolves when no connection is open; false when that took longer than `withinMs`. */
  quiet: (withinMs?: number) => Promise<boolean>
  close: () => Promise<void>
}

export async function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const target = parseTarget(options.target)
  let plan: FaultPlan = options.plan ?? {}
  let numbered = 0
  const counters: FaultCounters = {
    accepted: 0,
    open: 0,
    bytesToTarget: 0,
    bytesToClient: 0,
    stalls: 0,
    resets: 0,
    halfCloses: 0,
    garbage: 0,
  }
  const live = new Set<() => void>()
  const quietWaiters = new Set<() => void>()

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const connection = numbered
    numbered += 1
    counters.accepted += 1
    counters.open += 1
    client.on('error', () => {})
    client.once('close', () => {
      counters.open -= 1
      if (counters.open === 0) for (const wake of quietWaiters) wake()
    })
    const chosen = planFor(plan, connection)
    if (chosen.refuse) resetSocket(client)
    else carry(client, target, chosen, counters, live)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0

  const quiet = async (withinMs = 1000): Promise<boolean> => {
    if (counters.open === 0) return true
    return new Promise<boolean>((resolve) => {
      const finish = (isQuiet: boolean): void => {
        clearTimeout(timer)
        quietWaiters.delete(wake)
        resolve(isQuiet)
      }
      const wake = (): void => finish(true)
      const timer = setTimeout(() => finish(false), withinMs)
      quietWaiters.add(wake)
    })
  }

  return {
    url: `http://127.0.0.1:${port}`,
    port,
    counters,
    setPlan: (next) => {
      plan = next
      numbered = 0
    },
    quiet,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const destroy of live) destroy()
      await closed
      await quiet()
    },
  }
}

function carry(
  client: Socket,
  target: { host: string; port: number },
  plan: ConnectionPlan,
  counters: FaultCounters,
  live: Set<() => void>,
): void {
  const upstream = connect({ ...target, allowHalfOpen: true, noDelay: true })
  const gone = new AbortController()
  const destroy = (): void => {
    gone.abort()
    client.destroy()
    upstream.destroy()
  }
  const reset = (): void => {
    gone.abort()
    resetSocket(client)
    resetSocket(upstream)
  }
  live.add(destroy)
  upstream.on('error', reset)
  client.on('error', reset)
  let closed = 0
  const watchClose = (side: Socket, other: Socket, pumped: Promise<void>): void => {
    side.once('close', (hadError) => {
      closed += 1
      if (closed === 2) live.delete(destroy)
      // A side that vanished takes the other one with it; a side that ended properly lets the rest flow first.
      if (hadError) reset()
      else void pumped.then(() => other.destroySoon())
    })
  }

  const run = (from: Socket, to: Socket, direction: DirectionPlan, passed: (bytes: number) => void): Promise<void> => {
    const events = {
      passed,
      reset,
      fault: (kind: 'stall' | 'reset' | 'half-close' | 'garbage'): void => {
        if (kind === 'stall') counters.stalls += 1
        else if (kind === 'reset') counters.resets += 1
        else if (kind === 'half-close') counters.halfCloses += 1
        else counters.garbage += 1
      },
    }
    return pump(from, to, direction, events, gone.signal).catch(reset)
  }
  // Packets sent before the connection stands would be glued together by the kernel.
  const connected = new Promise<void>((resolve) => upstream.once('connect', resolve).once('close', () => resolve()))
  const toTarget = connected.then(() =>
    run(client, upstream, plan.toTarget ?? {}, (bytes) => (counters.bytesToTarget += bytes)),
  )
  const toClient = run(upstream, client, plan.toClient ?? {}, (bytes) => (counters.bytesToClient += bytes))
  watchClose(client, upstream, toTarget)
  watchClose(upstream, client, toClient)
}

/**
 * RST instead of FIN. A socket whose FIN is under way cannot be reset any more: libuv refuses, and Node (24.21)
 * would then leave its handle open for ever, so that one is destroyed the ordinary way.
 */
function resetSocket(socket: Socket): void {
  if (socket.destroyed) return
  if (socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}

function parseTarget(target: string): { host: string; port: number } {
  const withScheme = target.includes('://') ? target : `tcp://${target}`
  const url = new URL(withScheme)
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
  return { host: url.hostname, port }
}
