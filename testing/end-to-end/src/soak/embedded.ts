/**
 * The embedded engine under load: 32 callers at once through every door, some leaving at random, until the time is up.
 *
 *   node --conditions=source testing/end-to-end/src/soak/embedded.ts [seconds, default 20]
 *
 * Callers play tool loops, schemas and plain streams. Every answer that is waited for must end once, in its form;
 * at the end nothing may run or wait, every exchange has its row, hits are billed, and the gateway's heap is what it was.
 * From five minutes on resident memory, in which the engine's thread and its prefixes are, must not have grown by more
 * than a twentieth in the second half. Every reading says where the memory is. A gateway that ends says how and why.
 */
import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import {
  adapterOf,
  plainRequest,
  protocols,
  ResponseAssembler,
  SseReader,
  TranslationReport,
  type CanonicalRequest,
  type CanonicalResponse,
  type FunctionTool,
  type Item,
  type OutputItem,
  type Protocol,
} from '@portolan/wire'
import { definitionOf } from '@portolan/upstream'
import { ChildHome, type ChildGateway } from '../faults/child-gateway.ts'
import { doorPaths, sleep, terminalsIn } from '../faults/scene.ts'

const seconds = Number(process.argv[2] ?? 20)
const callers = 32
const stuckAfterMs = 120_000
const model = 'm'
/** Shorter runs end before everything that is meant to fill has filled. */
const judgedFromSeconds = 300

if (!(seconds > 0)) {
  console.error('The first argument is a number of seconds.')
  process.exit(2)
}

const harbour: FunctionTool = {
  kind: 'function',
  name: 'harbour_depth',
  namespace: null,
  description: 'Tells how deep a harbour is.',
  strict: true,
  parameters: {
    type: 'object',
    properties: {
      harbour: { type: 'string', maxLength: 20 },
      unit: { enum: ['m', 'ft'] },
      tide: { type: ['integer', 'null'] },
    },
    required: ['harbour', 'unit', 'tide'],
    additionalProperties: false,
  },
}
const answerSchema = {
  type: 'object',
  properties: { depth: { type: 'number', minimum: 0, maximum: 90 }, safe: { type: 'boolean' } },
  required: ['depth', 'safe'],
  additionalProperties: false,
}
const instruction: Item = {
  kind: 'instruction',
  placement: 'top',
  role: 'system',
  parts: [{ type: 'text', text: 'Read the chart, ask for depths, answer in numbers. '.repeat(12) }],
}

function canonical(from: Protocol, items: readonly Item[], change: Partial<CanonicalRequest>): CanonicalRequest {
  return plainRequest({ from, model, items, maxOutputTokens: 120, stream: true, includeUsage: true, ...change })
}

const tally = { loops: 0, schemas: 0, left: 0, busy: 0, exchanges: 0, hitTokens: 0, inputTokens: 0 }
const faults: string[] = []

/** Null: the caller left, or the engine was full. */
async function ask(
  gateway: ChildGateway,
  door: Protocol,
  request: CanonicalRequest,
  leaveAfterMs: number | null,
): Promise<CanonicalResponse | null> {
  const dialect = definitionOf('embedded', null).addresses[door]!.dialect(model)
  const written = adapterOf(door).fromCanonicalRequest(request, {
    dialect,
    model,
    report: new TranslationReport('silent'),
    recall: () => null,
  })
  const leaving = new AbortController()
  let hasLeft = false
  const timer = setTimeout(() => {
    hasLeft = leaveAfterMs !== null
    leaving.abort()
  }, leaveAfterMs ?? stuckAfterMs)
  tally.exchanges++
  try {
    const answer = await fetch(gateway.url + doorPaths[door], {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json' },
      body: JSON.stringify(written.body),
      signal: leaving.signal,
    })
    const text = await answer.text()
    if (answer.status === 429) tally.busy++
    if (answer.status === 429) return null
    assert.equal(answer.status, 200, text)
    assert.equal(terminalsIn(door, text).length, 1, text.slice(-500))
    const reader = adapterOf(door).createStreamReader()
    const assembler = new ResponseAssembler()
    for (const message of new SseReader().push(Buffer.from(text)))
      for (const event of reader.push(message)) assembler.push(event)
    for (const event of reader.end()) assembler.push(event)
    const response = assembler.response()
    assert.ok(response !== null, JSON.stringify(assembler.error))
    tally.hitTokens += response.usage.hitTokens ?? 0
    tally.inputTokens += response.usage.inputTokens ?? 0
    return response
  } catch (error) {
    if (!hasLeft) throw error
    tally.left++
    return null
  } finally {
    clearTimeout(timer)
  }
}

