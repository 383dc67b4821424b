/**
 * What a process used, from /proc (Linux): CPU time as utime + stime in clock ticks of 10 ms (USER_HZ is 100 on
 * every Linux that Node supports), resident memory, open files. Take a reading before and after a run.
 */

import { readdirSync, readFileSync } from 'node:fs'

const TICK_MS = 10

export interface ProcessReading {
  userMs: number
  systemMs: number
  cpuMs: number
  residentBytes: number
  /** Null when the process belongs to somebody else. */
  openFiles: number | null
  threads: number
}

/** Undefined when the process is gone or the system has no /proc. */
export function readProcess(pid: number): ProcessReading | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the command in parentheses and may hold spaces and parentheses itself.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const userMs = Number(fields[11]) * TICK_MS
    const systemMs = Number(fields[12]) * TICK_MS
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const residentBytes = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024
    return {
      userMs,
      systemMs,
      cpuMs: userMs + systemMs,
      residentBytes,
      openFiles: openFilesOf(pid),
      threads: Number(fields[17]),
    }
  } catch {
    return undefined
  }
}

function openFilesOf(pid: number): number | null {
  try {
    return readdirSync(`/proc/${pid}/fd`).length
  } catch {
    return null
  }
}

/** CPU milliseconds that a process spent while `during` ran; undefined when a reading failed. */
export async function cpuMsDuring<Result>(
  pid: number,
  during: () => Promise<Result>,
): Promise<{ cpuMs: number | undefined; result: Result }> {
  const before = readProcess(pid)
  const result = await during()
  const after = readProcess(pid)
  return { cpuMs: before && after ? after.cpuMs - before.cpuMs : undefined, result }
}
