/**
 * Reads a request body whole, within limits of size and time, decoded.
 *
 * Bodies are kept as one Buffer because the splicer and the upstream client both want contiguous bytes.
 */
import type { IncomingMessage } from 'node:http'
import { brotliDecompress, gunzip, inflate, zstdDecompress } from 'node:zlib'
import { promisify } from 'node:util'
import { GatewayError } from './errors.ts'

export interface BodyLimits {
  /** Largest body after decoding. */
  readonly bodyBytes: number
  /** Longest time between two pieces of a body. */
  readonly bodyMs: number
}

/** Resolves with the body; null when the caller left before it was complete. Throws GatewayError. */
export async function readBody(request: IncomingMessage, limits: BodyLimits): Promise<Buffer | null> {
  const declared = Number(request.headers['content-length'] ?? 0)
  if (declared > limits.bodyBytes) throw tooLarge(limits.bodyBytes)
  const raw = await collect(request, limits)
  if (raw === null) return null
  const encoding = request.headers['content-encoding']?.toLowerCase()
  return encoding === undefined || encoding === 'identity' ? raw : decode(raw, encoding, limits.bodyBytes)
}

function collect(request: IncomingMessage, limits: BodyLimits): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    const timer = setTimeout(() => finish(() => reject(new GatewayError('GATEWAY_BODY_TIMEOUT'))), limits.bodyMs)
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length
      if (bytes > limits.bodyBytes) {
        finish(() => reject(tooLarge(limits.bodyBytes)))
        return
      }
      timer.refresh()
      chunks.push(chunk)
    }
    const onEnd = (): void => finish(() => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes)))
    const onGone = (): void => finish(() => resolve(null))
    const finish = (settle: () => void): void => {
      clearTimeout(timer)
      request.off('data', onData).off('end', onEnd).off('aborted', onGone).off('error', onGone).off('close', onGone)
      // Whatever still arrives is thrown away, so that the answer can be sent and the socket reused or closed.
      request.on('error', () => {})
      request.resume()
      settle()
    }
    request.on('data', onData).on('end', onEnd).on('aborted', onGone).on('error', onGone).on('close', onGone)
  })
}

const decoders: Readonly<Record<string, (body: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>>> = {
  gzip: promisify(gunzip),
  'x-gzip': promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
  zstd: promisify(zstdDecompress),
}

async function decode(body: Buffer, encoding: string, maxBytes: number): Promise<Buffer> {
  const decoder = decoders[encoding]
  if (!decoder)
    throw new GatewayError(
      'GATEWAY_BAD_ENCODING',
      `The content-encoding \`${encoding.slice(0, 40)}\` is not supported; send identity, gzip, br, deflate or zstd.`,
    )
  try {
    return await decoder(body, { maxOutputLength: maxBytes })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(maxBytes)
    throw new GatewayError('GATEWAY_BAD_ENCODING', `The request body is not valid ${encoding}.`, null, { cause: error })
  }
}

function tooLarge(limitBytes: number): GatewayError {
  return new GatewayError(
    'GATEWAY_BODY_TOO_LARGE',
    `The request body is larger than the limit of ${limitBytes} bytes (\`limits.bodyBytes\`).`,
  )
}