async function playLoop(gateway: ChildGateway, door: Protocol, question: Item): Promise<void> {
  const items: Item[] = [instruction, question]
  const tools = [harbour]
  for (let turn = 0; turn < 2; turn++) {
    const wants = { tools, toolChoice: { mode: 'required' }, parallelToolCalls: false } as const
    const response = await ask(gateway, door, canonical(door, items, wants), null)
    if (response === null) return
    const calls = response.items.filter((item) => item.kind === 'tool-call')
    assert.equal(calls.length, 1, JSON.stringify(response.items))
    assert.equal(response.stop, 'tool-call')
    const given = JSON.parse(calls[0]!.argumentsText) as Record<string, unknown>
    assert.ok(typeof given.harbour === 'string' && ['m', 'ft'].includes(String(given.unit)), calls[0]!.argumentsText)
    const parts = [{ type: 'text', text: `${turn + 3} metres` }] as const
    items.push(...response.items, { kind: 'tool-result', callId: calls[0]!.callId, parts, isError: false })
  }
  tally.loops++
}

async function playSchema(gateway: ChildGateway, door: Protocol, question: Item): Promise<void> {
  const format = { type: 'json-schema', name: 'answer', description: null, schema: answerSchema, strict: true } as const
  const response = await ask(gateway, door, canonical(door, [instruction, question], { outputFormat: format }), null)
  if (response === null) return
  const value = JSON.parse(textOf(response.items)) as Record<string, unknown>
  assert.ok(typeof value.depth === 'number' && typeof value.safe === 'boolean', JSON.stringify(value))
  tally.schemas++
}

function textOf(items: readonly OutputItem[]): string {
  return items.flatMap((item) => (item.kind === 'assistant-text' ? item.parts.map(({ text }) => text) : [])).join('')
}

async function call(gateway: ChildGateway, at: number, until: number): Promise<void> {
  for (let round = 0; Date.now() < until; round++) {
    const door = protocols[(at + round) % protocols.length]!
    const question: Item = { kind: 'user', parts: [{ type: 'text', text: `How deep is harbour ${at}?` }] }
    try {
      const play = (at + round) % 4
      if (play === 0 || play === 2) await playLoop(gateway, door, question)
      else if (play === 1) await playSchema(gateway, door, question)
      else await ask(gateway, door, canonical(door, [instruction, question], {}), 20 + Math.random() * 1500)
    } catch (error) {
      faults.push(`${door}: ${error instanceof Error ? error.message : String(error)}`)
      if (faults.length > 20) return
    }
  }
}

const megabytes = (bytes: number): number => Math.round(bytes / 1e6)
const partsOfRun = 12

/** Megabytes: of the process, of the gateway's own heap, and of the engine's thread by its metrics. */
interface Reading {
  readonly resident: number
  readonly heap: number
  readonly engine: Readonly<Record<string, number>>
}

async function read(gateway: ChildGateway): Promise<Reading> {
  const { rss, heapUsed } = await gateway.memory()
  const text = await (await fetch(`${gateway.url}/metrics`)).text()
  const engine: Record<string, number> = {}
  for (const [, part = '', bytes] of text.matchAll(/^portolan_engine_memory_bytes\{.*part="(\w+)".*\} (\S+)$/gm))
    engine[part] = megabytes(Number(bytes))
  for (const [, tier = '', bytes] of text.matchAll(/^portolan_engine_cache_bytes\{.*tier="(\w+)".*\} (\S+)$/gm))
    engine[`prefixes_${tier}`] = megabytes(Number(bytes))
  return { resident: megabytes(rss), heap: megabytes(heapUsed), engine }
}

