/** One event of a stream before framing. `data` is serialised unless it is text already. */
export interface Frame {
  event?: string
  data: unknown
}

export function frameText(frame: Frame): string {
  const data = typeof frame.data === 'string' ? frame.data : JSON.stringify(frame.data)
  return frame.event === undefined ? `data: ${data}\n\n` : `event: ${frame.event}\ndata: ${data}\n\n`
}
