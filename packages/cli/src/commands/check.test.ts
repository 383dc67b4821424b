/** `portolan check` against a server that reads its prompt: own documents, files of results, comparison of days. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { run } from '../main.ts'
import { readDocuments } from './check-haystack.ts'

const directory = mkdtempSync(join(tmpdir(), 'portolan-check-'))
const file = (name: string): string => join(directory, name)
const prompts: string[] = []
/** Facts later in a prompt than this are not found. */
let readsCharacters = Infinity
let server: Server

before(async () => {
  process.env['CHECK_TEST_KEY'] = 'k'
  server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      const { messages, stream } = JSON.parse(body) as { messages: { content: string }[]; stream?: boolean }
      const prompt = messages.at(-1)!.content
      prompts.push(prompt)
      const found = /crate "heron" is (\d+)/.exec(prompt.slice(0, readsCharacters))
      const choice = { index: 0, finish_reason: 'stop', logprobs: null }
      const usage = { prompt_tokens: Math.ceil(prompt.length / 4), completion_tokens: 2, total_tokens: 2 }
      const common = { id: 'c', created: 1, model: 'm' }
      const text = found?.[1] ?? 'not found'
      if (stream !== true) {
        response.writeHead(200, { 'content-type': 'application/json' })
        const message = { role: 'assistant', content: text }
        response.end(JSON.stringify({ ...common, object: 'chat.completion', choices: [{ ...choice, message }], usage }))
        return
      }
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const chunk = (delta: unknown, last: boolean): string =>
        `data: ${JSON.stringify({ ...common, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: last ? 'stop' : null }], ...(last && { usage }) })}\n\n`
      response.end(`${chunk({ role: 'assistant', content: text }, false)}${chunk({}, true)}data: [DONE]\n\n`)
    })
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
})
after(() => {
  server.close()
  rmSync(directory, { recursive: true, force: true })
})

/** The exit code that a command left for the end of the process; reading it takes it away. */
function failedSoFar(): number {
  const left = process.exitCode
  process.exitCode = undefined
  return left === undefined ? 0 : Number(left)
}

/** Exit code and what was printed. */
async function portolan(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const printed = { out: '', err: '' }
  const { log, error } = console
  console.log = (text: string) => void (printed.out += `${text}\n`)
  console.error = (text: string) => void (printed.err += `${text}\n`)
  try {
    const code = await run(['node', 'portolan', ...args])
    return { ...printed, code: code || failedSoFar() }
  } finally {
    console.log = log
    console.error = error
  }
}