/** Whether the gateway still runs, or how it ended, and its last words. */
function stateOf(gateway: ChildGateway): string {
  const ending = gateway.ending()
  const how = ending === null ? 'The gateway runs.' : `The gateway has ended (${ending}).`
  return [how, gateway.complaints() || 'It wrote nothing to stderr.', ...faults].join('\n')
}

const home = new ChildHome({
  // Little room for prefixes, so that what is meant to fill is full soon.
  upstreams: { local: { kind: 'embedded', cache: { memoryBytes: 2 ** 24, diskBytes: 2 ** 25 } } },
  models: { [model]: { route: ['local'] } },
  log: { level: 'error' },
})
try {
  const gateway = await home.start()
  const started = Date.now()
  const until = started + seconds * 1000
  const crowd = Promise.all(Array.from({ length: callers }, (_, at) => call(gateway, at, until)))
  // The first part fills caches that are meant to be filled.
  const readings: Reading[] = []
  const watch = (async () => {
    for (let at = 1; at <= partsOfRun; at++) {
      await sleep(Math.max(0, started + (seconds * 1000 * at) / partsOfRun - Date.now()))
      readings.push(await read(gateway))
      console.error(JSON.stringify({ after: Math.round((Date.now() - started) / 1000), ...readings.at(-1) }))
    }
  })()
  await Promise.all([crowd, watch]).catch((error: unknown) => {
    throw new Error(`The run broke off. ${stateOf(gateway)}`, { cause: error })
  })
  assert.equal(gateway.ending(), null, stateOf(gateway))
  const complaints = gateway.complaints()
  assert.equal(await gateway.stop('SIGTERM'), 0)
  const { ids, statuses, sound } = home.ledger()
  const billed = billedHits()
  console.log(
    JSON.stringify(
      { seconds, callers, ...tally, rows: ids.length, statuses, billedHitTokens: billed, readings, faults },
      null,
      1,
    ),
  )
  assert.deepEqual(faults, [])
  assert.equal(complaints, '')
  assert.ok(sound)
  // A caller that leaves while its request is being read may not have been accepted.
  assert.ok(ids.length <= tally.exchanges && ids.length >= tally.exchanges - tally.left, 'a row for each exchange')
  assert.ok(tally.loops > 0 && tally.schemas > 0 && tally.left > 0, 'every play was played to its end')
  assert.ok(billed >= tally.hitTokens && tally.hitTokens > 0, 'hits are billed')
  const [first, middle, last] = [readings[2]!, readings[partsOfRun / 2 - 1]!, readings.at(-1)!]
  assert.ok(last.heap <= first.heap * 1.3 + 10, `heap ${first.heap} to ${last.heap} MB`)
  const growth = last.resident / middle.resident - 1
  const isJudged = seconds >= judgedFromSeconds
  if (isJudged) assert.ok(growth <= 0.05, `resident ${middle.resident} to ${last.resident} MB in the second half`)
  console.log(
    `Whole and billed, heap flat, resident ${middle.resident} to ${last.resident} MB in the second half${isJudged ? '' : ' (too short to judge)'}: ${tally.exchanges} exchanges in ${seconds} s.`,
  )
} finally {
  home.close()
}

/** Hit tokens in the ledger, of every row. */
function billedHits(): number {
  const database = new DatabaseSync(join(home.directory, 'data', 'portolan.db'), { readOnly: true })
  try {
    const [row] = database.prepare('SELECT sum(hit_tokens) AS hits FROM usage_hours').all() as {
      hits: number | null
    }[]
    return row?.hits ?? 0
  } finally {
    database.close()
  }
}
