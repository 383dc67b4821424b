/** One line that is written over while something long goes on; for people at a terminal only. */
export function progressLine(silent: boolean): { show(text: string): void; clear(): void } {
  const startedAt = performance.now()
  let shownAt = 0
  let shown = false
  const visible = !silent && process.stderr.isTTY
  return {
    show(text) {
      const now = performance.now()
      // Nothing for what takes less than a second, and no more than ten lines in one.
      if (!visible || now - startedAt < 1000 || now - shownAt < 100) return
      shownAt = now
      shown = true
      process.stderr.write(`\r\u001b[K${text}`)
    },
    clear() {
      if (shown) process.stderr.write('\r\u001b[K')
    },
  }
}
