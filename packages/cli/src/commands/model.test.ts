/** The `model` commands on a model made in a temporary folder: what they say, to people and to scripts, and their errors. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it, mock } from 'node:test'
import { run } from '../main.ts'

const folder = mkdtempSync(join(tmpdir(), 'portolan-model-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const tiny = join(folder, 'tiny')

interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
}

async function portolan(...args: string[]): Promise<Outcome> {
  const texts = { log: '', error: '' }
  const mocks = (['log', 'error'] as const).map((name) =>
    mock.method(console, name, (text: string) => {
      texts[name] += `${text}\n`
    }),
  )
  try {
    return { code: await run(['node', 'portolan', 'model', ...args]), out: texts.log, err: texts.error }
  } finally {
    for (const each of mocks) each.mock.restore()
  }
}

async function report(...args: string[]): Promise<Record<string, unknown>> {
  const { code, out, err } = await portolan(...args, '--json')
  assert.equal(code, 0, err)
  return JSON.parse(out) as Record<string, unknown>
}

/** A copy of the made model with something wrong. */
function damaged(name: string, damage: (directory: string) => void): string {
  const directory = join(folder, name)
  cpSync(tiny, directory, { recursive: true })
  damage(directory)
  return directory
}

before(async () => {
  await report('make', tiny, '--seed', '7')
})

describe('portolan model make', () => {
  it('writes the same bytes for the same seed, and says that the model is untrained', async () => {
    const again = join(folder, 'again')
    const { code, out } = await portolan('make', again, '--seed', '7')
    assert.equal(code, 0)
    assert.match(out, /untrained: random weights from seed 7/)
    for (const file of ['model.safetensors', 'config.json', 'tokenizer.json', 'encoding.json'])
      assert.deepEqual(readFileSync(join(again, file)), readFileSync(join(tiny, file)), file)
  })

  it('replaces a made model only with --force, and nothing else ever', async () => {
    const place = damaged('place', () => {})
    const refused = await portolan('make', place)
    assert.equal(refused.code, 2)
    assert.match(refused.err, /holds a model already.*\[CLI_IN_USE\]/)
    assert.equal((await portolan('make', place, '--force')).code, 0)
    writeFileSync(join(place, 'thesis.tex'), '')
    assert.match((await portolan('make', place, '--force')).err, /holds thesis\.tex, which is not of a made model/)
  })
})

describe('portolan model inspect', () => {
  it('tells layers, parameters, bytes by part and by number format, and what this machine can do', async () => {
    const { code, out } = await portolan('inspect', tiny, '--verify')
    assert.equal(code, 0)
    assert.match(out, /deepseek_v4, 5 layers/)
    assert.match(out, /untrained/)
    assert.match(out, /Every value was read/)
    assert.match(out, /2 window only; 2 sparse \(CSA, 1 row per 4 tokens\); 1 heavy \(HCA, 1 row per 128 tokens\)/)
    assert.match(out, /1,247,815 in all, 846,407 active/)
    assert.match(out, /FP4 \(E2M1, packed\)/)
    assert.match(out, /memory .* free, 1\.69 MB of weights: they fit/)
    assert.match(out, /decode .* tokens\/s: the reference pass on one thread, measured on a few tokens/)
  })

  it('gives scripts the same as numbers that add up', async () => {
    const { bytes, parameters, machine, layers } = (await report('inspect', tiny)) as {
      bytes: { total: number; byPart: Record<string, number>; byDataType: Record<string, number> }
      parameters: { total: number; byPart: Record<string, number> }
      machine: { decode: { tokensPerSecond: number }; holdsAllWeights: boolean }
      layers: object
    }
    const sum = (values: Record<string, number>) => Object.values(values).reduce((total, value) => total + value, 0)
    assert.equal(sum(bytes.byPart), bytes.total)
    assert.equal(sum(bytes.byDataType), bytes.total)
    assert.equal(sum(parameters.byPart), parameters.total)
    assert.ok(machine.decode.tokensPerSecond > 0 && machine.holdsAllWeights)
    assert.deepEqual(layers, { total: 5, window: 2, sparse: 2, heavy: 1, hashRouted: 1, prediction: 1 })
  })

  it('finds with --verify a value that cannot be, in an expert that nobody visited', async () => {
    const directory = damaged('nan', (at) => {
      const path = join(at, 'model.safetensors')
      const bytes = readFileSync(path)
      const headerBytes = Number(bytes.readBigUInt64LE(0))
      const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerBytes)) as Record<
        string,
        { data_offsets: [number, number] }
      >
      bytes[8 + headerBytes + header['layers.4.ffn.experts.5.w2.scale']!.data_offsets[0]] = 0xff
      writeFileSync(path, bytes)
    })
    // Its headers are in order, so what it is can still be told.
    const told = await portolan('inspect', directory)
    assert.equal(told.code, 0, told.err)
    assert.match(told.out, /1,247,815 in all/)
    const { code, err } = await portolan('inspect', directory, '--verify')
    assert.equal(code, 1)
    assert.match(err, /layers\.4\.ffn\.experts\.5\.w2\.scale holds the scale NaN at position 0\. \[MODEL_SCALE\]/)
  })
})

