#!/usr/bin/env node
/** `npm run conformance`: plays the catalogue against our own gateway, or against any other by `--url`. */
import { parseArgs } from 'node:util'
import { conformanceCases } from './catalogue.ts'
import type { DoorProtocol } from './heard.ts'
import { ownKeepAliveMs, startOwnGateway } from './own-gateway.ts'
import { runConformance } from './run.ts'
import { ScriptedUpstream } from './scripted-upstream.ts'
import { summaryOf, tableOf } from './table.ts'

const help = `Plays one scene for each catalogued bug of model gateways and says which ones happen.

  npm run conformance                                    our own gateway, started and stopped here
  npm run conformance -- --url URL --key KEY             any gateway that routes to the scripted upstream
      --upstream-port PORT   where the scripted upstream listens (default 4199 with --url)
      --model-prefix TEXT    put before model names, e.g. "openai/"
      --header 'NAME: VALUE' sent with every request; may repeat
      --silence-ms MS        how long to wait for a keep-alive (default 16000 with --url)
      --door DOOR            chat, messages or responses; may repeat
      --case ID              only this case; may repeat
      --json                 print JSON

How to configure a foreign gateway is said in docs/reference/conformance.md.`

const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    key: { type: 'string' },
    'upstream-port': { type: 'string' },
    'model-prefix': { type: 'string' },
    'silence-ms': { type: 'string' },
    header: { type: 'string', multiple: true },
    door: { type: 'string', multiple: true },
    case: { type: 'string', multiple: true },
    json: { type: 'boolean' },
    help: { type: 'boolean' },
  },
})

if (values.help) {
  console.log(help)
  process.exit(0)
}

const known: readonly string[] = ['chat', 'messages', 'responses']
const wrong = values.door?.find((door) => !known.includes(door))
if (wrong !== undefined) {
  console.error(`conformance: --door ${wrong} is none of ${known.join(', ')}`)
  process.exit(2)
}

const chosen = values.case?.map(Number)
const cases = chosen ? conformanceCases.filter((one) => chosen.includes(one.id)) : conformanceCases
const upstream = new ScriptedUpstream()
await upstream.listen(Number(values['upstream-port'] ?? (values.url === undefined ? 0 : 4199)))
const own = values.url === undefined ? await startOwnGateway(cases, upstream.port) : null
try {
  const verdicts = await runConformance({
    url: own?.url ?? values.url!,
    key: own?.key ?? values.key ?? 'none',
    upstream,
    cases,
    doors: values.door as DoorProtocol[] | undefined,
    modelPrefix: values['model-prefix'],
    headers: Object.fromEntries(
      (values.header ?? []).map((line) => line.split(/:\s*(.*)/s).slice(0, 2) as [string, string]),
    ),
    silenceMs: Number(values['silence-ms'] ?? (own ? ownKeepAliveMs * 1.4 : 16_000)),
    echoesModel: own !== null,
    ledger: own?.ledger,
  })
  console.log(values.json ? JSON.stringify({ verdicts, ...summaryOf(verdicts) }, null, 2) : tableOf(verdicts))
  process.exitCode = verdicts.some((one) => one.verdict === 'fail') || verdicts.length === 0 ? 1 : 0
} finally {
  await own?.close()
  await upstream.close()
}
