/**
 * Loaded into a command before everything else (`--import`): at its end writes how much memory it ever had.
 *
 * Resident memory is the system's own high-water mark, threads included. The heap is that of the main thread, looked at
 * ten times a second and at the end: a peak inside one long computation can be missed, so it is a lower bound.
 */
import { writeFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

const file = process.env['PEAK_FILE']
if (isMainThread && file !== undefined) {
  let heapBytes = 0
  const look = (): void => void (heapBytes = Math.max(heapBytes, process.memoryUsage().heapUsed))
  setInterval(look, 100).unref()
  process.on('exit', () => {
    look()
    writeFileSync(file, JSON.stringify({ residentBytes: process.resourceUsage().maxRSS * 1024, heapBytes }))
  })
}