const longContext = (...more: readonly string[]): Promise<{ code: number; out: string; err: string }> =>
  portolan(
    'check',
    'longctx',
    '--target',
    'm',
    '--key-env',
    'CHECK_TEST_KEY',
    '--tasks',
    'needle',
    '--repeats',
    '2',
    '--lengths',
    '500,2k',
    '--depths',
    '3',
    '--url',
    `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...more,
  )

describe('portolan check longctx', () => {
  it('writes a file that two days are compared by: what was lost is named, and the exit code says it', async () => {
    const good = await longContext('--out', file('july.json'))
    assert.equal(good.code, 0, good.out + good.err)
    readsCharacters = 1500
    const bad = await longContext('--out', file('august.json'), '--vs-report', file('july.json'))
    readsCharacters = Infinity
    assert.equal(bad.code, 1)
    assert.match(bad.out, /12 cases that both answered/)
    assert.match(bad.out, /Effective length: 500 tokens before, 500 tokens after/)
    const compared = await portolan('check', 'compare', file('july.json'), file('august.json'))
    assert.equal(compared.code, 1)
    assert.match(compared.out, /difference -\d+\.\d points \(-\d+\.\d to -\d+\.\d\) \(exact McNemar/)
    assert.match(compared.out, /Passed only with m on \d{4}-\d\d-\d\d \d\d:\d\d UTC:\n {2}longctx\/needle\//)
    const back = await portolan('check', 'compare', file('august.json'), file('july.json'), '--json')
    assert.equal(back.code, 0)
    const { comparisons } = JSON.parse(back.out) as {
      comparisons: { difference: { difference: number; interval: { lower: number } } }[]
    }
    assert.ok(comparisons[0]!.difference.difference > 0 && comparisons[0]!.difference.interval.lower > 0)
  })

  it('compares only what was asked the same: seed, version, file', async () => {
    await longContext('--seed', '2', '--out', file('other.json'))
    const seeds = await portolan('check', 'compare', file('july.json'), file('other.json'))
    assert.equal(seeds.code, 2)
    assert.match(seeds.err, /The seeds differ, 1 against 2/)
    writeFileSync(file('old.json'), readFileSync(file('july.json'), 'utf8').replace('"version":2', '"version":1'))
    const versions = await portolan('check', 'compare', file('old.json'), file('july.json'))
    assert.match(versions.err, /The battery longctx changed in between: version 1 .* against version 2/)
    writeFileSync(file('no.json'), '{"reports":7}')
    for (const name of ['no.json', 'nowhere.json']) {
      const refused = await portolan('check', 'compare', file(name), file('july.json'))
      assert.equal(refused.code, 2)
      assert.match(refused.err, new RegExp(`${name}.*(is no check report|cannot be read)`))
    }
  })
})

describe('own documents as haystack', () => {
  before(() => {
    mkdirSync(file('papers/more'), { recursive: true })
    writeFileSync(file('papers/a.txt'), 'The branch in hall seven settled its invoices early.\n'.repeat(150))
    writeFileSync(file('papers/more/b.md'), 'Minutes of the board, which met on a Tuesday again.\n'.repeat(150))
    writeFileSync(file('papers/image.png'), Buffer.from([0x89, 0x50, 0, 1, 2]))
    writeFileSync(file('papers/.env'), 'SECRET_KEY=abc')
    symlinkSync('/etc/hostname', file('papers/link.txt'))
  })

  it('are sent to nobody without a decision by a named person (law 9)', async () => {
    const seen = prompts.length
    const refused = await longContext('--haystack', file('papers'))
    assert.equal(refused.code, 2)
    assert.match(refused.err, /No decision allows sending recorded data .* to `127\.0\.0\.1:\d+` for check/)
    assert.match(refused.err, /with the name of the person who decided/)
    assert.equal(prompts.length, seen)
  })

  it('are text files only: hidden files, links and others are passed over, and what is named must be text', () => {
    const { haystack, note } = readDocuments(file('papers'))
    assert.match(note, /in 2 documents of yours, \d+ bytes; 3 files/)
    assert.match(haystack.material, /^sha256:/)
    assert.throws(() => readDocuments(file('papers/image.png')), { code: 'CLI_BAD_ARGUMENT', message: /no text/ })
    assert.throws(() => readDocuments(file('absent')), { code: 'CLI_CANNOT_READ' })
    mkdirSync(file('empty'))
    assert.throws(() => readDocuments(file('empty')), { code: 'CLI_BAD_ARGUMENT', message: /holds no text/ })
  })

  it('need no decision where the model runs in this process, which this gateway says by its configuration', async () => {
    writeFileSync(file('portolan.yaml'), 'upstreams: { local: { kind: demo } }\nmodels: { m: { route: [local] } }\n')
    const { permitDocuments } = await import('./check-haystack.ts')
    permitDocuments(['m'], { config: file('portolan.yaml') })
    writeFileSync(
      file('two.yaml'),
      'upstreams: { local: { kind: demo }, far: { kind: vllm, baseUrl: "http://127.0.0.1:9/v1" } }\nmodels: { m: { route: [local, far] } }\n',
    )
    assert.throws(() => permitDocuments(['m'], { config: file('two.yaml') }), {
      code: 'CROSSING_NO_EGRESS_DECISION',
      message: /`far`/,
    })
  })
})
