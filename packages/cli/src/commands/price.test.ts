/** The price book on the command line: what it prints, writes and refuses. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { run } from '../main.ts'

const directory = mkdtempSync(join(tmpdir(), 'portolan-price-'))
after(() => rmSync(directory, { recursive: true, force: true }))
const at = (name: string): string => join(directory, name)

interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
}

async function portolan(...argv: string[]): Promise<Outcome> {
  const lines = { out: [] as string[], err: [] as string[] }
  const { log, error } = console
  console.log = (text: string) => void lines.out.push(text)
  console.error = (text: string) => void lines.err.push(text)
  const before = process.exitCode
  try {
    const code = await run(['node', 'portolan', ...argv])
    return { code: code || Number(process.exitCode ?? 0), out: lines.out.join('\n'), err: lines.err.join('\n') }
  } finally {
    Object.assign(console, { log, error })
    process.exitCode = before
  }
}

async function parsed(...argv: string[]): Promise<Record<string, unknown>> {
  const { out, err, code } = await portolan(...argv, '--json')
  assert.equal(code, 0, err)
  return JSON.parse(out) as Record<string, unknown>
}

const entry = { litellm_provider: 'acme', mode: 'chat', input_cost_per_token: 1e-6, output_cost_per_token: 2e-6 }

describe('portolan price', () => {
  it('at: an instant as it was, and as it was expected', async () => {
    const price = ['price', 'at', 'deepseek', 'deepseek-v4-pro', '--date', '2026-06-05']
    assert.deepEqual((await parsed(...price))['rates'], { input: '0.435', cacheRead: '0.003625', output: '0.87' })
    const expected = await parsed(...price, '--known-at', '2026-05-01')
    assert.deepEqual(expected['rates'], { input: '1.74', cacheRead: '0.0145', output: '3.48' })
  })

  it('at: a time without a zone is refused, not guessed', async () => {
    const { code, err } = await portolan('price', 'at', 'openai', 'gpt-5', '--date', '2026-05-01T12:00')
    assert.equal(code, 2)
    assert.match(err, /with its zone/)
  })

  it('show: tiers, peak hours, and what was known to come', async () => {
    const { out } = await portolan('price', 'show', 'deepseek', 'deepseek-v4-pro', '--date', '2026-05-01')
    assert.match(out, /from 2026-05-31\s+list_suspended_by_promo: input 1.74/)
    assert.match(out, /stacked on\s+deepseek\/deepseek-v4-pro\/USD\/2026-04-26\/list_suspended/)
    const peak = await portolan('price', 'show', 'deepseek', 'deepseek-flash', '--date', '2026-11-01')
    assert.match(peak.out, /peak hours\s+09:00-12:00 and 14:00-18:00 Asia\/Shanghai/)
  })

  it('diff: two dates', async () => {
    const { out } = await portolan('price', 'diff', '2026-04-25', '2026-04-27', '--model', 'deepseek-v4-flash')
    assert.match(out, /deepseek-v4-flash {2}USD {2}cacheRead +0.028 +0.0028 +-90 %/)
  })

  it('lint: line and column, and a failing exit for errors', async () => {
    const record = {
      id: 'a',
      vendor: 'v',
      model: 'm',
      currency: 'USD',
      effective_from: '2026-01-01',
      effective_to: null,
    }
    const file = { schema_version: 1, records: [{ ...record, status: 'list', rates: { input: -1, output: 2 } }] }
    writeFileSync(at('bad.json'), JSON.stringify(file, null, 2))
    const { code, out } = await portolan('price', 'lint', at('bad.json'))
    assert.equal(code, 1)
    assert.match(out, /bad\.json:13:18: error \(unreadable\): .*a price cannot be negative/)
    writeFileSync(at('cut.json'), '{"schema_version": 1,')
    assert.match((await portolan('price', 'lint', at('cut.json'))).out, /cut\.json:1:\d+: error .*not valid JSON/)
  })

  it('import, use, update: a changed price is appended, and history stays', async () => {
    writeFileSync(at('catalogue.json'), JSON.stringify({ m1: entry, m2: entry }))
    const made = await parsed('price', 'import', 'litellm', at('catalogue.json'), '--out', at('acme.json'))
    assert.equal(made['records'], 2)
    const again = await portolan('price', 'import', 'litellm', at('catalogue.json'), '--out', at('acme.json'))
    assert.match(again.err, /price update/)

    const text = readFileSync(at('acme.json'), 'utf8').replaceAll(/\d{4}-\d{2}-\d{2}/g, '2026-01-01')
    writeFileSync(at('acme.json'), text)
    writeFileSync(at('catalogue.json'), JSON.stringify({ m1: { ...entry, input_cost_per_token: 4e-6 }, m2: entry }))
    const looked = await portolan('price', 'update', at('acme.json'), '--json')
    assert.equal((JSON.parse(looked.out) as { written: boolean }).written, false)
    assert.equal(looked.code, 1)
    assert.match((await portolan('price', 'update', at('acme.json'), '--yes')).out, /m1 +USD +input +1 +4 +\+300 %/)

    writeFileSync(at('portolan.yaml'), 'prices: { catalogues: [acme.json] }\n')
    const config = ['--config', at('portolan.yaml')]
    const input = async (...more: string[]): Promise<unknown> =>
      ((await parsed('price', 'at', 'acme', 'm1', ...config, ...more))['rates'] as Record<string, string>)['input']
    assert.equal(await input(), '4')
    assert.equal(await input('--date', '2026-02-01'), '1')
  })

  it('import: an address works as a file does, and one that is gone says so', async () => {
    const server = createServer((_request, response) => response.end(JSON.stringify({ m1: entry })))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/prices.json`
    assert.equal((await parsed('price', 'import', 'litellm', address, '--out', at('web.json')))['records'], 1)
    await new Promise((resolve) => server.close(resolve))
    const { err } = await portolan('price', 'import', 'litellm', address, '--out', at('gone.json'))
    assert.match(err, /Cannot read http.*A file that you downloaded works as well/)
  })

  it('overrides win over the book, and the book over catalogues', async () => {
    const own = ['price', 'self-hosted', 'deepseek-v4-flash', '--hardware-per-hour', '24']
    const speed = ['--input-per-second', '30000', '--output-per-second', '4000', '--valid-from', '2026-10-01']
    const made = await parsed(...own, ...speed, '--write', at('own.json'))
    assert.equal((made['assumptions'] as string[]).length, 3)
    const flash = { ...entry, litellm_provider: 'deepseek' }
    writeFileSync(at('catalogue2.json'), JSON.stringify({ 'deepseek-flash': flash, 'deepseek-old': flash }))
    await parsed('price', 'import', 'litellm', at('catalogue2.json'), '--out', at('deepseek.json'))
    writeFileSync(at('both.yaml'), 'prices: { overrides: [own.json], catalogues: [deepseek.json] }\n')
    const version = async (vendor: string, model: string): Promise<unknown> =>
      (await parsed('price', 'at', vendor, model, '--config', at('both.yaml')))['versionId']
    assert.match(String(await version('self-hosted', 'deepseek-v4-flash')), /^self-hosted\//)
    assert.match(String(await version('deepseek', 'deepseek-flash')), /^deepseek\/deepseek-flash/)
    assert.match(String(await version('deepseek', 'deepseek-old')), /^litellm\//)
  })

  it('a price file that cannot be used names itself and the way to look', async () => {
    writeFileSync(at('broken.yaml'), 'prices: { overrides: [bad.json] }\n')
    const { code, err } = await portolan('price', 'at', 'openai', 'gpt-5', '--config', at('broken.yaml'))
    assert.equal(code, 2)
    assert.match(err, /bad\.json: .*price lint/)
  })

  it('compare: the launch month, and a budget in months', async () => {
    const { out } = await portolan('price', 'compare', '--launch-month')
    for (const figure of ['34.5x', '138x', '21x is needed', '1.0 to 2.0 years']) assert.ok(out.includes(figure), figure)
    const pair = ['anthropic/claude-opus-4-7', 'deepseek/deepseek-v4-pro', '--date', '2026-04-24', '--months', '4']
    const launch = await parsed('price', 'compare', ...pair)
    assert.equal(Math.round(Number(launch['lastsMonths'])), 16)
    assert.equal((await portolan('price', 'compare', 'opus', 'pro')).code, 2)
    assert.equal((await portolan('price', 'compare', ...pair, '--hit-rate', '1.5')).code, 2)
  })
})
