/**
 * Command line of the load client:
 *
 *   node --conditions=source testing/load/src/cli.ts --url http://127.0.0.1:4114/v1/chat/completions \
 *     --requests 1000 --concurrency 16 --stream --key ptl-... [--body file.json] [--pid 1234] [--json]
 *
 * Exit code 0 when every answer was whole, 1 when some were not, 2 for a wrong call.
 */

import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { runLoad, type LoadReport } from './load.ts'
import { cpuMsDuring } from './process-cost.ts'

const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    requests: { type: 'string', default: '100' },
    concurrency: { type: 'string', default: '8' },
    model: { type: 'string', default: 'stand-in-model' },
    body: { type: 'string' },
    key: { type: 'string' },
    stream: { type: 'boolean', default: false },
    'leave-after-ms': { type: 'string' },
    pid: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

if (values.help || !values.url) {
  console.error(
    'usage: cli.ts --url URL [--requests N] [--concurrency N] [--stream] [--body FILE] [--model M] [--key K] [--leave-after-ms N] [--pid PID] [--json]',
  )
  process.exit(values.help ? 0 : 2)
}

const url = values.url
const body: unknown = values.body
  ? readFileSync(values.body)
  : usualBody(new URL(url).pathname, values.model, values.stream)
const headers: Record<string, string> = {}
if (values.key) headers.authorization = `Bearer ${values.key}`
if (url.includes('/messages')) headers['anthropic-version'] = '2023-06-01'

const { cpuMs, result } = await cpuMsDuring(Number(values.pid ?? process.pid), () =>
  runLoad({
    url,
    requests: Number(values.requests),
    concurrency: Number(values.concurrency),
    stream: values.stream,
    body,
    headers,
    leaveAfterMs: values['leave-after-ms'] === undefined ? undefined : Number(values['leave-after-ms']),
  }),
)
print(result, values.pid ? cpuMs : undefined)
process.exitCode = result.complete + result.left === result.sent ? 0 : 1

function usualBody(path: string, model: string, stream: boolean): unknown {
  if (path.endsWith('/responses')) return { model, input: 'ping', stream }
  const messages = [{ role: 'user', content: 'ping' }]
  return path.endsWith('/messages') ? { model, max_tokens: 64, messages, stream } : { model, messages, stream }
}

function print(report: LoadReport, targetCpuMs: number | undefined): void {
  if (values.json) {
    console.log(JSON.stringify({ ...report, targetCpuMs }))
    return
  }
  const ms = (value: number | null): string => (value === null ? '-' : `${value.toFixed(2)} ms`)
  console.log(
    `sent ${report.sent}  complete ${report.complete}  incomplete ${report.incomplete}  left ${report.left}  failed ${report.failed}`,
  )
  console.log(`status ${JSON.stringify(report.byStatus)}  errors ${JSON.stringify(report.byError)}`)
  console.log(
    `${report.requestsPerSecond.toFixed(0)} requests/s over ${(report.wallMs / 1000).toFixed(2)} s, ${report.eventsReceived} events`,
  )
  console.log(
    `latency    p50 ${ms(report.latencyMs.p50)}  p90 ${ms(report.latencyMs.p90)}  p99 ${ms(report.latencyMs.p99)}  max ${ms(report.latencyMs.max)}`,
  )
  console.log(
    `first byte p50 ${ms(report.firstByteMs.p50)}  p90 ${ms(report.firstByteMs.p90)}  p99 ${ms(report.firstByteMs.p99)}`,
  )
  if (targetCpuMs !== undefined && report.complete > 0) {
    console.log(`target CPU ${targetCpuMs} ms, ${((targetCpuMs / report.complete) * 1000).toFixed(0)} µs a request`)
  }
}
