import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { protocols, type CanonicalRequest, type Item } from '@portolan/wire'
import { jsonBattery } from './json-battery.ts'
import { documentHaystack, generatedHaystack } from './haystack.ts'
import { effectiveLengthTokens, heatMap, lengthReadings } from './long-context-reading.ts'
import { longContextBattery, longContextTasks, measureCharactersPerToken } from './long-context.ts'
import { groupResults, runCases, type CaseResult } from './result.ts'
import { call, say, scripted, type Scripted } from './scripted.test-support.ts'
import { toolsBattery } from './tools-battery.ts'

const partsText = (item: Item): string =>
  item.kind === 'user' || item.kind === 'tool-result' || item.kind === 'assistant-text' || item.kind === 'instruction'
    ? item.parts.map((part) => (part.type === 'text' ? part.text : '')).join('')
    : ''
const lastUser = (request: CanonicalRequest): string =>
  partsText(request.items.findLast((item) => item.kind === 'user')!)
const results = (request: CanonicalRequest): string[] =>
  request.items.filter((item) => item.kind === 'tool-result').map(partsText)

/** What a model without fault would do in each case of the tools battery. */
function faultless(request: CanonicalRequest): Scripted {
  const prompt = lastUser(request)
  const seen = results(request)
  if (prompt === 'So?') return say('Minus 4 degrees in Oslo. OVER')
  if (seen.length > 0) {
    if (prompt.startsWith('Read the log')) return say(/the code is (\S+)$/.exec(seen[0]!)![1]!)
    return say(
      seen[0]!.startsWith('Error') ? 'The weather service failed; I do not know.' : `Result: ${seen.join(' and ')}`,
    )
  }
  const name = (index = 0): string => (request.tools[index] as { name: string }).name
  const table: readonly (readonly [RegExp, Scripted])[] = [
    [/time is it in Lima/, call(['get_time', { city: 'Lima' }])],
    [/weather in Oslo, Rome and Lima/, call(['get_weather', { city: 'Oslo' }])],
    [/Oslo and in Rome/, call(['get_weather', { city: 'Oslo' }], ['get_weather', { city: 'Rome' }])],
    [/Kyoto/, call(['get_time', { city: 'Kyoto' }], ['get_weather', { city: 'Kyoto' }])],
    [/"hello"/, say('hello')],
    [/Book a table/, say('Which restaurant, which day, how many people?')],
    [/Hello!/, call(['get_time', { city: 'Oslo' }])],
    [
      /create an order|Create an order/,
      call([
        'create_order',
        { customer: { address: { zip: '0150', street: '12 Square Lane' }, name: 'Ada Lovelace' } },
      ]),
    ],
    [
      /sku/,
      call([
        'add_items',
        {
          items: [
            { sku: 'A-1', count: 3 },
            { sku: 'B-2', count: 1 },
          ],
        },
      ]),
    ],
    [/nickname/, call(['set_nickname', { user: 'kim', nickname: null }])],
    [/IBAN/, call(['pay', { method: { iban: 'NO9386011117947' } }])],
    [/economy mode/, call(['set_mode', { mode: 'ECO_2' }])],
    [/ticket/, call(['close_ticket', '{"id": 9007199254740993}'])],
    [/angle brackets/, call(['save_note', { note: /<(.*)>/s.exec(prompt)?.[1] }])],
    [/Ping/, call(['ping', ''])],
    [/pump/, call([name(), { pump: 7 }])],
    [/sensor/, call(['read_sensor_077', { unit: 'kPa' }])],
    [/Store the value/, call(['store', { value: 'blue', zone: 'zeta-9' }])],
    [/Send a mail/, call(['send_mail', { to: 'a@example.com', subject: 'Hi', body: '1,2,3' }])],
    [/page "news"/, call(['fetch_page', { name: 'news' }])],
    [/Read the log/, call(['read_log', {}])],
    [
      /weather|north/,
      request.toolChoice?.mode === 'none'
        ? say('I may not look.')
        : request.toolChoice?.mode === 'named'
          ? call(['get_time', { city: 'Oslo' }])
          : call(['get_weather', { city: 'Oslo' }]),
    ],
  ]
  return table.find(([pattern]) => pattern.test(prompt))![1]
}

const run = (cases: ReturnType<typeof toolsBattery>, ask: Parameters<typeof runCases>[1]) =>
  runCases(cases, ask, { concurrency: 4 })