describe('portolan model run', () => {
  it('gives the same answer for the same seed, with reasoning apart when asked to think', async () => {
    const ask = ['run', tiny, '-p', 'Where is the harbour?', '--max-tokens', '12', '--seed', '3']
    const one = await report(...ask)
    assert.equal((await report(...ask))['text'], one['text'])
    assert.equal(one['outputTokens'], 12)
    assert.equal(one['finish'], 'length')
    assert.deepEqual(one['making'], { trained: false, shape: 'tiny', seed: 7 })
    const thinking = await report(...ask, '--thinking', 'max', '--system', 'You are a pilot.')
    assert.equal(thinking['reasoningTokens'], 12)
    assert.equal(thinking['text'], '')
    assert.ok((thinking['promptTokens'] as number) > (one['promptTokens'] as number))
  })

  it('streams the answer alone to stdout, and stops at Ctrl-C with what there is', async () => {
    const bin = resolve(import.meta.dirname, '../../bin/portolan.js')
    const child = spawn(
      process.execPath,
      ['--conditions=source', bin, 'model', 'run', tiny, '-p', 'Go on', '--max-tokens', '16000', '--seed', '1'],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    )
    let [out, err] = ['', '']
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
    child.stdout.on('data', (chunk: Buffer) => {
      if (out === '') child.kill('SIGINT')
      out += chunk.toString()
    })
    const code = await new Promise((done) => child.on('close', done))
    assert.equal(code, 130)
    assert.notEqual(out, '')
    assert.match(
      err,
      /^This model is untrained[^\n]*\nStopped by you\. Prompt: \d+ tokens at [\d.]+\/s\. Answer: \d+ tokens at /,
    )
  })

  it('refuses what cannot be in one sentence, with 2 for the asker and 1 for damage', async () => {
    const cut = damaged('cut', (at) => truncateSync(join(at, 'model.safetensors'), 900_000))
    const foreign = damaged('foreign', (at) => {
      const file = JSON.parse(readFileSync(join(at, 'tokenizer.json'), 'utf8')) as { added_tokens: { id: number }[] }
      file.added_tokens.at(-1)!.id = 512
      writeFileSync(join(at, 'tokenizer.json'), JSON.stringify(file))
    })
    const mute = damaged('mute', (at) => rmSync(join(at, 'encoding.json')))
    const cases: [args: string[], code: number, message: RegExp][] = [
      [['nowhere'], 2, /There is no folder nowhere\. \[CLI_NOT_FOUND\]/],
      [[join(tiny, 'config.json')], 2, /is a file; name the folder/],
      [[folder], 1, /no readable config\.json\. \[MODEL_FILE_MISSING\]/],
      [[cut], 1, /ends at data byte \d+, but the file holds \d+\. \[MODEL_FILE_TRUNCATED\]/],
      [[foreign], 1, /ids up to 512, but the model has only 512 tokens.*\[MODEL_TOKENIZER\]/],
      [[mute], 1, /neither encoding\.json nor Python files.*\[MODEL_ENCODING_TEXTS\]/],
      [[tiny, '--temperature', '900'], 2, /temperature is 900; allowed: from 0 to 100\. \[MODEL_SAMPLING\]/],
      [[tiny, '-p', 'the depth of the bay '.repeat(5000)], 2, /the model was made for 16384\. \[MODEL_CONTEXT\]/],
    ]
    for (const [args, code, message] of cases) {
      const outcome = await portolan('run', '-p', 'x', ...args)
      assert.equal(outcome.code, code, args.join(' ').slice(0, 80))
      assert.match(outcome.err, message)
      assert.equal(outcome.err.trim().split('\n').length, 1, 'one line')
    }
  })
})

describe('portolan model efficiency', () => {
  it('shows bytes and operations beside V3.2 and 8-head attention, under every weighting', async () => {
    const { code, out } = await portolan('efficiency', '--shape', 'flash', '--context', '8K')
    assert.equal(code, 0)
    assert.match(out, /V4-Flash at 8,192 tokens/)
    assert.match(out, /this shape, measured +3,514 /)
    assert.match(out, /7\.3 % of V3\.2, 2\.0 % of 8-head attention/)
    for (const key of 'ABCDEF') assert.match(out, new RegExp(`^${key}: .*%$`, 'm'))
  })

  it('gives scripts the same', async () => {
    const { cache, operations, contextTokens } = (await report('efficiency', '--context', '8192')) as {
      cache: { bytesPerToken: number }
      operations: { total: number; byWork: Record<string, number>; sharesOfV32: unknown[] }
      contextTokens: number
    }
    assert.equal(contextTokens, 8192)
    assert.equal(Math.round(cache.bytesPerToken), 3514)
    assert.equal(operations.sharesOfV32.length, 6)
    assert.ok(Math.abs(Object.values(operations.byWork).reduce((sum, count) => sum + count, 0) - operations.total) < 1)
  })

  it('refuses a length beyond what the shape was made for', async () => {
    const { code, err } = await portolan('efficiency', '--context', '2M')
    assert.equal(code, 2)
    assert.match(err, /2,097,152 tokens; these models were made for at most 1,048,576/)
  })
})
