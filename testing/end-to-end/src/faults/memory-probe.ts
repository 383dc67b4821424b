/** Loaded into a gateway process before everything else: collects garbage and tells its memory when asked. */
import cluster from 'node:cluster'

// A worker's messages are its primary's, and they are what keeps it alive.
if (!cluster.isWorker) {
  process.on('message', () => {
    for (let round = 0; round < 3; round++) globalThis.gc?.()
    // Freed pages go back to the system a moment later.
    setTimeout(() => process.send?.(process.memoryUsage()), 50)
  })
  // Listening to the parent must not keep the process alive.
  process.channel?.unref()
}