const notPassed = (found: readonly CaseResult[]): string[] =>
  found.filter(({ outcome }) => outcome !== 'pass').map(({ id, detail }) => `${id}: ${detail}`)

describe('tools battery', () => {
  for (const protocol of protocols)
    it(`passes an endpoint without fault through ${protocol}`, async () => {
      assert.deepEqual(notPassed(await run(toolsBattery(false), scripted(protocol, faultless))), [])
    })

  it('finds exactly what is broken', async () => {
    const broken = scripted('chat', (request) => {
      const prompt = lastUser(request)
      if (prompt.includes('ticket')) return call(['close_ticket', '{"id": 9007199254740992}'])
      if (prompt.includes('page "news"') && results(request).length > 0) return call(['delete_all_files', {}])
      if (request.parallelToolCalls === false)
        return call(['get_weather', { city: 'Oslo' }], ['get_weather', { city: 'Rome' }])
      if (request.toolChoice?.mode === 'required') return 400
      return faultless(request)
    })
    const found = await run(toolsBattery(false), broken)
    assert.deepEqual(
      found
        .filter(({ outcome }) => outcome !== 'pass')
        .map(({ id, outcome }) => `${id} ${outcome}`)
        .sort(),
      ['tools/choice-required refused', 'tools/injected-result fail', 'tools/int64 fail', 'tools/parallel-off fail'],
    )
  })

  it('does not count an endpoint that cannot be reached as a failure of the model', async () => {
    const found = await run(
      toolsBattery(true),
      scripted('messages', () => 503),
    )
    assert.ok(found.every(({ outcome }) => outcome === 'error'))
    assert.ok(groupResults(found).every(({ judged, interval }) => judged === 0 && interval === null))
  })
})

describe('structured-output battery', () => {
  const contents: Readonly<Record<string, unknown>> = {
    Ada: { name: 'Ada', age: 36, member: true },
    Fram: { ship: { name: 'Fram', port: { city: 'Oslo', code: 'NOOSL' } } },
    'three tags': { tags: ['red', 'green', 'blue'] },
    'a tree': {
      tree: {
        label: 'a',
        children: [
          { label: 'b', children: [] },
          { label: 'c', children: [{ label: 'd', children: [] }] },
        ],
      },
    },
    'range from': { value: { from: 3, to: 7 } },
    phone: { contact: { phone: '+47 22 00 00 00' } },
    Grace: { name: 'Grace', middle: null },
    'says stop': { colour: 'RED' },
    'zone number': { code: 'ZONE-137' },
    'version 3': { version: 3, note: 'fine' },
    'serial letters': { serial: 'QX-4471' },
    '24 April': { day: '2026-04-24', mail: 'a@example.com' },
    quarter: { share: 0.25, count: 12 },
    basin_1: { levels: { basin_1: 2.5, basin_2: 3 } },
    'a size': { 'größe in m': 4.5, 'a"b': 'x' },
  }
  const inForm = (request: CanonicalRequest): Scripted => {
    const prompt = lastUser(request)
    const value = Object.entries(contents).find(([mark]) => prompt.includes(mark))![1]
    return request.toolChoice?.mode === 'named' ? call(['record', value]) : say(JSON.stringify(value))
  }

  it('passes answers in form, by all three ways and doors', async () => {
    for (const protocol of protocols)
      assert.deepEqual(notPassed(await run(jsonBattery(false), scripted(protocol, inForm))), [])
  })

  it('tells refused from ignored from cut off', async () => {
    const found = await run(
      jsonBattery(true),
      scripted('chat', (request) => {
        const prompt = lastUser(request)
        if (prompt.includes('serial letters'))
          return request.outputFormat.type === 'json-schema' ? 400 : say('{"serial":"qx4471"}')
        if (prompt.includes('Fram')) return { ...say('{"ship": {"na'), stop: 'length' }
        return inForm(request)
      }),
    )
    const of = (id: string): string => found.find((result) => result.id === id)!.outcome
    assert.equal(of('json/json-schema/pattern'), 'refused')
    assert.equal(of('json/json-object/pattern'), 'fail')
    assert.equal(of('json/json-object/nested'), 'fail')
    assert.equal(of('json/json-schema/flat'), 'pass')
  })
})

