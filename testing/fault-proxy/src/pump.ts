/**
 * Carries bytes in one direction and does to them what the plan says, one packet at a time and never faster
 * than the receiver reads (a full receiver stops the reading).
 */

import type { Socket } from 'node:net'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import type { DirectionPlan } from './plan.ts'

export interface PumpEvents {
  passed: (bytes: number) => void
  fault: (kind: 'stall' | 'reset' | 'half-close' | 'garbage') => void
  /** Destroys both sides with RST. */
  reset: () => void
}

export async function pump(
  from: Socket,
  to: Socket,
  plan: DirectionPlan,
  events: PumpEvents,
  gone: AbortSignal,
): Promise<void> {
  let count = 0
  let garbageDue = plan.garbage !== undefined
  let stallDue = plan.stallAfterBytes !== undefined
  if (plan.delayMs) await pause(plan.delayMs, gone)

  for await (const chunk of from.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    let rest = chunk
    while (rest.length > 0 && !gone.aborted) {
      const packet = rest.subarray(0, nextPacketBytes(plan, count, rest.length, garbageDue, stallDue))
      if (packet.length > 0) {
        await send(to, packet, gone)
        count += packet.length
        rest = rest.subarray(packet.length)
        events.passed(packet.length)
      }
      if (plan.oneBytePackets) await turn()
      if (plan.packetDelayMs) await pause(plan.packetDelayMs, gone)
      if (garbageDue && plan.garbage && count >= plan.garbage.afterBytes) {
        garbageDue = false
        events.fault('garbage')
        await send(
          to,
          typeof plan.garbage.bytes === 'string' ? Buffer.from(plan.garbage.bytes) : plan.garbage.bytes,
          gone,
        )
      }
      if (plan.resetAfterBytes !== undefined && count >= plan.resetAfterBytes) {
        events.fault('reset')
        // What was passed on shall arrive before the RST: give the kernel a turn to send it.
        await turn()
        events.reset()
        return
      }
      if (plan.halfCloseAfterBytes !== undefined && count >= plan.halfCloseAfterBytes) {
        events.fault('half-close')
        to.end()
        from.resume()
        return
      }
      if (stallDue && count >= (plan.stallAfterBytes ?? 0)) {
        stallDue = false
        events.fault('stall')
        if (plan.stallForMs === undefined) {
          await receiverLeaves(to, gone)
          events.reset()
          return
        }
        await pause(plan.stallForMs, gone)
      }
    }
    if (plan.readBytesPerSecond) await pause((chunk.length / plan.readBytesPerSecond) * 1000, gone)
    if (gone.aborted) return
  }
  if (!to.destroyed) to.end()
}

/** The next packet ends where a fault is due, so that faults happen at the exact byte. */
function nextPacketBytes(
  plan: DirectionPlan,
  count: number,
  available: number,
  garbageDue: boolean,
  stallDue: boolean,
): number {
  const stops = [
    garbageDue ? plan.garbage?.afterBytes : undefined,
    stallDue ? plan.stallAfterBytes : undefined,
    plan.resetAfterBytes,
    plan.halfCloseAfterBytes,
  ]
  let bytes = plan.oneBytePackets ? 1 : Math.min(available, plan.packetBytes ?? available)
  for (const stop of stops) if (stop !== undefined && stop >= count) bytes = Math.min(bytes, stop - count)
  return bytes
}

async function send(to: Socket, packet: Uint8Array, gone: AbortSignal): Promise<void> {
  if (to.destroyed || to.writableEnded) return
  if (to.write(packet)) return
  await new Promise<void>((resolve) => {
    const done = (): void => {
      to.off('drain', done)
      to.off('close', done)
      gone.removeEventListener('abort', done)
      resolve()
    }
    to.on('drain', done)
    to.on('close', done)
    gone.addEventListener('abort', done)
  })
}

/** A stall without end lasts until the starved side gives up, politely (FIN) or not. */
async function receiverLeaves(to: Socket, gone: AbortSignal): Promise<void> {
  if (gone.aborted || to.destroyed || to.readableEnded) return
  await new Promise<void>((resolve) => {
    const done = (): void => {
      to.off('end', done)
      to.off('close', done)
      gone.removeEventListener('abort', done)
      resolve()
    }
    to.on('end', done)
    to.on('close', done)
    gone.addEventListener('abort', done)
  })
}

async function pause(ms: number, gone: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal: gone }).catch(() => {})
}
