/**
 * `npm run docs`: the reference pages that are made from code. `npm run docs:check` (`--check`) writes nothing and
 * fails where a page on disk is not what the code says.
 *
 * The efficiency page measures while it is made (some ten seconds); it holds no time and no machine, so it too
 * can be compared.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { renderConformanceReference } from '@portolan-testing/conformance'
import { configJsonSchema, openApiDocument } from '@portolan/cli'
import { reportJsonSchema } from '@portolan/crossing'
import { efficiencyPage } from '@portolan/model'
import { renderTranslationReference } from '@portolan/wire'
import { configurationPage } from './docs/configuration-page.ts'
import { errorsPage } from './docs/errors-page.ts'
import { upstreamsPage } from './docs/upstreams-page.ts'

const reference = resolve(import.meta.dirname, '..', 'docs', 'reference')
const check = process.argv.includes('--check')

const schema = configJsonSchema()
const pages: Readonly<Record<string, () => string>> = {
  'errors.md': errorsPage,
  'translation.md': renderTranslationReference,
  'conformance.md': renderConformanceReference,
  'configuration.md': () => configurationPage(schema),
  'portolan.schema.json': () => `${JSON.stringify(schema, null, 2)}\n`,
  'report.schema.json': () => `${JSON.stringify(reportJsonSchema, null, 2)}\n`,
  'upstreams.md': upstreamsPage,
  'admin-openapi.json': () => `${JSON.stringify(openApiDocument(), null, 2)}\n`,
  'efficiency.md': efficiencyPage,
}

const stale: string[] = []
for (const [name, make] of Object.entries(pages)) {
  const path = join(reference, name)
  const text = make()
  if (text === onDisk(path)) continue
  stale.push(name)
  if (check) continue
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}
if (stale.length === 0) console.log(`docs/reference: ${Object.keys(pages).length} pages are what the code says.`)
else if (check) {
  console.error(`docs/reference is stale: ${stale.join(', ')}. Run \`npm run docs\` and commit what it writes.`)
  process.exitCode = 1
} else console.log(`docs/reference: wrote ${stale.join(', ')}.`)

function onDisk(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').replaceAll('\r\n', '\n')
  } catch {
    return null
  }
}
