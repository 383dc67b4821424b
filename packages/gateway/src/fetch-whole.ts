/** A small upstream exchange whose answer is read whole: token counts, balances, model lists. */
import type { HttpCall, ResponseHeaders } from '@portolan/upstream'
import type { ClientSide } from './exchange/client-side.ts'
import type { GatewayParts } from './gateway.ts'

export interface WholeAnswer {
  readonly status: number
  readonly headers: ResponseHeaders
  readonly body: Buffer
}

const maxAnswerBytes = 16 << 20

/** Null when the caller left. Throws UpstreamError when the exchange failed. */
export function fetchWhole(parts: GatewayParts, client: ClientSide, call: HttpCall): Promise<WholeAnswer | null> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    let status = 0
    let headers: ResponseHeaders = {}
    const handle = parts.http.send(call, {
      onHeaders(code, received) {
        status = code
        headers = received
      },
      onData(chunk) {
        bytes += chunk.length
        if (bytes <= maxAnswerBytes) chunks.push(chunk)
        return true
      },
      onEnd: () => resolve({ status, headers, body: Buffer.concat(chunks) }),
      onFail: (error) => reject(error),
    })
    client.onGone(() => {
      handle.abort()
      resolve(null)
    })
  })
}
