/**
 * A guard for one process: it may reach the addresses it is told and those it listens on itself, and nothing else.
 *
 * Hooks lie where every client of Node comes by, below fetch, HTTP, TLS and any package: the connect of a TCP or Unix
 * socket, the send and connect of a UDP socket, and the start of another process. What is refused fails there with an
 * error and is noted; what is reached is noted too. Threads have sockets of their own: loaded with `--import`, the file
 * guards them as well, by `NETWORK_GUARD_ALLOW` (addresses with commas between) and `NETWORK_GUARD_LOG` (a file that gets
 * one line for each address tried).
 */
import { ChildProcess } from 'node:child_process'
import dgram from 'node:dgram'
import { appendFileSync } from 'node:fs'
import net from 'node:net'

export interface NetworkGuard {
  /** Addresses that were tried and not allowed, each as often as it was tried. */
  readonly refused: readonly string[]
  readonly reached: ReadonlySet<string>
  remove(): void
}

type Method = (this: unknown, ...args: unknown[]) => unknown

/** @param allowed `host:port`, as a client would write them */
export function guardNetwork(allowed: readonly string[], note: (line: string) => void = () => {}): NetworkGuard {
  const refused: string[] = []
  const reached = new Set<string>()
  const own = new Set<string>()
  const restore: (() => void)[] = []
  const replace = (holder: object, name: string, make: (original: Method) => Method): void => {
    const members = holder as Record<string, Method>
    const original = members[name]!
    members[name] = make(original)
    restore.push(() => void (members[name] = original))
  }
  const refuse = (address: string): Error => {
    refused.push(address)
    note(`refused ${address}`)
    return new Error(`The network guard refuses ${address}.`)
  }
  replace(
    net.Server.prototype,
    'listen',
    (original) =>
      function listen(...args) {
        ;(this as net.Server).once('listening', () => own.add(String(portOf(this as net.Server))))
        return original.apply(this, args)
      },
  )
  replace(
    net.Socket.prototype,
    'connect',
    (original) =>
      function connect(...args) {
        const address = addressOf(args)
        const [, loopbackPort] = /^(?:127\.0\.0\.1|localhost|\[?::1\]?):(\d+)$/.exec(address) ?? []
        if (loopbackPort !== undefined && own.has(loopbackPort)) return original.apply(this, args)
        if (!allowed.includes(address)) {
          const error = refuse(address)
          // Later, as a refusal by the other side would come: TLS still sets up a socket that it has begun.
          process.nextTick(() => (this as net.Socket).destroy(error))
          return this
        }
        reached.add(address)
        note(`reached ${address}`)
        return original.apply(this, args)
      },
  )
  for (const name of ['send', 'connect'])
    replace(
      dgram.Socket.prototype,
      name,
      () =>
        function datagram(...args) {
          throw refuse(`udp:${args.filter((arg) => ['number', 'string'].includes(typeof arg)).join(':')}`)
        },
    )
  replace(
    ChildProcess.prototype,
    'spawn',
    () =>
      function spawn(...args) {
        throw refuse(`process:${(args[0] as { readonly file: string }).file}`)
      },
  )
  return { refused, reached, remove: () => restore.forEach((undo) => undo()) }
}

/** `connect(port, host)`, `connect(path)`, `connect(options)`, or the list that Node itself hands on. */
function addressOf([given, ...rest]: readonly unknown[]): string {
  const first: unknown = Array.isArray(given) ? given[0] : given
  if (typeof first === 'object' && first !== null) {
    const { path, host, port } = first as { readonly path?: string; readonly host?: string; readonly port?: unknown }
    return path ? `unix:${path}` : `${host ?? 'localhost'}:${String(port)}`
  }
  if (typeof first === 'string' && !/^\d+$/.test(first)) return `unix:${first}`
  return `${typeof rest[0] === 'string' ? rest[0] : 'localhost'}:${String(first)}`
}

function portOf(server: net.Server): number | string {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : String(address)
}

const allow = process.env['NETWORK_GUARD_ALLOW']
const log = process.env['NETWORK_GUARD_LOG']
if (allow !== undefined && log !== undefined) guardNetwork(allow.split(','), (line) => appendFileSync(log, `${line}\n`))
