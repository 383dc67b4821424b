/** A TCP server that reads one HTTP request per connection and then says whatever bytes a test wants. */
import { createServer, type Socket } from 'node:net'

export interface RawServer {
  readonly url: string
  readonly open: () => number
  readonly requests: () => number
  /** Bytes written to callers so far. */
  readonly written: () => number
  say(speech: (socket: Socket) => void): void
  close(): Promise<void>
}

export async function startRawServer(): Promise<RawServer> {
  let speech: (socket: Socket) => void = (socket) => socket.destroy()
  let requests = 0
  let written = 0
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => {
      sockets.delete(socket)
      written += socket.bytesWritten
    })
    let head = ''
    let wanted = -1
    let got = 0
    socket.on('data', (chunk) => {
      if (wanted === -1) {
        head += chunk.toString('latin1')
        const end = head.indexOf('\r\n\r\n')
        if (end === -1) return
        wanted = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
        got = head.length - end - 4
      } else got += chunk.length
      if (got < wanted) return
      wanted = Number.POSITIVE_INFINITY
      requests++
      speech(socket)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    url: `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`,
    open: () => sockets.size,
    requests: () => requests,
    written: () => [...sockets].reduce((sum, socket) => sum + socket.bytesWritten, written),
    say: (next) => {
      speech = next
    },
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

/** Writes the same bytes for ever, as fast as the peer reads; ends when the peer leaves. */
export function pour(socket: Socket, bytes: Buffer | string): void {
  const more = (): void => {
    while (!socket.destroyed) if (!socket.write(bytes)) return
  }
  socket.on('drain', more)
  more()
}