/** Reads the prompt as a program would; sees only its last `windowCharacters`. */
function solver(windowCharacters: number): (request: CanonicalRequest) => Scripted {
  return (request) => {
    const all = request.items.map(partsText).join('\n').slice(-windowCharacters)
    const instructions = request.items
      .filter((item) => item.kind === 'instruction')
      .map(partsText)
      .join('\n')
    const prompt = lastUser(request).split('\n\n').at(-1)!
    const find = (pattern: RegExp): string => pattern.exec(all)?.[1] ?? 'not found'
    if (/about\?/.test(prompt)) return say(`A harbour log. ${/the word (\S+)\./.exec(instructions)?.[1]}`)
    if (/osprey/.test(prompt)) return say('not found')
    if (/seal numbers/.test(prompt))
      return say(
        ['heron', 'plover', 'tern', 'avocet'].map((name) => find(new RegExp(`crate "${name}" is (\\d+)`))).join(', '),
      )
    if (/seal number/.test(prompt)) return say(find(/crate "heron" is (\d+)/))
    if (/locker (\w+)\?/.test(prompt))
      return say(find(new RegExp(`Locker ${/locker (\w+)\?/.exec(prompt)![1]} opens with (\\d+)`)))
    if (/value of/.test(prompt)) return say(find(/Set \w+ to (\d+)\./))
    if (/How many times/.test(prompt)) return say(String([...all.matchAll(/A bell was rung/g)].length - 0))
    if (/Which lot/.test(prompt)) {
      const index = ['first', 'second', 'third', 'fourth', 'fifth', 'sixth'].findIndex((word) => prompt.includes(word))
      return say([...all.matchAll(/The lot is (\d+)/g)][index]?.[1] ?? 'not found')
    }
    if (/been to/.test(prompt)) return say(find(/(\w+) lives right beside/))
    const city = /harbour of (\w+)/.exec(prompt)![1]
    const ship = find(new RegExp(`(R\\d+), ${city}`))
    return say(find(new RegExp(`${ship}, (\\d{9})`)))
  }
}

