/**
 * Whether and where telemetry goes: `telemetry:` of portolan.yaml, else the standard OTEL_ variables, else nowhere.
 *
 * Nothing of OpenTelemetry is loaded until an endpoint is known.
 */
import type { Logger } from 'pino'
import type { FileConfig } from '../config/schema.ts'
import type { OtelSettings, OtelTelemetry } from './otel.ts'

type Onward = Pick<OtelSettings, 'onLost'> & {
  readonly log: Logger
  readonly spansIntervalMs?: number
  readonly exportTimeoutMs?: number
}

export async function startTelemetry(
  telemetry: FileConfig['telemetry'],
  { log, onLost, spansIntervalMs = 5000, exportTimeoutMs = 10_000 }: Onward,
  env: NodeJS.ProcessEnv = process.env,
): Promise<OtelTelemetry | null> {
  const endpoint = telemetry?.endpoint ?? env['OTEL_EXPORTER_OTLP_ENDPOINT']
  if (!endpoint || env['OTEL_SDK_DISABLED'] === 'true') return null
  if (!URL.canParse(endpoint) || !/^https?:/.test(endpoint)) {
    log.error({ endpoint }, 'telemetry is off: its endpoint is no http address')
    return null
  }
  const { startOtel } = await import('./otel.ts')
  return startOtel({
    endpoint,
    headers: headersOf(env['OTEL_EXPORTER_OTLP_HEADERS']),
    serviceName: telemetry?.serviceName ?? env['OTEL_SERVICE_NAME'] ?? 'portolan',
    metricsIntervalMs: telemetry?.metricsIntervalMs ?? 60_000,
    spansIntervalMs,
    exportTimeoutMs,
    sampleRatio: telemetry?.sampleRatio ?? 1,
    log,
    onLost,
  })
}

/** `key=value,key2=value2`, values percent-encoded, as the OpenTelemetry specification has it. */
function headersOf(text: string | undefined): Record<string, string> {
  const pairs = (text ?? '').split(',').flatMap((pair) => {
    const at = pair.indexOf('=')
    return at > 0 ? [[pair.slice(0, at).trim(), decoded(pair.slice(at + 1).trim())] as const] : []
  })
  return Object.fromEntries(pairs)
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}
