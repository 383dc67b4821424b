/** `portolan doctor`: everything that can be checked without sending a prompt, each line with what to do. */
import { statfsSync } from 'node:fs'
import { resolveUpstream } from '@portolan/upstream'
import { keyRefusal } from '@portolan/store'
import { configuredLimits, webhookOf } from '../config/limits.ts'
import { loadConfig } from '../config/load.ts'
import { toGatewayConfig } from '../config/to-gateway.ts'
import { exitCodes } from '../errors.ts'
import { json } from '../output.ts'
import { layersOf, readPriceBook } from '../price-files.ts'
import { engineDetail } from './engine-check.ts'
import { withData, type CommonOptions } from './open.ts'
import { tokenizerDetail } from './tokenizer-check.ts'
import { checkAll } from './upstreams.ts'

interface Finding {
  readonly what: string
  readonly ok: boolean
  readonly detail: string
}

export async function doctor(options: CommonOptions): Promise<void> {
  const findings: Finding[] = []
  const check = async (what: string, work: () => string | Promise<string>): Promise<void> => {
    try {
      findings.push({ what, ok: true, detail: await work() })
    } catch (error) {
      findings.push({ what, ok: false, detail: error instanceof Error ? error.message : String(error) })
    }
  }
  await check('runtime', () => {
    const major = Number(process.versions.node.split('.')[0])
    if (major < 24) throw new Error(`Node ${process.versions.node} is too old; run through npm, which brings Node 24.`)
    return `Node ${process.versions.node}`
  })
  await check('configuration', () => {
    const loaded = loadConfig(options.config ?? null)
    configuredLimits(loaded)
    webhookOf(loaded)
    return loaded.path ?? 'none; built-in defaults and the environment apply'
  })
  await check('price book', () => {
    const loaded = loadConfig(options.config ?? null)
    const book = readPriceBook(loaded)
    const layers = layersOf(book)
    const total = layers.reduce((sum, records) => sum + records, 0)
    return `${total} dated prices${layers.length > 1 ? `, asked in this order: ${layers.join(', ')}` : `, as of ${book.asOf}`}`
  })
  await check('data directory', () =>
    withData(options, ({ path, store }) => {
      const { bavail, bsize } = statfsSync(path)
      const freeMiB = (bavail * bsize) / 2 ** 20
      if (freeMiB < 100) throw new Error(`${path} has only ${freeMiB.toFixed(0)} MiB free; the ledger needs room.`)
      const active = store.keys.listKeys().filter((key) => keyRefusal(key, null, Date.now()) === null).length
      return `${path}: writable, ${(freeMiB / 1024).toFixed(1)} GiB free, ${active} usable key${active === 1 ? '' : 's'}`
    }),
  )
  try {
    const { upstreams, models } = toGatewayConfig(loadConfig(options.config ?? null), { data: options.data })
    const resolved = upstreams.map((upstream) => resolveUpstream(upstream))
    for (const [i, { ok, detail }] of (await checkAll(resolved)).entries())
      findings.push({ what: `upstream ${resolved[i]!.name}`, ok, detail })
    for (const upstream of upstreams)
      if (upstream.kind === 'embedded') await check(`engine ${upstream.name}`, () => engineDetail(upstream))
    for (const { name, tokenizer } of models)
      if (tokenizer !== null) await check(`tokenizer ${name}`, () => tokenizerDetail(tokenizer))
  } catch (error) {
    findings.push({ what: 'upstreams', ok: false, detail: (error as Error).message })
  }
  if (options.json) console.log(json(findings))
  else for (const { what, ok, detail } of findings) console.log(`${ok ? 'ok  ' : 'BAD '} ${what.padEnd(20)} ${detail}`)
  if (findings.some((finding) => !finding.ok)) process.exitCode = exitCodes.failed
}