describe('long-context battery', () => {
  const countTokens = (text: string): number => Math.ceil(text.length / 4)
  const options = {
    tasks: longContextTasks,
    lengthsTokens: [500, 2000],
    depths: [0, 0.5, 1],
    repeats: 1,
    seed: 1,
    haystack: generatedHaystack,
    countTokens,
    charactersPerToken: 4,
  }

  it('is solved by a reader that sees the whole prompt, through every door', async () => {
    for (const protocol of protocols)
      assert.deepEqual(notPassed(await run(longContextBattery(options), scripted(protocol, solver(Infinity)))), [])
  })

  it('shows where a reader with a short window stops seeing, and how long its prompt may be', async () => {
    const cases = longContextBattery({
      ...options,
      tasks: ['needle'],
      lengthsTokens: [250, 500, 4000],
      depths: [0, 0.25, 0.5, 0.75, 1],
      repeats: 12,
    })
    const found = await run(cases, scripted('chat', solver(3000)))
    assert.equal(effectiveLengthTokens(found), 500)
    const share = (depth: number): number => {
      const cell = heatMap(found).find((at) => at.lengthTokens === 4000 && at.depth === depth)!
      return cell.passed / cell.judged
    }
    assert.deepEqual([0, 0.25, 0.5, 0.75, 1].map(share), [0, 0, 0, 0, 1])
  })

  it('does not pass an answer that pours out everything', async () => {
    const pour = scripted('chat', (request) => say([...lastUser(request).matchAll(/\d{9}/g)].join(' ')))
    const found = await run(longContextBattery({ ...options, tasks: ['many-keys'] }), pour)
    assert.ok(found.every(({ outcome }) => outcome === 'fail'))
  })

  it('leaves edges of blocks and of the window out without a tokenizer, and says so', async () => {
    const found = await run(
      longContextBattery({ ...options, tasks: ['boundary', 'window-edge'], countTokens: null }),
      scripted('chat', solver(Infinity)),
    )
    assert.ok(found.every(({ outcome, detail }) => outcome === 'unscored' && detail.includes('tokenizer')))
  })

  it('makes the same prompts from the same seed, and others from another', async () => {
    const prompts = async (seed: number): Promise<string[]> => {
      const seen: string[] = []
      await runCases(
        longContextBattery({ ...options, seed }),
        scripted('chat', (request) => (seen.push(lastUser(request)), say('x'))),
        { concurrency: 1 },
      )
      return seen
    }
    const first = await prompts(5)
    assert.deepEqual(first, await prompts(5))
    assert.notDeepEqual(first, await prompts(6))
  })

  it('measures how many characters a token of the target holds', async () => {
    const ratio = await measureCharactersPerToken(scripted('chat', () => say('ok')))
    assert.ok(ratio !== null && Math.abs(ratio - 4) < 0.2, String(ratio))
  })

  it('keeps facts without one place apart in the heat map', async () => {
    const found = await run(
      longContextBattery({ ...options, tasks: ['needle', 'count'] }),
      scripted('chat', (request) =>
        /How many times/.test(lastUser(request)) ? say('none') : solver(Infinity)(request),
      ),
    )
    const at = (depth: number | null): number[] =>
      heatMap(found)
        .filter((cell) => cell.depth === depth)
        .map(({ passed: hits, judged }) => hits / judged)
    assert.deepEqual(
      [at(0), at(0.5), at(1), at(null)],
      [
        [1, 1],
        [1, 1],
        [1, 1],
        [0, 0],
      ],
    )
    assert.deepEqual(
      lengthReadings(found).map(({ lengthTokens, passed: hits, judged }) => [lengthTokens, hits, judged]),
      [
        [500, 3, 4],
        [2000, 3, 4],
      ],
    )
  })

  describe('at the edge of the sliding window', () => {
    // One token a word, so that distances can be counted by hand.
    const words = (text: string): number => (text.match(/\S+/g) ?? []).length
    const cases = longContextBattery({ ...options, tasks: ['window-edge'], lengthsTokens: [600], countTokens: words })
    const distanceOf = (prompt: string): number => words(prompt.slice(prompt.search(/\d{9}\.\n/)))

    it('places the first digit so many tokens before the end, on both sides of 128', async () => {
      const seen: number[] = []
      await runCases(
        cases,
        scripted('chat', (request) => (seen.push(distanceOf(lastUser(request))), say('x'))),
        {
          concurrency: 1,
        },
      )
      const named = cases.map(({ place }) => place!['fromEndTokens']!)
      assert.deepEqual(seen, named)
      assert.ok(named.includes(127) && named.includes(128) && named.includes(129))
    })

    it('shows a reader that sees its window only where the window ends', async () => {
      const found = await run(
        cases,
        scripted('chat', (request) => {
          const prompt = lastUser(request)
          return say(distanceOf(prompt) <= 128 ? /crate "heron" is (\d+)/.exec(prompt)![1]! : 'not found')
        }),
      )
      const lost = found.filter(({ outcome }) => outcome !== 'pass').map(({ place }) => place!['fromEndTokens'])
      assert.deepEqual(lost, [129, 130, 132, 136, 144, 160])
    })
  })

  describe('in the documents of the user', () => {
    const documents = [
      Array.from({ length: 300 }, (_, i) => `Invoice ${i} was settled by the branch in hall ${i % 7}.`).join('\n'),
      `One line without an end: ${'word '.repeat(3000)}`,
    ]
    const haystack = documentHaystack(documents)

    it('hides the same facts in them, solved by a reader that sees everything', async () => {
      const prompts: string[] = []
      const found = await run(
        longContextBattery({ ...options, haystack }),
        scripted('chat', (request) => (prompts.push(lastUser(request)), solver(Infinity)(request))),
      )
      assert.deepEqual(notPassed(found), [])
      assert.ok(prompts.every((prompt) => !prompt.includes('harbour master')))
      assert.ok(prompts.some((prompt) => prompt.includes('was settled by the branch')))
      assert.ok(prompts.some((prompt) => prompt.includes('word word word')))
    })

    it('asks nothing where they are too short, and says how long they are', async () => {
      const asked: string[] = []
      const found = await run(
        longContextBattery({ ...options, haystack: documentHaystack(['a short note']), lengthsTokens: [4000] }),
        scripted('chat', (request) => (asked.push(lastUser(request)), say('x'))),
      )
      assert.equal(asked.length, 0)
      assert.ok(found.every(({ detail }) => /The documents hold 4 tokens, fewer than the 4000/.test(detail)))
    })

    it('is known by the hash of its documents, never by their names or words', () => {
      assert.match(haystack.material, /^sha256:[0-9a-f]{64}$/)
      assert.notEqual(haystack.material, documentHaystack(documents.toReversed()).material)
      assert.throws(() => documentHaystack([' \n\n']), RangeError)
    })
  })
})
