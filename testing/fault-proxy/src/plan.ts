/**
 * What happens to one connection. Each direction has its own faults; byte counts are those of the payload that
 * arrived from the sender, so that `afterBytes: 1024` means the same for every packet size.
 */
export interface DirectionPlan {
  /** Before the first byte is passed on. */
  delayMs?: number
  /** Every byte its own packet (TCP_NODELAY), with a turn of the event loop in between. */
  oneBytePackets?: boolean
  /** Largest packet passed on at once. */
  packetBytes?: number
  /** Wait between two packets: a slow wire. */
  packetDelayMs?: number
  /** After this many bytes nothing more is passed on, but the connection stays open. */
  stallAfterBytes?: number
  /** Ends the stall after this time; without it the stall lasts until somebody leaves. */
  stallForMs?: number
  /** After this many bytes both sides get RST. */
  resetAfterBytes?: number
  /** After this many bytes the receiver sees FIN while the other direction goes on. */
  halfCloseAfterBytes?: number
  /** After this many bytes these bytes are slipped in. */
  garbage?: { afterBytes: number; bytes: Uint8Array | string }
  /** Reads at most this many bytes a second from the sender, so that its buffers fill up. */
  readBytesPerSecond?: number
}

export interface ConnectionPlan {
  /** Closes at once, as a port with nobody behind it does after accepting. */
  refuse?: boolean
  /** From the client towards the target. */
  toTarget?: DirectionPlan
  /** From the target back to the client. */
  toClient?: DirectionPlan
}

/** One plan for all connections, or a plan by connection number (from 0). */
export type FaultPlan = ConnectionPlan | ((connection: number) => ConnectionPlan)

export function planFor(plan: FaultPlan, connection: number): ConnectionPlan {
  return typeof plan === 'function' ? plan(connection) : plan
}
